//! Files as agents give them.

use crate::fault::{Class, Fault, Result};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use percent_encoding::percent_decode_str;

/// A file as an agent gives it: Base64, or a `data:` URL (RFC 2397) with its
/// type and name: `data:image/png;name=cat.png;base64,iVBOR...`.
pub struct File {
    pub bytes: Vec<u8>,
    pub content_type: Option<String>,
    pub name: Option<String>,
}

impl File {
    pub fn parse(field: &str, text: &str) -> Result<File> {
        let Some((head, data)) = text.strip_prefix("data:").and_then(|u| u.split_once(',')) else {
            let bytes = base64(text).ok_or_else(|| refused(field))?;
            return Ok(File { bytes, content_type: None, name: None });
        };
        let mut parts = head.split(';');
        let kind = parts.next().filter(|k| !k.is_empty()).map(str::to_owned);
        let (mut name, mut encoded) = (None, false);
        for part in parts {
            match part.split_once('=') {
                Some(("name" | "filename", value)) => {
                    let decoded = percent_decode_str(value).decode_utf8_lossy();
                    name = Some(file_name(&decoded)).filter(|n| !n.is_empty());
                }
                _ => encoded |= part.trim() == "base64",
            }
        }
        let bytes = match encoded {
            true => base64(data).ok_or_else(|| refused(field))?,
            false => percent_decode_str(data).collect(),
        };
        Ok(File { bytes, content_type: kind, name })
    }
}

/// Base64 in the forms that are met: padded or not, of either alphabet.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .or_else(|_| URL_SAFE.decode(text))
        .ok()
}

fn refused(field: &str) -> Fault {
    let message = format!("the file `{field}` is neither Base64 nor a data: URL");
    Fault::new(Class::InvalidArguments, message)
}

/// The last part of a file's name, without control characters: a server may put
/// the file where its name says (RFC 7578 §4.2).
fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = last.chars().filter(|c| !c.is_control()).collect();
    match name.trim().trim_matches('.') {
        "" => String::new(),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_name_and_no_place() {
        for (given, want) in [
            ("cat.png", "cat.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\x.txt", "x.txt"),
            ("a\0b\r\nc\u{7f}.txt", "abc.txt"),
            ("dir/", ""),
            ("..", ""),
            ("", ""),
        ] {
            assert_eq!(file_name(given), want, "{given:?}");
        }
    }
}
