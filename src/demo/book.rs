//! A book, its genre, and the catalogue the shop opens with.
//!
//! It must not know how a book is sent, found or changed.

use serde::{Deserialize, Serialize};

/// Classics with their true authors and years; prices and stock are made up.
const CATALOGUE: &str = include_str!("books.json");

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Book {
    pub isbn: String,
    pub title: String,
    pub author: String,
    /// Of first publication. Negative is BCE, and an estimate.
    pub year: i64,
    pub genre: Genre,
    /// In euro.
    pub price: f64,
    /// Copies on the shelf.
    pub stock: u32,
    pub summary: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Genre {
    Adventure,
    Children,
    Epic,
    Gothic,
    Literary,
    Memoir,
    Mystery,
    Philosophy,
    Poetry,
    Romance,
    Satire,
    ScienceFiction,
}

impl Genre {
    /// Every genre under the name it has on the wire.
    pub const CHOICES: [(&'static str, Self); 12] = [
        ("adventure", Self::Adventure),
        ("children", Self::Children),
        ("epic", Self::Epic),
        ("gothic", Self::Gothic),
        ("literary", Self::Literary),
        ("memoir", Self::Memoir),
        ("mystery", Self::Mystery),
        ("philosophy", Self::Philosophy),
        ("poetry", Self::Poetry),
        ("romance", Self::Romance),
        ("satire", Self::Satire),
        ("science_fiction", Self::ScienceFiction),
    ];

    pub fn name(self) -> &'static str {
        Self::CHOICES.iter().find(|(_, genre)| *genre == self).map_or("", |(name, _)| name)
    }
}

/// The opening stock. A catalogue that does not parse would open an empty
/// shop; the tests keep it from being released.
pub(super) fn catalogue() -> Vec<Book> {
    serde_json::from_str(CATALOGUE).unwrap_or_default()
}

/// Euro to the cent, so that sums and sent prices print as people write them.
/// Adding zero turns a negative zero, which no price tag shows, into zero.
pub(super) fn round_to_cents(euro: f64) -> f64 {
    (euro * 100.0).round() / 100.0 + 0.0
}

/// Checks the shape and the check digit of an ISBN-13. The message names the
/// digit that would be right: a caller who invents a number needs to know it.
pub(super) fn check_isbn(isbn: &str) -> Result<(), String> {
    let shaped = isbn.len() == 13
        && isbn.bytes().all(|byte| byte.is_ascii_digit())
        && (isbn.starts_with("978") || isbn.starts_with("979"));
    if !shaped {
        return Err("must be 13 digits that start with 978 or 979, without hyphens".to_owned());
    }
    let mut digits = isbn.bytes().map(|byte| u32::from(byte - b'0'));
    let weighted = digits.clone().take(12).zip([1, 3].into_iter().cycle());
    let sum: u32 = weighted.map(|(digit, weight)| digit * weight).sum();
    let expected = (10 - sum % 10) % 10;
    match digits.next_back() {
        Some(digit) if digit == expected => Ok(()),
        _ => Err(format!("is not a valid ISBN-13: the last digit should be {expected}")),
    }
}
