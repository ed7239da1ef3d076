/** `heddle finetune`: an adapter of a model, from conversations. */
import { mkdirSync } from "node:fs";
import { basename, resolve } from "node:path";
import { type Command, Option } from "commander";
import { UserError } from "../../core/errors.ts";
import { arrayScratchBytes } from "../../device/array-session.ts";
import type { Level } from "../../device/device.ts";
import { levels, openDevice } from "../../device/open.ts";
import { chatTemplateSource } from "../../model/chat.ts";
import { WallClock } from "../../time/wall-clock.ts";
import { deviceMachine } from "../../train/device-machine.ts";
import { parseConversations } from "../../train/finetune/conversations.ts";
import { type FinetuneOutcome, runFinetune } from "../../train/finetune/run-finetune.ts";
import { numberFrom, wholeFrom } from "../arguments.ts";
import { withCheckpoint } from "../model.ts";
import { stopOnSignals } from "../stop-signals.ts";
import { print, printJson, say } from "../terminal.ts";
import { readText } from "../text-file.ts";
import { trainReport } from "../train-report.ts";

interface Arguments {
  readonly data: string;
  readonly out?: string;
  readonly lora: number;
  readonly alpha?: number;
  readonly targets: string;
  readonly batch: number;
  readonly length: number;
  readonly steps: number;
  readonly learningRate: number;
  readonly heldOut: number;
  readonly seed: number;
  readonly threads: number;
  readonly level?: Level;
  readonly resume?: boolean;
  readonly json?: boolean;
}

const targets: Readonly<Record<string, string>> = {
  q: "attention.q",
  k: "attention.k",
  v: "attention.v",
  o: "attention.o",
  gate: "feedForward.gate",
  up: "feedForward.up",
  down: "feedForward.down",
};
const evaluateEvery = 50;
const saveEvery = 50;

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .requiredOption("--data <file>", "conversations, a line of JSON each")
    .option("--out <folder>", "for checkpoints, metrics and the adapter (default: the data's name without .jsonl)")
    .option("--lora <rank>", "rank of the adapter", wholeFrom(1, 1024), 8)
    .option("--alpha <n>", "the adapter counts alpha / rank times (default: twice the rank)", numberFrom(0))
    .option("--targets <list>", `matrices that get one, of ${Object.keys(targets).join(", ")}`, "q,k,v,o,gate,up,down")
    .option("--batch <n>", "conversations of a step", wholeFrom(1), 4)
    .option("--length <n>", "tokens of a conversation; what is longer is cut", wholeFrom(16), 256)
    .option("--steps <n>", "optimizer steps in all", wholeFrom(1), 200)
    .option("--learning-rate <n>", "at its peak; it warms up, and falls by half a cosine", numberFrom(0), 5e-4)
    .option("--held-out <share>", "of the conversations, to measure by", numberFrom(0, 0.9), 0.1)
    .option("--seed <n>", "of the first values and the order", wholeFrom(0), 0)
    .option("--threads <n>", "threads that compute", wholeFrom(1), 2)
    .option("--resume", "go on from the newest checkpoint")
    .option("--json", "print {adapter, parameters, step, seconds, loss, heldOut: {before, after}}")
    .addOption(new Option("--level <level>", "instruction set to use (default: the best)").choices([...levels]))
    .action(run);
}

function targetsOf(list: string): readonly string[] {
  return list.split(",").map((name) => {
    const target = Object.hasOwn(targets, name) ? targets[name] : undefined;
    if (target !== undefined) return target;
    throw new UserError(`--targets ${list}: there is no "${name}".`, `Take some of ${Object.keys(targets).join(",")}.`);
  });
}

async function run(model: string, given: Arguments): Promise<void> {
  const wanted = targetsOf(given.targets);
  const conversations = parseConversations(given.data, readText(given.data));
  const name = basename(given.data).replace(/\.jsonl?$/i, "");
  const folder = resolve(given.out ?? name);
  await withCheckpoint(model, async (checkpoint) => {
    const { note } = chatTemplateSource(checkpoint);
    if (note !== undefined) say(note);
    mkdirSync(folder, { recursive: true });
    const { batch, length, steps, threads, lora: rank } = given;
    const live = process.stderr.isTTY === true;
    const report = trainReport({ name, folder, steps, tokensPerStep: batch * length, live });
    const stop = stopOnSignals("Stopping after this step, and saving.");
    const device = await openDevice(given.level, { threads, scratchBytes: arrayScratchBytes });
    if (device.note !== undefined) say(device.note);
    say(`${conversations.length} conversations; reading the weights of ${checkpoint.name}, compiling its training`);
    try {
      const outcome = await runFinetune({
        checkpoint,
        conversations,
        name,
        folder,
        rank,
        alpha: given.alpha ?? 2 * rank,
        targets: wanted,
        batch,
        length: Math.min(length, checkpoint.config.context),
        steps,
        learningRate: given.learningRate,
        heldOut: given.heldOut,
        evaluateEvery,
        saveEvery,
        seed: given.seed,
        resume: given.resume ?? false,
        machine: deviceMachine(device),
        clock: new WallClock(),
        signal: stop.signal,
        observe: (event) => report.observe(event),
        warn: say,
      });
      report.end();
      tell(outcome, { model, name, folder, loss: report.losses.trained }, given);
      process.exitCode = stop.exitCode();
    } finally {
      report.end();
      stop.end();
      await device.close();
    }
  });
}

interface Told {
  readonly model: string;
  readonly name: string;
  readonly folder: string;
  readonly loss: number | undefined;
}

function tell(outcome: FinetuneOutcome, { model, name, folder, loss }: Told, { json, steps }: Arguments): void {
  const { file, parameters, step, seconds, heldOut } = outcome;
  if (json) return printJson({ adapter: file, parameters, step, seconds, loss, heldOut });
  if (file === undefined) return say(`Stopped after step ${step} of ${steps}; it is saved: go on with --resume.`);
  print(file);
  const held =
    heldOut === undefined ? "" : `, held-out loss ${heldOut.before.toFixed(4)} to ${heldOut.after.toFixed(4)}`;
  say(`${parameters} numbers trained, ${step} steps in ${seconds.toFixed(1)} s${held}; metrics are in ${folder}`);
  say(`heddle serve ${model} --adapter ${name}=${file}`);
}
