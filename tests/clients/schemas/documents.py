"""Writes a configuration that serves every OpenAPI document of some folders:

    documents.py DRAWBRIDGE ADDRESS ADMIN_ADDRESS MAX_BYTES FOLDER... >documents.json

The server at /NAME serves one document with one kind of output schema; counts.json, in the working directory, says how
many tools it has. Files that are no document, documents without a tool and those over MAX_BYTES are left out. A gzipped
document is unpacked into the working directory.
"""

import gzip
import json
import pathlib
import re
import subprocess
import sys

UPSTREAM = "http://127.0.0.1:9"


def unpacked(path):
    if path.suffix != ".gz":
        return path.resolve()
    out = pathlib.Path(path.stem).resolve()
    out.write_bytes(gzip.decompress(path.read_bytes()))
    return out


def tools_in(drawbridge, path):
    command = [drawbridge, "check", "--json", "--openapi", path, "--upstream", UPSTREAM]
    report = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    return sum(api["tools"] for api in report["apis"])


def main():
    drawbridge, address, admin, max_bytes, *folders = sys.argv[1:]
    found = sorted(path for folder in folders for path in pathlib.Path(folder).iterdir())
    documents = [unpacked(path) for path in found if re.search(r"\.(json|ya?ml)(\.gz)?$", path.name)]
    apis, servers, counts = {}, {}, {}
    for path in documents:
        tools = tools_in(drawbridge, path) if path.stat().st_size <= int(max_bytes) else 0
        if not tools:
            continue
        for schemas in ("tolerant", "exact"):
            name = re.sub(r"[^a-z0-9]+", "-", f"{path.name}-{schemas}".lower())
            apis[name] = {
                "openapi": str(path),
                "upstream": {"urls": [UPSTREAM]},
                "output_schema": schemas,
            }
            counts[name] = tools
            servers[name] = {"path": f"/{name}", "sources": [{"api": name}]}
    config = {
        "version": 1,
        "listeners": [{"address": address}],
        "admin": {"address": admin},
        "apis": apis,
        "servers": servers,
    }
    pathlib.Path("counts.json").write_text(json.dumps(counts), encoding="utf-8")
    json.dump(config, sys.stdout)


main()
