//! JSON Schema: from the dialects of OpenAPI to 2020-12, and compiled validators.
//! Knows nothing of operations, tools or MCP.

pub mod bounds;
pub mod budget;
pub mod closure;
pub mod convert;
mod dialect;
pub mod evaluate;
mod hidden;
pub mod instance;
mod keywords;
mod outline;
mod pattern;
pub mod reference;
pub mod text;
pub mod tolerant;
pub mod validators;

pub use convert::Converter;
pub use dialect::{Dialect, Direction};
pub use evaluate::Verdict;
pub use reference::Library;
pub use validators::Validators;
