// Lists the tools of every server with both TypeScript clients, in both eras, and compiles every schema with Ajv:
// schemas.mjs BASE_URL COUNTS

import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client as ClientV2, StreamableHTTPClientTransport as TransportV2 } from "@modelcontextprotocol/client";

const [base, file] = process.argv.slice(2);
const counts = Object.entries(JSON.parse(readFileSync(file, "utf8")));

async function list(client, transport) {
  await client.connect(transport);
  const tools = [];
  let cursor;
  do {
    const page = await client.listTools({ cursor });
    tools.push(...page.tools);
    cursor = page.nextCursor;
  } while (cursor);
  await client.close();
  return tools;
}

const info = { name: "schemas", version: "1" };
const kinds = {
  "typescript-v1": () => [new ClientV1(info), TransportV1],
  "typescript-v2-legacy": () => [new ClientV2(info, { versionNegotiation: { mode: "legacy" } }), TransportV2],
  "typescript-v2": () => [new ClientV2(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } }), TransportV2],
};

// Compiling is slow, and most schemas are listed several times.
const compiled = new Set();

function compile(tool) {
  for (const schema of [tool.inputSchema, tool.outputSchema].filter(Boolean)) {
    const text = JSON.stringify(schema);
    if (compiled.has(text)) continue;
    compiled.add(text);
    try {
      // A new one for each schema: a tool stands by itself.
      new Ajv2020({ strict: false, validateFormats: false, logger: false }).compile(schema);
    } catch (e) {
      throw new Error(`${tool.name}: ${e.message}`);
    }
  }
}

let passed = 0;
let failed = 0;
for (const [name, count] of counts) {
  for (const [kind, make] of Object.entries(kinds)) {
    try {
      const [client, Transport] = make();
      const tools = await list(client, new Transport(new URL(`${base}/${name}`)));
      tools.forEach(compile);
      if (tools.length !== count) throw new Error(`sees ${tools.length} tools of ${count}`);
      passed += 1;
    } catch (e) {
      failed += 1;
      console.log(`FAIL ${kind} ${name}: ${e.message}`);
    }
  }
}
console.log(`typescript clients: ${passed} passed, ${failed} failed, ${counts.length} servers, ${compiled.size} schemas compiled`);
process.exit(failed ? 1 : 0);
