/** `heddle profile`: where the time of a step goes, kernel by kernel, against what the machine could do. */
import { writeFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { asCompiled } from "../../compile/schedule.ts";
import { type Sizes, type StepShape, type Work, workOf } from "../../compile/work.ts";
import { UserError } from "../../core/errors.ts";
import { median } from "../../core/statistics.ts";
import type { Span } from "../../device/device.ts";
import { type Limits, measureLimits } from "../../device/limits.ts";
import { openDevice } from "../../device/open.ts";
import { against, profileOf } from "../../device/profile.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import type { Loaded } from "../../model/load.ts";
import type { StepSequence } from "../../model/runner.ts";
import { chromeTrace, type TraceSpan } from "../../time/chrome-trace.ts";
import { addRunnerOptions, loadOptions, type RunnerArguments, wholeFrom } from "../arguments.ts";
import { withCheckpoint, withRunner } from "../model.ts";
import { inWords, limitsLine, type Profiled, profileTable } from "../profile-table.ts";
import { print, printJson, say } from "../terminal.ts";

interface Arguments extends RunnerArguments {
  readonly tokens?: number;
  readonly context?: number;
  readonly steps: number;
  readonly limits: boolean;
  readonly json?: boolean;
  readonly trace?: string;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .option("--tokens <n>", "tokens of the step (default: a step of 1, and one of 128 from position 0)", wholeFrom(1))
    .option("--context <n>", "positions before the step's (default: 64 for one token, else 0)", wholeFrom(0))
    .option("--steps <n>", "steps to take the median of", wholeFrom(1), 15)
    .option("--trace <file>", "write one step of each as a Chrome or Perfetto trace")
    .addOption(new Option("--no-limits", "do not measure the machine's limits"))
    .option("--json", "print one JSON document")
    .action(run);
  addRunnerOptions(command);
}

/** A step of `tokens` after `context` positions. */
interface Scenario {
  readonly tokens: number;
  readonly context: number;
}

function scenarios({ tokens, context }: Arguments, longest: number): readonly Scenario[] {
  const given = tokens === undefined ? [1, Math.min(128, longest)] : [tokens];
  return given.map((n) => {
    const before = context ?? (n === 1 ? Math.min(64, longest - 1) : 0);
    if (before + n <= longest) return { tokens: n, context: before };
    throw new UserError(
      `A step of ${n} tokens after ${before} positions was asked for; the model has ${longest}.`,
      "Ask for fewer --tokens or a shorter --context.",
    );
  });
}

async function run(model: string, given: Arguments): Promise<void> {
  const { context: _, ...rest } = given;
  await withCheckpoint(model, async (checkpoint) => {
    const steps = scenarios(given, checkpoint.config.context);
    const limits = given.limits ? await limitsOf(given) : undefined;
    const tokensMax = Math.max(512, ...steps.map((s) => s.tokens));
    const room = Math.max(...steps.map((s) => s.context + s.tokens));
    const options = { ...loadOptions(rest), context: room, tokensMax: Math.min(tokensMax, room), timed: true };
    await withRunner(checkpoint, options, async (runner) => {
      const measured: Measured[] = [];
      for (const step of steps) measured.push(await measure(checkpoint, runner, step, given.steps));
      if (given.trace !== undefined) writeTrace(given.trace, measured);
      report(checkpoint, runner, measured, limits, given.json ?? false);
    });
  });
}

/** On a device of its own, so that a model's memory and this measurement's are never there at once. */
async function limitsOf({ level, threads = 2 }: Arguments): Promise<Limits | undefined> {
  const device = await openDevice(level, { threads, scratchBytes: 64 });
  try {
    return device.level === "reference" ? undefined : await measureLimits(device);
  } finally {
    await device.close();
  }
}

interface Measured extends Profiled {
  readonly scenario: Scenario;
  readonly spans: readonly Span[];
  readonly work: readonly Work[];
  readonly names: readonly string[];
}

async function measure(
  { tensors }: Checkpoint,
  runner: Loaded,
  scenario: Scenario,
  repetitions: number,
): Promise<Measured> {
  const { tokens, context } = scenario;
  const step = await sequenceAt(runner, scenario);
  const runs: { readonly spans: readonly Span[]; readonly wallSeconds: number }[] = [];
  // The first two warm the caches up. Reading the spans takes time that is no step's, so a step without is timed as well.
  for (let i = -2; i < repetitions; i++) {
    const from = performance.now();
    await runner.step([step]);
    const wallSeconds = (performance.now() - from) / 1e3;
    const spans = await runner.timedStep([step]);
    if (i >= 0) runs.push({ spans, wallSeconds });
  }
  const program = asCompiled(runner.program);
  const shape: StepShape = { sequences: [{ start: context, tokens }], rows: 1 };
  const sizes: Sizes = {
    weightBytes: (name) => runner.weightBytes(name),
    weightShape: (name) => tensors.get(name)!.shape,
    positionBytes: runner.blockBytes / runner.blockSize / (program.caches.length || 1),
  };
  const work = program.calls.map((call) => workOf(program, call, shape, sizes));
  const kernels = profileOf(
    program,
    runs.map((r) => r.spans),
    work,
  );
  const wallSeconds = median(runs.map((r) => r.wallSeconds))!;
  const typical = runs.toSorted((a, b) => a.wallSeconds - b.wallSeconds)[Math.floor(runs.length / 2)]!;
  return {
    title: tokens === 1 ? `one token at context ${context}` : `${tokens} tokens from position ${context}`,
    scenario,
    tokens,
    // WebAssembly's threads meet behind each call before they look at the clock.
    seesWaiting: runner.device.threads > 1 && runner.device.level !== "wasm",
    kernels,
    seconds: kernels.reduce((n, k) => n + k.seconds, 0),
    wallSeconds,
    spans: typical.spans,
    work,
    names: program.calls.map((call) => program.kernels[call.kernel]!.name),
  };
}

/** Computes the positions before the step: memory of a cache that nobody has written is not read like any other. */
async function sequenceAt(runner: Loaded, { tokens, context }: Scenario): Promise<StepSequence> {
  const blocks = Array.from({ length: Math.ceil((context + tokens) / runner.blockSize) }, (_, i) => i);
  const ids = (from: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => (7919 * (from + i) + 11) % runner.vocabulary);
  for (let start = 0; start < context; start += runner.tokensMax) {
    const chunk = ids(start, Math.min(runner.tokensMax, context - start));
    await runner.step([{ tokens: chunk, start, blocks, outputs: 0 }]);
  }
  return { tokens: ids(context, tokens), start: context, blocks, outputs: 1 };
}

function writeTrace(path: string, measured: readonly Measured[]): void {
  const spans = measured.flatMap(({ title, spans: all, names, work }) =>
    all.flatMap(({ record, thread, begin, worked, end }): TraceSpan[] => {
      const track = { process: title, thread };
      const { bytes, operations } = work[record]!;
      const call = { ...track, name: names[record]!, from: begin, to: worked };
      return [
        { ...call, facts: { call: record, bytes, operations } },
        ...(end - worked > 1e-7 ? [{ ...track, name: "waiting", from: worked, to: end }] : []),
      ];
    }),
  );
  try {
    writeFileSync(path, JSON.stringify(chromeTrace(spans)));
  } catch (error) {
    throw new UserError(`--trace ${path}: it cannot be written: ${(error as Error).message}.`);
  }
  say(`${path}: open it at https://ui.perfetto.dev or in about:tracing`);
}

function report(
  { name }: Checkpoint,
  { device }: Loaded,
  measured: readonly Measured[],
  limits: Limits | undefined,
  json: boolean,
): void {
  if (json) {
    const steps = measured.map(({ scenario, seconds, wallSeconds, kernels }) => {
      const reached = kernels.map((k) => ({ ...k, ...(limits && { reached: against(k, limits) }) }));
      return { ...scenario, seconds, wallSeconds, kernels: reached };
    });
    return printJson({ model: name, level: device.level, threads: device.threads, limits, steps });
  }
  const said = limits === undefined ? "" : `; ${limitsLine(limits)}`;
  print(`${name}, ${device.level}, ${device.threads} threads${said}`);
  for (const one of measured) print(`\n${inWords(one, limits)}\n\n${profileTable(one, limits)}`);
}
