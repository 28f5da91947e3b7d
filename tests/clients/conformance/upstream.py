#!/usr/bin/env python3
"""The API of openapi.yaml. Any other path answers 200 with a small JSON object, so it can stand in for any API.

Usage: upstream.py PORT     (0 takes a free one; the port in use is the first line of the output)
"""

import base64
import io
import json
import sys
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PNG_BASE64 = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
)


def silence():
    """A tenth of a second of it, as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(1)
        out.setframerate(8000)
        out.writeframes(b"\x80" * 800)
    return file.getvalue()


MIXED = {
    "content": [
        {"type": "text", "text": "Multiple content types test:"},
        {"type": "image", "data": PNG_BASE64, "mimeType": "image/png"},
        {
            "type": "resource",
            "resource": {
                "uri": "test://mixed-content-resource",
                "mimeType": "application/json",
                "text": '{"test":"data","value":123}',
            },
        },
    ]
}
PROBLEM = {"title": "Broken", "status": 500, "detail": "This tool intentionally returns an error for testing"}

# path -> status, content type, body
FIXED = {
    "/greeting": (200, "text/plain; charset=utf-8", b"This is a simple text response for testing."),
    "/picture": (200, "image/png", base64.b64decode(PNG_BASE64)),
    "/sound": (200, "audio/wav", silence()),
    "/attachment": (200, "application/octet-stream", bytes(range(256))),
    "/mixed": (200, "application/json", json.dumps(MIXED).encode()),
    "/broken": (500, "application/problem+json", json.dumps(PROBLEM).encode()),
}


def answer(target):
    url = urlsplit(target)
    if url.path in FIXED:
        return FIXED[url.path]
    body = {"ok": True, "path": url.path}
    if url.path == "/regions":
        body = {"region": parse_qs(url.query).get("region", ["default"])[0]}
    return 200, "application/json", json.dumps(body).encode()


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def handle_any(self):
        self.read_body()
        status, content_type, body = answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read_body(self):
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_QUERY = handle_any

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Api)
    print(server.server_port, flush=True)
    server.serve_forever()
