"""The Python client: python_mcp.py URL legacy|auto|pinned [TOOL ARGUMENTS_JSON]"""

import asyncio

from mcp import Client

from outcome import MODE, URL, choose, print_outcome


async def main():
    async with Client(URL, mode=MODE) as client:
        page = await client.list_tools()
        tools = page.tools
        while page.next_cursor:
            page = await client.list_tools(cursor=page.next_cursor)
            tools += page.tools
        result = await client.call_tool(*choose(tools))
        print_outcome("python-mcp", client.protocol_version, tools, result)


asyncio.run(main())
