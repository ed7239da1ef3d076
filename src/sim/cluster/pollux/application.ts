/**
 * What was measured of a training program: seconds of a step by placement and batch size, progress and gradient noise by epoch.
 *
 * Progress is counted in epochs at the first batch size's statistical efficiency (Pollux, §3): an epoch is worth the least
 * progress that any batch size made in it.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../../core/errors.ts";
import { between, type CutRecord, interpolation, type MeasuredPoint, type StepTime } from "./cells.ts";

/** Squared norm and variance of the gradient, at the first batch size. */
export interface GradientNoise {
  readonly square: number;
  readonly variance: number;
}

interface Epoch extends GradientNoise {
  readonly progress: number;
  readonly iteration: number;
}

/** A run over all epochs with one batch size. */
interface Validation {
  readonly batch: number;
  readonly epochs: readonly Epoch[];
}

interface PlacementLine extends MeasuredPoint {
  readonly placement: string;
}

export interface ProfileTables {
  readonly name: string;
  readonly placements: string;
  readonly scalability: string;
  /** Text of `validation-B.csv` by B. */
  readonly validations: ReadonlyMap<number, string>;
  readonly cuts?: CutRecord | undefined;
  readonly limits?: ProfileLimits | undefined;
}

/** What the published simulator does not let an application do, though it was measured. */
export interface ProfileLimits {
  /** Most examples that a GPU takes at once. */
  readonly localBatchMax?: number;
  readonly gpusMax?: number;
  /** Examples a step, where the job does not choose even under a policy that adapts batches. */
  readonly batch?: number;
}

export class Application {
  readonly name: string;
  /** Examples a step over all GPUs: that of the first and of the largest measured run. */
  readonly batchFirst: number;
  readonly batchMax: number;
  /** Examples a GPU takes in one pass. */
  readonly localBatchMin: number;
  readonly localBatchMax: number;
  readonly epochs: number;
  readonly limits: ProfileLimits;
  readonly #validations: readonly Validation[];
  readonly #lines = new Map<string, PlacementLine[]>();
  readonly #between: ReturnType<typeof interpolation>;
  readonly #known = new Map<string, StepTime>();
  readonly #progress: readonly number[];

  constructor(tables: ProfileTables) {
    this.name = tables.name;
    this.#validations = [...tables.validations]
      .sort(([a], [b]) => a - b)
      .map(([batch, text]) => ({
        batch,
        epochs: rowsOf(text, `${tables.name}/validation-${batch}.csv`, validationColumns).map(
          ([progress, iteration, square, variance]) => ({
            progress: progress!,
            iteration: iteration!,
            square: square!,
            variance: variance!,
          }),
        ),
      }));
    const placements = placementLines(tables);
    for (const line of placements) {
      const known = this.#lines.get(line.placement);
      if (known === undefined) this.#lines.set(line.placement, [line]);
      else known.push(line);
    }
    for (const lines of this.#lines.values()) lines.sort((a, b) => a.batch - b.batch);
    const wide = rowsOf(tables.scalability, `${tables.name}/scalability.csv`, scalabilityColumns).map(
      ([nodes, gpus, batch, step, sync]) => ({
        nodes: nodes!,
        gpus: gpus!,
        batch: batch!,
        step: step!,
        sync: sync!,
      }),
    );
    this.#between = interpolation([...meansByShape(placements), ...wide], tables.cuts);
    this.batchFirst = this.#validations[0]!.batch;
    this.batchMax = this.#validations.at(-1)!.batch;
    const batches = placements.map(({ batch }) => batch);
    this.localBatchMin = Math.min(...batches);
    this.limits = tables.limits ?? {};
    this.localBatchMax = this.limits.localBatchMax ?? Math.max(...batches);
    this.epochs = Math.min(...this.#validations.map(({ epochs }) => epochs.length));
    this.#progress = Array.from({ length: this.epochs + 1 }, (_, done) =>
      done === 0 ? 0 : Math.min(...this.#validations.map(({ epochs }) => epochs[done - 1]!.progress)),
    );
  }

  /** Progress after so many epochs. */
  progress(epochs: number): number {
    return this.#progress[epochs]!;
  }

  /** Iterations that `epochs + 1` epochs take with that batch size. */
  iterations(batch: number, epochs: number): number {
    return this.#mix(batch, epochs, (epoch) => epoch.iteration);
  }

  noise(batch: number, epoch: number): GradientNoise {
    return {
      square: this.#mix(batch, epoch, ({ square }) => square),
      variance: this.#mix(batch, epoch, ({ variance }) => variance),
    };
  }

  /** GPUs on each node, in the order of the nodes; the same placement turned round is as fast. Fails where the profile ends. */
  stepTime(placement: readonly number[], localBatch: number): StepTime {
    const time = this.profiledTime(placement, localBatch);
    if (time !== undefined) return time;
    throw new UserError(
      `${this.name} on GPUs ${placement.join("+")} with ${localBatch} examples a GPU was never measured, nor anything around it.`,
      "Use batch sizes and placements within those of its profile.",
    );
  }

  /** The same; `undefined` where the profile ends. */
  profiledTime(placement: readonly number[], localBatch: number): StepTime | undefined {
    const key = `${placement.join(" ")}:${localBatch}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const lines = this.#lines.get(leastRotation(placement));
    const gpus = placement.reduce((n, on) => n + on, 0);
    const time =
      lines === undefined ? this.#between(placement.length, gpus, localBatch) : betweenLines(lines, localBatch);
    if (time !== undefined) this.#known.set(key, time);
    return time;
  }

  /** Linear between the two measured batch sizes around `batch`. */
  #mix(batch: number, epoch: number, of: (epoch: Epoch) => number): number {
    const above = this.#validations.findIndex((run) => run.batch >= batch);
    const upper = this.#validations.at(above)!;
    const lower = upper.batch === batch || above <= 0 ? upper : this.#validations[above - 1]!;
    const high = of(upper.epochs[epoch]!);
    if (lower === upper) return high;
    const low = of(lower.epochs[epoch]!);
    return ((batch - lower.batch) * high + (upper.batch - batch) * low) / (upper.batch - lower.batch);
  }
}

const limits: Readonly<Record<string, ProfileLimits>> = {
  yolov3: { localBatchMax: 8 },
  ncf: { gpusMax: 1, batch: 32768 },
};

/** Applications of a folder with one folder of tables each; `cuts` is the path of the record of how cells were cut. */
export function readApplications(folder: string, cuts?: string): ReadonlyMap<string, Application> {
  const records: Record<string, CutRecord> = cuts === undefined ? {} : JSON.parse(readFileSync(cuts, "utf8"));
  const found = new Map<string, Application>();
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const { name } = entry;
    const text = (file: string): string => readFileSync(join(folder, name, file), "utf8");
    const validations = new Map<number, string>();
    for (const file of readdirSync(join(folder, name))) {
      const batch = /^validation-(\d+)\.csv$/.exec(file)?.[1];
      if (batch !== undefined) validations.set(Number(batch), text(file));
    }
    const tables = { name, placements: text("placements.csv"), scalability: text("scalability.csv"), validations };
    found.set(name, new Application({ ...tables, cuts: records[name], limits: limits[name] }));
  }
  return found;
}

const validationColumns = ["progress", "iteration", "grad_sqr", "grad_var"];
const scalabilityColumns = ["num_nodes", "num_replicas", "local_bsz", "step_time", "sync_time"];
const placementColumns = ["placement", "local_bsz", "step_time", "sync_time"];

function rowsOf(text: string, name: string, columns: readonly string[]): number[][] {
  const [head = "", ...lines] = text.trim().split(/\r?\n/);
  const names = head.split(",");
  const at = columns.map((column) => names.indexOf(column));
  if (at.includes(-1)) {
    throw new UserError(`${name} has columns ${head}.`, `It needs ${columns.join(",")}.`);
  }
  return lines.map((line) => {
    const cells = line.split(",");
    return at.map((index) => Number(cells[index]));
  });
}

function placementLines({ name, placements }: ProfileTables): PlacementLine[] {
  return rowsOf(placements, `${name}/placements.csv`, placementColumns).map(([digits, batch, step, sync]) => {
    const on = [...String(digits)].map(Number);
    return {
      placement: leastRotation(on),
      nodes: on.length,
      gpus: on.reduce((n, gpus) => n + gpus, 0),
      batch: batch!,
      step: step!,
      sync: sync!,
    };
  });
}

/** One point for all placements of as many nodes and GPUs, in the order of nodes, GPUs and batch size. */
function meansByShape(lines: readonly MeasuredPoint[]): MeasuredPoint[] {
  const groups = new Map<string, MeasuredPoint[]>();
  for (const line of lines) {
    const key = `${line.nodes},${line.gpus},${line.batch}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [line]);
    else group.push(line);
  }
  const means = [...groups.values()].map((group) => ({
    ...group[0]!,
    step: group.reduce((sum, { step }) => sum + step, 0) / group.length,
    sync: group.reduce((sum, { sync }) => sum + sync, 0) / group.length,
  }));
  return means.sort((a, b) => a.nodes - b.nodes || a.gpus - b.gpus || a.batch - b.batch);
}

/** Nodes stand in a ring, so a placement is named by the least of its rotations. */
function leastRotation(placement: readonly number[]): string {
  let least = placement.join("");
  for (let i = 1; i < placement.length; i++) {
    const turned = [...placement.slice(i), ...placement.slice(0, i)].join("");
    if (turned < least) least = turned;
  }
  return least;
}

function betweenLines(lines: readonly PlacementLine[], batch: number): StepTime {
  return between(
    lines.map((line) => line.batch),
    batch,
    (key) => lines.find((line) => line.batch === key)!,
  );
}
