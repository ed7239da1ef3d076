// The HTTP server inside a program of one's own: node examples/serve.js MODEL.gguf
import { createServer, loadRunner, openCheckpoint, openService } from "heddle";

const checkpoint = await openCheckpoint(process.argv[2]);
const runner = await loadRunner(checkpoint);
const slots = { batching: "chunked-prefill", kvCache: "pagedattention", speculation: "speculative-decoding" };
const service = await openService({ checkpoint, runner, ...slots });
const server = createServer({ service });
const url = await server.listen("127.0.0.1", 0);

const body = JSON.stringify({ model: checkpoint.name, prompt: "A loom is", max_tokens: 8, ignore_eos: true });
const headers = { "content-type": "application/json" };
const response = await fetch(`${url}/v1/completions`, { method: "POST", headers, body });
console.log((await response.json()).usage);

await server.drain();
await service.close();
await runner.close();
checkpoint.close();
