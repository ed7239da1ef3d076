// From a file of weights to text: node examples/generate.js MODEL.gguf "A loom is"
import { loadRunner, openCheckpoint, openService } from "heddle";

const [path, text = "A loom is"] = process.argv.slice(2);
const checkpoint = await openCheckpoint(path);
const runner = await loadRunner(checkpoint, { threads: 2 });
const slots = { batching: "orca", kvCache: "pagedattention", speculation: "none" };
const service = await openService({ checkpoint, runner, ...slots });

const answer = service.generate({
  prompt: checkpoint.tokenizer.encode(text),
  choices: 1,
  tokensMax: 24,
  sampling: { temperature: 0, seed: 0 },
  stop: [],
  ignoreEos: false,
});
for await (const event of answer) process.stdout.write(event.text);
console.log();

await service.close();
await runner.close();
checkpoint.close();
