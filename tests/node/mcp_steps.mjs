// Speaks MCP with the official SDK: connects to the URL given, takes steps such as
// ["callTool", {"name": …}] from standard input (methods of the SDK's Client) and writes what each
// gave, or { error: { code, message } }.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

let given = "";
for await (const chunk of process.stdin) given += chunk;

const problems = [];
const client = new Client({ name: "pinion-test", version: "1.0.0" });
const transport = new StreamableHTTPClientTransport(new URL(process.argv[2]));
client.onerror = (error) => problems.push(String(error));
await client.connect(transport);

const results = [];
for (const [method, ...args] of JSON.parse(given)) {
    try {
        results.push(await client[method](...args));
    } catch (error) {
        results.push({ error: { code: error.code, message: error.message } });
    }
}
const server = client.getServerVersion();
const told = { server, capabilities: client.getServerCapabilities(), results, problems,
    revision: transport.protocolVersion };
await client.close();
console.log(JSON.stringify(told));
