/**
 * Loaders on real worker threads: what a step of a consumer takes with batches made where they are asked for, by one worker one
 * batch ahead, and by as many as tf.data's tuner decides while it runs.
 *
 * A storage waits for each record, so that threads hide it whatever the cores; decoding computes, and can gain what cores there are.
 */
import { availableParallelism } from "node:os";
import { median } from "../core/statistics.ts";
import { loaders } from "../data/loader.ts";
import { openLoader } from "../data/open-loader.ts";
import * as stored from "../test/stored-records.ts";
import { watch } from "./machine.ts";
import type { Bench } from "./terms.ts";

interface Workload extends stored.StoredRecords {
  readonly name: string;
  readonly batch: number;
  /** Between two batches; the consumer's thread sleeps, as one does whose kernels run on other threads. */
  readonly consumerSeconds: number;
  readonly cores: number;
}

const workloads: readonly Workload[] = [
  { name: "storage", readSeconds: 2e-3, elements: 4096, rounds: 1, batch: 16, consumerSeconds: 5e-3, cores: 8 },
  {
    ...{ name: "decoding", readSeconds: 0, elements: 65536, rounds: 4, batch: 16, consumerSeconds: 5e-3 },
    cores: availableParallelism(),
  },
];
const ways = {
  none: { id: "none", options: {} },
  untuned: { id: "tf-data", options: { autotune: 0 } },
  tuned: { id: "tf-data", options: {} },
} as const;
/** Batches in which a tuner may learn, and those that count. */
const [learning, counted] = [64, 48];

interface Found {
  readonly seconds: number;
  readonly workers: number;
  readonly batchesAhead: number;
}

async function measure(workload: Workload, { id, options }: (typeof ways)[keyof typeof ways]): Promise<Found> {
  const loader = openLoader({
    policy: await loaders.create(id, options),
    pipeline: {
      shards: [1 << 16],
      ops: [
        { kind: "map", map: "read" },
        { kind: "map", map: "decode" },
      ],
      ...{ batch: workload.batch, epochs: 1, seed: 1 },
    },
    module: stored,
    configuration: workload,
    position: 0,
    cores: workload.cores,
    memoryBytes: 1 << 28,
  });
  const consume = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1e3 * workload.consumerSeconds));
  const steps = async (count: number): Promise<number> => {
    const began = performance.now();
    for (let i = 0; i < count; i++) {
      await loader.next();
      await consume();
    }
    return (performance.now() - began) / 1e3 / count;
  };
  try {
    await steps(learning);
    const seconds = await steps(counted);
    const sum = (of: (s: { parallelism: number; buffer: number }) => number) =>
      loader.settings.reduce((n, setting) => n + of(setting), 0);
    return { seconds, workers: sum((s) => s.parallelism), batchesAhead: sum((s) => s.buffer) };
  } finally {
    await loader.close();
  }
}

export async function run({ repeat, quick, note }: Bench): Promise<void> {
  for (const workload of quick ? workloads.slice(0, 1) : workloads) {
    const disturbance = watch();
    const found: Record<keyof typeof ways, Found[]> = { none: [], untuned: [], tuned: [] };
    for (let round = 0; round < Math.min(repeat, 3); round++) {
      for (const [way, policy] of Object.entries(ways)) {
        found[way as keyof typeof ways].push(await measure(workload, policy));
      }
    }
    const seconds = (way: keyof typeof ways): number => median(found[way].map((f) => f.seconds)) ?? Number.NaN;
    for (const way of Object.keys(ways) as (keyof typeof ways)[]) {
      const { workers, batchesAhead } = found[way].at(-1)!;
      const gain = seconds("untuned") / seconds(way);
      const milliseconds = 1e3 * seconds(way);
      const settled = { workers, batchesAhead };
      note({ bench: "loader", workload: workload.name, way, milliseconds, gain, ...settled, ...disturbance() });
    }
  }
}
