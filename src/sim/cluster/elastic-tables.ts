/**
 * Jobs whose speed by size was measured (ElasticFlow's `throughputs_A100/*.csv`): iterations a second by global batch and GPUs, as a
 * model of what runs them.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JobSpec } from "../../cluster/job.ts";
import type { ClusterEvent } from "../../cluster/launcher.ts";
import { gpusIn, type NodeSpec } from "../../cluster/node.ts";
import type { ClusterPolicy } from "../../cluster/policy.ts";
import { UserError } from "../../core/errors.ts";
import type { Clock, Seconds } from "../../time/clock.ts";
import { ArrivalsLauncher } from "./arrivals-launcher.ts";
import { LevelsLauncher } from "./levels-launcher.ts";
import { MergedLauncher } from "./merged-launcher.ts";
import { SlotLauncher } from "./slot-launcher.ts";
import { TurnsLauncher } from "./turns-launcher.ts";

/** By model and global batch: iterations a second by GPUs. */
export type Throughputs = ReadonlyMap<string, ReadonlyMap<number, number>>;

const keyOf = (model: string, batch: number): string => `${model} ${batch}`;

/** Reads tables with a line `global_batch_size,1,2,4,…` and one line a batch; empty fields and `nan` cannot run. */
export function parseThroughputs(tables: Readonly<Record<string, string>>): Throughputs {
  const rates = new Map<string, Map<number, number>>();
  for (const [model, text] of Object.entries(tables)) {
    const [head = "", ...lines] = text.trim().split(/\r?\n/);
    const gpus = head.split(",").slice(1).map(Number);
    for (const line of lines) {
      const [batch, ...fields] = line.split(",");
      const row = new Map(gpus.map((n, i) => [n, Number(fields[i] || 0)]));
      rates.set(keyOf(model, Number(batch)), new Map([...row].filter(([, rate]) => rate > 0)));
    }
  }
  return rates;
}

/** Those that it lets grow up to the size at which they are fastest, by a list; any other may have every size. */
const known: ReadonlySet<string> = new Set(["bert", "deepspeech2", "gpt2", "inception3", "resnet50", "vgg16"]);

/**
 * The job with the sizes that were measured for it, up to one example a GPU, or up to the largest that ElasticFlow's own policy
 * gives it. Throws a `UserError` where none were.
 */
export function elasticJob(rates: Throughputs, job: JobSpec, upTo: "measured" | "own"): JobSpec {
  const { model = "", batch = 0 } = job;
  const row = rates.get(keyOf(model, batch));
  if (row === undefined) {
    throw new UserError(
      `Job ${job.id} trains ${model} with batch ${batch}, which no table of throughputs has.`,
      `There are: ${[...rates.keys()].join(", ")}.`,
    );
  }
  const measured = [...row.keys()].filter((gpus) => gpus <= batch);
  const fastest = (a: number, b: number): number => (row.get(b)! > row.get(a)! ? b : a);
  const max = upTo === "own" && known.has(model) ? measured.reduce(fastest) : Math.max(...measured);
  return { ...job, range: { min: 1, max } };
}

/** Reads a folder of tables, one a model. */
export function readThroughputs(folder: string): Throughputs {
  const files = readdirSync(folder).filter((file) => file.endsWith(".csv"));
  return parseThroughputs(
    Object.fromEntries(files.map((file) => [file.slice(0, -4), readFileSync(join(folder, file), "utf8")])),
  );
}

/** Seconds that ElasticFlow's simulator takes for rescaling on a cluster of fewer than 256 GPUs. */
export const rescaleSeconds = (gpus: number): Seconds => 2 + 2 * (Math.log2(gpus) + 1);

/** Slots of its published simulations; decisions are never closer to each other. */
export const elasticSlotSeconds: Seconds = 240;

const rateOf =
  (rates: Throughputs) =>
  ({ model = "", batch = 0 }: JobSpec, gpus: number): number =>
    rates.get(keyOf(model, batch))?.get(gpus) ?? 0;

export interface ElasticGiven {
  readonly nodes: readonly NodeSpec[];
  readonly policy: ClusterPolicy;
  /** For each start, in place of what the simulator takes. */
  readonly restartSeconds?: Seconds | undefined;
}

/** Its controller starts anew after so many decisions, and takes longer; both take longer on 256 GPUs or more. */
const decisionsOfController = 240;
const controllerSeconds = (nodes: readonly NodeSpec[]): Seconds => (isLarge(nodes) ? 47 : 27);
const largeSeconds = (nodes: readonly NodeSpec[]): Seconds => (isLarge(nodes) ? 5 : 0);
const isLarge = (nodes: readonly NodeSpec[]): boolean => gpusIn(nodes) >= 256;

/** Jobs that hold their GPUs to the end of a slot. */
export const elasticModel =
  (rates: Throughputs, { nodes, policy, restartSeconds }: ElasticGiven) =>
  (clock: Clock, report: (event: ClusterEvent) => void): SlotLauncher => {
    const more = largeSeconds(nodes);
    return new SlotLauncher(clock, {
      ...{ report, rate: rateOf(rates), slotSeconds: elasticSlotSeconds },
      plannedEnd: (job) => policy.scaling.plannedEnd?.(job),
      startSeconds: (gpus, known) => restartSeconds ?? more + (known ? 2 : rescaleSeconds(gpus)),
      controller: {
        decisions: decisionsOfController,
        seconds: restartSeconds === undefined ? controllerSeconds(nodes) : 0,
      },
    });
  };

/** Gandiva there: the cluster is looked at when a job comes, and everybody waits then; every slot after the last has come. */
export const arrivalsModel =
  (jobs: readonly JobSpec[], { nodes, policy, restartSeconds }: ElasticGiven) =>
  (clock: Clock, report: (event: ClusterEvent) => void): ArrivalsLauncher =>
    new ArrivalsLauncher(clock, {
      ...{ jobs, report, slotSeconds: elasticSlotSeconds },
      awaited: () => policy.scheduling.turnsAwaited?.() ?? [],
      startSeconds: startOf(nodes, restartSeconds),
    });

const isAnew = (look: number): boolean => look > 0 && look % decisionsOfController === 0;

/** Where the controller forgets no groups of processes, for it knows none. */
const startOf =
  (nodes: readonly NodeSpec[], restartSeconds: Seconds | undefined) =>
  (gpus: number, look: number): Seconds =>
    restartSeconds ?? largeSeconds(nodes) + rescaleSeconds(gpus) + (isAnew(look) ? controllerSeconds(nodes) : 0);

/** The baselines of its figure 10: only what a decision starts waits for it, and so many seconds. */
export const rigidModel =
  (rates: Throughputs, startSeconds: (gpus: number) => Seconds) =>
  (clock: Clock, report: (event: ClusterEvent) => void): TurnsLauncher =>
    new TurnsLauncher(clock, {
      ...{ report, rate: rateOf(rates), relaunches: () => false, lastStart: true },
      startSeconds: (_, gpus) => startSeconds(gpus),
    });

/** EDF there: what comes within a slot of a decision is seen a slot after it; starts cost nothing. */
export const mergedModel =
  (rates: Throughputs, jobs: readonly JobSpec[]) =>
  (clock: Clock, report: (event: ClusterEvent) => void): MergedLauncher =>
    new MergedLauncher(clock, { jobs, report, rate: rateOf(rates), slotSeconds: elasticSlotSeconds });

/** Tiresias there: the cluster is looked at when jobs come, end or fall, and no sooner than a slot later. */
export const levelsModel =
  (jobs: readonly JobSpec[], { nodes, policy, restartSeconds }: ElasticGiven) =>
  (clock: Clock, report: (event: ClusterEvent) => void): LevelsLauncher =>
    new LevelsLauncher(clock, {
      ...{ jobs, report, isAnew, slotSeconds: elasticSlotSeconds, falls: policy.scheduling.falls ?? [] },
      startSeconds: startOf(nodes, restartSeconds),
    });
