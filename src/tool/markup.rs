//! XML text -> elements, within bounds.

use super::bounded::Bounded;
use crate::fault::{Class, Fault, Result as Written};
use quick_xml::events::Event;

/// Nesting and elements of one answer that is read.
pub const DEPTH_MAX: usize = 64;
pub const ELEMENTS_MAX: usize = 100_000;

/// One element, its text in one piece.
#[derive(Debug, Default)]
pub struct Element {
    pub name: String,
    pub attributes: Vec<(String, String)>,
    pub children: Vec<Element>,
    pub text: String,
}

/// Reads a document into elements, within bounds. A DOCTYPE is refused: it can
/// define entities that grow without end.
pub fn parse(text: &str) -> std::result::Result<Element, String> {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut open: Vec<Element> = vec![Element::default()];
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|e| format!("not XML: {e}"))?;
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Eof => break,
            Event::DocType(_) => return Err("XML with a DOCTYPE is not read".to_owned()),
            Event::Start(tag) | Event::Empty(tag) => {
                elements += 1;
                if elements > ELEMENTS_MAX || open.len() > DEPTH_MAX {
                    return Err("the XML has too many elements or levels".to_owned());
                }
                let mut element =
                    Element { name: tag.name().as_ref().to_owned(), ..Element::default() };
                for attribute in tag.attributes() {
                    let attribute = attribute.map_err(|e| format!("not XML: {e}"))?;
                    let value = quick_xml::escape::unescape(&attribute.value)
                        .map_err(|e| format!("not XML: {e}"))?;
                    element
                        .attributes
                        .push((attribute.key.as_ref().to_owned(), value.into_owned()));
                }
                open.push(element);
                if is_empty {
                    close(&mut open);
                }
            }
            Event::End(_) => close(&mut open),
            Event::Text(t) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&t);
                }
            }
            Event::CData(t) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&t);
                }
            }
            Event::GeneralRef(reference) => {
                let escaped = format!("&{};", &*reference);
                let plain =
                    quick_xml::escape::unescape(&escaped).map_err(|e| format!("not XML: {e}"))?;
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&plain);
                }
            }
            _ => {}
        }
    }
    match (open.len(), open.pop().and_then(|mut root| root.children.pop())) {
        (1, Some(root)) => Ok(root),
        _ => Err("not XML: an element is not closed, or there is none".to_owned()),
    }
}

fn close(open: &mut Vec<Element>) {
    if open.len() > 1
        && let Some(done) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        parent.children.push(done);
    }
}

pub fn open_tag(name: &str, namespace: &str, out: &mut Bounded) -> Written<()> {
    ["<", name, namespace, ">"].iter().try_for_each(|part| out.push_str(part))
}

pub fn close_tag(name: &str, out: &mut Bounded) -> Written<()> {
    ["</", name, ">"].iter().try_for_each(|part| out.push_str(part))
}

/// A name that can be a tag; arguments may hold others.
pub fn named(name: &str) -> Written<&str> {
    let good = name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'));
    match good {
        true => Ok(name),
        false => {
            Err(Fault::new(Class::InvalidArguments, format!("`{name}` cannot be an XML element")))
        }
    }
}

/// Text without the characters that no XML document may have.
pub fn legal(text: &str) -> Written<&str> {
    let bad = |c: char| {
        (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{7f}'..='\u{9f}'))
            || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    match text.chars().any(bad) {
        true => Err(Fault::new(
            Class::InvalidArguments,
            "the body has a control character, which XML cannot carry",
        )),
        false => Ok(text),
    }
}
