//! Why a value does not fit: the first rule that refuses it, as deep as one can
//! look. Of alternatives that all refuse, only the nearest one is explained.

use super::naming::{SHOWN_CHARS_MAX, chars, cut, cut_text, is, listed, names, shown};
use super::run::{Result, Run, TooMuch, type_of};
use super::{BUDGET, Id, Member, Members, Rule, Verdict, too_much};
use crate::schema::instance::{Instance, Item, Limits};
use serde_json::Value;

/// Explains a verdict that was found before, with a budget of its own.
pub fn explain(run: &mut Run<'_>, instance: &Instance<'_>) -> Verdict {
    run.refill(instance);
    let mut at = Place { pointer: String::new(), left: instance.root() };
    let id = run.program.root;
    match schema(run, id, &mut at) {
        Ok(Some(verdict)) => verdict,
        // It was refused; only why is not known.
        Ok(None) => at.verdict("schema", "it does not fit".to_owned()),
        Err(TooMuch) => Verdict { rule: BUDGET.to_owned(), ..too_much() },
    }
}

/// Where one is.
struct Place<'i> {
    pointer: String,
    left: Item<'i>,
}

impl<'i> Place<'i> {
    fn verdict(&self, rule: &str, message: String) -> Verdict {
        Verdict { pointer: self.pointer.clone(), rule: rule.to_owned(), message }
    }

    fn inside(&self, key: &str, item: Item<'i>) -> Place<'i> {
        let key: String = key.chars().take(SHOWN_CHARS_MAX).collect();
        let key = key.replace('~', "~0").replace('/', "~1");
        Place { pointer: format!("{}/{key}", self.pointer), left: item }
    }
}

/// What a schema refuses; `None` where it refuses nothing.
fn schema(run: &mut Run<'_>, id: Id, at: &mut Place<'_>) -> Result<Option<Verdict>> {
    let rules = &run.program.schemas[id].rules;
    for nth in 0..rules.len() {
        if !run.nth_holds(rules, nth, at.left)? {
            return rule(run, &rules[nth], at).map(Some);
        }
    }
    Ok(None)
}

fn within(run: &mut Run<'_>, id: Id, at: &mut Place<'_>, keyword: &str) -> Result<Verdict> {
    let inner = run.deeper(|run| schema(run, id, at))?;
    Ok(inner.unwrap_or_else(|| at.verdict(keyword, "it does not fit".to_owned())))
}

/// A rule that is broken, in words.
fn rule(run: &mut Run<'_>, rule: &Rule, at: &mut Place<'_>) -> Result<Verdict> {
    let item = at.left;
    let value = shown(item);
    let (keyword, message) = match rule {
        Rule::Never => ("false schema", format!("{value} is not allowed here")),
        Rule::Type(bits) => ("type", format!("{value} is not of type {}", names(*bits))),
        Rule::Const(want) => ("const", format!("{} was expected, not {value}", cut(want))),
        Rule::Enum(options) => ("enum", format!("{value} is not one of {}", listed(options))),
        Rule::Minimum(n) => ("minimum", format!("{value} is less than the minimum of {}", is(*n))),
        Rule::Maximum(n) => {
            ("maximum", format!("{value} is greater than the maximum of {}", is(*n)))
        }
        Rule::ExclusiveMinimum(n) => {
            ("exclusiveMinimum", format!("{value} is not greater than {}", is(*n)))
        }
        Rule::ExclusiveMaximum(n) => {
            ("exclusiveMaximum", format!("{value} is not less than {}", is(*n)))
        }
        Rule::MultipleOf(n, _) => {
            ("multipleOf", format!("{value} is not a multiple of {}", is(*n)))
        }
        Rule::MinLength(n) => ("minLength", format!("{value} is shorter than {}", chars(*n))),
        Rule::MaxLength(n) => ("maxLength", format!("{value} is longer than {}", chars(*n))),
        Rule::Pattern(index) => {
            let pattern = cut_text(&run.program.patterns[*index].source);
            ("pattern", format!("{value} does not match \"{pattern}\""))
        }
        Rule::MinItems(n) => ("minItems", format!("the list has less than {n} items")),
        Rule::MaxItems(n) => ("maxItems", format!("the list has more than {n} items")),
        Rule::UniqueItems => ("uniqueItems", "the list has the same item twice".to_owned()),
        Rule::MinProperties(n) => {
            ("minProperties", format!("the object has less than {n} members"))
        }
        Rule::MaxProperties(n) => {
            ("maxProperties", format!("the object has more than {n} members"))
        }
        Rule::DependentRequired(all) => {
            let broken = all.iter().filter(|(name, _)| item.member(name).is_some()).find_map(
                |(name, needed)| Some((name, needed.iter().find(|n| item.member(n).is_none())?)),
            );
            let message = broken.map_or_else(String::new, |(name, needed)| {
                format!("\"{needed}\" is required where \"{name}\" is given")
            });
            ("dependentRequired", message)
        }
        Rule::Members(all) => return members(run, all, at),
        Rule::PropertyNames(id) => return property_names(run, *id, at),
        Rule::Elements { prefix, others } => {
            for (nth, element) in item.elements().enumerate() {
                let Some(id) = prefix.get(nth).copied().or(*others) else { break };
                if !run.holds(id, element)? {
                    return within(run, id, &mut at.inside(&nth.to_string(), element), "items");
                }
            }
            ("items", "an item does not fit".to_owned())
        }
        Rule::Contains { min, max, .. } if *max == u64::MAX => {
            ("contains", format!("the list needs {min} or more items of a kind that it lacks"))
        }
        Rule::Contains { min, max, .. } => {
            ("contains", format!("the list needs {min} to {max} items of one kind"))
        }
        Rule::DependentSchemas(all) => {
            for (name, id) in all {
                if item.member(name).is_some() && !run.holds(*id, item)? {
                    return within(run, *id, at, "dependentSchemas");
                }
            }
            ("dependentSchemas", String::new())
        }
        Rule::Reference(id) => return within(run, *id, at, "$ref"),
        Rule::AllOf(ids) => {
            for id in ids {
                if !run.holds(*id, item)? {
                    return within(run, *id, at, "allOf");
                }
            }
            ("allOf", String::new())
        }
        Rule::AnyOf(ids) => return alternatives(run, ids, at, "anyOf"),
        Rule::OneOf(ids) => {
            if run.fitting(ids, item, 1)? > 0 {
                let message = format!("{value} is valid under more than one of the given schemas");
                return Ok(at.verdict("oneOf", message));
            }
            return alternatives(run, ids, at, "oneOf");
        }
        Rule::Not(_) => ("not", format!("{value} is of a kind that is not allowed here")),
        Rule::If { condition, then, or_else } => {
            let chosen = if run.holds(*condition, item)? { then } else { or_else };
            match chosen {
                Some(id) => return within(run, *id, at, "if"),
                None => ("if", String::new()),
            }
        }
        Rule::UnevaluatedItems(_) => {
            ("unevaluatedItems", "the list has items that no schema describes".to_owned())
        }
        Rule::UnevaluatedProperties(_) => {
            ("unevaluatedProperties", "the object has members that no schema describes".to_owned())
        }
    };
    Ok(at.verdict(keyword, message))
}

fn members(run: &mut Run<'_>, all: &Members, at: &mut Place<'_>) -> Result<Verdict> {
    let item = at.left;
    for member in all.named.iter().filter(|m| m.required) {
        run.spend(1)?;
        if item.member(&member.name).is_none() {
            return Ok(
                at.verdict("required", format!("\"{}\" is a required property", member.name))
            );
        }
    }
    for (name, value) in item.members() {
        let schema = all.find(name).and_then(|at| all.named[at].schema);
        let mut known = schema.is_some();
        if let Some(id) = schema
            && !run.holds(id, value)?
        {
            return within(run, id, &mut at.inside(name, value), "properties");
        }
        for (pattern, id) in &all.by_pattern {
            if run.matches(*pattern, name)? {
                known = true;
                if !run.holds(*id, value)? {
                    return within(run, *id, &mut at.inside(name, value), "patternProperties");
                }
            }
        }
        if let (false, Some(id)) = (known, all.others)
            && !run.holds(id, value)?
        {
            if matches!(run.program.schemas[id].rules[..], [Rule::Never]) {
                return Ok(at.verdict("additionalProperties", unexpected(all, name)));
            }
            return within(run, id, &mut at.inside(name, value), "additionalProperties");
        }
    }
    Ok(at.verdict("properties", "a member does not fit".to_owned()))
}

fn unexpected(all: &Members, name: &str) -> String {
    let near = crate::problem::nearest(name, all.named.iter().map(|m| &*m.name));
    let hint = near.map_or_else(String::new, |n| format!("; did you mean '{n}'?"));
    format!("Additional properties are not allowed ('{}' was unexpected{hint})", cut_text(name))
}

fn property_names(run: &mut Run<'_>, id: Id, at: &mut Place<'_>) -> Result<Verdict> {
    for (name, _) in at.left.members() {
        if run.name_holds(id, name)? {
            continue;
        }
        let text = Value::from(cut_text(name)).to_string();
        let why = match Instance::parse(&text, &Limits::ANSWER) {
            Ok(instance) => {
                let mut place = Place { pointer: at.pointer.clone(), left: instance.root() };
                within(run, id, &mut place, "propertyNames")?.message
            }
            Err(_) => String::new(),
        };
        return Ok(at.verdict("propertyNames", format!("a name does not fit: {why}")));
    }
    Ok(at.verdict("propertyNames", "a name does not fit".to_owned()))
}

/// Explains the alternative that comes nearest, where one does; otherwise names
/// what there is to choose from.
fn alternatives(
    run: &mut Run<'_>,
    ids: &[Id],
    at: &mut Place<'_>,
    keyword: &str,
) -> Result<Verdict> {
    let mut scores = Vec::with_capacity(ids.len());
    for id in ids {
        scores.push((nearness(run, *id, at.left, 0)?, *id));
    }
    let best = scores.iter().map(|(score, _)| *score).max().unwrap_or(0);
    let mut nearest = scores.iter().filter(|(score, _)| *score == best);
    if let (Some((2.., id)), None) = (nearest.next(), nearest.next()) {
        return within(run, *id, at, keyword);
    }
    let mut choices: Vec<String> = Vec::new();
    for id in ids {
        let choice = described(run, *id, 0);
        if choices.len() < CHOICES_MAX && !choices.contains(&choice) {
            choices.push(choice);
        }
    }
    let message = format!(
        "{} is not valid under any of the given schemas: {}",
        shown(at.left),
        choices.join(", or ")
    );
    Ok(at.verdict(keyword, message))
}

/// Alternatives that a message names.
const CHOICES_MAX: usize = 8;

/// References and compositions that are looked through for what a schema is about.
const HOPS_MAX: usize = 4;

/// What kind of value a schema is about, in few words.
fn described(run: &Run<'_>, id: Id, hops: usize) -> String {
    let rules = &run.program.schemas[id].rules;
    let mut kind = None;
    for rule in rules {
        match rule {
            Rule::Const(value) => return cut(value),
            Rule::Enum(options) => return format!("one of {}", listed(options)),
            Rule::Type(bits) => kind = Some(names(*bits)),
            Rule::Members(members) => {
                let tags: Vec<String> = members.named.iter().filter_map(|m| tag(run, m)).collect();
                let needed = members.named.iter().filter(|m| m.required);
                let needed: Vec<String> =
                    needed.take(CHOICES_MAX).map(|m| format!("\"{}\"", m.name)).collect();
                if let Some(tag) = tags.first() {
                    return format!("an object with {tag}");
                }
                if !needed.is_empty() {
                    return format!("an object with {}", needed.join(", "));
                }
            }
            Rule::Reference(id) if hops < HOPS_MAX => return described(run, *id, hops + 1),
            Rule::AllOf(ids) if hops < HOPS_MAX && ids.len() == 1 => {
                return described(run, ids[0], hops + 1);
            }
            _ => {}
        }
    }
    kind.unwrap_or_else(|| "a value of its own kind".to_owned())
}

/// A member that has one value only, by which kinds of objects are told apart.
fn tag(run: &Run<'_>, member: &Member) -> Option<String> {
    match &run.program.schemas[member.schema?].rules[..] {
        [Rule::Const(value)] | [Rule::Type(_), Rule::Const(value)] => {
            Some(format!("\"{}\": {}", member.name, cut(value)))
        }
        _ => None,
    }
}

/// How near a value comes to fitting a schema: nothing where its type is wrong, one
/// where it says that it is of another kind, else two and more for what fits.
fn nearness(run: &mut Run<'_>, id: Id, item: Item<'_>, hops: usize) -> Result<usize> {
    run.spend(1)?;
    let program = run.program;
    let mut score = 2;
    for rule in &program.schemas[id].rules {
        score += match rule {
            Rule::Never => return Ok(0),
            Rule::Type(bits) if bits & type_of(item) == 0 => return Ok(0),
            Rule::Const(_) | Rule::Enum(_) => 1,
            Rule::Members(members) => {
                let mut fitting = 0;
                for (name, value) in item.members() {
                    let member = members.find(name).map(|at| &members.named[at]);
                    let Some(schema) = member.and_then(|m| m.schema) else { continue };
                    match run.holds(schema, value)? {
                        true => fitting += 1,
                        false if member.and_then(|m| tag(run, m)).is_some() => return Ok(1),
                        false => {}
                    }
                }
                fitting
            }
            Rule::Reference(id) if hops < HOPS_MAX => match nearness(run, *id, item, hops + 1)? {
                far @ 0..=1 => return Ok(far),
                near => near - 2,
            },
            Rule::AllOf(ids) if hops < HOPS_MAX => {
                let mut sum = 0;
                for id in ids {
                    match nearness(run, *id, item, hops + 1)? {
                        far @ 0..=1 => return Ok(far),
                        near => sum += near - 2,
                    }
                }
                sum
            }
            _ => 0,
        };
    }
    Ok(score)
}
