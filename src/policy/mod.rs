//! Checks that need no body: each `compile`s from the configuration and
//! `check`s facts of one request.

pub mod address;
pub mod origin;
