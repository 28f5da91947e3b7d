// What every JavaScript client script shares: its arguments, the tool it calls, the line it prints.

const [url, era, toolName, toolArguments = "{}"] = process.argv.slice(2);
export { url, era };

// The tool named on the command line; without one, the first that needs no arguments.
export function choose(tools) {
  if (toolName) return { name: toolName, arguments: JSON.parse(toolArguments) };
  const tool = tools.find((tool) => !tool.inputSchema.required?.length);
  if (!tool) throw new Error("no tool can be called without arguments");
  return { name: tool.name, arguments: {} };
}

// Throws when a client that was to speak one era fell back to the other. `version` is null where a client does not say.
export function print(client, version, tools, result) {
  if (version && (version === "2026-07-28") === (era === "legacy")) throw new Error(`${era} negotiated ${version}`);
  const block = result.content[0];
  const text_head = (block?.text ?? `(${block?.type ?? "empty"})`).slice(0, 80);
  console.log(JSON.stringify({ client, era, version, tools: tools.length, call_ok: !result.isError, text_head }));
}
