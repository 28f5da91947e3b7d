//! Turns a JSON body into a book: a whole one to create, or changes to one.
//!
//! All wrong fields are reported at once, each by its JSON Pointer. It must
//! not know whether the book is already in the shop.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::book::{Book, Genre, check_isbn, round_to_cents};
use super::problem::{Mistake, Problem};

pub(super) const NAME_CHARS_MAX: usize = 200;
pub(super) const SUMMARY_CHARS_MAX: usize = 2_000;
/// From the oldest writing we have to a little beyond today.
pub(super) const YEARS: RangeInclusive<i64> = -3_000..=2_100;
pub(super) const PRICE_MAX: f64 = 10_000.0;
pub(super) const STOCK_MAX: u32 = 100_000;

const REQUIRED: [&str; 6] = ["isbn", "title", "author", "year", "genre", "price"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    New,
    Change,
}

/// Reads the whole of a new book.
pub(super) fn parse_new(body: &[u8]) -> Result<Book, Problem> {
    let fields = parse_object(body)?;
    let mut book = Book {
        isbn: String::new(),
        title: String::new(),
        author: String::new(),
        year: 0,
        genre: Genre::Literary,
        price: 0.0,
        stock: 0,
        summary: String::new(),
    };
    let mut mistakes = fill(&mut book, &fields, Form::New);
    for name in REQUIRED {
        if !fields.contains_key(name) {
            mistakes.push(Mistake::in_field(name, "is required"));
        }
    }
    accept(book, mistakes)
}

/// Reads changes to `book`. The result is a copy, so a refused change leaves
/// the book in the shop as it was.
pub(super) fn parse_change(body: &[u8], book: &Book) -> Result<Book, Problem> {
    let fields = parse_object(body)?;
    let mut book = book.clone();
    let mut mistakes = fill(&mut book, &fields, Form::Change);
    if fields.is_empty() {
        mistakes.push(Mistake::in_body("must have at least one field to change"));
    }
    accept(book, mistakes)
}

fn accept(book: Book, mistakes: Vec<Mistake>) -> Result<Book, Problem> {
    if mistakes.is_empty() { Ok(book) } else { Err(Problem::bad_fields(mistakes)) }
}

fn parse_object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Problem::bad_fields(vec![Mistake::in_body("must be a JSON object")])),
        Err(error) => Err(Problem::bad_json(&error)),
    }
}

fn fill(book: &mut Book, fields: &Map<String, Value>, form: Form) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (name, value) in fields {
        if let Err(detail) = set(book, name, value, form) {
            mistakes.push(Mistake::in_field(name, detail));
        }
    }
    mistakes
}

fn set(book: &mut Book, name: &str, value: &Value, form: Form) -> Result<(), String> {
    match name {
        "isbn" if form == Form::Change => return Err("cannot be changed".to_owned()),
        "isbn" => book.isbn = isbn(value)?,
        "title" => book.title = name_text(value)?,
        "author" => book.author = name_text(value)?,
        "year" => book.year = integer(value, YEARS)?,
        "genre" => book.genre = genre(value)?,
        "price" => book.price = price(value)?,
        "stock" => book.stock = stock(value)?,
        "summary" => book.summary = text(value, SUMMARY_CHARS_MAX)?,
        _ => return Err("is not a field of a book".to_owned()),
    }
    Ok(())
}

fn isbn(value: &Value) -> Result<String, String> {
    let isbn = value.as_str().unwrap_or("");
    check_isbn(isbn)?;
    Ok(isbn.to_owned())
}

fn name_text(value: &Value) -> Result<String, String> {
    let name = text(value, NAME_CHARS_MAX)?;
    if name.trim().is_empty() {
        return Err("must not be blank".to_owned());
    }
    Ok(name)
}

fn text(value: &Value, chars_max: usize) -> Result<String, String> {
    match value.as_str() {
        Some(text) if text.chars().count() <= chars_max => Ok(text.to_owned()),
        _ => Err(format!("must be a text of at most {chars_max} characters")),
    }
}

fn genre(value: &Value) -> Result<Genre, String> {
    let given = value.as_str().unwrap_or("");
    let found = Genre::CHOICES.iter().find(|(name, _)| *name == given);
    found.map(|(_, genre)| *genre).ok_or_else(|| {
        let names = Genre::CHOICES.map(|(name, _)| name);
        format!("must be one of {}", names.join(", "))
    })
}

fn price(value: &Value) -> Result<f64, String> {
    match value.as_f64() {
        Some(euro) if (0.0..=PRICE_MAX).contains(&euro) => Ok(round_to_cents(euro)),
        _ => Err(format!("must be a number from 0 to {PRICE_MAX}")),
    }
}

fn stock(value: &Value) -> Result<u32, String> {
    let copies = integer(value, 0..=i64::from(STOCK_MAX))?;
    u32::try_from(copies).map_err(|_| format!("must be at most {STOCK_MAX}"))
}

/// JSON Schema counts 3.0 as an integer, so it is read as one.
fn integer(value: &Value, range: RangeInclusive<i64>) -> Result<i64, String> {
    let whole = |number: &f64| number.fract() == 0.0;
    let float = || value.as_f64().filter(whole).map(|number| number as i64);
    match value.as_i64().or_else(float) {
        Some(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("must be a whole number from {} to {}", range.start(), range.end())),
    }
}
