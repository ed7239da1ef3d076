/**
 * The processes of this machine as a cluster: its nodes are names and counts, its jobs are real.
 *
 * A job is a group of processes of its own, and does not end with the scheduler. All that is known of a run is read from its
 * files (`attempt.ts`) and from the kernel, by one loop, whether this scheduler began it or one before it.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { platform } from "node:os";
import { join } from "node:path";
import { UserError } from "../../core/errors.ts";
import type { Belief, Cluster, ClusterSetup } from "../cluster.ts";
import type { JobId } from "../job.ts";
import type { Run } from "../launcher.ts";
import type { NodeSpec } from "../node.ts";
import * as attempts from "./attempt.ts";
import { secondsOption } from "./options.ts";

interface Watched {
  readonly run: Run;
  readonly folder: string;
  child?: ChildProcess;
  /** The script could not even be begun. */
  broken?: string;
  started: boolean;
  stopAsked: boolean;
  stopSent: boolean;
  killAt?: number;
}

/** Milliseconds between two looks at the runs' files. */
const lookEvery = 40;

export async function open(setup: ClusterSetup): Promise<LocalCluster> {
  if (platform() !== "linux") {
    throw new UserError(`Jobs cannot be run as processes of this machine: it is ${platform()}.`, "It must be Linux.");
  }
  if (setup.nodes === undefined || setup.nodes.length === 0) {
    throw new UserError("A local cluster needs its nodes.", "For example --nodes 4x4: four nodes of four GPUs each.");
  }
  return new LocalCluster(setup, setup.nodes, secondsOption(setup.options, "graceSeconds", 60));
}

export class LocalCluster implements Cluster {
  readonly nodes: readonly NodeSpec[];
  readonly #setup: ClusterSetup;
  readonly #grace: number;
  readonly #watched = new Map<JobId, Watched>();
  #timer: NodeJS.Timeout | undefined;
  /** What was said last that cannot be done. */
  #trouble: string | undefined;

  constructor(setup: ClusterSetup, nodes: readonly NodeSpec[], graceSeconds: number) {
    this.nodes = nodes;
    this.#setup = setup;
    this.#grace = graceSeconds * 1e3;
  }

  async adopt(beliefs: readonly Belief[]): Promise<void> {
    const believed = new Map(beliefs.map(({ run }) => [attempts.fileName(run.job.id), run.attempt]));
    this.#endStrays(believed);
    for (const { run, stopping } of beliefs) {
      const folder = attempts.jobFolder(this.#setup.folder, run.job.id);
      if (attempts.readClaim(folder, run.attempt) === undefined) this.start(run);
      else this.#watch(run, folder);
      if (stopping) this.stop(run.job.id, run.attempt);
    }
    this.#timer = setInterval(() => this.#lookAtAll(), lookEvery);
  }

  /** Throws a `UserError` where nothing can be written for it. */
  start(run: Run): void {
    try {
      this.#spawn(run);
    } catch (error) {
      const hint = "Jobs that run are left to run. Make room, and give the same command to go on.";
      throw new UserError(`Job ${run.job.id} cannot be started: ${(error as Error).message}.`, hint);
    }
  }

  #spawn(run: Run): void {
    const folder = attempts.makeJobFolder(this.#setup.folder, run.job.id);
    const watched = this.#watch(run, folder);
    const output = openSync(join(folder, `attempt-${run.attempt}.log`), "a");
    const { argv, environment } = this.#setup.task(run);
    const told = Object.entries({ ...environment, ...attempts.environmentOf(run, this.nodes, folder) });
    const words = ["env", ...told.map(([name, value]) => `${name}=${value}`), ...argv];
    const child = spawn("sh", ["-c", attempts.attemptScript, "heddle", folder, String(run.attempt), ...words], {
      cwd: folder,
      detached: true,
      stdio: ["ignore", output, output],
    });
    closeSync(output);
    child.on("error", (error) => (watched.broken = error.message));
    child.on("exit", () => this.#lookAgain(watched));
    child.unref();
    watched.child = child;
  }

  stop(job: JobId, attempt: number): void {
    const watched = this.#watched.get(job);
    if (watched?.run.attempt !== attempt) return;
    watched.stopAsked = true;
    watched.killAt = performance.now() + this.#grace;
    this.#look(watched);
  }

  async close(jobs: "leave" | "stop"): Promise<void> {
    if (jobs === "stop") {
      for (const { run } of [...this.#watched.values()]) this.stop(run.job.id, run.attempt);
      while (this.#watched.size > 0) await new Promise((wake) => setTimeout(wake, lookEvery));
    }
    clearInterval(this.#timer);
    this.#watched.clear();
  }

  /** What pulling a node's plug would do: its processes are gone at once, and save nothing. */
  loseNode(node: number): void {
    for (const { run, folder } of this.#watched.values()) {
      if (run.places.some((share) => share.node === node)) this.#end(folder, run.attempt);
    }
    this.#setup.report({ kind: "node-lost", node });
  }

  regainNode(node: number): void {
    this.#setup.report({ kind: "node-back", node });
  }

  #watch(run: Run, folder: string): Watched {
    const watched: Watched = { run, folder, started: false, stopAsked: false, stopSent: false };
    this.#watched.set(run.job.id, watched);
    return watched;
  }

  /** Runs of a scheduler that did not live to learn of them, or that it had given up. */
  #endStrays(believed: ReadonlyMap<string, number>): void {
    const all = join(this.#setup.folder, "jobs");
    for (const name of existsSync(all) ? readdirSync(all) : []) {
      const folder = join(all, name);
      for (const attempt of attempts.claimedAttempts(folder)) {
        if (believed.get(name) !== attempt && attempts.readExit(folder, attempt) === undefined) {
          this.#end(folder, attempt);
        }
      }
    }
  }

  /** Ends a run that nobody wants, whether or not it has begun. */
  #end(folder: string, attempt: number): void {
    if (attempts.revoke(folder, attempt)) return attempts.recordExit(folder, attempt, 137);
    const claim = attempts.readClaim(folder, attempt)!;
    killGroup(claim);
    if (attempts.readExit(folder, attempt) === undefined) attempts.recordExit(folder, attempt, 137);
  }

  #lookAtAll(): void {
    for (const watched of [...this.#watched.values()]) this.#lookAgain(watched);
  }

  /** What cannot be read or written now (a full disk) may be at the next look. */
  #lookAgain(watched: Watched): void {
    try {
      this.#look(watched);
    } catch (error) {
      const { message } = error as Error;
      if (this.#trouble !== message) this.#setup.warn(`${message}: tried again until it can be done.`);
      this.#trouble = message;
    }
  }

  #look(watched: Watched): void {
    const { run, folder } = watched;
    const { id } = run.job;
    if (this.#watched.get(id) !== watched) return;
    const claim = attempts.readClaim(folder, run.attempt);
    if (claim === undefined) {
      if (watched.broken !== undefined || watched.child?.exitCode != null) this.#neverBegan(watched);
      return;
    }
    if (!watched.started && claim.pid > 0) {
      watched.started = true;
      this.#setup.report({ kind: "started", job: id, attempt: run.attempt });
    }
    // Asked first, so that a run which writes its exit code between the two questions is not taken for dead.
    const alive = isAlive(claim);
    const code = attempts.readExit(folder, run.attempt);
    if (code !== undefined) this.#ended(watched, code);
    else if (!alive) {
      killGroup(claim);
      attempts.recordExit(folder, run.attempt, 137);
      this.#ended(watched, 137);
    } else if (watched.stopAsked) this.#signal(watched, claim);
  }

  #signal(watched: Watched, claim: attempts.Claim): void {
    if (!watched.stopSent) send(-claim.pid, "SIGTERM");
    watched.stopSent = true;
    if (performance.now() < watched.killAt!) return;
    this.#setup.warn(`${watched.run.job.id} was asked to save and leave, and has not: it is killed.`);
    killGroup(claim);
  }

  #ended({ run, folder, stopAsked }: Watched, code: number): void {
    const { id } = run.job;
    this.#watched.delete(id);
    const kind = attempts.endOf(code, stopAsked);
    if (kind !== "failed") return this.#setup.report({ kind, job: id, attempt: run.attempt });
    const why = `exit code ${code}: ${attempts.lastWords(folder, run.attempt)}`;
    this.#setup.report({ kind, job: id, attempt: run.attempt, why });
  }

  #neverBegan({ run, broken, child }: Watched): void {
    this.#watched.delete(run.job.id);
    const why = broken ?? `its script ended with exit code ${child?.exitCode}`;
    this.#setup.report({ kind: "failed", job: run.job.id, attempt: run.attempt, why });
  }
}

/** Whether the claim's process lives, and is not another that got its number later. */
function isAlive(claim: attempts.Claim): boolean {
  const found = processOf(claim.pid);
  return found !== undefined && found.state !== "Z" && found.birth === claim.birth;
}

/** A group keeps its number while it has members, so that no stranger gets it; only a stranger's own group may not be hit. */
function killGroup(claim: attempts.Claim): void {
  const found = processOf(claim.pid);
  if (claim.pid > 0 && (found === undefined || found.birth === claim.birth)) send(-claim.pid, "SIGKILL");
}

function processOf(pid: number): { readonly state: string; readonly birth: number } | undefined {
  try {
    // After the name, which is in brackets and may hold anything: state, and 19 fields later the birth (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)!.split(" ");
    return { state: fields[0]!, birth: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // It has ended in the meantime.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
