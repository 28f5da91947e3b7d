"""Lists the tools of every server with the Python client, in both eras, and checks every schema with jsonschema:
schemas.py BASE_URL COUNTS"""

import asyncio
import json
import sys

from jsonschema import Draft202012Validator
from mcp import Client
from referencing import Registry
from referencing.jsonschema import DRAFT202012


def references(schema):
    """Every $ref of a schema; a property may have the name."""
    if isinstance(schema, list):
        for element in schema:
            yield from references(element)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            elif key not in ("const", "enum", "default", "examples"):
                yield from references(value)


CHECKED = set()


def check(schema):
    text = json.dumps(schema)
    if text in CHECKED:
        return
    CHECKED.add(text)
    Draft202012Validator.check_schema(schema)
    resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
    for reference in set(references(schema)):
        resolver.lookup(reference)


async def tools_of(url, mode):
    async with Client(url, mode=mode) as client:
        page = await client.list_tools()
        tools = page.tools
        while page.next_cursor:
            page = await client.list_tools(cursor=page.next_cursor)
            tools += page.tools
        return tools


async def main():
    base, counts = sys.argv[1:]
    with open(counts, encoding="utf-8") as file:
        counts = json.load(file)
    passed = failed = 0
    for name, count in counts.items():
        for mode in ("legacy", "2026-07-28"):
            try:
                tools = await tools_of(f"{base}/{name}", mode)
                if len(tools) != count:
                    raise ValueError(f"sees {len(tools)} tools of {count}")
                for tool in tools:
                    for schema in filter(None, (tool.input_schema, tool.output_schema)):
                        check(schema)
                passed += 1
            except Exception as e:  # pylint: disable=broad-except
                failed += 1
                print(f"FAIL python {mode} {name}: {type(e).__name__} {str(e)[:300]}")
    print(f"python client: {passed} passed, {failed} failed, {len(counts)} servers, {len(CHECKED)} schemas checked")
    sys.exit(1 if failed else 0)


asyncio.run(main())
