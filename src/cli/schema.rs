//! `drawbridge schema`: for editors that check YAML as it is written.

use super::{Exit, print};

pub fn run() -> Exit {
    print(crate::config::SCHEMA);
    Exit::Ok
}
