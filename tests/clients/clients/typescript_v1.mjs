// The TypeScript client, version 1: typescript_v1.mjs URL legacy [TOOL ARGUMENTS_JSON]

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { choose, print, url } from "./outcome.mjs";

const client = new Client({ name: "typescript-v1", version: "1" });
const transport = new StreamableHTTPClientTransport(new URL(url));
await client.connect(transport);

const tools = [];
let cursor;
do {
  const page = await client.listTools({ cursor });
  tools.push(...page.tools);
  cursor = page.nextCursor;
} while (cursor);

print("typescript-v1", transport.protocolVersion, tools, await client.callTool(choose(tools)));
await transport.terminateSession();
await client.close();
