//! The demo API: an online bookshop for the newcomer who has no API at hand.
//!
//! A request goes in, an [`Answer`] comes out. This module must not know of
//! sockets, of async, of the MCP side, or of the gateway in front of it: it is
//! an upstream like any other, and [`DOCUMENT`] is all that may be known of it.

mod answer;
mod book;
mod categories;
mod form;
mod problem;
mod query;
mod report;
mod search;
#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use answer::Answer;
use book::Book;
use problem::Problem;
use query::Query;

/// The document of the demo API.
pub const DOCUMENT: &str = include_str!("demo/bookshop.json");

/// Every book shows the same cover: the demo is about the content type.
const COVER: &[u8] = include_bytes!("demo/cover.png");

/// A caller that creates in a loop must not grow the process without end: at
/// the largest book the form accepts, this many take about 10 MB.
const BOOKS_MAX: usize = 1_000;

/// Long enough to meet a gateway's time limit, short enough to wait for.
const DELAY_SECONDS_MAX: f64 = 10.0;
const DELAY_SECONDS_DEFAULT: f64 = 2.0;

/// The shop and its stock. Changes last as long as the value does.
#[derive(Debug)]
pub struct Bookshop {
    books: Mutex<Vec<Book>>,
}

impl Default for Bookshop {
    fn default() -> Self {
        Self::new()
    }
}

impl Bookshop {
    /// A shop stocked with the catalogue of classics.
    pub fn new() -> Self {
        Self { books: Mutex::new(book::catalogue()) }
    }

    /// Answers one request. `target` is the path and, if there is one, the
    /// query, both still percent-encoded. The caller waits for the answer's
    /// delay, and counts the body to set `Content-Length`.
    pub fn handle(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        if method == "HEAD" {
            return self.respond("GET", target, body).without_body();
        }
        self.respond(method, target, body)
    }

    fn respond(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        self.route(method, target, body).unwrap_or_else(Problem::into_answer)
    }

    fn route(&self, method: &str, target: &str, body: &[u8]) -> Result<Answer, Problem> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let query = Query::parse(query);
        let path = path.strip_prefix('/').ok_or_else(Problem::no_such_path)?;
        let segments: Vec<String> = path.split('/').map(query::decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (segments.as_slice(), method) {
            (["books"], "GET") => self.search_books(query),
            (["books"], "POST") => self.create_book(body),
            (["books"], _) => Err(Problem::method_not_allowed("GET, HEAD, POST")),
            (["books", isbn], "GET") => self.get_book(isbn),
            (["books", isbn], "PATCH") => self.update_book(isbn, body),
            (["books", isbn], "DELETE") => self.delete_book(isbn),
            (["books", _], _) => Err(Problem::method_not_allowed("GET, HEAD, PATCH, DELETE")),
            (["books", isbn, "cover"], "GET") => self.get_cover(isbn),
            (["categories"], "GET") => Ok(self.list_categories()),
            (["reports", "failing"], "GET") => Err(Problem::report_failed()),
            (["reports", "slow"], "GET") => self.slow_report(query),
            (["export.csv"], "GET") => Ok(self.export_books()),
            (
                ["books", _, "cover"]
                | ["categories"]
                | ["reports", "failing" | "slow"]
                | ["export.csv"],
                _,
            ) => Err(Problem::method_not_allowed("GET, HEAD")),
            _ => Err(Problem::no_such_path()),
        }
    }

    fn search_books(&self, query: Query) -> Result<Answer, Problem> {
        let search = search::Search::parse(query)?;
        Ok(Answer::json(200, &search.run(&self.books())))
    }

    fn get_book(&self, isbn: &str) -> Result<Answer, Problem> {
        let books = self.books();
        Ok(Answer::json(200, &books[position(&books, isbn)?]))
    }

    fn create_book(&self, body: &[u8]) -> Result<Answer, Problem> {
        let book = form::parse_new(body)?;
        let mut books = self.books();
        if position(&books, &book.isbn).is_ok() {
            return Err(Problem::duplicate_isbn(&book.isbn));
        }
        if books.len() >= BOOKS_MAX {
            return Err(Problem::shop_full(BOOKS_MAX));
        }
        let location = format!("/books/{}", book.isbn);
        let answer = Answer::json(201, &book).with_header("Location", location);
        books.push(book);
        Ok(answer)
    }

    fn update_book(&self, isbn: &str, body: &[u8]) -> Result<Answer, Problem> {
        let mut books = self.books();
        let at = position(&books, isbn)?;
        let changed = form::parse_change(body, &books[at])?;
        books[at] = changed;
        Ok(Answer::json(200, &books[at]))
    }

    fn delete_book(&self, isbn: &str) -> Result<Answer, Problem> {
        let mut books = self.books();
        let at = position(&books, isbn)?;
        books.remove(at);
        Ok(Answer::empty(204))
    }

    fn get_cover(&self, isbn: &str) -> Result<Answer, Problem> {
        position(&self.books(), isbn)?;
        Ok(Answer::new(200, "image/png", COVER.to_vec()))
    }

    fn list_categories(&self) -> Answer {
        Answer::json(200, &categories::tree(&self.books()))
    }

    fn slow_report(&self, mut query: Query) -> Result<Answer, Problem> {
        let seconds =
            query.number("seconds", 0.0..=DELAY_SECONDS_MAX).unwrap_or(DELAY_SECONDS_DEFAULT);
        query.finish()?;
        let report = report::StockReport::build(seconds, &self.books());
        Ok(Answer::json(200, &report).with_delay(Duration::from_secs_f64(seconds)))
    }

    fn export_books(&self) -> Answer {
        let csv = report::render_csv(&self.books());
        Answer::new(200, "text/csv; charset=utf-8", csv.into_bytes())
            .with_header("Content-Disposition", "attachment; filename=\"books.csv\"".to_owned())
    }

    /// The books, also after a panic in another caller: each change is a
    /// single assignment, push or removal, so none is ever seen half done.
    fn books(&self) -> MutexGuard<'_, Vec<Book>> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the book is, or the 404 that says so.
fn position(books: &[Book], isbn: &str) -> Result<usize, Problem> {
    books.iter().position(|book| book.isbn == isbn).ok_or_else(|| Problem::no_such_book(isbn))
}
