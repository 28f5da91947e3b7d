"""Writes a configuration that serves every OpenAPI document of some folders:

    documents.py DRAWBRIDGE ADDRESS ADMIN_ADDRESS MAX_BYTES FOLDER... >documents.json

The server at /NAME serves one document with one kind of output schema. Files that are no document, documents
without a tool and those over MAX_BYTES are left out. A gzipped document is unpacked into the working directory.
"""

import gzip
import json
import pathlib
import re
import subprocess
import sys

METHODS = "GET POST PUT PATCH DELETE QUERY HEAD OPTIONS TRACE".split()
UPSTREAM = "http://127.0.0.1:9"


def unpacked(path):
    if path.suffix != ".gz":
        return path.resolve()
    out = pathlib.Path(path.stem).resolve()
    out.write_bytes(gzip.decompress(path.read_bytes()))
    return out


def has_tools(drawbridge, path):
    command = [drawbridge, "check", "--json", "--openapi", path, "--upstream", UPSTREAM]
    report = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    return any(api["tools"] for api in report["apis"])


def main():
    drawbridge, address, admin, max_bytes, *folders = sys.argv[1:]
    found = sorted(path for folder in folders for path in pathlib.Path(folder).iterdir())
    documents = [unpacked(path) for path in found if re.search(r"\.(json|ya?ml)(\.gz)?$", path.name)]
    apis, servers = {}, {}
    for path in documents:
        if path.stat().st_size > int(max_bytes) or not has_tools(drawbridge, path):
            continue
        for schemas in ("tolerant", "exact"):
            name = re.sub(r"[^a-z0-9]+", "-", f"{path.name}-{schemas}".lower())
            apis[name] = {
                "openapi": str(path),
                "upstream": {"urls": [UPSTREAM]},
                "output_schema": schemas,
                "tools": {"methods": METHODS},
            }
            servers[name] = {"path": f"/{name}", "sources": [{"api": name}]}
    config = {
        "version": 1,
        "listeners": [{"address": address}],
        "admin": {"address": admin},
        "apis": apis,
        "servers": servers,
    }
    json.dump(config, sys.stdout)


main()
