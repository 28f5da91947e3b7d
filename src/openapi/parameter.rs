//! One parameter of an operation, its style and location as enums.

use super::document::Document;
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Location {
    Path,
    Query,
    /// The whole query (OpenAPI 3.2).
    QueryString,
    Header,
    Cookie,
}

impl Location {
    pub fn name(self) -> &'static str {
        match self {
            Location::Path => "path",
            Location::Query => "query",
            Location::QueryString => "querystring",
            Location::Header => "header",
            Location::Cookie => "cookie",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Matrix,
    Label,
    Simple,
    Form,
    SpaceDelimited,
    PipeDelimited,
    /// `collectionFormat: tsv` of Swagger 2.0.
    TabDelimited,
    DeepObject,
    /// Cookie pairs as they are, nothing encoded (OpenAPI 3.2).
    Cookie,
}

#[derive(Debug)]
pub struct Parameter<'d> {
    pub name: String,
    pub location: Location,
    pub required: bool,
    pub deprecated: bool,
    pub description: Option<String>,
    pub style: Style,
    pub explode: bool,
    pub allow_reserved: bool,
    /// The media type that the value is written in, where the document gives
    /// `content` instead of `schema`.
    pub content: Option<String>,
    pub schema: Option<&'d Value>,
    /// Its `example` or `examples`, at most three.
    pub examples: Vec<&'d Value>,
}

/// A model needs no more.
const EXAMPLES_MAX: usize = 3;

/// The parameters of a path item and an operation, merged by name and location,
/// the operation's first. What OpenAPI says to ignore is left out.
pub fn merged<'d>(
    document: &'d Document,
    path_item: Option<&'d Value>,
    operation: Option<&'d Value>,
) -> Result<Vec<Parameter<'d>>, String> {
    let mut out: Vec<Parameter<'d>> = Vec::new();
    for list in [path_item, operation].into_iter().flatten() {
        for value in list.as_array().into_iter().flatten() {
            let value = document.library.follow(value)?;
            let Some(parameter) = read(document, value)? else { continue };
            match out.iter_mut().find(|p| same(p, &parameter)) {
                Some(earlier) => *earlier = parameter,
                None => out.push(parameter),
            }
        }
    }
    Ok(out)
}

fn same(a: &Parameter<'_>, b: &Parameter<'_>) -> bool {
    a.location == b.location
        && match a.location {
            Location::Header => a.name.eq_ignore_ascii_case(&b.name),
            _ => a.name == b.name,
        }
}

fn read<'d>(document: &'d Document, value: &'d Value) -> Result<Option<Parameter<'d>>, String> {
    let Some(object) = value.as_object() else {
        return Err("a parameter that is not an object".to_owned());
    };
    let name = object.get("name").and_then(Value::as_str).ok_or("a parameter without a name")?;
    if object.get("in").and_then(Value::as_str) == Some("header")
        && !crate::header::is_settable(name)
    {
        return Ok(None);
    }
    let (content, schema) = content_or_schema(document, object)?;
    let examples = examples(document, object);
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let whole_query = text("in") == Some("querystring");
    if let Some(place) = text("in")
        && !["query", "querystring", "header", "path", "cookie"].contains(&place)
    {
        return Err(format!("the parameter `{name}` is in `{place}`, where no parameter can be"));
    }
    let unknown_style = match (text("in"), text("style")) {
        (Some("query"), Some("tabDelimited")) => Some(Style::TabDelimited),
        (Some("cookie"), Some("cookie")) => Some(Style::Cookie),
        _ => None,
    };
    let typed: openapiv3::Parameter =
        serde_json::from_value(skeleton(object, whole_query, unknown_style.is_some()))
            .map_err(|e| format!("the parameter `{name}`: {e}"))?;
    let (mut location, style) = placed(&typed);
    if whole_query {
        location = Location::QueryString;
    }
    let style = unknown_style.unwrap_or(style);
    let allow_reserved = object.get("allowReserved") == Some(&Value::Bool(true));
    let data = typed.parameter_data();
    Ok(Some(Parameter {
        required: data.required || location == Location::Path,
        deprecated: data.deprecated.unwrap_or(false),
        description: data.description,
        explode: data.explode.unwrap_or(matches!(style, Style::Form | Style::Cookie)),
        name: data.name,
        location,
        style,
        allow_reserved,
        content,
        schema,
        examples,
    }))
}

/// The parameter without its schema and examples, so that one odd schema does
/// not cost the typed reading of the rest, and without what is newer than 3.0.
fn skeleton(object: &Map<String, Value>, whole_query: bool, without_style: bool) -> Value {
    let mut out: Map<String, Value> = object
        .iter()
        .filter(|(k, v)| {
            matches!(
                k.as_str(),
                "name" | "in" | "required" | "deprecated" | "description" | "style" | "explode"
            ) && !v.is_null()
                && !(without_style && *k == "style")
        })
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if whole_query {
        out.insert("in".to_owned(), json!("query"));
    }
    out.insert("schema".to_owned(), json!({}));
    Value::Object(out)
}

fn examples<'d>(document: &'d Document, object: &'d Map<String, Value>) -> Vec<&'d Value> {
    if let Some(example) = object.get("example") {
        return vec![example];
    }
    let named = object.get("examples").and_then(Value::as_object);
    let given = named.into_iter().flat_map(Map::values).filter_map(|example| {
        let example = document.library.follow(example).ok()?;
        // 3.2 names the value as it is before it is written `dataValue`.
        example.get("value").or_else(|| example.get("dataValue"))
    });
    given.take(EXAMPLES_MAX).collect()
}

type ContentOrSchema<'d> = (Option<String>, Option<&'d Value>);

fn content_or_schema<'d>(
    document: &'d Document,
    object: &'d Map<String, Value>,
) -> Result<ContentOrSchema<'d>, String> {
    let first = object.get("content").and_then(Value::as_object).and_then(|c| c.iter().next());
    Ok(match first {
        Some((media, value)) => {
            (Some(media.clone()), document.library.follow(value)?.get("schema"))
        }
        None => (None, object.get("schema")),
    })
}

fn placed(parameter: &openapiv3::Parameter) -> (Location, Style) {
    use openapiv3::{CookieStyle, HeaderStyle, Parameter as P, PathStyle, QueryStyle};
    match parameter {
        P::Path { style, .. } => (
            Location::Path,
            match style {
                PathStyle::Matrix => Style::Matrix,
                PathStyle::Label => Style::Label,
                PathStyle::Simple => Style::Simple,
            },
        ),
        P::Query { style, .. } => (
            Location::Query,
            match style {
                QueryStyle::Form => Style::Form,
                QueryStyle::SpaceDelimited => Style::SpaceDelimited,
                QueryStyle::PipeDelimited => Style::PipeDelimited,
                QueryStyle::DeepObject => Style::DeepObject,
            },
        ),
        P::Header { style: HeaderStyle::Simple, .. } => (Location::Header, Style::Simple),
        P::Cookie { style: CookieStyle::Form, .. } => (Location::Cookie, Style::Form),
    }
}
