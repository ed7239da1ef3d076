/**
 * `heddle eval`: what a model answers to the held-out prompts that heddle-tiny was made for, and how much of it is right.
 *
 * Any model with a chat template can be asked. What the judges hold right is said in `train/tiny/`: sums by their result, JSON
 * by equality with what the text says, stories by the grammar that heddle-tiny learnt, which another model cannot know.
 */
import type { Command } from "commander";
import { type ChatMessage, renderChat } from "../../model/chat.ts";
import { schemaConstraint } from "../../serve/constraint.ts";
import type { GenerationRequest } from "../../serve/generation.ts";
import type { Example, Kind } from "../../train/tiny/example.ts";
import { heldOutExample } from "../../train/tiny/examples.ts";
import { addRunnerOptions, numberFrom, type RunnerArguments, wholeFrom } from "../arguments.ts";
import { findModel } from "../cache.ts";
import { type Running, startService } from "../service.ts";
import { print, printJson, say, sayOver } from "../terminal.ts";

interface Arguments extends RunnerArguments {
  readonly count: number;
  readonly seed: number;
  readonly temperature?: number;
  readonly constrained?: boolean;
  readonly show: number;
  readonly json?: boolean;
}

interface Judged {
  readonly example: Example;
  readonly answer: string;
  readonly wrong: string | undefined;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .option("--count <n>", "prompts of each kind", wholeFrom(1), 200)
    .option("--seed <n>", "of the prompts and of the draws", wholeFrom(0), 1)
    .option("--temperature <t>", "of all answers (default: 0.3 for stories, else 0)", numberFrom(0))
    .option("--constrained", "hold answers in JSON to their schema")
    .option("--show <n>", "print so many wrong answers of each kind", wholeFrom(0), 0)
    .option("--json", "print every answer as a line of JSON")
    .action(run);
  addRunnerOptions(command);
}

const kinds: readonly Kind[] = ["sum", "json", "story", "echo", "talk"];
const together = 16;

async function run(model: string, given: Arguments): Promise<void> {
  const slots = { batching: "orca", kvCache: "pagedattention", speculation: "none" };
  const running = await startService(findModel(model), { ...given, ...slots });
  try {
    const judged: Judged[] = [];
    const began = performance.now();
    for (const kind of kinds) {
      const examples = Array.from({ length: given.count }, (_, i) => heldOutExample(kind, given.seed, i));
      for (let i = 0; i < examples.length; i += together) {
        const answers = examples.slice(i, i + together).map((example, n) => ask(running, example, i + n, given));
        judged.push(...(await Promise.all(answers)));
        sayOver(`${kind}: ${Math.min(i + together, examples.length)} of ${examples.length}`);
      }
    }
    sayOver("");
    report(judged, given);
    say(`${judged.length} answers in ${((performance.now() - began) / 1e3).toFixed(1)} s, on ${running.device.level}`);
  } finally {
    await running.close();
  }
}

async function ask(running: Running, example: Example, index: number, given: Arguments): Promise<Judged> {
  const { service, checkpoint } = running;
  const messages: ChatMessage[] = [{ role: "user", content: example.prompt }];
  const prompt = checkpoint.tokenizer.encode(renderChat(checkpoint, messages));
  const { schema, kind } = example;
  const constraint = given.constrained === true && schema !== undefined ? schemaConstraint(schema) : undefined;
  const request: GenerationRequest = {
    prompt,
    choices: 1,
    tokensMax: Math.max(1, Math.min(256, service.roomFor(prompt.length, 1))),
    sampling: { temperature: given.temperature ?? (kind === "story" ? 0.3 : 0), seed: given.seed + index },
    stop: [],
    ignoreEos: false,
    ...(constraint !== undefined && { constraint }),
  };
  let answer = "";
  let ended = false;
  for await (const event of service.generate(request)) {
    answer += event.text;
    ended ||= event.kind === "end" && event.reason === "stop";
  }
  return { example, answer, wrong: ended ? example.judge(answer) : "no end" };
}

function report(judged: readonly Judged[], given: Arguments): void {
  if (given.json) {
    for (const { example, answer, wrong } of judged) {
      const { kind, variety, prompt } = example;
      printJson({ kind, variety, prompt, answer, right: wrong === undefined, ...(wrong !== undefined && { wrong }) });
    }
    return;
  }
  for (const kind of kinds) {
    const ofKind = judged.filter(({ example }) => example.kind === kind);
    print(line(kind, ofKind));
    for (const variety of [...new Set(ofKind.map(({ example }) => example.variety))].sort()) {
      print(
        line(
          `  ${variety}`,
          ofKind.filter(({ example }) => example.variety === variety),
        ),
      );
    }
    const failures = ofKind.filter(({ wrong }) => wrong !== undefined).slice(0, given.show);
    for (const { example, answer, wrong } of failures) {
      print(`    ${JSON.stringify(example.prompt)}\n    ${JSON.stringify(answer)}\n    ${wrong}`);
    }
  }
}

function line(name: string, judged: readonly Judged[]): string {
  const right = judged.filter(({ wrong }) => wrong === undefined).length;
  const share = ((100 * right) / judged.length).toFixed(1);
  return `${name.padEnd(18)} ${String(right).padStart(4)} of ${String(judged.length).padStart(4)} ${share.padStart(6)} %`;
}
