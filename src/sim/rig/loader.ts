/**
 * The rig of loaders: batches for a consumer on a machine of four cores, whose time is modelled. A metric of seconds is virtual;
 * on the machine, the same engine runs real threads over small records, and what is counted is tasks and batches in order.
 */
import type { Claim } from "../../core/entry.ts";
import { UserError } from "../../core/errors.ts";
import { draw } from "../../core/random.ts";
import { type Loader, type LoaderView, loaders, type Setting } from "../../data/loader.ts";
import { LoaderEngine, type LoaderPorts } from "../../data/loader-engine.ts";
import { openLoader } from "../../data/open-loader.ts";
import type { DataOp, Pipeline } from "../../data/pipeline.ts";
import * as module from "../../data/token-windows.ts";
import { VirtualClock } from "../../time/virtual-clock.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

export interface LoaderWorkload {
  /** Seconds of each function on one record, on average; a record takes between half and one and a half of it. */
  readonly maps: readonly { readonly name: string; readonly seconds: number; readonly bytes: number }[];
  readonly cacheAfter?: string;
  readonly batch: number;
  readonly records: number;
  /** What the consumer does with a batch. */
  readonly consumerSeconds: number;
  readonly steps: number;
  readonly memoryBytes: number;
}

const decode = { name: "decode", seconds: 4e-3, bytes: 600_000 };
const augment = { name: "augment", seconds: 1e-3, bytes: 600_000 };
const normalise = { name: "normalise", seconds: 0.5e-3, bytes: 600_000 };

export const loaderWorkloads: Readonly<Record<string, LoaderWorkload>> = {
  /** Decoding takes more than the consumer: workers decide. */
  images: {
    maps: [decode, augment, normalise],
    batch: 32,
    records: 2048,
    consumerSeconds: 50e-3,
    steps: 200,
    memoryBytes: 1 << 30,
  },
  /** The same, kept after decoding. */
  kept: {
    maps: [decode, augment],
    cacheAfter: "decode",
    batch: 32,
    records: 512,
    consumerSeconds: 10e-3,
    steps: 200,
    memoryBytes: 1 << 30,
  },
  /** Cutting windows out of tokens: less work than handing it to a thread. */
  tokens: {
    maps: [
      { name: "window", seconds: 0.5e-6, bytes: 2048 },
      { name: "shift", seconds: 0.5e-6, bytes: 2048 },
    ],
    batch: 8,
    records: 4096,
    consumerSeconds: 5e-3,
    steps: 200,
    memoryBytes: 1 << 20,
  },
};

const cores = 4;
/** To post a task to a thread and its result back, as measured in Node. */
const dispatchSeconds = 60e-6;

export interface SimulatedLoader {
  readonly metrics: Metrics;
  /** What it settled on, and what it saw last. */
  readonly settings: readonly Setting[];
  readonly view: LoaderView | undefined;
}

/** Steps of a workload under a policy, in virtual time. The first quarter, in which it tunes, is not counted. */
export function simulateLoader(policy: Loader, workload: LoaderWorkload): SimulatedLoader {
  const clock = new VirtualClock();
  const machine = new ModelledCores(clock, workload);
  const engine = new LoaderEngine<undefined>(engineOptions(policy, workload), machine);
  machine.stageMaps = engine.stages.map(({ maps }) => maps);
  const counted = { from: Math.floor(workload.steps / 4), began: 0, ended: 0, waited: 0, tasks: 0 };
  let steps = 0;
  const next = (): void => {
    if (steps === counted.from) Object.assign(counted, { began: clock.now(), ...engine.counts });
    counted.ended = clock.now();
    if (steps === workload.steps) return;
    engine.take(() => {
      steps++;
      clock.at(machine.consumerFree() + workload.consumerSeconds, next);
    });
  };
  next();
  clock.run();
  const over = workload.steps - counted.from;
  const metrics = {
    stepSeconds: (counted.ended - counted.began) / over,
    waitSeconds: (engine.counts.waited - counted.waited) / over,
    tasks: (engine.counts.tasks - counted.tasks) / over,
    workers: engine.settings.reduce((n, { parallelism }) => n + parallelism, 0),
    batchesAhead: engine.settings.reduce((n, { buffer }) => n + buffer, 0),
  };
  return { metrics, settings: engine.settings, view: engine.view() };
}

function engineOptions(policy: Loader, { maps, cacheAfter, batch, steps, memoryBytes }: LoaderWorkload) {
  const ops = maps.flatMap(({ name }): DataOp[] => [
    { kind: "map", map: name },
    ...(name === cacheAfter ? [{ kind: "cache" } as const] : []),
  ]);
  return { policy, ops, batch, from: 0, to: steps + 1000, cores, memoryBytes, every: 16 };
}

/** Cores that take tasks in order; what the consumer's own thread makes keeps the consumer waiting. */
class ModelledCores implements LoaderPorts<undefined> {
  readonly clock: VirtualClock;
  readonly #workload: LoaderWorkload;
  readonly #freeAt = Array<number>(cores).fill(0);
  #consumerFreeAt = 0;
  stageMaps: readonly (readonly string[])[] = [];

  constructor(clock: VirtualClock, workload: LoaderWorkload) {
    this.clock = clock;
    this.#workload = workload;
  }

  consumerFree(): number {
    return Math.max(this.clock.now(), this.#consumerFreeAt);
  }

  recordOf(batch: number, record: number): number {
    return (batch * this.#workload.batch + record) % this.#workload.records;
  }

  run: LoaderPorts<undefined>["run"] = ({ stage, batch, record }, where, done) => {
    const places = record === undefined ? Array.from({ length: this.#workload.batch }, (_, i) => i) : [record];
    const maps = this.stageMaps[stage]!.map((name) => this.#workload.maps.find((map) => map.name === name)!);
    const seconds = maps.reduce(
      (sum, map, i) => sum + places.reduce((n, p) => n + map.seconds * (0.5 + draw(stage, i, batch, p)), 0),
      0,
    );
    const result = { item: undefined, seconds, bytes: places.length * maps.at(-1)!.bytes };
    if (where === "here") {
      this.#consumerFreeAt = this.consumerFree() + seconds;
      return this.clock.at(this.#consumerFreeAt, () => done(result));
    }
    const core = this.#freeAt.indexOf(Math.min(...this.#freeAt));
    const end = Math.max(this.clock.now(), this.#freeAt[core]!) + dispatchSeconds + seconds;
    this.#freeAt[core] = end;
    this.clock.at(end, () => done(result));
  };
}

/** Real threads over records of numbers: what every policy must count alike. */
async function counted(policy: Loader): Promise<Metrics> {
  const pipeline: Pipeline = {
    shards: [30, 34],
    ops: [
      { kind: "shuffle", buffer: 64 },
      { kind: "map", map: "windows" },
    ],
    batch: 8,
    epochs: 4,
    seed: 1,
  };
  const tokens = new Int32Array(new SharedArrayBuffer(4 * (64 * 16 + 1)));
  const configuration = { tokens, length: 16 };
  const loader = openLoader({
    policy,
    pipeline,
    module,
    configuration,
    position: 0,
    cores: 2,
    memoryBytes: 1 << 24,
  });
  try {
    while ((await loader.next()) !== undefined);
    return { batches: loader.position, threadsAtEnd: loader.settings.reduce((n, s) => n + s.parallelism, 0) };
  } finally {
    await loader.close();
  }
}

async function measure(id: string, where: Claim["where"], on = "images", given: Given = {}): Promise<Metrics> {
  const policy = await loaders.create(id, given);
  if (where === "machine") return counted(policy);
  const workload = Object.hasOwn(loaderWorkloads, on) ? loaderWorkloads[on] : undefined;
  if (workload === undefined) {
    throw new UserError(`There are no data "${on}" to load.`, `There are: ${Object.keys(loaderWorkloads).join(", ")}.`);
  }
  return simulateLoader(policy, workload).metrics;
}

export const loaderRigs: readonly Rig[] = [{ slot: loaders, workload: "images", measure }];
