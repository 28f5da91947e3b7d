"""What every Python client script shares: its arguments, the tool it calls, the line it prints."""

import json
import sys

URL, ERA = sys.argv[1:3]
# The value of `mode` both Python clients take.
MODE = "2026-07-28" if ERA == "pinned" else ERA


def choose(tools):
    """The tool named on the command line; without one, the first that needs no arguments."""
    if len(sys.argv) > 3:
        return sys.argv[3], json.loads(sys.argv[4])
    for tool in tools:
        if not tool.input_schema.get("required"):
            return tool.name, {}
    raise SystemExit("no tool can be called without arguments")


def print_outcome(client, version, tools, result):
    """Fails when a client that was to speak one era fell back to the other."""
    if (version == "2026-07-28") == (ERA == "legacy"):
        raise SystemExit(f"{ERA} negotiated {version}")
    block = result.content[0] if result.content else None
    text = getattr(block, "text", f"({block.type if block else 'empty'})")
    outcome = {
        "client": client,
        "era": ERA,
        "version": version,
        "tools": len(tools),
        "call_ok": not result.is_error,
        "text_head": text[:80],
    }
    print(json.dumps(outcome, separators=(",", ":")))
