//! The input schema of a tool: one property for each parameter and one for the
//! body.

use super::adjust;
use super::body::{self, BodyForm, BodyPlan, Flat};
use super::encode::Content;
use super::form::Fields;
use super::name::argument_names;
use super::request::Binding;
use super::style::Spelling;
use super::xml::Shapes;
use crate::openapi::{Body, Location, Operation, Parameter};
use crate::schema::text::clean_value;
use crate::schema::{Converter, Library};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

/// What an agent fills in, and where each argument goes.
pub struct Input {
    /// Without the definitions that it refers to.
    pub schema: Value,
    pub bindings: Vec<Binding>,
    pub body: Option<BodyPlan>,
}

/// Parameters of one operation. Real ones have up to a few hundred.
const PARAMETERS_MAX: usize = 1000;

/// `supplied` are parameters that a credential fills in.
pub fn compile(
    operation: &Operation<'_>,
    library: &Library,
    converter: &mut Converter<'_>,
    supplied: &[(Location, String)],
    flatten: bool,
) -> Result<Input, String> {
    if operation.parameters.len() > PARAMETERS_MAX {
        return Err(format!("it has more than {PARAMETERS_MAX} parameters"));
    }
    let mut parameters: Vec<&Parameter<'_>> = operation.parameters.iter().collect();
    parameters.sort_by_key(|p| p.location);
    let named = parameters.iter().map(|p| (p.name.as_str(), p.location.name()));
    let mut names = argument_names(named.chain(operation.body.iter().map(|_| ("body", "body"))));
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut bindings = Vec::new();
    let body_name = operation.body.as_ref().and_then(|_| names.pop());
    for (parameter, name) in parameters.into_iter().zip(names) {
        if supplied.iter().any(|(l, n)| *l == parameter.location && *n == parameter.name) {
            continue;
        }
        properties.insert(name.clone(), parameter_schema(parameter, &name, converter)?);
        if parameter.required {
            required.push(name.clone());
        }
        bindings.push(Binding {
            argument: name.into(),
            spelling: spelling(parameter),
            taken: HashSet::new(),
        });
    }
    let mut body = None;
    let mut together = Map::new();
    if let (Some(declared), Some(name)) = (&operation.body, body_name) {
        let (media, form) = body::choose(declared)?;
        let fields = Fields::compile(library, media.schema, media.encoding);
        let mut schema = body_schema(declared, media.name, media.schema, form, converter)?;
        if form == BodyForm::Multipart && fields.has_files() {
            describe_files(&mut schema);
        }
        let mut flat = None;
        let fielded = !matches!(form, BodyForm::Text | BodyForm::Xml | BodyForm::Binary);
        let members = (flatten && fielded)
            .then(|| adjust::flat(&schema, |r| converter.definition(r), &properties).cloned())
            .flatten();
        match members {
            Some(members) => {
                let needed = flat_required(&schema, converter);
                match declared.required {
                    true => required.extend(needed),
                    // A body, once it is given, is given whole.
                    false => together = dependent(members.keys(), &needed),
                }
                let names = members.keys().map(|k| k.as_str().into()).collect();
                flat = Some(Flat { members: names, required: declared.required });
                properties.extend(members);
            }
            None => {
                properties.insert(name.clone(), schema);
                if declared.required {
                    required.push(name.clone());
                }
            }
        }
        let content_type = body::content_type(media.name)?;
        let xml =
            media.schema.filter(|_| form == BodyForm::Xml).map(|s| Shapes::compile(library, s));
        body = Some(BodyPlan {
            argument: name.into(),
            form,
            content_type,
            fields,
            xml,
            flat,
            bytes_max: None,
        });
    }
    let mut schema = root(properties, required);
    if let (Some(schema), false) = (schema.as_object_mut(), together.is_empty()) {
        schema.insert("dependentRequired".to_owned(), Value::Object(together));
    }
    Ok(Input { schema, bindings, body })
}

/// The required members of a body that is flattened.
fn flat_required(schema: &Value, converter: &Converter<'_>) -> Vec<String> {
    let mut schema = schema;
    while let Some(next) =
        schema.get("$ref").and_then(Value::as_str).and_then(|r| converter.definition(r))
    {
        schema = next;
    }
    let list = schema.get("required").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Which members of a body need which others: each needs the first that is
/// needed, and that one all the rest.
fn dependent<'m>(
    members: impl Iterator<Item = &'m String>,
    needed: &[String],
) -> Map<String, Value> {
    let Some((first, rest)) = needed.split_first() else { return Map::new() };
    let mut out = Map::new();
    for member in members.filter(|m| *m != first) {
        out.insert(member.clone(), json!([first]));
    }
    if !rest.is_empty() {
        out.insert(first.clone(), json!(rest));
    }
    out
}

fn root(properties: Map<String, Value>, required: Vec<String>) -> Value {
    let mut root = Map::new();
    root.insert("type".to_owned(), json!("object"));
    root.insert("properties".to_owned(), Value::Object(properties));
    if !required.is_empty() {
        root.insert("required".to_owned(), json!(required));
    }
    root.insert("additionalProperties".to_owned(), json!(false));
    Value::Object(root)
}

fn parameter_schema(
    parameter: &Parameter<'_>,
    argument: &str,
    converter: &mut Converter<'_>,
) -> Result<Value, String> {
    let converted = match parameter.schema {
        Some(schema) => converter
            .convert(schema)
            .map_err(|e| format!("the parameter `{}`: {e}", parameter.name))?,
        None => json!({}),
    };
    let mut schema = object(converted);
    let own = schema.get("description").and_then(Value::as_str);
    let mut description = own.or(parameter.description.as_deref()).unwrap_or_default().to_owned();
    if argument != parameter.name {
        let place = format!("({} parameter `{}`)", parameter.location.name(), parameter.name);
        description = format!("{description} {place}").trim().to_owned();
    }
    describe(&mut schema, &description);
    if !parameter.examples.is_empty() {
        let examples = parameter.examples.iter().map(|e| clean_value(e)).collect();
        schema.insert("examples".to_owned(), examples);
    }
    if parameter.deprecated {
        schema.insert("deprecated".to_owned(), json!(true));
    }
    Ok(Value::Object(schema))
}

fn body_schema(
    body: &Body<'_>,
    media: &str,
    schema: Option<&Value>,
    form: BodyForm,
    converter: &mut Converter<'_>,
) -> Result<Value, String> {
    let mut schema = match form {
        BodyForm::Xml if schema.is_some() => {
            let value = match schema {
                Some(schema) => {
                    converter.convert(schema).map_err(|e| format!("the request body: {e}"))?
                }
                None => json!({}),
            };
            let text =
                json!({"type": "string", "description": format!("The body as {media} text.")});
            object(json!({ "anyOf": [value, text] }))
        }
        BodyForm::Text | BodyForm::Xml => {
            object(json!({"type": "string", "description": format!("The body, as {media}.")}))
        }
        BodyForm::Binary => object(json!({
            "type": "string",
            "contentEncoding": "base64",
            "description": format!("The body: bytes of {media}, in Base64."),
        })),
        BodyForm::Json | BodyForm::UrlEncoded | BodyForm::Multipart => match schema {
            Some(schema) => {
                object(converter.convert(schema).map_err(|e| format!("the request body: {e}"))?)
            }
            None => Map::new(),
        },
    };
    let own = body.description.as_deref().unwrap_or_default();
    let raw = matches!(form, BodyForm::Text | BodyForm::Xml | BodyForm::Binary);
    if !schema.contains_key("description") || (raw && !own.is_empty()) {
        describe(&mut schema, own);
    }
    Ok(Value::Object(schema))
}

/// Tells how a file is given.
fn describe_files(schema: &mut Value) {
    const HOW: &str = "Files are given as Base64, or as a data: URL with type and name, such as data:image/png;name=cat.png;base64,iVBOR...";
    if let Some(object) = schema.as_object_mut() {
        let own = object.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{own} {HOW}").trim().to_owned();
        object.insert("description".to_owned(), Value::String(text));
    }
}

fn describe(schema: &mut Map<String, Value>, description: &str) {
    let description = super::describe::clean(description);
    if !description.is_empty() {
        schema.insert("description".to_owned(), Value::String(description));
    }
}

/// Boolean schemas have no room for a description, and some clients refuse them
/// as properties.
fn object(schema: Value) -> Map<String, Value> {
    match schema {
        Value::Object(object) => object,
        Value::Bool(false) => object(json!({"not": {}})),
        _ => Map::new(),
    }
}

fn spelling(parameter: &Parameter<'_>) -> Spelling {
    let content = parameter.content.as_deref().map(|media| match &*body::essence(media) {
        _ if body::is_json(media) => Content::Json,
        "application/x-www-form-urlencoded" => Content::UrlEncoded,
        _ => Content::Text,
    });
    Spelling {
        name: parameter.name.as_str().into(),
        location: parameter.location,
        style: parameter.style,
        explode: parameter.explode,
        allow_reserved: parameter.allow_reserved,
        content,
    }
}
