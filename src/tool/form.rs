//! Bodies made of named fields: `application/x-www-form-urlencoded` and
//! `multipart/form-data`, by the media type's schema and `encoding`.

use super::encode::read;
use super::style::Spelling;
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::{Entries, Raw};
use crate::openapi::{Location, Style};
use crate::schema::Library;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// What the document says of the fields that are written in a way of their own.
#[derive(Debug, Default)]
pub struct Fields(HashMap<Box<str>, Field>);

#[derive(Debug, Default)]
struct Field {
    /// The value is a file's bytes.
    file: bool,
    /// The first media type of `encoding.contentType`.
    content_type: Option<Box<str>>,
    /// `encoding` gives a style.
    spelling: Option<Spelling>,
}

/// Levels of `allOf`, `anyOf` and `oneOf` in which properties are looked for.
const COMPOSITION_DEPTH_MAX: usize = 8;

impl Fields {
    pub fn compile(library: &Library, schema: Option<&Value>, encoding: Option<&Value>) -> Self {
        let mut fields = HashMap::new();
        if let Some(schema) = schema {
            files(library, schema, COMPOSITION_DEPTH_MAX, &mut fields);
        }
        for (name, value) in encoding.and_then(Value::as_object).into_iter().flatten() {
            let field: &mut Field = fields.entry(name.as_str().into()).or_default();
            field.content_type = value
                .get("contentType")
                .and_then(Value::as_str)
                .and_then(|t| t.split(',').next())
                .map(|t| t.trim().into());
            field.spelling = spelling(name, value);
        }
        Fields(fields)
    }

    /// Whether any field is a file, for the description.
    pub fn has_files(&self) -> bool {
        self.0.values().any(|f| f.file)
    }

    pub fn url_encoded(&self, members: &Entries<'_>) -> Result<String> {
        let mut out = String::new();
        for (name, raw) in members {
            let plain;
            let spelling = match self.0.get(&**name).and_then(|f| f.spelling.as_ref()) {
                Some(_) if raw.get() == "null" => continue,
                Some(spelling) => {
                    spelling.write_query(&read(raw)?, &mut out)?;
                    continue;
                }
                None => {
                    plain = form_field(name, Style::Form, true, false);
                    &plain
                }
            };
            match read(raw)? {
                Raw::Null => {}
                Raw::Array(items) if items.iter().all(|i| is_scalar(i)) => {
                    spelling.write_query(&Raw::Array(items), &mut out)?;
                }
                // No form is defined for these; their JSON is what most read.
                Raw::Object(_) | Raw::Array(_) => {
                    spelling.write_query(&Raw::String(raw.get().into()), &mut out)?;
                }
                scalar => spelling.write_query(&scalar, &mut out)?,
            }
        }
        Ok(out)
    }

    /// The body and its boundary. `seed` differs from call to call.
    pub fn multipart(&self, members: &Entries<'_>, seed: u64) -> Result<(Vec<u8>, String)> {
        let mut parts: Vec<Vec<u8>> = Vec::new();
        for (name, raw) in members {
            match read(raw)? {
                Raw::Null => {}
                Raw::Array(items) => {
                    for item in items {
                        parts.push(self.part(name, item)?);
                    }
                }
                _ => parts.push(self.part(name, raw)?),
            }
        }
        let mut seed = seed;
        loop {
            let boundary = format!("drawbridge-{seed:016x}");
            if !parts.iter().any(|p| memchr::memmem::find(p, boundary.as_bytes()).is_some()) {
                let mut out = Vec::new();
                for part in &parts {
                    out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
                    out.extend_from_slice(part);
                    out.extend_from_slice(b"\r\n");
                }
                out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
                return Ok((out, boundary));
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
    }

    fn part(&self, name: &str, raw: &RawValue) -> Result<Vec<u8>> {
        let field = self.0.get(name);
        let declared = field.and_then(|f| f.content_type.as_deref());
        let value = read(raw)?;
        let mut out = format!("Content-Disposition: form-data; name=\"{}\"", quoted(name));
        let content: Cow<'_, [u8]> = match &value {
            Raw::String(text) if field.is_some_and(|f| f.file) => {
                let file = File::parse(name, text)?;
                let file_name = file.name.as_deref().unwrap_or("file");
                let declared = declared.filter(|t| !t.contains('*'));
                let kind =
                    file.content_type.as_deref().or(declared).unwrap_or("application/octet-stream");
                out.push_str(&format!(
                    "; filename=\"{}\"\r\nContent-Type: {}",
                    quoted(file_name),
                    header_text(kind)
                ));
                Cow::Owned(file.bytes)
            }
            Raw::Object(_) | Raw::Array(_) => {
                let kind = declared.unwrap_or("application/json");
                out.push_str(&format!("\r\nContent-Type: {}", header_text(kind)));
                Cow::Borrowed(raw.get().as_bytes())
            }
            scalar => {
                if let Some(kind) = declared {
                    out.push_str(&format!("\r\nContent-Type: {}", header_text(kind)));
                }
                Cow::Owned(scalar.scalar().unwrap_or_default().as_bytes().to_vec())
            }
        };
        out.push_str("\r\n\r\n");
        let mut out = out.into_bytes();
        out.extend_from_slice(&content);
        Ok(out)
    }
}

fn form_field(name: &str, style: Style, explode: bool, allow_reserved: bool) -> Spelling {
    Spelling {
        name: name.into(),
        location: Location::Query,
        style,
        explode,
        allow_reserved,
        content: None,
    }
}

/// `encoding` counts as a style when it says anything of one.
fn spelling(name: &str, encoding: &Value) -> Option<Spelling> {
    if !["style", "explode", "allowReserved"].iter().any(|k| encoding.get(*k).is_some()) {
        return None;
    }
    let style = match encoding.get("style").and_then(Value::as_str) {
        Some("spaceDelimited") => Style::SpaceDelimited,
        Some("pipeDelimited") => Style::PipeDelimited,
        Some("tabDelimited") => Style::TabDelimited,
        Some("deepObject") => Style::DeepObject,
        _ => Style::Form,
    };
    let explode = encoding.get("explode").and_then(Value::as_bool).unwrap_or(style == Style::Form);
    let reserved = encoding.get("allowReserved") == Some(&Value::Bool(true));
    Some(form_field(name, style, explode, reserved))
}

fn is_scalar(raw: &RawValue) -> bool {
    !raw.get().starts_with(['{', '['])
}

/// Finds the properties that are files.
fn files(library: &Library, schema: &Value, depth: usize, fields: &mut HashMap<Box<str>, Field>) {
    let Ok(schema) = library.follow(schema) else { return };
    for (name, property) in
        schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        let Ok(property) = library.follow(property) else { continue };
        let item = property.get("items").and_then(|i| library.follow(i).ok()).unwrap_or(property);
        if is_file(item) {
            fields.entry(name.as_str().into()).or_default().file = true;
        }
    }
    if depth == 0 {
        return;
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for branch in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            files(library, branch, depth - 1, fields);
        }
    }
}

/// The ways in which documents say that a string is bytes.
fn is_file(schema: &Value) -> bool {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    matches!(text("format"), Some("binary" | "byte"))
        || text("type") == Some("file")
        || text("contentEncoding") == Some("base64")
        || text("contentMediaType").is_some_and(|media| {
            let readable = super::body::is_json(media) || media.starts_with("text/");
            !readable && matches!(text("type"), Some("string") | None)
        })
}

/// A file as an agent gives it: Base64, or a `data:` URL (RFC 2397) with its
/// type and name: `data:image/png;name=cat.png;base64,iVBOR...`.
struct File {
    bytes: Vec<u8>,
    content_type: Option<String>,
    name: Option<String>,
}

impl File {
    fn parse(field: &str, text: &str) -> Result<File> {
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
                    name = Some(percent_decode_str(value).decode_utf8_lossy().into_owned());
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

/// A name in a header of a part (WHATWG HTML, "multipart/form-data encoding
/// algorithm").
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// A media type that may come from an agent: nothing of it can end its line.
fn header_text(text: &str) -> String {
    text.chars().filter(|c| (' '..='~').contains(c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::raw::entries;
    use serde_json::json;

    fn fields(schema: Value, encoding: Value) -> Fields {
        let library = Library::new(json!({"components": {"schemas": {
            "File": {"type": "string", "format": "binary"},
        }}}));
        Fields::compile(&library, Some(&schema), Some(&encoding))
    }

    #[test]
    fn url_encoded_by_encoding() {
        let f = fields(
            json!({}),
            json!({"deep": {"style": "deepObject", "explode": true}, "csv": {"explode": false}, "pipes": {"style": "pipeDelimited"}}),
        );
        for (json, want) in [
            (r#"{"a":"x y&z","b":[1,2],"e":null}"#, "a=x%20y%26z&b=1&b=2"),
            (r#"{"o":{"d":1}}"#, "o=%7B%22d%22%3A1%7D"),
            (r#"{"l":[{"d":1}]}"#, "l=%5B%7B%22d%22%3A1%7D%5D"),
            (r#"{"deep":{"k":{"l":[true]}}}"#, "deep%5Bk%5D%5Bl%5D%5B0%5D=true"),
            (r#"{"csv":[1,2],"pipes":["a","b"]}"#, "csv=1,2&pipes=a%7Cb"),
        ] {
            assert_eq!(f.url_encoded(&entries(json).unwrap()).unwrap(), want, "{json}");
        }
    }

    #[test]
    fn multipart_parts() {
        let f = fields(
            json!({"properties": {"file": {"$ref": "#/components/schemas/File"}, "many": {"type": "array", "items": {"type": "string", "format": "binary"}}}}),
            json!({"pic": {"contentType": "image/png, image/jpeg"}, "note": {"contentType": "text/markdown"}}),
        );
        let json = r#"{"file":"aGk=","many":["aGk=","data:text/plain;name=a%22b.txt,yo%21"],"meta":{"a":1},"note":"n","x":7,"gone":null}"#;
        let (body, boundary) = f.multipart(&entries(json).unwrap(), 1).unwrap();
        let text = String::from_utf8(body).unwrap();
        for part in [
            "Content-Disposition: form-data; name=\"file\"; filename=\"file\"\r\nContent-Type: application/octet-stream\r\n\r\nhi\r\n",
            "name=\"many\"; filename=\"a%22b.txt\"\r\nContent-Type: text/plain\r\n\r\nyo!\r\n",
            "name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{\"a\":1}\r\n",
            "name=\"note\"\r\nContent-Type: text/markdown\r\n\r\nn\r\n",
            "name=\"x\"\r\n\r\n7\r\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert_eq!(text.matches(&format!("--{boundary}")).count(), 7);
        assert!(text.ends_with(&format!("--{boundary}--\r\n")));
        assert!(f.multipart(&entries(r#"{"file":"???"}"#).unwrap(), 1).is_err());
    }

    #[test]
    fn a_boundary_is_not_in_the_content() {
        let f = fields(json!({}), json!({}));
        let json = r#"{"a":"--drawbridge-0000000000000001"}"#;
        let (_, boundary) = f.multipart(&entries(json).unwrap(), 1).unwrap();
        assert_ne!(boundary, "drawbridge-0000000000000001");
    }
}
