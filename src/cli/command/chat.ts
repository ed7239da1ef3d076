/** `heddle chat`: a conversation in the terminal. Ctrl-C stops an answer, Ctrl-D leaves. */
import { createInterface } from "node:readline";
import type { Command } from "commander";
import { chatTemplateSource, renderChat } from "../../model/chat.ts";
import type { Generation } from "../../serve/generation.ts";
import { addRunnerOptions, type RunnerArguments, wholeFrom } from "../arguments.ts";
import { findModel } from "../cache.ts";
import { addSamplingOptions, type SamplingArguments, samplingOf } from "../sampling.ts";
import { type Running, startService } from "../service.ts";
import { print, printPart, say } from "../terminal.ts";

interface Arguments extends RunnerArguments, SamplingArguments {
  readonly tokens: number;
  readonly system?: string;
}

interface Message {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .option("--tokens <n>", "most tokens of an answer", wholeFrom(1), 1024)
    .option("--system <text>", "what the model is told before the conversation")
    .option("--context <n>", "most tokens of the conversation (default: the model's)", wholeFrom(1))
    .action(run);
  addSamplingOptions(command, 0.8);
  addRunnerOptions(command);
}

async function run(model: string, given: Arguments): Promise<void> {
  const slots = { batching: "orca", kvCache: "pagedattention", speculation: "none" };
  const running = await startService(findModel(model), { ...given, ...slots });
  try {
    const { note } = chatTemplateSource(running.checkpoint);
    if (note !== undefined) say(note);
    say(`${running.checkpoint.name}. Ctrl-C stops an answer, Ctrl-D leaves.`);
    await converse(running, given);
  } finally {
    await running.close();
  }
}

async function converse(running: Running, given: Arguments): Promise<void> {
  const messages: Message[] = given.system === undefined ? [] : [{ role: "system", content: given.system }];
  const terminal = createInterface({ input: process.stdin, output: process.stderr, prompt: "> " });
  let answering: Generation | undefined;
  terminal.on("SIGINT", () => {
    if (answering === undefined) terminal.close();
    else answering.cancel();
  });
  terminal.prompt();
  for await (const line of terminal) {
    if (line.trim() !== "") {
      messages.push({ role: "user", content: line });
      answering = begin(running, messages, given);
      messages.push({ role: "assistant", content: await show(answering) });
      answering = undefined;
    }
    terminal.prompt();
  }
}

function begin({ service, checkpoint }: Running, messages: readonly Message[], given: Arguments): Generation {
  const prompt = checkpoint.tokenizer.encode(renderChat(checkpoint, messages));
  const tokensMax = Math.max(1, Math.min(given.tokens, service.context - prompt.length));
  return service.generate({ prompt, choices: 1, tokensMax, sampling: samplingOf(given), stop: [], ignoreEos: false });
}

async function show(answer: Generation): Promise<string> {
  let text = "";
  for await (const event of answer) {
    printPart(event.text);
    text += event.text;
  }
  print("");
  return text;
}
