//! Finds, sorts and pages the books of one search.
//!
//! It must not know how a search arrives beyond its parameters, or how a page
//! is sent.

use serde::Serialize;

use super::book::{Book, Genre};
use super::form::PRICE_MAX;
use super::problem::Problem;
use super::query::Query;

/// Small, because an agent reads every item it asks for.
pub(super) const PER_PAGE_DEFAULT: u32 = 10;
pub(super) const PER_PAGE_MAX: u32 = 50;

/// Past the last page of a full shop even at one book a page.
pub(super) const PAGE_MAX: u32 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Title,
    Author,
    Year,
    PriceAscending,
    PriceDescending,
}

impl Sort {
    pub const CHOICES: [(&'static str, Self); 5] = [
        ("title", Self::Title),
        ("author", Self::Author),
        ("year", Self::Year),
        ("price_asc", Self::PriceAscending),
        ("price_desc", Self::PriceDescending),
    ];
}

#[derive(Debug)]
pub(super) struct Search {
    words: Vec<String>,
    author: Option<String>,
    genre: Option<Genre>,
    max_price: Option<f64>,
    in_stock: Option<bool>,
    sort: Sort,
    page: u32,
    per_page: u32,
}

#[derive(Debug, Serialize)]
pub(super) struct BookPage<'a> {
    items: Vec<&'a Book>,
    /// Matching books on all pages.
    total: usize,
    page: u32,
    pages: usize,
}

impl Search {
    pub fn parse(mut query: Query) -> Result<Self, Problem> {
        let words = fold(query.text("q").unwrap_or(""));
        let search = Self {
            words: words.split_whitespace().map(str::to_owned).collect(),
            author: query.text("author").map(|name| fold(name.trim())),
            genre: query.choice("genre", &Genre::CHOICES),
            max_price: query.number("max_price", 0.0..=PRICE_MAX),
            in_stock: query.choice("in_stock", &[("true", true), ("false", false)]),
            sort: query.choice("sort", &Sort::CHOICES).unwrap_or(Sort::Title),
            page: query.number("page", 1..=PAGE_MAX).unwrap_or(1),
            per_page: query.number("per_page", 1..=PER_PAGE_MAX).unwrap_or(PER_PAGE_DEFAULT),
        };
        query.finish()?;
        Ok(search)
    }

    pub fn run<'a>(&self, books: &'a [Book]) -> BookPage<'a> {
        let mut found: Vec<&Book> = books.iter().filter(|book| self.matches(book)).collect();
        self.order(&mut found);
        let total = found.len();
        let per_page = self.per_page as usize;
        let skipped = (self.page as usize).saturating_sub(1) * per_page;
        BookPage {
            items: found.into_iter().skip(skipped).take(per_page).collect(),
            total,
            page: self.page,
            pages: total.div_ceil(per_page),
        }
    }

    fn matches(&self, book: &Book) -> bool {
        self.genre.is_none_or(|genre| book.genre == genre)
            && self.max_price.is_none_or(|price| book.price <= price)
            && self.in_stock.is_none_or(|wanted| (book.stock > 0) == wanted)
            && self.author.as_ref().is_none_or(|name| fold(&book.author).contains(name))
            && self.has_words(book)
    }

    /// Every word must appear somewhere, in any order: people and agents both
    /// search for "dostoevsky karamazov".
    fn has_words(&self, book: &Book) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let text = fold(&format!("{}\n{}\n{}", book.title, book.author, book.summary));
        self.words.iter().all(|word| text.contains(word))
    }

    /// Sorts by title first: the second sort is stable, so the title decides
    /// between equals and pages do not shift between calls.
    fn order(&self, books: &mut [&Book]) {
        books.sort_by_cached_key(|book| fold(&book.title));
        match self.sort {
            Sort::Title => {}
            Sort::Author => books.sort_by_cached_key(|book| fold(&book.author)),
            Sort::Year => books.sort_by_key(|book| book.year),
            Sort::PriceAscending => books.sort_by(|a, b| a.price.total_cmp(&b.price)),
            Sort::PriceDescending => books.sort_by(|a, b| b.price.total_cmp(&a.price)),
        }
    }
}

/// Lower case without the accents of western European names, so that
/// "bronte" finds Brontë.
fn fold(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.map(strip_accent).collect()
}

fn strip_accent(letter: char) -> char {
    match letter {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        '’' => '\'',
        other => other,
    }
}
