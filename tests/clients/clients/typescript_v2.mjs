// The TypeScript client, version 2: typescript_v2.mjs URL legacy|auto|pinned [TOOL ARGUMENTS_JSON]

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { choose, era, print, url } from "./outcome.mjs";

const mode = era === "pinned" ? { pin: "2026-07-28" } : era;
const client = new Client({ name: "typescript-v2", version: "1" }, { versionNegotiation: { mode } });
await client.connect(new StreamableHTTPClientTransport(new URL(url)));

const { tools } = await client.listTools(); // walks the pages
print("typescript-v2", client.getNegotiatedProtocolVersion(), tools, await client.callTool(choose(tools)));
await client.close();
