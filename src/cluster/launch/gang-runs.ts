/**
 * The gangs of a cluster whose parts are watched one by one, by job: the newest attempt of each. What a cluster's interface is, is
 * its own (`GangWork`); when parts are made and ended, what is reported, and what becomes of a lost node's gangs, is the same for all.
 *
 *     start ──► make ──► see, see, … ──► started, finished          stop, a failed part, a lost node ──► end ──► stopped, failed
 */
import type { Belief, ClusterSetup } from "../cluster.ts";
import type { JobId } from "../job.ts";
import type { Run } from "../launcher.ts";
import { type Gang, gangOf, hasEnded, mustFall, newsOf, type PartState } from "./gang.ts";
import { Patience } from "./patience.ts";

export interface GangWork {
  /** Why a gang failed none of whose parts says why. */
  readonly silent: string;
  /** Makes the parts that are not there. */
  make(gang: Gang): Promise<void>;
  /** Asks the parts that have not ended to leave within so many seconds, and marks those that are not there. */
  end(gang: Gang, graceSeconds: number): Promise<void>;
  /** Its end was reported, and it is forgotten here. */
  ended?(gang: Gang): void;
}

export class GangRuns {
  readonly patience: Patience;
  readonly #setup: ClusterSetup;
  readonly #graceSeconds: number;
  readonly #work: GangWork;
  readonly #gangs = new Map<JobId, Gang>();
  readonly #lost = new Set<number>();
  #closed = false;

  constructor(setup: ClusterSetup, graceSeconds: number, work: GangWork) {
    this.#setup = setup;
    this.#graceSeconds = graceSeconds;
    this.#work = work;
    this.patience = new Patience(setup.warn);
  }

  all(): Gang[] {
    return [...this.#gangs.values()];
  }

  get(job: JobId, attempt: number): Gang | undefined {
    const gang = this.#gangs.get(job);
    return gang?.run.attempt === attempt ? gang : undefined;
  }

  /** Before the first look at what there is. */
  believe(beliefs: readonly Belief[]): void {
    for (const { run, stopping } of beliefs) this.#add(gangOf(run, stopping));
  }

  /** After it: what should have been made is made, what should have been ended is ended. */
  catchUp(): void {
    for (const gang of this.all()) {
      if (gang.said === "end") continue;
      if (gang.stopping) this.#end(gang);
      else if (gang.parts.includes("none")) this.#make(gang);
    }
  }

  start(run: Run): void {
    this.#make(this.#add(gangOf(run)));
  }

  stop(job: JobId, attempt: number): void {
    const gang = this.get(job, attempt);
    if (gang === undefined || gang.stopping) return;
    gang.stopping = true;
    this.#end(gang);
  }

  /** A part is now so; `why` where it has failed. What has ended stays as it ended. */
  see(gang: Gang, part: number, state: PartState, why: () => string): void {
    if (hasEnded(gang.parts[part]!)) return;
    gang.parts[part] = state;
    if (state === "failed") gang.why ??= why();
    if (mustFall(gang)) this.#end(gang);
    this.#tell(gang);
  }

  /** A node is usable or not; its gangs are given up with it, since the engine starts another attempt of them. */
  seeNode(node: number, usable: boolean): void {
    if (usable === !this.#lost.has(node)) return;
    if (usable) {
      this.#lost.delete(node);
      this.#setup.report({ kind: "node-back", node });
      return;
    }
    this.#lost.add(node);
    for (const gang of this.all()) {
      if (!gang.run.places.some((share) => share.node === node)) continue;
      this.#remove(gang);
      gang.said = "end";
      // What is left of it must not wait for a machine that is gone.
      this.#end(gang, 0);
    }
    this.#setup.report({ kind: "node-lost", node });
  }

  /** `stopWatching` is called when nothing more is waited for. */
  async close(jobs: "leave" | "stop", stopWatching: () => void): Promise<void> {
    const gangs = this.all();
    if (jobs === "stop") {
      for (const { run } of gangs) this.stop(run.job.id, run.attempt);
      const end = Date.now() + 1000 * (this.#graceSeconds + 10);
      while (this.#gangs.size > 0 && Date.now() < end) await new Promise((done) => setTimeout(done, 50));
    }
    this.#closed = true;
    stopWatching();
    // What a server that is away has not heard yet, the next scheduler says.
    this.patience.close();
    await Promise.all(gangs.map(({ work }) => work));
  }

  #add(gang: Gang): Gang {
    this.#gangs.set(gang.run.job.id, gang);
    return gang;
  }

  #remove({ run }: Gang): void {
    if (this.get(run.job.id, run.attempt) !== undefined) this.#gangs.delete(run.job.id);
  }

  #make(gang: Gang): void {
    this.#then(gang, () => this.#work.make(gang));
  }

  #end(gang: Gang, graceSeconds = this.#graceSeconds): void {
    this.#then(gang, async () => {
      await this.#work.end(gang, graceSeconds);
      this.#tell(gang);
    });
  }

  #then(gang: Gang, work: () => Promise<void>): void {
    gang.work = gang.work.then(work).catch((error: unknown) => {
      if (this.#closed) return;
      gang.why ??= reasonOf(error);
      for (const [part, state] of gang.parts.entries()) if (state === "none") gang.parts[part] = "failed";
      if (mustFall(gang)) this.#end(gang);
      this.#tell(gang);
    });
  }

  #tell(gang: Gang): void {
    const { job, attempt } = gang.run;
    for (const kind of newsOf(gang)) {
      if (kind === "failed") this.#setup.report({ kind, job: job.id, attempt, why: gang.why ?? this.#work.silent });
      else this.#setup.report({ kind, job: job.id, attempt });
      if (kind === "started") continue;
      this.#remove(gang);
      this.#work.ended?.(gang);
    }
  }
}

/** The first line of an error. */
export const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message.split("\n")[0]! : String(error);
