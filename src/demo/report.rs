//! Views over the whole stock: the figures of the slow report, and the CSV.
//!
//! It must not know why a report is slow, or who waits for it.

use serde::Serialize;

use super::book::{Book, round_to_cents};

const CSV_HEADER: &str = "isbn,title,author,year,genre,price,stock\r\n";

#[derive(Debug, Serialize)]
pub(super) struct StockReport {
    /// How long the report was asked to take.
    seconds: f64,
    titles: usize,
    copies: u64,
    /// In euro, all copies at their price.
    value: f64,
}

impl StockReport {
    pub fn build(seconds: f64, books: &[Book]) -> Self {
        let value = books.iter().map(|book| book.price * f64::from(book.stock));
        Self {
            seconds,
            titles: books.len(),
            copies: books.iter().map(|book| u64::from(book.stock)).sum(),
            value: round_to_cents(value.sum()),
        }
    }
}

/// The books as CSV (RFC 4180), one line each below a header line.
pub(super) fn render_csv(books: &[Book]) -> String {
    let lines: String = books.iter().map(render_csv_line).collect();
    format!("{CSV_HEADER}{lines}")
}

fn render_csv_line(book: &Book) -> String {
    format!(
        "{},{},{},{},{},{:.2},{}\r\n",
        book.isbn,
        quote(&book.title),
        quote(&book.author),
        book.year,
        book.genre.name(),
        book.price,
        book.stock
    )
}

/// Quotes a text where the format asks for it.
fn quote(text: &str) -> String {
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}
