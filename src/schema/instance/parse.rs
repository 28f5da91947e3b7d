//! A text -> an instance: its values are counted, then read into place.

use super::{Instance, Item, Kind, Limits, Node, Refused};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

impl<'t> Instance<'t> {
    /// Parses a text within limits. Numbers out of range and lone surrogates are
    /// refused.
    pub fn parse(text: &'t str, limits: &Limits) -> Result<Self, Refused> {
        let size = size(text);
        if size.values > limits.values_max {
            return Err(Refused::TooMany(limits.values_max));
        }
        // Offsets are 32 bits wide. No limit on a body is near it.
        if u32::try_from(text.len()).is_err() {
            let e = <serde_json::Error as Error>::custom("longer than 4 GiB");
            return Err(Refused::Invalid(e));
        }
        let mut builder = Builder {
            instance: Instance {
                text,
                nodes: Vec::with_capacity(size.nodes),
                unescaped: String::new(),
            },
            limits,
            keys: Vec::new(),
        };
        let mut reader = serde_json::Deserializer::from_str(text);
        Seed { builder: &mut builder, depth: 0 }
            .deserialize(&mut reader)
            .and_then(|()| reader.end())
            .map_err(Refused::Invalid)?;
        Ok(builder.instance)
    }
}

/// Values in a text, and nodes that they need: exact where it is JSON.
struct Size {
    values: usize,
    nodes: usize,
}

fn size(text: &str) -> Size {
    let (mut values, mut keys) = (1usize, 0usize);
    let (mut in_string, mut escaped, mut opened) = (false, false, false);
    for byte in text.bytes() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => continue,
            b'"' => in_string = true,
            b',' => values += 1,
            b':' => keys += 1,
            // Its first element; none where it closes at once.
            b'[' | b'{' => {
                values += 1;
                opened = true;
                continue;
            }
            b']' | b'}' if opened => values = values.saturating_sub(1),
            _ => {}
        }
        opened = false;
    }
    Size { values, nodes: values + keys }
}

struct Builder<'t, 'l> {
    instance: Instance<'t>,
    limits: &'l Limits,
    /// Keys of the objects that are being read, as nodes.
    keys: Vec<u32>,
}

impl<'t> Builder<'t, '_> {
    fn push<E: Error>(&mut self, kind: Kind, bits: u64) -> Result<usize, E> {
        let at = self.instance.nodes.len();
        // As many as were counted, or the text is not JSON.
        if at >= self.instance.nodes.capacity() {
            return Err(E::custom("not JSON"));
        }
        let (a, b) = ((bits >> 32) as u32, bits as u32);
        self.instance.nodes.push(Node { a, b, next: at as u32 + 1, kind });
        Ok(at)
    }

    fn close(&mut self, at: usize, count: u32) {
        let next = self.instance.nodes.len() as u32;
        let node = &mut self.instance.nodes[at];
        (node.a, node.next) = (count, next);
    }

    /// A string without escapes, which is a part of the text.
    fn borrowed<E: Error>(&mut self, text: &'t str) -> Result<usize, E> {
        let offset = (text.as_ptr() as usize).wrapping_sub(self.instance.text.as_ptr() as usize);
        match self.instance.text.get(offset..offset.saturating_add(text.len())) {
            Some(_) => self.push(Kind::Text, ((offset as u64) << 32) | text.len() as u64),
            None => self.owned(text),
        }
    }

    fn owned<E: Error>(&mut self, text: &str) -> Result<usize, E> {
        let offset = self.instance.unescaped.len() as u64;
        self.instance.unescaped.push_str(text);
        self.push(Kind::Unescaped, (offset << 32) | text.len() as u64)
    }

    /// Refuses a key that the object read last has twice.
    fn no_duplicates<E: Error>(&mut self, first_key: usize) -> Result<(), E> {
        let instance = &self.instance;
        let name = |at: u32| Item { instance, at }.text().unwrap_or_default();
        let keys = &mut self.keys[first_key..];
        keys.sort_unstable_by(|a, b| name(*a).cmp(name(*b)));
        match keys.windows(2).find(|pair| name(pair[0]) == name(pair[1])) {
            None => Ok(()),
            Some(pair) => {
                let shown: String = name(pair[0]).chars().take(64).collect();
                Err(E::custom(format_args!("duplicate key {shown:?}")))
            }
        }
    }
}

struct Seed<'b, 't, 'l> {
    builder: &'b mut Builder<'t, 'l>,
    depth: usize,
}

impl<'t, 'l> Seed<'_, 't, 'l> {
    fn inner(&mut self) -> Seed<'_, 't, 'l> {
        Seed { builder: self.builder, depth: self.depth + 1 }
    }

    fn check_depth<E: Error>(&self) -> Result<(), E> {
        let max = self.builder.limits.depth_max;
        match self.depth < max {
            true => Ok(()),
            false => Err(E::custom(format_args!("nested deeper than {max} levels"))),
        }
    }
}

impl<'t> DeserializeSeed<'t> for Seed<'_, 't, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'t>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Seed<'_, 't, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.builder.push(Kind::Null, 0).map(drop)
    }
    fn visit_bool<E: Error>(self, b: bool) -> Result<(), E> {
        self.builder.push(if b { Kind::True } else { Kind::False }, 0).map(drop)
    }
    fn visit_u64<E: Error>(self, n: u64) -> Result<(), E> {
        self.builder.push(Kind::Unsigned, n).map(drop)
    }
    fn visit_i64<E: Error>(self, n: i64) -> Result<(), E> {
        self.builder.push(Kind::Signed, n.cast_unsigned()).map(drop)
    }
    fn visit_f64<E: Error>(self, n: f64) -> Result<(), E> {
        match n.is_finite() {
            true => self.builder.push(Kind::Float, n.to_bits()).map(drop),
            false => Err(E::custom("a number out of range")),
        }
    }
    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<(), E> {
        self.builder.borrowed(text).map(drop)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.builder.owned(text).map(drop)
    }
    fn visit_seq<A: SeqAccess<'t>>(mut self, mut seq: A) -> Result<(), A::Error> {
        self.check_depth()?;
        let at = self.builder.push(Kind::Array, 0)?;
        let mut count = 0;
        while seq.next_element_seed(self.inner())?.is_some() {
            count += 1;
        }
        self.builder.close(at, count);
        Ok(())
    }
    fn visit_map<A: MapAccess<'t>>(mut self, mut map: A) -> Result<(), A::Error> {
        self.check_depth()?;
        let at = self.builder.push(Kind::Object, 0)?;
        let first_key = self.builder.keys.len();
        let mut count = 0;
        while map.next_key_seed(Key(self.builder))?.is_some() {
            map.next_value_seed(self.inner())?;
            count += 1;
        }
        self.builder.close(at, count);
        if !self.builder.limits.duplicates {
            self.builder.no_duplicates(first_key)?;
        }
        self.builder.keys.truncate(first_key);
        Ok(())
    }
}

/// Reads a key into a node of its own.
struct Key<'b, 't, 'l>(&'b mut Builder<'t, 'l>);

impl Key<'_, '_, '_> {
    fn take<E: Error>(self, key: Result<usize, E>, bytes: usize) -> Result<(), E> {
        let max = self.0.limits.key_bytes_max;
        if bytes > max {
            return Err(E::custom(format_args!("a key longer than {max} bytes")));
        }
        let at = key?;
        if !self.0.limits.duplicates {
            self.0.keys.push(at as u32);
        }
        Ok(())
    }
}

impl<'t> DeserializeSeed<'t> for Key<'_, 't, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'t>>(self, d: D) -> Result<(), D::Error> {
        d.deserialize_str(self)
    }
}

impl<'t> Visitor<'t> for Key<'_, 't, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_borrowed_str<E: Error>(self, text: &'t str) -> Result<(), E> {
        let key = self.0.borrowed(text);
        self.take(key, text.len())
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let key = self.0.owned(text);
        self.take(key, text.len())
    }
}
