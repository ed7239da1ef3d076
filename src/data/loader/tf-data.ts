/** Functions fused and batched into one task, workers that run ahead, and their number chosen at run time by a model of latency. */
import { type Loader, type LoaderView, loader, type Setting, type Stage, stagesAsWritten } from "../loader.ts";
import type { DataOp } from "../pipeline.ts";
import { bytesHeld, predictStep } from "./tf-data/latency.ts";

export default loader({
  title: "tf.data",
  paper: {
    title: "tf.data: A Machine Learning Data Processing Framework",
    venue: "VLDB 2021",
    url: "https://arxiv.org/abs/2101.12127",
  },
  rows: ["tf-data"],
  idea: "Rewrite the pipeline before it runs (maps fused, applied to a whole batch by one task); then, while it runs, model each stage as a queue and climb from one worker to the parallelism and buffers that give the least predicted latency within the cores and memory there are.",
  differs: [
    "Order is decided by numbers before any function is called, so every pipeline is deterministic and its position one number (paper: iterators that save themselves, and an option that gives up the order).",
    "What a stage costs is its measured time; nothing is estimated for stages that have not run yet, which start with one worker.",
    "A pipeline that is cheaper to run in the thread that asks than to hand to workers stays there (paper: always asynchronous where the user says so).",
    "Filters, and functions that give several records, are not expressed; nor are the service and snapshots.",
  ],
  options: {
    fusion: { default: 1, unit: "(0 or 1)", min: 0, help: "Fuse maps, and apply them to a batch in one task." },
    autotune: { default: 1, unit: "(0 or 1)", min: 0, help: "0 keeps one worker for each stage, and one batch ahead." },
    gain: { default: 0.002, unit: "of a step", min: 0, help: "A worker or buffer must shorten the step by as much." },
  },
  claim: {
    metric: "stepSeconds",
    better: "lower",
    than: "none",
    on: "images",
    factor: 3,
    where: "sim",
  },

  create({ fusion, autotune, gain }): Loader {
    return {
      stages: (ops) => (fusion === 0 ? stagesAsWritten(ops) : fused(ops)),
      settings(stages, view) {
        const least = stages.map(() => ({ parallelism: 1, buffer: 1 }));
        return view === undefined || autotune === 0 ? least : climb(view, least, gain);
      },
    };
  },
});

/** What must be kept ends a stage of records; all that follows the last such place is one task a batch. */
function fused(ops: readonly DataOp[]): readonly Stage[] {
  const groups: string[][] = [[]];
  for (const op of ops) {
    if (op.kind === "map") groups.at(-1)!.push(op.map);
    if (op.kind === "cache" && groups.at(-1)!.length > 0) groups.push([]);
  }
  return groups
    .map((maps, i): Stage => (i < groups.length - 1 ? kept(maps) : { maps, grain: "batch", cached: false }))
    .filter(({ maps }) => maps.length > 0);
}

const kept = (maps: readonly string[]): Stage => ({ maps, grain: "record", cached: true });

/** From `least` upwards by the one worker or buffer that helps most, until none helps enough or none is left. */
function climb(view: LoaderView, least: readonly Setting[], gain: number): readonly Setting[] {
  const fits = (settings: readonly Setting[]): boolean =>
    settings.reduce((n, { parallelism }) => n + parallelism, 0) <= Math.max(view.cores, settings.length) &&
    bytesHeld(view, settings) <= view.memoryBytes;
  let [settings, seconds] = [least, predictStep(view, least)];
  for (;;) {
    const tries = settings
      .flatMap((setting, i) => more(setting).map((next) => settings.with(i, next)))
      .filter(fits)
      .map((tried) => ({ tried, seconds: predictStep(view, tried) }));
    const best = tries.reduce((a, b) => (b.seconds < a.seconds ? b : a), { tried: settings, seconds });
    if (!(best.seconds < seconds * (1 - gain))) break;
    [settings, seconds] = [best.tried, best.seconds];
  }
  const here = least.map(() => ({ parallelism: 0, buffer: 1 }));
  return predictStep(view, here) <= seconds ? here : settings;
}

/** A buffer holds at least what is being made, so a worker more may need a place more: both ways are tried. */
const more = ({ parallelism, buffer }: Setting): readonly Setting[] => [
  { parallelism: parallelism + 1, buffer: Math.max(buffer, parallelism + 1) },
  { parallelism, buffer: buffer + 1 },
];
