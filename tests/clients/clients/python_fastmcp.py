"""The fastmcp client: python_fastmcp.py URL legacy|auto|pinned [TOOL ARGUMENTS_JSON]"""

import asyncio

from fastmcp.client import Client

from outcome import MODE, URL, choose, print_outcome


async def main():
    async with Client(URL, mode=MODE) as client:
        tools = await client.list_tools()  # walks the pages
        result = await client.call_tool(*choose(tools), raise_on_error=False)
        print_outcome("python-fastmcp", client.protocol_version, tools, result)


asyncio.run(main())
