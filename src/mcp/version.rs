//! Revisions and the two eras.

/// How a client speaks: 2026-07-28 says everything in each request; earlier
/// revisions shake hands first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    Modern,
    Legacy(Revision),
}

/// The handshake revisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    R2025_03_26,
    R2025_06_18,
    R2025_11_25,
}

pub const MODERN: &str = "2026-07-28";

/// What server/discover and error -32022 list, newest first. Modern clients stop
/// at a list that lacks their own revision.
pub const SUPPORTED: [&str; 4] = [MODERN, "2025-11-25", "2025-06-18", "2025-03-26"];

impl Revision {
    pub const LATEST: Revision = Revision::R2025_11_25;

    pub fn name(self) -> &'static str {
        match self {
            Revision::R2025_03_26 => "2025-03-26",
            Revision::R2025_06_18 => "2025-06-18",
            Revision::R2025_11_25 => "2025-11-25",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Revision::R2025_03_26, Revision::R2025_06_18, Revision::R2025_11_25]
            .into_iter()
            .find(|r| r.name() == text)
    }

    /// The revision an `initialize` gets: the one it asks for when that is
    /// known, else the latest (lifecycle, "Version Negotiation"). One client
    /// asks for "2026-07-28" in a handshake and means this.
    pub fn negotiate(asked: &str) -> Self {
        Revision::parse(asked).unwrap_or(Revision::LATEST)
    }
}

impl Era {
    /// The label in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Era::Modern => "modern",
            Era::Legacy(_) => "legacy",
        }
    }

    pub fn is_modern(self) -> bool {
        self == Era::Modern
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiation() {
        for (asked, want) in [
            ("2025-06-18", "2025-06-18"),
            ("2025-03-26", "2025-03-26"),
            ("2026-07-28", "2025-11-25"),
            ("2024-11-05", "2025-11-25"),
            ("", "2025-11-25"),
        ] {
            assert_eq!(Revision::negotiate(asked).name(), want, "{asked}");
        }
    }
}
