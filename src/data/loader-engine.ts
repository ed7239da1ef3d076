/**
 * The engine of loaders: carries a policy's decisions out, in order, whoever does the work.
 *
 *     records of batch k ──► stage 0 ──► buffer ──► stage 1 ──► … ──► buffer ──► taken in order
 *                            tasks: on workers, as many as the setting says, or by whom it is asked
 *
 * It never waits: it is told that a batch is asked for and that a task has ended, and starts what may be started. Time and work
 * are ports, so the same engine runs batches in worker threads and prices them in virtual time.
 */
import { assert } from "../core/errors.ts";
import type { Clock } from "../time/clock.ts";
import type { Loader, LoaderView, Setting, Stage } from "./loader.ts";
import type { DataOp } from "./pipeline.ts";

export interface LoaderTask<Item> {
  readonly stage: number;
  readonly batch: number;
  /** Which of the batch's records; `undefined` where all of them are made in one go. */
  readonly record: number | undefined;
  /** What the stage before made of the same record, or of all records; `undefined` for the first. */
  readonly inputs: readonly Item[] | undefined;
}

export interface TaskResult<Item> {
  readonly item: Item;
  /** That the work took. */
  readonly seconds: number;
  readonly bytes: number;
}

export interface LoaderPorts<Item> {
  readonly clock: Clock;
  /** Does a task, here or on a worker, and then calls `done`, later or at once. */
  run(task: LoaderTask<Item>, where: "here" | "worker", done: (result: TaskResult<Item>) => void): void;
  /** Identifies a record of a batch over epochs, for what is kept of it. */
  recordOf(batch: number, record: number): number;
}

/** What a batch is when it is taken: all records in one item, or one item a record. */
export type Taken<Item> = readonly Item[];

export interface LoaderEngineOptions {
  readonly policy: Loader;
  readonly ops: readonly DataOp[];
  /** Records of a batch. */
  readonly batch: number;
  /** The first batch, and the one after the last. */
  readonly from: number;
  readonly to: number;
  readonly cores: number;
  readonly memoryBytes: number;
  /** Batches between two settings. */
  readonly every: number;
}

interface Making<Item> {
  /** Tasks that were not begun, and that have not ended. */
  next: number;
  left: number;
  readonly items: Item[];
}

interface Running<Item> {
  readonly stage: Stage;
  /** The first batch whose making has not begun, and the first that was not taken by the next stage. */
  begun: number;
  taken: number;
  busy: number;
  readonly making: Map<number, Making<Item>>;
  readonly made: Map<number, readonly Item[]>;
  seconds: number;
  bytes: number;
  measured: number;
}

export class LoaderEngine<Item> {
  readonly stages: readonly Stage[];
  #settings: readonly Setting[];
  readonly #options: LoaderEngineOptions;
  readonly #ports: LoaderPorts<Item>;
  readonly #running: readonly Running<Item>[];
  readonly #kept = new Map<string, TaskResult<Item>>();
  #keptBytes = 0;
  #asked: ((batch: Taken<Item>) => void) | undefined;
  #takenAt: number | undefined;
  #consumer = { seconds: 0, calls: 0 };
  /** The least that was seen: what is more was waiting for a worker. */
  #dispatchSeconds = Number.POSITIVE_INFINITY;
  #pumping = false;
  /** Seconds that askers waited, and tasks that were done. */
  readonly counts = { waited: 0, tasks: 0 };

  constructor(options: LoaderEngineOptions, ports: LoaderPorts<Item>) {
    this.#options = options;
    this.#ports = ports;
    this.stages = options.policy.stages(options.ops);
    checkStages(options.ops, this.stages);
    this.#settings = this.#decided(undefined);
    this.#running = this.stages.map((stage) => ({
      stage,
      begun: options.from,
      taken: options.from,
      busy: 0,
      making: new Map(),
      made: new Map(),
      seconds: 0,
      bytes: 0,
      measured: 0,
    }));
  }

  get settings(): readonly Setting[] {
    return this.#settings;
  }

  /** Asks for the next batch. One is asked for at a time, and none after the last. */
  take(deliver: (batch: Taken<Item>) => void): void {
    assert(this.#asked === undefined, () => "a batch is asked for while another is waited for");
    assert(this.#last.taken < this.#options.to, () => "a batch is asked for after the last");
    const now = this.#ports.clock.now();
    if (this.#takenAt !== undefined) {
      this.#consumer.seconds += now - this.#takenAt;
      this.#consumer.calls++;
    }
    this.#asked = (batch) => {
      const at = this.#ports.clock.now();
      this.counts.waited += at - now;
      this.#takenAt = at;
      deliver(batch);
    };
    this.#pump();
  }

  /** What the policy sees, once every stage has made a batch and two were taken. */
  view(): LoaderView | undefined {
    const { cores, memoryBytes, batch } = this.#options;
    if (this.#consumer.calls === 0 || this.#running.some(({ measured }) => measured === 0)) return undefined;
    return {
      stages: this.#running.map(({ stage, seconds, bytes, measured }) => ({
        seconds: seconds / measured,
        tasksPerBatch: stage.grain === "batch" ? 1 : batch,
        bytesPerBatch: bytes / measured,
      })),
      consumerSeconds: this.#consumer.seconds / this.#consumer.calls,
      dispatchSeconds: Number.isFinite(this.#dispatchSeconds) ? this.#dispatchSeconds : 0,
      cores,
      memoryBytes,
    };
  }

  get #last(): Running<Item> {
    return this.#running.at(-1)!;
  }

  #decided(view: LoaderView | undefined): readonly Setting[] {
    const settings = this.#options.policy.settings(this.stages, view);
    assert(
      settings.length === this.stages.length,
      () => `${settings.length} settings for ${this.stages.length} stages`,
    );
    for (const { parallelism, buffer } of settings) {
      const good = Number.isInteger(parallelism) && parallelism >= 0 && Number.isInteger(buffer) && buffer >= 1;
      assert(good, () => `a setting of ${parallelism} tasks and ${buffer} batches`);
    }
    return settings;
  }

  /** Starts all that may be started; a task that ends at once asks for another round. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#deliver() || this.#start());
    this.#pumping = false;
  }

  #deliver(): boolean {
    const last = this.#last;
    const batch = last.made.get(last.taken);
    const asked = this.#asked;
    if (batch === undefined || asked === undefined) return false;
    this.#asked = undefined;
    last.made.delete(last.taken++);
    if ((last.taken - this.#options.from) % this.#options.every === 0) this.#settings = this.#decided(this.view());
    asked(batch);
    return true;
  }

  /** Starts one task of the latest stage that may start one: what is nearest to the end is finished first. */
  #start(): boolean {
    for (let i = this.stages.length - 1; i >= 0; i--) {
      const running = this.#running[i]!;
      const { parallelism, buffer } = this.#settings[i]!;
      if (parallelism > 0 && running.busy >= parallelism) continue;
      if (parallelism === 0 && (this.#asked === undefined || running.busy > 0)) continue;
      const batch = this.#batchToWorkOn(i, parallelism === 0 ? 1 : buffer);
      if (batch === undefined) continue;
      this.#startTask(i, batch, parallelism === 0 ? "here" : "worker");
      return true;
    }
    return false;
  }

  /** The first batch in the making with a task left, else a new one where there is room and what it is made of. */
  #batchToWorkOn(i: number, buffer: number): number | undefined {
    const running = this.#running[i]!;
    for (const [batch, { next }] of running.making) if (next < this.#tasksOf(running.stage)) return batch;
    const batch = running.begun;
    if (batch >= this.#options.to || batch - running.taken >= buffer) return undefined;
    const before = this.#running[i - 1];
    const input = before?.made.get(batch);
    if (before !== undefined && input === undefined) return undefined;
    running.begun++;
    running.making.set(batch, { next: 0, left: this.#tasksOf(running.stage), items: [] });
    return batch;
  }

  readonly #tasksOf = ({ grain }: Stage): number => (grain === "batch" ? 1 : this.#options.batch);

  #startTask(i: number, batch: number, where: "here" | "worker"): void {
    const running = this.#running[i]!;
    const making = running.making.get(batch)!;
    const place = making.next++;
    const { grain, cached } = running.stage;
    const end = ({ item, seconds, bytes }: TaskResult<Item>): void => {
      making.items[place] = item;
      running.seconds += seconds;
      running.bytes += bytes;
      if (--making.left === 0) this.#madeBatch(i, batch, making.items);
    };
    const key = cached ? `${i} ${this.#ports.recordOf(batch, place)}` : "";
    const known = cached ? this.#kept.get(key) : undefined;
    if (known !== undefined) return end({ ...known, seconds: 0 });
    running.busy++;
    const began = this.#ports.clock.now();
    const record = grain === "batch" ? undefined : place;
    const before = this.#running[i - 1]?.made.get(batch);
    const inputs = record === undefined ? before : before?.slice(record, record + 1);
    this.#ports.run({ stage: i, batch, record, inputs }, where, (result) => {
      running.busy--;
      this.counts.tasks++;
      if (where === "worker") {
        const more = Math.max(0, this.#ports.clock.now() - began - result.seconds);
        this.#dispatchSeconds = Math.min(this.#dispatchSeconds, more);
      }
      if (cached) this.#keep(key, result);
      end(result);
      this.#pump();
    });
  }

  #keep(key: string, result: TaskResult<Item>): void {
    if (this.#keptBytes + result.bytes > this.#options.memoryBytes) return;
    this.#keptBytes += result.bytes;
    this.#kept.set(key, result);
  }

  /** What a batch was made of is taken only now, so that the stage before does not run further ahead than its buffer. */
  #madeBatch(i: number, batch: number, items: readonly Item[]): void {
    const running = this.#running[i]!;
    running.making.delete(batch);
    running.made.set(batch, items);
    running.measured++;
    const before = this.#running[i - 1];
    if (before === undefined) return;
    before.made.delete(batch);
    while (before.taken < before.begun && !before.made.has(before.taken) && !before.making.has(before.taken))
      before.taken++;
  }
}

/** A policy's stages must do what was written, in its order, and records come before batches. */
function checkStages(ops: readonly DataOp[], stages: readonly Stage[]): void {
  const written = ops.flatMap((op) => (op.kind === "map" ? [op.map] : []));
  const done = stages.flatMap(({ maps }) => maps);
  assert(`${done}` === `${written}` && done.length > 0, () => `stages do ${done}, where ${written} was written`);
  const grains = stages.map(({ grain }) => grain);
  assert(
    grains.lastIndexOf("record") < (grains.indexOf("batch") + 1 || Number.POSITIVE_INFINITY),
    () => `stages of ${grains}`,
  );
  assert(
    stages.every(({ cached, grain }) => !cached || grain === "record"),
    () => "a stage of batches is kept",
  );
}
