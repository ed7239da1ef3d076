/**
 * Slurm as the hands of Heddle's scheduler: a job is submitted when it has been decided where it runs, to those very nodes.
 *
 *     start ──► sbatch --nodelist --gres ──► attempt.ts on the first node        stop ──► scancel --signal=TERM
 *     squeue, sinfo ──(every pollSeconds)──► what began, what ended, which nodes are gone
 *
 * Slurm never starts a run again by itself (`--no-requeue`): whether and where it goes on is decided here. A submission whose
 * answer was lost is looked for by its name, and submitted again; should both be there, the claim lets one run. The state folder
 * must be one that the nodes see, as the folder of a job's output must be.
 */
import { UserError } from "../../core/errors.ts";
import type { Belief, Cluster, ClusterSetup } from "../cluster.ts";
import type { JobId } from "../job.ts";
import type { Run } from "../launcher.ts";
import type { NodeSpec } from "../node.ts";
import * as attempts from "./attempt.ts";
import { secondsOption } from "./options.ts";
import { Refused, SlurmCommands, type SlurmJob, Unanswered } from "./slurm-commands.ts";
import { batchScript } from "./slurm-script.ts";

interface Watched {
  readonly run: Run;
  readonly folder: string;
  readonly name: string;
  /** Slurm's numbers of it: more than one where an answer was lost. */
  readonly ids: string[];
  submitting: boolean;
  started: boolean;
  stopAsked: boolean;
  /** The job that was signalled, so that each is once. */
  signalled: string | undefined;
  killAt: number;
  /** Looks at which Slurm did not know of it. */
  unseen: number;
  /** The life of the controller that it was submitted in, where that is known. */
  life: string | undefined;
  /** It is gone without an exit code, and why is being asked. */
  gone: boolean;
}

/** Looks in a row at which Slurm does not know a job that it accepted, before the job is given up: it may be starting up itself. */
const unseenMax = 10;
const waitingStates = ["PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"];
const runningStates = ["RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING", "STAGE_OUT"];

export async function open(setup: ClusterSetup): Promise<SlurmCluster> {
  const slurm = new SlurmCommands();
  const found = await slurm.nodes().catch((error: unknown) => {
    if (!(error instanceof Unanswered || error instanceof Refused)) throw error;
    throw new UserError(
      `Slurm does not answer: ${error.message}`,
      "`sinfo` must show its nodes; is slurmctld running?",
    );
  });
  const gpuNodes = found.filter(({ gpus }) => gpus > 0);
  const asked = setup.nodes?.map(({ id }) => id);
  const nodes = asked === undefined ? gpuNodes : gpuNodes.filter(({ id }) => asked.includes(id));
  if (nodes.length === 0) {
    throw new UserError(
      `Slurm has no node with GPUs here${asked === undefined ? "" : ` of ${asked.join(", ")}`}; it has ${found.length} nodes.`,
      "`sinfo -N -o '%N %G'` must show gpu in the second column.",
    );
  }
  return new SlurmCluster(
    setup,
    slurm,
    nodes.map(({ id, type, gpus, cpus, memoryBytes }) => ({ id, type, gpus, cpus, memoryBytes })),
  );
}

export class SlurmCluster implements Cluster {
  readonly nodes: readonly NodeSpec[];
  readonly #setup: ClusterSetup;
  readonly #slurm: SlurmCommands;
  readonly #prefix: string;
  readonly #poll: number;
  readonly #grace: number;
  readonly #watched = new Map<JobId, Watched>();
  readonly #lost = new Set<number>();
  #closing = false;
  #silent = false;
  #life: string | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(setup: ClusterSetup, slurm: SlurmCommands, nodes: readonly NodeSpec[]) {
    this.nodes = nodes;
    this.#setup = setup;
    this.#slurm = slurm;
    this.#prefix = `heddle-${setup.id}:`;
    this.#poll = secondsOption(setup.options, "pollSeconds", 0.5) * 1e3;
    this.#grace = secondsOption(setup.options, "graceSeconds", 60) * 1e3;
  }

  async adopt(beliefs: readonly Belief[]): Promise<void> {
    const believed = beliefs.map(({ run, stopping }) => {
      const watched = this.#watch(run);
      watched.stopAsked = stopping;
      watched.killAt = performance.now() + this.#grace;
      return watched;
    });
    const jobs = await this.#jobs();
    this.#place(jobs);
    const names = new Set([...this.#watched.values()].map(({ name }) => name));
    await Promise.all(jobs.filter((job) => isLive(job) && !names.has(job.name)).map((job) => this.#cancel(job)));
    for (const watched of believed) {
      const known = watched.ids.length > 0 || attempts.readClaim(watched.folder, watched.run.attempt) !== undefined;
      if (!known) void this.#submit(watched);
    }
    this.#life = await this.#slurm.life().catch(() => undefined);
    this.#take(jobs);
    this.#loop = this.#watchOn();
  }

  start(run: Run): void {
    void this.#submit(this.#watch(run));
  }

  stop(job: JobId, attempt: number): void {
    const watched = this.#watched.get(job);
    if (watched?.run.attempt !== attempt) return;
    watched.stopAsked = true;
    watched.killAt = performance.now() + this.#grace;
    void this.#signal(watched);
  }

  async close(jobs: "leave" | "stop"): Promise<void> {
    if (jobs === "stop") {
      for (const { run } of this.#watched.values()) this.stop(run.job.id, run.attempt);
      while (this.#watched.size > 0) await pause(this.#poll);
    }
    this.#closing = true;
    await this.#loop;
  }

  #watch(run: Run): Watched {
    const folder = attempts.makeJobFolder(this.#setup.folder, run.job.id);
    const name = `${this.#prefix}${attempts.fileName(run.job.id)}:${run.attempt}`;
    const begun = { ids: [], submitting: false, started: false, stopAsked: false, signalled: undefined };
    const known = { killAt: Number.POSITIVE_INFINITY, unseen: 0, life: this.#life, gone: false };
    const watched: Watched = { run, folder, name, ...begun, ...known };
    this.#watched.set(run.job.id, watched);
    return watched;
  }

  async #submit(watched: Watched): Promise<void> {
    const { run, folder, name } = watched;
    const task = this.#setup.task(run);
    const script = batchScript({ run, nodes: this.nodes, folder, name, task, more: this.#setup.options.sbatch });
    watched.submitting = true;
    while (this.#watched.get(run.job.id) === watched && !this.#closing) {
      try {
        watched.ids.push(await this.#slurm.submit(script));
        break;
      } catch (error) {
        if (!(error instanceof Unanswered)) {
          this.#end(watched, "failed", error instanceof Refused ? error.message : String(error));
          break;
        }
        this.#unanswered(error);
        await pause(1000);
        // It may have been heard all the same.
        this.#place(await this.#jobs());
        if (watched.ids.length > 0) break;
      }
    }
    watched.submitting = false;
    if (watched.stopAsked) await this.#signal(watched);
  }

  /** Asks until the controller answers. */
  async #jobs(): Promise<SlurmJob[]> {
    for (;;) {
      try {
        const jobs = await this.#slurm.jobs(this.#prefix);
        this.#silent = false;
        return jobs;
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        this.#unanswered(error);
        await pause(1000);
      }
    }
  }

  #unanswered(error: Unanswered): void {
    if (!this.#silent) this.#setup.warn(`Slurm does not answer, and is asked again: ${error.message}`);
    this.#silent = true;
  }

  async #watchOn(): Promise<void> {
    for (let look = 0; !this.#closing; look++) {
      await pause(this.#poll);
      try {
        const jobs = await this.#jobs();
        // What a node's loss did to a run is reported after the loss.
        if (look % 5 === 0 || jobs.some(({ state }) => state === "NODE_FAIL")) await this.#lookAtNodes();
        this.#take(jobs);
      } catch (error) {
        this.#setup.warn(`Slurm could not be asked: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  async #lookAtNodes(): Promise<void> {
    const found = new Map((await this.#slurm.nodes()).map(({ id, state }) => [id, state]));
    for (const [index, { id }] of this.nodes.entries()) {
      // One that does not answer (`*`) is lost when Slurm gives it up: a controller that has just begun knows none yet.
      const isLost = /^(down|fail|drained|power)/i.test(found.get(id) ?? "down");
      if (isLost === this.#lost.has(index)) continue;
      if (isLost) this.#lost.add(index);
      else this.#lost.delete(index);
      this.#setup.report({ kind: isLost ? "node-lost" : "node-back", node: index });
    }
  }

  /** Gives each run the numbers that Slurm has for its name. */
  #place(jobs: readonly SlurmJob[]): void {
    const byName = new Map([...this.#watched.values()].map((watched) => [watched.name, watched]));
    for (const { id, name } of jobs) {
      const number = id.split("+")[0]!;
      const ids = byName.get(name)?.ids;
      if (ids?.includes(number) === false) ids.push(number);
    }
  }

  #take(jobs: readonly SlurmJob[]): void {
    this.#place(jobs);
    // The first of a job's parts speaks for them all.
    const byId = new Map([...jobs].reverse().map((job) => [job.id.split("+")[0]!, job]));
    for (const watched of [...this.#watched.values()]) this.#look(watched, byId);
  }

  #look(watched: Watched, byId: ReadonlyMap<string, SlurmJob>): void {
    const { run, folder } = watched;
    const claim = attempts.readClaim(folder, run.attempt);
    // A controller that was killed may give a number again.
    const known = watched.ids.flatMap((id) => byId.get(id) ?? []).filter(({ name }) => name === watched.name);
    const chosen = known.find(({ id }) => id.split("+")[0] === claim?.clusterId) ?? known.find(isLive) ?? known.at(-1);
    // An answer that was lost has left a second job, which would claim nothing, but hold GPUs.
    if (claim !== undefined) for (const job of known) if (job !== chosen && isLive(job)) void this.#cancel(job);
    const hasBegun = claim !== undefined && claim.pid > 0;
    if (!watched.started && (hasBegun || (chosen !== undefined && runningStates.includes(chosen.state)))) {
      watched.started = true;
      this.#setup.report({ kind: "started", job: run.job.id, attempt: run.attempt });
    }
    const code = attempts.readExit(folder, run.attempt);
    if (code !== undefined) {
      const kind = attempts.endOf(code, watched.stopAsked);
      return this.#end(watched, kind, `exit code ${code}: ${attempts.lastWords(folder, run.attempt)}`);
    }
    if (chosen !== undefined) this.#lookAt(watched, chosen);
    else if (!watched.submitting && ++watched.unseen > unseenMax) {
      void this.#gone(watched, "Slurm no longer knows of it");
    }
  }

  #lookAt(watched: Watched, job: SlurmJob): void {
    watched.unseen = 0;
    if (isLive(job)) {
      if (watched.stopAsked) void this.#signal(watched, job);
      return;
    }
    if (["CANCELLED", "PREEMPTED"].includes(job.state)) watched.stopAsked = true;
    void this.#gone(watched, `Slurm says ${job.state}${job.reason === "None" ? "" : `: ${job.reason}`}`);
  }

  /**
   * It ended without leaving an exit code: its node is gone, somebody ended it by force, or the controller was killed before it had
   * written down what it knew of it. That is not the job's failure: a controller that lives again has it killed where it finds it.
   */
  async #gone(watched: Watched, why: string): Promise<void> {
    if (watched.gone) return;
    watched.gone = true;
    attempts.revoke(watched.folder, watched.run.attempt);
    try {
      this.#life = await this.#slurm.life();
      // It may have ended well meanwhile, which the next look sees.
      watched.gone = attempts.readExit(watched.folder, watched.run.attempt) === undefined;
      if (!watched.gone || this.#watched.get(watched.run.job.id) !== watched) return;
      const forgotten = this.#life !== watched.life;
      if (forgotten) this.#setup.warn(`Slurm has been restarted, and has lost ${watched.name}: it is to begin again.`);
      this.#end(watched, watched.stopAsked || forgotten ? "stopped" : "failed", why);
    } catch (error) {
      // Asked again at the next look.
      watched.gone = false;
      if (error instanceof Unanswered) this.#unanswered(error);
      else this.#end(watched, "failed", why);
    }
  }

  async #signal(watched: Watched, job?: SlurmJob): Promise<void> {
    const id = job?.id.split("+")[0] ?? watched.ids.at(-1);
    if (id === undefined) return;
    try {
      if (job !== undefined && waitingStates.includes(job.state)) {
        // It has nothing to save, and must not begin after all.
        attempts.revoke(watched.folder, watched.run.attempt);
        if (attempts.readClaim(watched.folder, watched.run.attempt)?.pid === 0)
          await this.#slurm.cancel(id, watched.name);
      } else if (performance.now() > watched.killAt) {
        watched.killAt = Number.POSITIVE_INFINITY;
        this.#setup.warn(`${watched.run.job.id} was asked to save and leave, and has not: it is ended.`);
        await this.#slurm.cancel(id, watched.name);
      } else if (watched.signalled !== id && watched.started) {
        watched.signalled = id;
        await this.#slurm.signal(id, watched.name, "TERM");
      }
    } catch (error) {
      watched.signalled = undefined;
      if (error instanceof Unanswered) this.#unanswered(error);
      else this.#setup.warn(`${watched.run.job.id} cannot be stopped: ${String(error)}`);
    }
  }

  async #cancel({ id, name }: SlurmJob): Promise<void> {
    try {
      await this.#slurm.cancel(id, name);
    } catch (error) {
      this.#setup.warn(`Slurm's job ${id} cannot be cancelled: ${String(error)}`);
    }
  }

  #end({ run }: Watched, kind: "finished" | "stopped" | "failed", why: string): void {
    this.#watched.delete(run.job.id);
    const told = { job: run.job.id, attempt: run.attempt };
    this.#setup.report(kind === "failed" ? { kind, ...told, why } : { kind, ...told });
  }
}

const isLive = ({ state }: SlurmJob): boolean => waitingStates.includes(state) || runningStates.includes(state);

const pause = (milliseconds: number): Promise<void> => new Promise((wake) => setTimeout(wake, milliseconds));
