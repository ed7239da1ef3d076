/**
 * A folder in which a scheduler lives: its journal, the log of its decisions, the folders of its jobs. Opened again after whatever
 * end the last one had, it goes on.
 *
 *     STATE/journal.jsonl   what happened          STATE/log.jsonl   what was decided (`heddle cluster why`)          STATE/jobs/…
 */
import { createHash, randomBytes } from "node:crypto";
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { UserError } from "../core/errors.ts";
import type { Clock, Seconds } from "../time/clock.ts";
import type { Cluster, Report, Task } from "./cluster.ts";
import { clusters } from "./clusters.ts";
import type { JobSpec } from "./job.ts";
import { type JournalHeader, openJournal, readHeader, writeAll } from "./journal.ts";
import type { Launcher, Run } from "./launcher.ts";
import type { LogHeader, LogLine } from "./log.ts";
import type { NodeSpec } from "./node.ts";
import { createPolicy, type PolicyNames } from "./policy.ts";
import { Scheduler } from "./scheduler.ts";

export interface SessionSetup {
  readonly state: string;
  /** A name in `clusters`. */
  readonly on: string;
  readonly policy: PolicyNames;
  readonly jobs: readonly JobSpec[];
  readonly nodes?: readonly NodeSpec[];
  readonly roundSeconds?: Seconds;
  readonly failuresMax?: number;
  /** Seconds of the trace in a second of the wall. */
  readonly timeScale: number;
  /** Settings of the launcher. */
  readonly options: Readonly<Record<string, string>>;
  task(run: Run, nodes: readonly NodeSpec[]): Task;
  /** See `Scheduler`. */
  readonly model?: (clock: Clock, nodes: readonly NodeSpec[]) => Launcher;
  readonly warn: (line: string) => void;
  /** Called with every line of the log, the past's first. */
  readonly log?: (line: LogLine) => void;
  /** Milliseconds since 1970. */
  readonly wall: () => number;
}

export interface Session {
  readonly scheduler: Scheduler;
  readonly cluster: Cluster;
  readonly header: JournalHeader;
  /** Lines of the journal that were there before. */
  readonly recovered: number;
  /** Resolves when every job of the trace has ended; fails where a policy or the journal does. */
  readonly done: Promise<void>;
  /** Decides no more; the jobs that run are left to run, or asked to save and leave. */
  close(jobs: "leave" | "stop"): Promise<void>;
}

/** Throws a `UserError` where another scheduler lives in the folder, or one with another policy has. */
export async function openSession(setup: SessionSetup): Promise<Session> {
  const opener = clusters[setup.on];
  if (opener === undefined) {
    throw new UserError(
      `--on ${setup.on}: there is no such cluster.`,
      `There are: ${Object.keys(clusters).join(", ")}.`,
    );
  }
  const { open } = await opener();
  makeFolder(setup.state);
  const lock = await lockFolder(setup.state);
  try {
    return await begin(setup, open, lock);
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Throws a `UserError` where nothing can be written into it. */
function makeFolder(state: string): void {
  try {
    mkdirSync(state, { recursive: true });
    accessSync(state, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new UserError(`--state ${state} is no folder to write to: ${(error as Error).message}.`);
  }
}

async function begin(
  setup: SessionSetup,
  open: Awaited<ReturnType<(typeof clusters)[string]>>["open"],
  lock: Server,
): Promise<Session> {
  const path = join(setup.state, "journal.jsonl");
  const known = readHeader(path);
  if (known !== undefined) checkSame(setup, known);
  const id = known?.id ?? randomBytes(4).toString("hex");
  const specs = known?.setup.nodes ?? setup.nodes;
  const policy = await createPolicy(setup.policy);
  let report: Report = () => {};
  const cluster = await open({
    ...{ folder: realpathSync(setup.state), id, options: setup.options, warn: setup.warn },
    ...(specs !== undefined && { nodes: specs }),
    report: (event) => report(event),
    task: (run) => setup.task(run, cluster.nodes),
  });
  // Here the time of the trace begins: all else is ready.
  const journal = openJournal(path, () => headerOf(setup, id, cluster.nodes));
  const { header } = journal;
  const decisions = new DecisionLog(join(setup.state, "log.jsonl"), header.setup, setup.warn);
  const { model, failuresMax, wall } = setup;
  const scheduler = new Scheduler({
    ...{ policy, journal, wall },
    log(line) {
      decisions.add(line);
      setup.log?.(line);
    },
    ...(model !== undefined && { model: (clock) => model(clock, header.setup.nodes) }),
    ...(failuresMax !== undefined && { failuresMax }),
  });
  decisions.pastIsOver();
  report = scheduler.report;
  const arrivals = new Arrivals(setup.jobs, scheduler, header.timeScale);
  const done = new Promise<void>((resolve, reject) => {
    const changed = (): void => {
      if (arrivals.isOver && scheduler.engine.unfinished === 0) resolve();
    };
    scheduler.begin(cluster, changed, reject).then(() => {
      arrivals.next();
      changed();
    }, reject);
  });
  return {
    ...{ scheduler, cluster, header, recovered: journal.past.length, done },
    async close(jobs) {
      arrivals.end();
      scheduler.end();
      await cluster.close(jobs);
      decisions.close();
      journal.close();
      lock.close();
    },
  };
}

function headerOf(setup: SessionSetup, id: string, nodes: readonly NodeSpec[]): JournalHeader {
  const { policy, on, timeScale, roundSeconds } = setup;
  const log: LogHeader = {
    ...{ kind: "header", policy: policy.name, slots: policy.slots, options: policy.options, nodes },
    ...(roundSeconds !== undefined && { roundSeconds }),
  };
  return { kind: "journal", version: 1, id, on, timeScale, epoch: setup.wall(), setup: log };
}

function checkSame({ state, on, policy, timeScale }: SessionSetup, known: JournalHeader): void {
  const asked = { on, slots: policy.slots, options: policy.options, timeScale };
  const begun = { on: known.on, slots: known.setup.slots, options: known.setup.options, timeScale: known.timeScale };
  for (const name of ["on", "slots", "options", "timeScale"] as const) {
    if (sorted(asked[name]) === sorted(begun[name])) continue;
    throw new UserError(
      `${state} was begun with ${name} ${sorted(begun[name])}, and ${sorted(asked[name])} is asked for.`,
      "Ask for the same to go on, or give another folder with --state.",
    );
  }
}

const sorted = (value: unknown): string =>
  typeof value === "object" && value !== null ? JSON.stringify(Object.entries(value).sort()) : JSON.stringify(value);

/** Submits each job at its time; those that the journal has are there already. */
class Arrivals {
  readonly #jobs: readonly JobSpec[];
  readonly #scheduler: Scheduler;
  readonly #scale: number;
  #next = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(jobs: readonly JobSpec[], scheduler: Scheduler, scale: number) {
    const known = new Set([...scheduler.engine.jobs()].map(({ spec }) => spec.id));
    this.#jobs = jobs.filter(({ id }) => !known.has(id)).sort((a, b) => a.submit - b.submit);
    this.#scheduler = scheduler;
    this.#scale = scale;
  }

  get isOver(): boolean {
    return this.#next === this.#jobs.length;
  }

  readonly next = (): void => {
    const now = this.#scheduler.now();
    for (let job = this.#jobs[this.#next]; job !== undefined && job.submit <= now; job = this.#jobs[this.#next]) {
      this.#next++;
      this.#scheduler.submit(job);
    }
    const job = this.#jobs[this.#next];
    if (job === undefined) return;
    const milliseconds = Math.ceil(((job.submit - now) / this.#scale) * 1e3);
    this.#timer = setTimeout(this.next, Math.min(2 ** 31 - 1, milliseconds));
  };

  end(): void {
    clearTimeout(this.#timer);
  }
}

/** The engine's log as a file. What the past's journal makes again must be what was written when it was the present. */
class DecisionLog {
  readonly #path: string;
  readonly #warn: (line: string) => void;
  #again: string[] | undefined;
  #file: number | undefined;

  constructor(path: string, header: LogHeader, warn: (line: string) => void) {
    this.#path = path;
    this.#warn = warn;
    this.#again = [JSON.stringify(header)];
  }

  add(line: LogLine): void {
    const text = JSON.stringify(line);
    if (this.#again !== undefined) this.#again.push(text);
    else if (this.#file !== undefined) writeAll(this.#file, `${text}\n`, this.#path);
  }

  pastIsOver(): void {
    const again = this.#again ?? [];
    this.#again = undefined;
    const before = existsSync(this.#path) ? readFileSync(this.#path, "utf8").split("\n").slice(0, -1) : [];
    const differs = before.findIndex((line, i) => line !== again[i]);
    if (differs >= 0) {
      this.#warn(
        `${this.#path}:${differs + 1} is decided otherwise now (Heddle has changed since); the jobs that run are made to follow.`,
      );
    }
    writeFileSync(`${this.#path}.new`, `${again.join("\n")}\n`);
    renameSync(`${this.#path}.new`, this.#path);
    this.#file = openSync(this.#path, "a");
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** A name that the kernel forgets with the process that holds it, however that ends (unix(7), abstract sockets). */
function lockFolder(state: string): Promise<Server> {
  const name = createHash("sha256").update(realpathSync(state)).digest("hex").slice(0, 32);
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") return reject(error);
      reject(
        new UserError(
          `Another scheduler is at work in ${state}.`,
          "End it first, or give another folder with --state.",
        ),
      );
    });
    server.listen(`\0heddle-cluster-${name}`, () => resolve(server.unref()));
  });
}
