/** Batches of a pipeline for a training: the loader's engine with real workers and this machine's clock. */
import { WallClock } from "../time/wall-clock.ts";
import { bytesOf, collate, type Fields, type RecordContext, type RecordModule } from "./fields.ts";
import type { Loader, Setting } from "./loader.ts";
import { LoaderEngine, type LoaderPorts, type LoaderTask } from "./loader-engine.ts";
import { BatchOrder, type Pipeline } from "./pipeline.ts";
import { type RecordTask, runTask } from "./task.ts";
import { Workers } from "./workers.ts";

export interface LoaderOptions {
  readonly policy: Loader;
  readonly pipeline: Pipeline;
  /** Where the functions are. */
  readonly module: RecordModule;
  /** What they are made from, in each thread; it is cloned, and shared memory stays shared. */
  readonly configuration: unknown;
  /** Batches taken before, over all runs. */
  readonly position: number;
  /** Threads that may work beside the one that asks. */
  readonly cores: number;
  readonly memoryBytes: number;
}

export interface OpenLoader {
  /** The next batch, `undefined` after the last. */
  next(): Promise<Fields | undefined>;
  /** Batches taken so far: opening another loader at this position goes on with the next one. */
  readonly position: number;
  /** Whatever the policy decided last. */
  readonly settings: readonly Setting[];
  /** Seconds that were waited for batches. */
  readonly waited: number;
  close(): Promise<void>;
}

/** Batches between two decisions: enough for means, few enough to be right soon. */
const tuneEvery = 16;

export function openLoader(options: LoaderOptions): OpenLoader {
  const { pipeline, policy, module, configuration, cores, memoryBytes } = options;
  const order = new BatchOrder(pipeline);
  const maps = module.createMaps(configuration);
  const workers = new Workers({ module: module.url, configuration }, cores);
  const contexts = contextsOf(order, pipeline.seed);
  let failed: ((error: unknown) => void) | undefined;
  const ports: LoaderPorts<Fields> = {
    clock: new WallClock(),
    recordOf: (batch, record) => contexts(batch)[record]!.index,
    run(task, where, done) {
      const work = workOf(task);
      if (where === "worker") return workers.run(work, done, (error) => failed?.(error));
      const began = performance.now();
      const item = runTask(maps, work);
      done({ item, seconds: (performance.now() - began) / 1e3, bytes: bytesOf(item) });
    },
  };
  const { ops, batch } = pipeline;
  const engine = new LoaderEngine<Fields>(
    { policy, ops, batch, from: options.position, to: order.count, cores, memoryBytes, every: tuneEvery },
    ports,
  );
  const collated = engine.stages.at(-1)!.grain === "batch";
  const workOf = ({ stage, batch: number, record, inputs }: LoaderTask<Fields>): RecordTask => {
    const all = contexts(number);
    const records = record === undefined ? all : all.slice(record, record + 1);
    return { maps: engine.stages[stage]!.maps, records, inputs, collate: record === undefined };
  };
  let position = options.position;
  return {
    get position() {
      return position;
    },
    get settings() {
      return engine.settings;
    },
    get waited() {
      return engine.counts.waited;
    },
    async next() {
      if (position >= order.count) return undefined;
      const items = await new Promise<readonly Fields[]>((resolve, reject) => {
        failed = reject;
        engine.take(resolve);
      });
      position++;
      return collated ? items[0]! : collate(items);
    },
    close: () => workers.close(),
  };
}

/** The records of batches that are in the making: an epoch's order is computed once, though two are in use at its end. */
function contextsOf(order: BatchOrder, seed: number): (batch: number) => readonly RecordContext[] {
  const known = new Map<number, readonly RecordContext[]>();
  return (batch) => {
    const found = known.get(batch);
    if (found !== undefined) return found;
    const { epoch, records } = order.at(batch);
    const contexts = Array.from(records, (index) => ({ index, epoch, seed }));
    known.set(batch, contexts);
    for (const old of known.keys()) if (old < batch - rememberedBatches) known.delete(old);
    return contexts;
  };
}

/** More than any buffer holds. */
const rememberedBatches = 1024;
