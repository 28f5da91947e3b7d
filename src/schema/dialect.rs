//! What a document's schemas mean, and for whom they are converted.

/// Which rules the document's schemas follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// OpenAPI 3.0 (and 2.0): `nullable`, boolean exclusive bounds, `$ref`
    /// without siblings.
    OpenApi30,
    /// OpenAPI 3.1: JSON Schema 2020-12.
    OpenApi31,
}

/// Inputs leave out what is `readOnly`, outputs what is `writeOnly`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Input,
    Output,
}
