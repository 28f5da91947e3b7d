//! Results that need no API, rendered when a snapshot is built: each with the
//! brace that ends its message. Only the id of a request is put before it at call
//! time.

use super::version::{Revision, SUPPORTED};
use bytes::Bytes;
use serde_json::{Value, json};

/// `_meta` key of the server's name and version in modern results.
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// Who the server says it is.
#[derive(Clone, Debug)]
pub struct Identity {
    pub name: String,
    pub title: Option<String>,
    pub version: String,
    pub instructions: Option<String>,
    /// How long a client may keep what it listed, in milliseconds.
    pub ttl_ms: u64,
}

/// All fixed results of one server.
#[derive(Debug)]
pub struct Results {
    pub discover: Bytes,
    initialize: [Bytes; 3],
    /// Empty lists, modern and legacy.
    pub resources: [Bytes; 2],
    pub templates: [Bytes; 2],
    pub prompts: [Bytes; 2],
    /// What follows the last member of a cacheable modern result, closing it.
    pub cacheable_tail: Bytes,
    /// The same for a result that is not cacheable.
    pub plain_tail: Bytes,
}

/// The empty result of the handshake era.
pub const EMPTY: Bytes = Bytes::from_static(b"{}}");

impl Results {
    pub fn new(identity: &Identity) -> Self {
        let info = implementation(identity);
        let meta = json!({ SERVER_INFO: info });
        let plain_tail = format!(",\"resultType\":\"complete\",\"_meta\":{meta}}}");
        let cacheable_tail = format!(
            ",\"ttlMs\":{},\"cacheScope\":\"public\",\"resultType\":\"complete\",\"_meta\":{meta}}}",
            identity.ttl_ms
        );
        let list = |name: &str| {
            let head = format!("{{\"{name}\":[]");
            [Bytes::from(format!("{head}{cacheable_tail}}}")), Bytes::from(format!("{head}}}}}"))]
        };
        let mut discover =
            json!({ "supportedVersions": SUPPORTED, "capabilities": capabilities() });
        if let Some(text) = &identity.instructions {
            discover["instructions"] = text.as_str().into();
        }
        let mut discover = discover.to_string();
        discover.pop();
        Results {
            discover: format!("{discover}{cacheable_tail}}}").into(),
            initialize: [Revision::R2025_03_26, Revision::R2025_06_18, Revision::R2025_11_25]
                .map(|r| initialize(identity, &info, r)),
            resources: list("resources"),
            templates: list("resourceTemplates"),
            prompts: list("prompts"),
            cacheable_tail: cacheable_tail.into(),
            plain_tail: plain_tail.into(),
        }
    }

    pub fn initialize(&self, revision: Revision) -> &Bytes {
        match revision {
            Revision::R2025_03_26 => &self.initialize[0],
            Revision::R2025_06_18 => &self.initialize[1],
            Revision::R2025_11_25 => &self.initialize[2],
        }
    }
}

fn implementation(identity: &Identity) -> Value {
    let mut info = json!({ "name": identity.name, "version": identity.version });
    if let Some(title) = &identity.title {
        info["title"] = title.as_str().into();
    }
    info
}

fn initialize(identity: &Identity, info: &Value, revision: Revision) -> Bytes {
    let mut result = json!({
        "protocolVersion": revision.name(),
        "capabilities": capabilities(),
        "serverInfo": info,
    });
    if let Some(text) = &identity.instructions {
        result["instructions"] = text.as_str().into();
    }
    format!("{result}}}").into()
}

/// Resources and prompts are declared because their lists are answered.
fn capabilities() -> Value {
    json!({ "tools": { "listChanged": true }, "logging": {}, "resources": {}, "prompts": {} })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixed_result_is_json_with_what_its_era_asks_for() {
        let results = Results::new(&Identity {
            name: "shop".into(),
            title: Some("Shop \"A\"".into()),
            version: "1".into(),
            instructions: Some("Buy.".into()),
            ttl_ms: 5,
        });
        let parse = |b: &Bytes| {
            let result = b.strip_suffix(b"}").unwrap();
            serde_json::from_slice::<Value>(result).unwrap()
        };
        let modern =
            [&results.discover, &results.resources[0], &results.templates[0], &results.prompts[0]];
        for result in modern.map(parse) {
            assert_eq!(result["resultType"], "complete");
            assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(5), &json!("public")));
            assert_eq!(result["_meta"][SERVER_INFO]["name"], "shop");
        }
        for result in [&results.resources[1], &results.templates[1], &results.prompts[1]].map(parse)
        {
            assert_eq!(result.as_object().map(|o| o.len()), Some(1));
        }
        let init = parse(results.initialize(Revision::R2025_06_18));
        assert_eq!(init["protocolVersion"], "2025-06-18");
        assert_eq!(init["serverInfo"]["title"], "Shop \"A\"");
        assert!(init.get("resultType").is_none());
    }
}
