/** `heddle train-tiny`: makes heddle-tiny again, from the recipe in `train/tiny/`; nothing is downloaded. */
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { arrayScratchBytes } from "../../device/array-session.ts";
import { openDevice } from "../../device/open.ts";
import { WallClock } from "../../time/wall-clock.ts";
import { tinyName, tinySteps, tokensOfStep } from "../../train/tiny/recipe.ts";
import { trainTiny } from "../../train/tiny/run.ts";
import { wholeFrom } from "../arguments.ts";
import { stopOnSignals } from "../stop-signals.ts";
import { print, say } from "../terminal.ts";
import { trainReport } from "../train-report.ts";

interface Arguments {
  readonly steps: number;
  readonly threads: number;
  readonly folder: string;
  readonly out: string;
}

export function define(command: Command): void {
  command
    .option("--steps <n>", "optimizer steps", wholeFrom(1), tinySteps)
    .option("--threads <n>", "threads that compute", wholeFrom(1), 2)
    .option("--folder <path>", "for checkpoints and metrics; a training that is there is continued", ".heddle-tiny")
    .option("--out <path>", "the model's file; its loss curve is put beside it", "models/heddle-tiny.gguf")
    .action(run);
}

async function run({ steps, threads, folder, out }: Arguments): Promise<void> {
  mkdirSync(folder, { recursive: true });
  mkdirSync(dirname(out), { recursive: true });
  const live = process.stderr.isTTY === true;
  const report = trainReport({ name: tinyName, folder, steps, tokensPerStep: tokensOfStep, live });
  const stop = stopOnSignals("Stopping after this step, and saving.");
  const device = await openDevice(undefined, { threads, scratchBytes: arrayScratchBytes });
  try {
    const { outcome, file } = await trainTiny({
      device,
      clock: new WallClock(),
      folder,
      steps,
      signal: stop.signal,
      observe: (event) => report.observe(event),
      warn: say,
    });
    report.end();
    if (outcome.why === "stopped") return say(`Stopped after step ${outcome.step}; the same command goes on.`);
    writeFileSync(out, Buffer.concat(file));
    copyFileSync(join(folder, "loss.svg"), out.replace(/(\.gguf)?$/, ".svg"));
    print(`${out}: ${steps} steps in ${(outcome.seconds / 60).toFixed(1)} minutes`);
  } finally {
    stop.end();
    report.end();
    await device.close();
  }
}
