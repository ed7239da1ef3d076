/** `heddle serve`: the OpenAI-compatible server, from the first line printed to the last request answered. */
import type { Command } from "commander";
import { UserError } from "../../core/errors.ts";
import { chatTemplateSource } from "../../model/chat.ts";
import type { Server } from "../../serve/http.ts";
import { wholeFrom } from "../arguments.ts";
import { cachedModels, findModel, shippedModel } from "../cache.ts";
import { addServiceOptions, type Running, type ServiceArguments, startService } from "../service.ts";
import { print, say } from "../terminal.ts";

interface Arguments extends ServiceArguments {
  readonly port?: number;
  readonly host: string;
  readonly apiKey?: string;
}

export function define(command: Command): void {
  command
    .argument(
      "[model]",
      "a file, a folder, or a name in the cache (default: the newest in the cache, else heddle-tiny)",
    )
    .option("--port <n>", "0 takes any free one (default: $PORT, else 8080)", wholeFrom(0, 65535))
    .option("--host <address>", "0.0.0.0 serves the whole network", "127.0.0.1")
    .option("--api-key <key>", "requests must carry it (default: none is asked for)")
    .option("--queue <n>", "requests that may wait; more are told to come back", wholeFrom(1))
    .option("--record <path>", "write a log of decisions, without texts, for `heddle replay`")
    .action(run);
  addServiceOptions(command);
}

async function run(model: string | undefined, given: Arguments): Promise<void> {
  const port = given.port ?? environmentPort();
  const path = model === undefined ? modelWithoutName() : findModel(model);
  // The modules of HTTP are many: they are read while other threads pack weights.
  const modules = () => Promise.all([import("../../serve/http.ts"), import("pino")]);
  const running = await startService(path, given, () => modules().catch(() => {}));
  const [{ createServer }, { pino }] = await modules();
  const logger = pino({ level: "warn" }, pino.destination(2));
  const { apiKey } = given;
  const server = createServer({ service: running.service, logger, ...(apiKey !== undefined && { apiKey }) });
  try {
    const url = await server.listen(given.host, port);
    // Whoever reads the address may already send a signal.
    endOnSignal(server, running);
    announce(url, running, given);
  } catch (error) {
    await running.close();
    throw error;
  }
}

function environmentPort(): number {
  const text = process.env.PORT;
  if (text === undefined || text === "") return 8080;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  throw new UserError(`PORT is "${text}".`, "It must be a port's number; or give --port.");
}

/** The newest that was fetched; of nothing fetched, the one that Heddle brings. */
function modelWithoutName(): string {
  return (cachedModels()[0] ?? shippedModel).path;
}

function announce(url: string, { checkpoint, service, device }: Running, given: Arguments): void {
  const { batching, kvCache, speculation, apiKey } = given;
  print(`${url}/v1  ${checkpoint.name}, ${service.context} tokens of context, on ${device.level} × ${device.threads}`);
  print(`${checkpoint.path}, ${batching}, ${kvCache}, speculation: ${speculation}`);
  const adapters = checkpoint.adapters?.map(({ name }) => name) ?? [];
  if (adapters.length > 0) print(`adapters, asked for as models: ${adapters.join(", ")}`);
  const { note } = chatTemplateSource(checkpoint);
  if (note !== undefined) say(note);
  const body = JSON.stringify({
    model: checkpoint.name,
    messages: [{ role: "user", content: "Hello!" }],
    max_tokens: 32,
  });
  const key = apiKey === undefined ? "" : ' -H "authorization: Bearer $KEY"';
  print(`${url}  is a page to talk with it, in a browser`);
  if (checkpoint.path === shippedModel.path) {
    print("It is very small: short stories, small sums, answers in JSON. A bigger one: heddle pull gemma-3-270m");
  }
  print(`\ncurl ${url}/v1/chat/completions -H "content-type: application/json"${key} -d '${body}'`);
}

/** The first signal lets what runs finish; a second ends at once. */
function endOnSignal(server: Server, running: Running): void {
  let ending = false;
  const end = async (): Promise<void> => {
    if (ending) process.exit(130);
    ending = true;
    const { running: left, waiting } = running.service.status();
    if (left + waiting > 0) say(`Finishing ${left + waiting} requests; once more to end at once.`);
    await server.drain();
    await running.close();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => void end());
}
