"""What is asked of whom, and what a right answer to each looks like."""

import http.client
import json
from dataclasses import dataclass
from typing import Callable, NamedTuple

ITEM_ID = 7
BROKEN_ITEM_ID = 0
ITEM_BYTES = 1024
MODERN = "2026-07-28"
LEGACY = "2025-11-25"
CLIENT = {"name": "loadtest", "version": "1"}


class Wrong(Exception):
    """The answer is not the one the load test must measure."""


class Request(NamedTuple):
    method: str
    path: str
    headers: dict
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        """The JSON of the body, or of the last event when the answer is an event stream."""
        text = self.body.decode()
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            events = [line[5:] for line in text.splitlines() if line.startswith("data:")]
            text = events[-1] if events else ""
        try:
            return json.loads(text)
        except ValueError as error:
            raise Wrong(f"no JSON ({error}): {excerpt(self.body)}") from None


@dataclass(frozen=True)
class Work:
    name: str
    subject: str
    """The process that answers, and whose CPU time is counted."""
    exchange: str
    """What the upstream is asked: names the pass-through this work is compared with."""
    prepare: Callable[[str], Request]
    """Makes the request, given the authority of the subject; may have to ask it for a session."""
    check: Callable[[Answer], None]
    rate: int = 0
    """Requests a second; 0: as many as can be."""
    http2: bool = False


def send(authority, request):
    connection = http.client.HTTPConnection(authority, timeout=5)
    try:
        connection.request(request.method, request.path, request.body or None, request.headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


def verify(work, authority):
    """Sends the request of `work` once; returns it if the answer is right."""
    try:
        request = work.prepare(authority)
        answer = send(authority, request)
    except (OSError, http.client.HTTPException) as error:
        raise Wrong(f"no answer: {error!r}") from None
    expect_success(answer)
    work.check(answer)
    return request


# Requests


def new_item():
    """A JSON object of 1 KiB, as `createItem` takes it."""
    item = {"name": "Writing desk", "price": 249.5, "currency": "EUR", "tags": ["oak", "office"]}
    item["description"] = ""
    item["description"] = "x" * (ITEM_BYTES - len(compact(item)))
    return item


def get_item(_authority):
    return Request("GET", f"/items/{ITEM_ID}", {})


def get_sized(size):
    return lambda _authority: Request("GET", f"/sized?bytes={size}", {})


def post_item(_authority):
    return Request("POST", "/items", {"Content-Type": "application/json"}, compact(new_item()))


def modern(method, params, name=None):
    """A request of the stateless revision; `name` is repeated in a header, as the method is."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    headers = {"Mcp-Method": method} | ({"Mcp-Name": name} if name else {})
    return mcp(MODERN, headers, rpc(method, params | {"_meta": meta}))


def call(name, arguments):
    """Prepares a tools/call of the stateless revision."""
    request = modern("tools/call", {"name": name, "arguments": arguments}, name)
    return lambda _authority: request


def structured_call(authority):
    """A call whose result is checked; first makes sure that it is: item 0 breaks its schema."""
    broken = send(authority, call("getItemStructured", {"id": BROKEN_ITEM_ID})(authority))
    expect_success(broken)
    expect(result_of(broken).get("isError") is True,
           f"an answer that breaks the outputSchema is passed on: {excerpt(broken.body)}")
    return call("getItemStructured", ONE)(authority)


def at(path, prepare):
    """The same request of another server."""
    def prepared(authority):
        return prepare(authority)._replace(path=path)
    return prepared


def list_tools(_authority):
    return modern("tools/list", {})


def page_of_tools(authority):
    """The answer to tools/list of the server with a page of 50 tools, byte for byte."""
    answer = send(authority, at("/50", list_tools)(authority))
    expect_success(answer)
    return answer.body


def get_list(_authority):
    return Request("GET", "/list.json", {})


def legacy_call(authority):
    """A tools/call of the handshake revision, in a session opened for it."""
    hello = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": CLIENT}
    answer = send(authority, mcp(LEGACY, {}, rpc("initialize", hello)))
    expect_success(answer)
    session = answer.headers.get("Mcp-Session-Id")
    headers = {"Mcp-Session-Id": session} if session else {}
    ready = compact({"jsonrpc": "2.0", "method": "notifications/initialized"})
    expect_success(send(authority, mcp(LEGACY, headers, ready)))
    arguments = {"name": "getItem", "arguments": {"id": ITEM_ID}}
    return mcp(LEGACY, headers, rpc("tools/call", arguments))


def mcp(version, headers, body):
    always = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
    }
    return Request("POST", "/mcp", always | headers, body)


def rpc(method, params):
    return compact({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


# Checks


def expect_success(answer):
    expect(200 <= answer.status < 300, f"status {answer.status}: {excerpt(answer.body)}")


def is_item(answer):
    expect(len(answer.body) == ITEM_BYTES, f"{len(answer.body)} bytes, not {ITEM_BYTES}")
    expect(answer.json()["id"] == ITEM_ID, f"another item: {excerpt(answer.body)}")


def is_new_item(answer):
    expect(answer.json() == new_item(), f"not what was sent: {excerpt(answer.body)}")


def result_of(answer):
    message = answer.json()
    expect("result" in message, f"no result: {excerpt(answer.body)}")
    return message["result"]


def tool_result(answer):
    """The result of a call, and the JSON in its text."""
    result = result_of(answer)
    expect(not result.get("isError"), f"isError: {excerpt(answer.body)}")
    try:
        return result, json.loads(result["content"][0]["text"])
    except (LookupError, TypeError, ValueError):
        raise Wrong(f"no text block with JSON: {excerpt(answer.body)}") from None


def calls_item(answer):
    _, item = tool_result(answer)
    expect(item.get("id") == ITEM_ID, f"another item: {excerpt(answer.body)}")


def calls_structured(answer):
    result, item = tool_result(answer)
    expect("structuredContent" in result, f"no structuredContent: {excerpt(answer.body)}")
    expect(result["structuredContent"] == item, "structuredContent differs from the text")


def calls_new_item(answer):
    _, item = tool_result(answer)
    expect(item == new_item(), f"not what was sent: {excerpt(answer.body)}")


def is_sized(answer):
    expect("data" in answer.json(), f"no data: {excerpt(answer.body)}")


def calls_sized(answer):
    _, sized = tool_result(answer)
    expect("data" in sized, f"no data: {excerpt(answer.body)}")


def lists_fifty(answer):
    tools = result_of(answer)["tools"]
    expect(len({tool["name"] for tool in tools}) == 50, f"{len(tools)} tools, not 50")


def expect(holds, message):
    if not holds:
        raise Wrong(message)


def excerpt(body):
    text = body.decode(errors="replace")
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


ONE = {"id": ITEM_ID}
NEW = {"body": new_item()}
# A fifth of what plain Pingora does on the machine of docs/performance.md.
LOW = {"rate": 8000}
WORKS = [
    Work("direct", "upstream-alone", "get", get_item, is_item),
    Work("nginx", "nginx", "get", get_item, is_item),
    Work("plain-pingora", "plain-pingora", "get", get_item, is_item),
    Work("call-modern", "drawbridge", "get", call("getItem", ONE), calls_item),
    Work("call-legacy", "drawbridge", "get", legacy_call, calls_item),
    Work("call-stream", "drawbridge", "get", call("getItemStream", ONE), calls_item),
    Work("call-structured", "drawbridge", "get", structured_call, calls_structured),
    Work("call-10", "drawbridge-many", "get", at("/10", call("getItem7", ONE)), calls_item),
    Work("call-1000", "drawbridge-many", "get", at("/1000", call("getItem777", ONE)), calls_item),
    Work("call-100000", "drawbridge-many", "get", at("/100000", call("getItem77777", ONE)),
         calls_item),
    Work("nginx-list", "nginx", "list", get_list, lists_fifty),
    Work("list", "drawbridge-many", "list", at("/50", list_tools), lists_fifty),
    Work("nginx-post", "nginx", "post", post_item, is_new_item),
    Work("plain-pingora-post", "plain-pingora", "post", post_item, is_new_item),
    Work("call-post", "drawbridge", "post", call("createItem", NEW), calls_new_item),
    Work("plain-pingora-h2", "plain-pingora-h2", "h2", get_item, is_item, http2=True),
    Work("call-h2", "drawbridge-h2", "h2", call("getItem", ONE), calls_item, http2=True),
    Work("plain-pingora-tls", "plain-pingora-tls", "tls", get_item, is_item),
    Work("call-tls", "drawbridge", "tls", at("/tls", call("getItem", ONE)), calls_item),
    Work("plain-pingora-low", "plain-pingora", "low", get_item, is_item, **LOW),
    Work("call-low", "drawbridge", "low", call("getItem", ONE), calls_item, **LOW),
    Work("plain-pingora-1mb", "plain-pingora", "1mb", get_sized(1 << 20), is_sized),
    Work("call-1mb", "drawbridge", "1mb", call("getSized", {"bytes": 1 << 20}), calls_sized),
    Work("plain-pingora-16mb", "plain-pingora", "16mb", get_sized(16 << 20), is_sized),
    Work("call-16mb", "drawbridge", "16mb", call("getSized", {"bytes": 16 << 20}), calls_sized),
]
