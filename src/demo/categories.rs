//! The tree of categories, with the number of books under each.
//!
//! It must not know of anything but genres and how many books have them.

use serde::Serialize;

use super::book::{Book, Genre};

#[derive(Debug, Serialize)]
pub(super) struct Category {
    name: &'static str,
    book_count: usize,
    /// Only where the category is a genre that books can be searched by.
    #[serde(skip_serializing_if = "Option::is_none")]
    genre: Option<Genre>,
    children: Vec<Category>,
}

/// Builds the tree from its root, which counts every book.
pub(super) fn tree(books: &[Book]) -> Category {
    let leaf = |genre, name| leaf(books, genre, name);
    let novels = vec![
        leaf(Genre::Literary, "Literary fiction"),
        leaf(Genre::Romance, "Romance"),
        leaf(Genre::Satire, "Satire"),
    ];
    let suspense = vec![leaf(Genre::Gothic, "Gothic"), leaf(Genre::Mystery, "Mystery")];
    let fiction = vec![
        branch("Novels", novels),
        branch("Suspense", suspense),
        leaf(Genre::Adventure, "Adventure"),
        leaf(Genre::ScienceFiction, "Science fiction"),
        leaf(Genre::Children, "For children"),
    ];
    let verse = vec![leaf(Genre::Epic, "Epic"), leaf(Genre::Poetry, "Poems")];
    let non_fiction = vec![leaf(Genre::Philosophy, "Philosophy"), leaf(Genre::Memoir, "Memoir")];
    let shelves = vec![
        branch("Fiction", fiction),
        branch("Verse", verse),
        branch("Non-fiction", non_fiction),
    ];
    branch("All books", shelves)
}

fn branch(name: &'static str, children: Vec<Category>) -> Category {
    Category {
        name,
        book_count: children.iter().map(|child| child.book_count).sum(),
        genre: None,
        children,
    }
}

fn leaf(books: &[Book], genre: Genre, name: &'static str) -> Category {
    Category {
        name,
        book_count: books.iter().filter(|book| book.genre == genre).count(),
        genre: Some(genre),
        children: Vec::new(),
    }
}
