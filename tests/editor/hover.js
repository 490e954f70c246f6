// Asks a YAML language server what an editor would show of a scenario: `hover.js SERVER FOLDER FILE`.
//
// Prints as JSON how many keys it asked for, those without a text on hover, and what is underlined.

const { spawn } = require("child_process");
const fs = require("fs");
const path = require("path");

const [server, folder, name] = process.argv.slice(2);
const text = fs.readFileSync(path.join(folder, name), "utf8");
const uri = "file://" + path.join(folder, name);
const child = spawn("node", [server, "--stdio"]);
const waiting = new Map();
let asked = 0;
let received = Buffer.alloc(0);
let diagnosed;
const diagnostics = new Promise((resolve) => (diagnosed = resolve));

function send(message) {
  const body = JSON.stringify({ jsonrpc: "2.0", ...message });
  child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
}

function request(method, params) {
  asked += 1;
  const id = asked;
  const answer = new Promise((resolve) => waiting.set(id, resolve));
  send({ id, method, params });
  return answer;
}

function take(message) {
  if (message.method && message.id !== undefined) {
    // The server asks for settings: there are none.
    const none = message.method === "workspace/configuration" ? message.params.items.map(() => ({})) : null;
    send({ id: message.id, result: none });
  } else if (message.id !== undefined) {
    waiting.get(message.id)(message.result);
  } else if (message.method === "textDocument/publishDiagnostics") {
    diagnosed(message.params.diagnostics.map((it) => `${it.range.start.line + 1}: ${it.message}`));
  }
}

child.stdout.on("data", (bytes) => {
  received = Buffer.concat([received, bytes]);
  for (;;) {
    const end = received.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/Content-Length: (\d+)/i.exec(received.subarray(0, end).toString())[1]);
    if (received.length < end + 4 + length) return;
    const body = received.subarray(end + 4, end + 4 + length).toString();
    received = received.subarray(end + 4 + length);
    take(JSON.parse(body));
  }
});

async function main() {
  await request("initialize", {
    processId: process.pid,
    rootUri: "file://" + folder,
    workspaceFolders: [{ uri: "file://" + folder, name: "scenarios" }],
    capabilities: {
      textDocument: { hover: { contentFormat: ["markdown"] }, publishDiagnostics: {} },
      workspace: { configuration: true },
    },
  });
  send({ method: "initialized", params: {} });
  const textDocument = { uri, languageId: "yaml", version: 1, text };
  send({ method: "textDocument/didOpen", params: { textDocument } });
  const underlined = await diagnostics;
  const without = [];
  let keys = 0;
  for (const [line, written] of text.split("\n").entries()) {
    for (const key of written.replace(/#.*$/, "").matchAll(/([a-z_]+):(\s|$)/g)) {
      const position = { line, character: key.index + 1 };
      const hover = await request("textDocument/hover", { textDocument: { uri }, position });
      const shown = hover && (hover.contents.value || hover.contents);
      keys += 1;
      if (!shown || !String(shown).trim()) without.push(`${line + 1}: ${key[1]}`);
    }
  }
  process.stdout.write(JSON.stringify({ keys, without, underlined }));
  child.kill();
}

main();
