// The command line of the MCP inspector: inspector.mjs URL legacy|auto|pinned [TOOL ARGUMENTS_JSON]

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { choose, era, print, url } from "./outcome.mjs";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const cli = path("../node_modules/.bin/mcp-inspector");
const env = { ...process.env, HOME: path("../.cache/inspector") }; // it keeps settings at home

function inspect(...args) {
  const common = ["--cli", url, "--transport", "http", "--format", "json", "--quiet"];
  const protocolEra = era === "pinned" ? "modern" : era;
  const options = { env, encoding: "utf8", maxBuffer: 1 << 30 };
  const run = spawnSync(process.execPath, [cli, ...common, "--protocol-era", protocolEra, ...args], options);
  if (!run.stdout) throw new Error(run.stderr); // a result that says isError also exits non-zero
  return JSON.parse(run.stdout).result;
}

const { tools } = inspect("--method", "tools/list"); // walks the pages
const tool = choose(tools);
const result = inspect(
  ...["--method", "tools/call", "--tool-name", tool.name],
  ...["--tool-args-json", JSON.stringify(tool.arguments)],
);
print("inspector", null, tools, result);
