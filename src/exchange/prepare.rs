//! One message -> what is to be done.

use super::admit::{EVENT_STREAM, accepts};
use super::call::{Call, Notices};
use super::reply::{Record, Reply, error_result, fault_reply, result_reply};
use super::subscribe::Subscription;
use super::{Facts, Next};
use crate::config::AnswerAs;
use crate::fault::{Class, Fault, Result, Shape};
use crate::jsonrpc::{self, Message, Request, raw};
use crate::mcp::session::Session;
use crate::mcp::{Era, Level, Meta, Revision, headers, meta, results};
use crate::observe::Outcome;
use crate::problem::nearest;
use crate::snapshot::Server;
use crate::tool::Tool;
use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// Decides what a message asks for. Never fails: a fault is a reply too.
pub fn prepare(server: &Arc<Server>, facts: &Facts<'_>, body: &[u8]) -> Next {
    let mut next = match jsonrpc::parse(body) {
        Ok(Message::Request(request)) => asked(server, facts, request),
        Ok(Message::Notification { .. } | Message::Response) => {
            Next::Reply(Reply::empty(202, Record::new("notification", false)))
        }
        Err(rejected) => {
            let record = Record::new("none", false);
            Next::Reply(fault_reply(rejected.id.as_deref(), false, rejected.fault, record))
        }
    };
    if let Next::Reply(reply) = &mut next {
        reply.server = Some(server.clone());
    }
    next
}

/// Members of `params` that any method has, each read when it is needed.
#[derive(Deserialize, Default)]
struct Params<'a> {
    #[serde(borrow, default, rename = "_meta")]
    meta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cursor: Option<&'a RawValue>,
    #[serde(borrow, default)]
    level: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "protocolVersion")]
    protocol_version: Option<&'a RawValue>,
    #[serde(borrow, default)]
    notifications: Option<&'a RawValue>,
}

/// A request whose era is known.
struct Asked<'a> {
    server: &'a Arc<Server>,
    facts: &'a Facts<'a>,
    id: &'a str,
    method: &'a str,
    params: &'a Params<'a>,
    meta: &'a Meta<'a>,
    era: Era,
    session: Option<Session>,
}

fn asked(server: &Arc<Server>, facts: &Facts<'_>, request: Request<'_, Params<'_>>) -> Next {
    let method: &str = &request.method;
    let refuse = |modern: bool, fault: Fault| {
        Next::Reply(fault_reply(Some(request.id), modern, fault, Record::new(method, modern)))
    };
    let params = match request.params {
        None => Params::default(),
        Some(Ok(params)) => params,
        Some(Err(e)) => {
            let fault = Fault::new(Class::InvalidMeta, format!("`params` cannot be read: {e}"));
            return refuse(false, fault);
        }
    };
    let version = headers::single(facts.headers, &headers::PROTOCOL_VERSION);
    let classified = Meta::parse(params.meta).and_then(|m| {
        // A handshake negotiates; what its header says is of no weight.
        let handshake = method == "initialize" && m.protocol_version.is_none();
        let era = match handshake {
            true => Era::Legacy(Revision::LATEST),
            false => meta::era(&m, version?)?,
        };
        Ok((m, era))
    });
    let (meta, era) = match classified {
        Ok(found) => found,
        Err(fault) => return refuse(true, fault),
    };
    let mut asked = Asked {
        server,
        facts,
        id: request.id,
        method,
        params: &params,
        meta: &meta,
        era,
        session: None,
    };
    let done = match era {
        Era::Modern => asked.modern(),
        Era::Legacy(_) => asked.legacy(),
    };
    done.unwrap_or_else(|fault| refuse(era.is_modern(), fault))
}

impl Asked<'_> {
    fn modern(&self) -> Result<Next> {
        headers::check_method(self.facts.headers, self.method)?;
        let results = &self.server.results;
        match self.method {
            "server/discover" => Ok(self.result(results.discover.clone())),
            "tools/list" => self.list_tools(),
            "tools/call" => {
                let name = self.text(self.params.name, "name")?;
                headers::check_name(self.facts.headers, &name)?;
                self.call(&name)
            }
            "resources/list" => self.empty_list(&results.resources[0]),
            "resources/templates/list" => self.empty_list(&results.templates[0]),
            "prompts/list" => self.empty_list(&results.prompts[0]),
            "resources/read" => {
                let uri = self.text(self.params.uri, "uri")?;
                headers::check_name(self.facts.headers, &uri)?;
                Err(no_resource(&uri))
            }
            "prompts/get" => {
                let name = self.text(self.params.name, "name")?;
                headers::check_name(self.facts.headers, &name)?;
                Err(no_prompt(&name))
            }
            "subscriptions/listen" => {
                let filter = self.params.notifications.map(RawValue::get);
                let subscription = Subscription::modern(self.server, self.id, filter)?;
                Ok(Next::Stream(Box::new(subscription)))
            }
            _ => Err(no_method(self.method)),
        }
    }

    fn legacy(&mut self) -> Result<Next> {
        if self.method == "initialize" {
            return self.initialize();
        }
        self.session = self.check_session()?;
        if let (Some(session), None) =
            (&self.session, self.facts.headers.get(&headers::PROTOCOL_VERSION))
        {
            self.era = Era::Legacy(session.revision);
        }
        let results = &self.server.results;
        match self.method {
            "ping" => Ok(self.result(results::EMPTY)),
            "tools/list" => self.list_tools(),
            "tools/call" => {
                let name = self.text(self.params.name, "name")?;
                self.call(&name)
            }
            "logging/setLevel" => self.set_level(),
            "resources/list" => self.empty_list(&results.resources[1]),
            "resources/templates/list" => self.empty_list(&results.templates[1]),
            "prompts/list" => self.empty_list(&results.prompts[1]),
            "resources/read" => Err(no_resource(&self.text(self.params.uri, "uri")?)),
            "prompts/get" => Err(no_prompt(&self.text(self.params.name, "name")?)),
            _ => Err(no_method(self.method)),
        }
    }

    fn initialize(&self) -> Result<Next> {
        let asked = self.text(self.params.protocol_version, "protocolVersion")?;
        let revision = Revision::negotiate(&asked);
        let record = Record::new(self.method, false);
        let mut reply =
            result_reply(self.id, self.server.results.initialize(revision).clone(), record);
        let id = self.server.session_key.issue(revision, (self.facts.now)(), (self.facts.random)());
        if let Ok(value) = HeaderValue::from_str(&id) {
            reply.headers.push((headers::SESSION_ID.clone(), value));
        }
        Ok(Next::Reply(reply))
    }

    /// A session id is optional; one that is sent must be good.
    fn check_session(&self) -> Result<Option<Session>> {
        let Some(id) = headers::single(self.facts.headers, &headers::SESSION_ID)? else {
            return Ok(None);
        };
        match self.server.session_key.check(id, (self.facts.now)()) {
            Some(session) => Ok(Some(session)),
            None => Err(Fault::new(
                Class::SessionNotFound,
                "the session is unknown or too old; initialize again",
            )),
        }
    }

    fn set_level(&self) -> Result<Next> {
        let text = self.text(self.params.level, "level")?;
        let Some(level) = Level::parse(&text) else {
            let message = "`level` must be one of debug, info, notice, warning, error, critical, alert, emergency";
            return Err(Fault::new(Class::InvalidParams, message));
        };
        if let Some(session) = &self.session {
            self.facts.levels.set(session.random, level);
        }
        Ok(self.result(results::EMPTY))
    }

    fn list_tools(&self) -> Result<Next> {
        let cursor = self.params.cursor.map(|raw| self.text(Some(raw), "cursor")).transpose()?;
        match self.server.list(cursor.as_deref(), self.era.is_modern()) {
            Some(page) => Ok(self.result(page)),
            None => Err(bad_cursor()),
        }
    }

    fn empty_list(&self, result: &Bytes) -> Result<Next> {
        match self.params.cursor {
            Some(_) => Err(bad_cursor()),
            None => Ok(self.result(result.clone())),
        }
    }

    fn result(&self, result: Bytes) -> Next {
        let record = Record::new(self.method, self.era.is_modern());
        Next::Reply(result_reply(self.id, result, record))
    }

    fn call(&self, name: &str) -> Result<Next> {
        let Some(tool) = self.server.tool(name) else { return Err(self.no_tool(name)) };
        if self.era.is_modern() {
            self.check_capabilities(tool)?;
        }
        let made = self.check_call(tool);
        match made {
            Ok(call) => Ok(match tool.answer {
                AnswerAs::Stream if !call.notices.any() => Next::Relay(call),
                _ => Next::Exchange(call),
            }),
            // The model gets to read what is wrong with its arguments.
            Err(fault) if fault.class.shape() == Shape::ToolResult => {
                Ok(Next::Reply(self.error_result(tool, fault)))
            }
            Err(fault) => {
                tool.figures.count(Outcome::Fault(fault.class));
                Err(fault)
            }
        }
    }

    fn check_call(&self, tool: &Arc<Tool>) -> Result<Box<Call>> {
        let text = tool.arguments.check(&tool.name, self.params.arguments)?;
        let mut arguments = tool.arguments.entries(&text)?;
        if self.era.is_modern() {
            for mirrored in &tool.mirrored {
                let raw = arguments.iter().find(|(n, _)| *n == *mirrored.argument);
                let value = raw.map(|(_, raw)| crate::tool::encode::read(raw)).transpose()?;
                headers::check_parameter(self.facts.headers, &mirrored.header, value.as_ref())?;
            }
        }
        // What the configuration adds is not the client's to mirror.
        tool.arguments.complete(&mut arguments);
        let request = tool.request.build(&arguments, self.facts.headers, self.facts.request_id)?;
        Ok(Box::new(Call {
            server: self.server.clone(),
            tool: tool.clone(),
            era: self.era,
            id: self.id.into(),
            request_id: self.facts.request_id,
            request,
            notices: self.notices(),
        }))
    }

    /// Notices need a stream, so a client that takes none gets none.
    fn notices(&self) -> Notices {
        let level = match self.era {
            Era::Modern => self.meta.log_level,
            Era::Legacy(_) => self.session.and_then(|s| self.facts.levels.get(&s.random)),
        };
        let notices = Notices {
            progress_token: self.meta.progress_token.map(Into::into),
            log: level.is_some_and(|l| l <= Level::Info),
        };
        if notices.any() && accepts(self.facts.headers, EVENT_STREAM) {
            notices
        } else {
            Notices::default()
        }
    }

    fn check_capabilities(&self, tool: &Tool) -> Result<()> {
        let missing: serde_json::Map<_, _> = tool
            .requires
            .iter()
            .filter(|c| !self.meta.declares(c))
            .map(|c| (c.to_string(), json!({})))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<&str> = missing.keys().map(String::as_str).collect();
        let message = format!("this tool needs the client capability {}", names.join(", "));
        Err(Fault::new(Class::MissingCapability, message)
            .data(json!({ "requiredCapabilities": missing })))
    }

    fn error_result(&self, tool: &Tool, fault: Fault) -> Reply {
        let mut body = Vec::with_capacity(512);
        error_result(self.server, self.era, self.id, &fault.message, &mut body);
        let outcome = Outcome::Fault(fault.class);
        tool.figures.count(outcome);
        let record = Record {
            outcome,
            detail: fault.detail,
            ..Record::new(self.method, self.era.is_modern())
        };
        Reply { status: 200, body: body.into(), headers: Default::default(), server: None, record }
    }

    fn no_tool(&self, name: &str) -> Fault {
        let known = self.server.tools.iter().map(|t| &*t.name);
        let hint = match nearest(name, known) {
            Some(near) => format!("; did you mean {near}?"),
            None => "; list the tools to see which there are".to_owned(),
        };
        Fault::new(Class::InvalidParams, format!("Unknown tool: {}{hint}", meta::shown(name)))
    }

    /// A member of `params` that must be text.
    fn text<'p>(&self, raw: Option<&'p RawValue>, name: &str) -> Result<Cow<'p, str>> {
        let wrong = || Fault::new(Class::InvalidParams, format!("`params.{name}` must be text"));
        let raw = raw.ok_or_else(wrong)?.get();
        if raw.starts_with('"') { raw::string(raw).map_err(|_| wrong()) } else { Err(wrong()) }
    }
}

fn no_method(method: &str) -> Fault {
    Fault::new(Class::MethodNotFound, format!("Method not found: {}", meta::shown(method)))
}

fn no_resource(uri: &str) -> Fault {
    let uri: String = uri.chars().take(256).collect();
    Fault::new(Class::InvalidParams, "Resource not found").data(json!({ "uri": uri }))
}

fn no_prompt(name: &str) -> Fault {
    Fault::new(Class::InvalidParams, format!("Unknown prompt: {}", meta::shown(name)))
}

fn bad_cursor() -> Fault {
    Fault::new(Class::InvalidParams, "the cursor is not of this list; list again from the start")
}
