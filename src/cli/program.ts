/**
 * `heddle`: finds the command, loads it alone, runs it.
 *
 * A command's file defines its arguments and carries it out; importing only the one that was asked for keeps `--help` and
 * the small commands quick.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { endOnFailedOutput, fail } from "./terminal.ts";

interface CommandModule {
  define(command: Command): void;
}

interface Listed {
  readonly summary: string;
  load(): Promise<CommandModule>;
}

const commands: Readonly<Record<string, Listed>> = {
  serve: { summary: "serve a model over HTTP, as OpenAI does", load: () => import("./command/serve.ts") },
  chat: { summary: "talk to a model in the terminal", load: () => import("./command/chat.ts") },
  generate: { summary: "continue a prompt", load: () => import("./command/generate.ts") },
  pull: { summary: "fetch a model into the cache", load: () => import("./command/pull.ts") },
  tokenize: { summary: "show the tokens of a file", load: () => import("./command/tokenize.ts") },
  train: { summary: "train a model by a recipe", load: () => import("./command/train.ts") },
  finetune: { summary: "train an adapter of a model on conversations", load: () => import("./command/finetune.ts") },
  "train-tiny": { summary: "train heddle-tiny again", load: () => import("./command/train-tiny.ts") },
  eval: { summary: "ask a model what heddle-tiny learnt, and judge it", load: () => import("./command/eval.ts") },
  perplexity: { summary: "measure how well a model predicts a file", load: () => import("./command/perplexity.ts") },
  compile: { summary: "show what the compiler makes of a model", load: () => import("./command/compile.ts") },
  profile: { summary: "show where the time of a step goes", load: () => import("./command/profile.ts") },
  tune: { summary: "measure how a model is computed fastest here", load: () => import("./command/tune.ts") },
  list: { summary: "list the techniques that Heddle holds", load: () => import("./command/list.ts") },
  show: { summary: "show one technique", load: () => import("./command/show.ts") },
  check: { summary: "test the claims of techniques", load: () => import("./command/check.ts") },
  run: { summary: "run a technique's claim against its baseline", load: () => import("./command/run.ts") },
  cluster: { summary: "replay a trace of jobs, and schedule machines", load: () => import("./command/cluster.ts") },
  replay: { summary: "replay a recorded log of a server", load: () => import("./command/replay.ts") },
};

async function main(): Promise<void> {
  endOnFailedOutput();
  const program = new Command("heddle");
  const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  program
    .description(manifest.description)
    .version(manifest.version)
    .showHelpAfterError("(--help shows what there is)");
  program.exitOverride();
  const asked = process.argv.slice(2).find((word) => Object.hasOwn(commands, word));
  for (const [name, { summary, load }] of Object.entries(commands)) {
    const command = program.command(name).description(summary);
    if (name === asked) (await load()).define(command);
  }
  await program.parseAsync();
}

/** Runs what the command line asks for; ends the process where it fails. */
export async function runProgram(): Promise<void> {
  try {
    await main();
  } catch (error) {
    // Commander has printed what it had to say.
    if (error instanceof CommanderError) process.exit(error.exitCode);
    fail(error);
  }
}
