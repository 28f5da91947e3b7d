//! The ways a request fails, and the one place that turns them into answers
//! (RFC 9457, `application/problem+json`).
//!
//! Details are written for an agent: what is wrong, and what to do next. It
//! must not know of routes or of the stock.

use serde::Serialize;

use super::answer::Answer;

/// Enough of a caller's own text to recognise it in a message.
const QUOTE_CHARS_MAX: usize = 40;

#[derive(Debug)]
pub(super) struct Problem {
    status: u16,
    title: &'static str,
    detail: String,
    mistakes: Vec<Mistake>,
    /// The methods the path does answer, for a 405.
    allow: Option<&'static str>,
}

/// One wrong field or parameter.
#[derive(Debug, Serialize)]
pub(super) struct Mistake {
    #[serde(flatten)]
    place: Place,
    detail: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// A JSON Pointer (RFC 6901) into the request body.
    Pointer(String),
    /// The name of a query parameter.
    Parameter(&'static str),
}

impl Mistake {
    pub fn in_body(detail: impl Into<String>) -> Self {
        Self::at(Place::Pointer(String::new()), detail)
    }

    pub fn in_field(name: &str, detail: impl Into<String>) -> Self {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        Self::at(Place::Pointer(format!("/{escaped}")), detail)
    }

    pub fn in_parameter(name: &'static str, detail: impl Into<String>) -> Self {
        Self::at(Place::Parameter(name), detail)
    }

    fn at(place: Place, detail: impl Into<String>) -> Self {
        Self { place, detail: detail.into() }
    }
}

impl Problem {
    pub fn bad_query(mistakes: Vec<Mistake>) -> Self {
        let detail = "Some query parameters are not valid; `errors` names each of them.";
        Self::new(400, "Bad Request", detail).with_mistakes(mistakes)
    }

    pub fn bad_json(error: &serde_json::Error) -> Self {
        let detail = format!("The request body is not valid JSON: {error}.");
        Self::new(400, "Bad Request", detail)
    }

    pub fn no_such_path() -> Self {
        let detail = "The bookshop has nothing at this path.";
        Self::new(404, "Not Found", detail)
    }

    pub fn no_such_book(isbn: &str) -> Self {
        let isbn: String = isbn.chars().take(QUOTE_CHARS_MAX).collect();
        let detail = format!(
            "The shop has no book with the ISBN {isbn}. Search the books to find its ISBN."
        );
        Self::new(404, "Not Found", detail)
    }

    pub fn method_not_allowed(allow: &'static str) -> Self {
        let detail = format!("This path answers only {allow}.");
        Self { allow: Some(allow), ..Self::new(405, "Method Not Allowed", detail) }
    }

    pub fn duplicate_isbn(isbn: &str) -> Self {
        let detail = format!(
            "The shop already has the book {isbn}. Update that book instead of creating it."
        );
        Self::new(409, "Conflict", detail)
    }

    pub fn bad_fields(mistakes: Vec<Mistake>) -> Self {
        let detail = "Some fields of the book are not valid; `errors` points at each of them.";
        Self::new(422, "Unprocessable Content", detail).with_mistakes(mistakes)
    }

    pub fn report_failed() -> Self {
        let detail = "This report always fails, to show what a failing API looks like.";
        Self::new(500, "Internal Server Error", detail)
    }

    pub fn shop_full(books_max: usize) -> Self {
        let detail = format!("The shop holds at most {books_max} books. Delete one to make room.");
        Self::new(507, "Insufficient Storage", detail)
    }

    pub fn into_answer(self) -> Answer {
        let wire = Wire {
            kind: "about:blank",
            title: self.title,
            status: self.status,
            detail: &self.detail,
            errors: &self.mistakes,
        };
        let answer = Answer::problem_json(self.status, &wire);
        match self.allow {
            Some(methods) => answer.with_header("Allow", methods.to_owned()),
            None => answer,
        }
    }

    fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into(), mistakes: Vec::new(), allow: None }
    }

    fn with_mistakes(mut self, mistakes: Vec<Mistake>) -> Self {
        self.mistakes = mistakes;
        self
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Mistake],
}
