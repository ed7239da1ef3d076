/** `heddle tune`: measures how the products of a model are best computed here, and keeps what it finds for later runs. */
import type { Command } from "commander";
import { parseLinearKey } from "../../compile/schedule/linear.ts";
import { tokenClasses } from "../../compile/schedule/records.ts";
import { Space } from "../../compile/schedule/space.ts";
import { PanelCounter } from "../../compile/schedule/tile-work.ts";
import { tuners } from "../../compile/tuner.ts";
import { UserError } from "../../core/errors.ts";
import type { Device } from "../../device/device.ts";
import { TileBench } from "../../device/measure-tiles.ts";
import { openDevice } from "../../device/open.ts";
import type { Loaded } from "../../model/load.ts";
import { addRunnerOptions, loadOptions, type RunnerArguments, wholeFrom } from "../arguments.ts";
import { withCheckpoint, withRunner } from "../model.ts";
import { plotFalling } from "../plot.ts";
import { print, printJson, say } from "../terminal.ts";
import { type KernelTask, type Tuned, tuneClass } from "../tune-class.ts";
import { compareSteps, type StepRatio } from "../tune-step.ts";
import { recordsFile } from "../tuning.ts";

interface Arguments extends RunnerArguments {
  readonly tuner: string;
  readonly trials: number;
  readonly step: boolean;
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .option("--tuner <id>", `what searches: ${tuners.ids().join(", ")}`, "ansor")
    .option("--trials <n>", "tiles measured of each product and class of steps, on average", wholeFrom(0), 32)
    .option("--no-step", "do not measure whole steps before and after")
    .option("--json", "print one JSON document")
    .action(run);
  addRunnerOptions(command);
}

async function run(model: string, given: Arguments): Promise<void> {
  const tuner = await tuners.create(given.tuner);
  await withCheckpoint(model, async (checkpoint) => {
    const found = await withRunner(checkpoint, { ...loadOptions(given), context: 16 }, async (runner) => {
      return { products: productsOf(runner), level: runner.device.level, threads: runner.device.threads };
    });
    if (found.level === "reference") {
      throw new UserError("The reference level is not tuned: it has no speed.", "Choose another --level.");
    }
    const device = await openDevice(found.level, { threads: found.threads, scratchBytes: 1 << 20 });
    const bench = new TileBench(device);
    const stop = stopOnInterrupt();
    const tuned: Tuned[] = [];
    try {
      for (const tokens of tokenClasses) {
        const tasks = tasksOf(found.products, device, tokens);
        const search = { name: given.tuner, tuner, trials: given.trials * tasks.length, stopped: stop.stopped };
        tuned.push(await tuneClass(search, tokens, tasks, device, bench));
      }
    } finally {
      stop.end();
      bench.close();
      await device.close();
    }
    const wanted = given.step && !stop.stopped();
    const steps = wanted ? await compareSteps(checkpoint, loadOptions(given)) : [];
    report(given, tuned, steps);
  });
}

/** The first Ctrl-C ends the search and keeps what was measured, the second ends the program. */
function stopOnInterrupt(): { readonly stopped: () => boolean; end(): void } {
  let stopped = false;
  const stop = (): void => {
    if (stopped) process.exit(130);
    stopped = true;
    say("\nStopping; what was measured is kept, and the same command goes on from there.");
  };
  process.on("SIGINT", stop);
  return { stopped: () => stopped, end: () => void process.off("SIGINT", stop) };
}

interface Product {
  readonly kernel: string;
  readonly times: number;
  /** Whether it is computed for rows that give logits only, of which a prefill has few. */
  readonly perRow: boolean;
}

/** Products of a step, as its calls name them. */
function productsOf({ program }: Loaded): Product[] {
  const products = new Map<string, Product>();
  for (const call of program.calls) {
    const kernel = program.kernels[call.kernel]!.name.replace(/^linear-/, "");
    if (parseLinearKey(kernel) === undefined) continue;
    const perRow = call.args.some((a) => a.kind === "count" && a.dim === "S");
    products.set(kernel, { kernel, times: (products.get(kernel)?.times ?? 0) + 1, perRow });
  }
  return [...products.values()];
}

function tasksOf(
  products: readonly Product[],
  { target }: Device,
  { until, tokens }: (typeof tokenClasses)[number],
): KernelTask[] {
  const tuned = products.filter(({ perRow }) => !(perRow && until === Number.POSITIVE_INFINITY));
  const counters = new Map<string, PanelCounter>();
  return tuned.map(({ kernel, times }) => {
    const shape = { ...parseLinearKey(kernel)!, target, tokens };
    const key = `${JSON.stringify(shape.format)} ${shape.k}`;
    const counter = counters.get(key) ?? new PanelCounter(shape);
    counters.set(key, counter);
    return { kernel, times, space: new Space(shape, counter) };
  });
}

function report({ json }: Arguments, tuned: readonly Tuned[], steps: readonly StepRatio[]): void {
  const classes = tokenClasses.map(({ name }) => name);
  if (json) {
    const kernels = tuned.flatMap((one) => one.kernels.map((k) => ({ class: one.name, ...k })));
    const curves = tuned.map(({ name, curve }) => ({ class: name, curve }));
    return printJson({ records: recordsFile(), kernels, curves, steps });
  }
  for (const { name, curve } of tuned) {
    if (curve.length < 2) continue;
    print(`\n${name}: seconds of a step's products over the analytical choice's, best so far, by trials`);
    print(plotFalling(curve, Math.min(process.stdout.columns ?? 80, 100)));
  }
  const heads = ["kernel", "class", "calls", "default µs", "tuned µs", "ratio", "tile"];
  const rows = tuned.flatMap(({ name, kernels }) =>
    kernels.map((k) => [
      k.kernel,
      name,
      String(k.times),
      (k.analyticalSeconds * 1e6).toFixed(1),
      (k.tunedSeconds * 1e6).toFixed(1),
      (k.analyticalSeconds / k.tunedSeconds).toFixed(3),
      k.tile,
    ]),
  );
  print(`\n${table([heads, ...rows])}\n`);
  for (const name of classes) {
    const kernels = tuned.filter((one) => one.name === name).flatMap((one) => one.kernels);
    const sum = (of: (k: (typeof kernels)[number]) => number) => kernels.reduce((n, k) => n + k.times * of(k), 0);
    const [before, after] = [sum((k) => k.analyticalSeconds), sum((k) => k.tunedSeconds)];
    print(`${name}: products of a step ${(before / after).toFixed(3)}× as fast as without records`);
  }
  for (const { tokens, before, after } of steps) {
    const ms = (s: number): string => (s * 1e3).toFixed(2);
    const step = `a whole step of ${tokens} token${tokens === 1 ? "" : "s"}`;
    print(`${step}: ${ms(before)} ms without records, ${ms(after)} ms with: ${(before / after).toFixed(3)}×`);
  }
  say(`Kept in ${recordsFile()}; every later run uses it.`);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const cell = (text: string, i: number): string =>
    i < 2 || i === rows[0]!.length - 1 ? text.padEnd(widths[i]!) : text.padStart(widths[i]!);
  return rows.map((row) => row.map(cell).join("  ").trimEnd()).join("\n");
}
