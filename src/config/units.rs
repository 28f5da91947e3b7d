//! Numbers with units: `10s`, `256KiB`.

use std::time::Duration;

/// `500ms`, `10s`, `5m`, `2h`.
pub fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// `512B`, `64KiB`, `8MiB`, `1GiB`. Decimal units are refused: nobody means
/// them here.
pub fn bytes(text: &str) -> Option<usize> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    usize::try_from(number.checked_mul(factor)?).ok()
}

fn split(text: &str) -> Option<(u64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

/// A size for people: `8 MiB`.
pub fn show_bytes(n: usize) -> String {
    const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    for (unit, size) in UNITS {
        if n >= size && n.is_multiple_of(size) {
            return format!("{} {unit}", n / size);
        }
    }
    format!("{n} bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, want) in [
            ("500ms", Some(500)),
            ("10s", Some(10_000)),
            ("5 m", Some(300_000)),
            ("2h", Some(7_200_000)),
            ("10", None),
            ("s", None),
            ("-1s", None),
            ("99999999999999999h", None),
        ] {
            assert_eq!(duration(text).map(|d| d.as_millis()), want, "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, want) in [
            ("512B", Some(512)),
            ("64KiB", Some(65_536)),
            ("8MiB", Some(8 << 20)),
            ("8MB", None),
            ("8", None),
        ] {
            assert_eq!(bytes(text), want, "{text}");
        }
        assert_eq!(show_bytes(8 << 20), "8 MiB");
        assert_eq!(show_bytes(1000), "1000 bytes");
    }
}
