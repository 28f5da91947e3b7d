//! Bodies made of named fields: `application/x-www-form-urlencoded` and
//! `multipart/form-data`, by the media type's schema and `encoding`.

use super::bounded::{Bounded, too_long};
use super::encode::{UNRESERVED, element, read, start_pair};
use super::file::File;
use super::style::Spelling;
use crate::fault::{Class, Fault, Result};
use crate::jsonrpc::raw::{Entries, Raw};
use crate::openapi::{Location, Style};
use crate::schema::Library;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

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
/// And schemas: a few lines can compose the same ones over and over.
const SCHEMAS_MAX: usize = 1000;

impl Fields {
    pub fn compile(library: &Library, schema: Option<&Value>, encoding: Option<&Value>) -> Self {
        let mut fields = HashMap::new();
        for (name, value) in encoding.and_then(Value::as_object).into_iter().flatten() {
            let field: &mut Field = fields.entry(name.as_str().into()).or_default();
            field.content_type = value
                .get("contentType")
                .and_then(Value::as_str)
                .and_then(|t| t.split(',').next())
                .map(|t| t.trim().into());
            field.spelling = spelling(name, value);
        }
        if let Some(schema) = schema {
            // No member may take the name of a field, given or not.
            let mut spellings = fields.values().filter_map(|f| f.spelling.as_ref());
            let all = spellings.any(Spelling::names_members);
            let mut left = SCHEMAS_MAX;
            declared(library, schema, COMPOSITION_DEPTH_MAX, all, &mut fields, &mut left);
        }
        Fields(fields)
    }

    /// Whether any field is a file, for the description.
    pub fn has_files(&self) -> bool {
        self.0.values().any(|f| f.file)
    }

    /// Names that members of a field must not take, in lower case: those of all
    /// fields.
    fn taken(&self, members: &Entries<'_>) -> HashSet<String> {
        let known = self.0.keys().map(AsRef::as_ref);
        let given = members.iter().map(|(name, _)| name.as_ref());
        known.chain(given).map(str::to_ascii_lowercase).collect()
    }

    /// Appends the pairs of a form.
    pub fn write_url_encoded(&self, members: &Entries<'_>, out: &mut Bounded) -> Result<()> {
        // Asked for where a field writes its members as pairs of their own.
        let taken = OnceCell::new();
        for (name, raw) in members {
            let spelling = self.0.get(&**name).and_then(|f| f.spelling.as_ref());
            match (spelling, read(raw)?) {
                (_, Raw::Null) => {}
                (Some(spelling), value) => {
                    if spelling.names_members() && matches!(value, Raw::Object(_)) {
                        spelling.check_names(&value, taken.get_or_init(|| self.taken(members)))?;
                    }
                    spelling.write_query(&value, out)?;
                }
                (None, Raw::Array(items)) if items.iter().all(|i| is_scalar(i)) => {
                    items.iter().try_for_each(|item| pair(name, &element(item)?, out))?;
                }
                // No form is defined for these; their JSON is what most read.
                (None, Raw::Object(_) | Raw::Array(_)) => pair(name, raw.get(), out)?,
                (None, scalar) => pair(name, scalar.scalar().unwrap_or_default(), out)?,
            }
        }
        Ok(())
    }

    /// The body and its boundary. `seed` differs from call to call.
    pub fn multipart(
        &self,
        members: &Entries<'_>,
        seed: u64,
        bytes_max: usize,
    ) -> Result<(Vec<u8>, String)> {
        let mut parts = Parts { all: Vec::new(), bytes: BOUNDARY_BYTES, bytes_max };
        for (name, raw) in members {
            match read(raw)? {
                Raw::Null => {}
                Raw::Array(items) => {
                    items.iter().try_for_each(|item| parts.add(self.part(name, item)?))?;
                }
                _ => parts.add(self.part(name, raw)?)?,
            }
        }
        let mut seed = seed;
        for _ in 0..BOUNDARIES_TRIED_MAX {
            let boundary = format!("drawbridge-{seed:016x}");
            let finder = memchr::memmem::Finder::new(boundary.as_bytes());
            if !parts.all.iter().any(|p| finder.find(p).is_some()) {
                return Ok((parts.joined(&boundary), boundary));
            }
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        }
        Err(Fault::new(Class::InvalidArguments, "the form holds its own boundary"))
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

/// What stands around one part: `--`, the boundary, and two line breaks.
const BOUNDARY_BYTES: usize = 2 + 27 + 4;

/// Who can foresee one boundary can foresee the next ones.
const BOUNDARIES_TRIED_MAX: usize = 4;

/// The parts of a form, bounded together.
struct Parts {
    all: Vec<Vec<u8>>,
    bytes: usize,
    bytes_max: usize,
}

impl Parts {
    fn add(&mut self, part: Vec<u8>) -> Result<()> {
        self.bytes += part.len() + BOUNDARY_BYTES;
        if self.bytes > self.bytes_max {
            return Err(too_long("a body", self.bytes_max));
        }
        self.all.push(part);
        Ok(())
    }

    fn joined(self, boundary: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes + 2);
        for part in self.all {
            out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            out.extend_from_slice(&part);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        out
    }
}

fn pair(name: &str, text: &str, out: &mut Bounded) -> Result<()> {
    start_pair(out)?;
    out.encode(name, UNRESERVED)?;
    out.push_str("=")?;
    out.encode(text, UNRESERVED)
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

/// Finds the properties that are files, or all of them.
fn declared(
    library: &Library,
    schema: &Value,
    depth: usize,
    all: bool,
    fields: &mut HashMap<Box<str>, Field>,
    left: &mut usize,
) {
    let Some(less) = left.checked_sub(1) else { return };
    *left = less;
    let Ok(schema) = library.follow(schema) else { return };
    for (name, property) in
        schema.get("properties").and_then(Value::as_object).into_iter().flatten()
    {
        let Ok(property) = library.follow(property) else { continue };
        let item = property.get("items").and_then(|i| library.follow(i).ok()).unwrap_or(property);
        let file = is_file(item);
        if file || all {
            fields.entry(name.as_str().into()).or_default().file |= file;
        }
    }
    if depth == 0 {
        return;
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for branch in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
            declared(library, branch, depth - 1, all, fields, left);
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
            let mut out = Bounded::new(1000, "a body");
            f.write_url_encoded(&entries(json).unwrap(), &mut out).unwrap();
            assert_eq!(out.as_str(), want, "{json}");
        }
    }

    #[test]
    fn multipart_parts() {
        let f = fields(
            json!({"properties": {"file": {"$ref": "#/components/schemas/File"}, "many": {"type": "array", "items": {"type": "string", "format": "binary"}}}}),
            json!({"pic": {"contentType": "image/png, image/jpeg"}, "note": {"contentType": "text/markdown"}}),
        );
        let json = r#"{"file":"aGk=","many":["aGk=","data:text/plain;name=a%22b.txt,yo%21"],"meta":{"a":1},"note":"n","x":7,"gone":null}"#;
        let (body, boundary) = f.multipart(&entries(json).unwrap(), 1, 10_000).unwrap();
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
        assert!(f.multipart(&entries(r#"{"file":"???"}"#).unwrap(), 1, 10_000).is_err());
    }

    #[test]
    fn the_bound_of_a_form_at_it_and_one_past_it() {
        let f = fields(json!({}), json!({}));
        let members = r#"{"a":[1,2,3],"b":"x"}"#;
        let (body, _) = f.multipart(&entries(members).unwrap(), 1, 10_000).unwrap();
        assert!(f.multipart(&entries(members).unwrap(), 1, body.len()).is_ok());
        assert!(f.multipart(&entries(members).unwrap(), 1, body.len() - 10).is_err());
    }

    #[test]
    fn members_of_a_field_are_no_other_fields() {
        let f = fields(json!({}), json!({"filter": {"style": "form", "explode": true}}));
        for (json, fine) in [
            (r#"{"filter":{"x":1},"role":"user"}"#, true),
            (r#"{"filter":{"role":"admin"},"role":"user"}"#, false),
            (r#"{"filter":{"ROLE":"admin"},"role":"user"}"#, false),
            (r#"{"filter":{"filter":1}}"#, false),
        ] {
            let mut out = Bounded::new(1000, "a body");
            let written = f.write_url_encoded(&entries(json).unwrap(), &mut out);
            assert_eq!(written.is_ok(), fine, "{json}");
        }
    }

    #[test]
    fn a_boundary_is_not_in_the_content() {
        let f = fields(json!({}), json!({}));
        let json = r#"{"a":"--drawbridge-0000000000000001"}"#;
        let (_, boundary) = f.multipart(&entries(json).unwrap(), 1, 10_000).unwrap();
        assert_ne!(boundary, "drawbridge-0000000000000001");
    }
}
