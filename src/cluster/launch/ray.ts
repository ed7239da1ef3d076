/**
 * Jobs as submissions to a Ray cluster's Jobs API, one for each node that a job has GPUs on, each held to its node by label.
 *
 *     start ──► submissions ──► poll ──► all RUNNING: started; all SUCCEEDED: finished
 *     stop ───► SIGTERM through the API ──► STOPPED
 *
 * A submission's id holds the attempt and the part, and Ray refuses an id it has seen: nothing is run twice. Ray names its nodes
 * anew when they come back; Heddle knows them by `ray start --node-name` where that is unique.
 */
import { createHash } from "node:crypto";
import { UserError } from "../../core/errors.ts";
import type { Belief, Cluster, ClusterSetup, OpenCluster } from "../cluster.ts";
import type { JobId } from "../job.ts";
import type { Run } from "../launcher.ts";
import type { NodeSpec } from "../node.ts";
import { absent, type Gang, type PartState, partIsDone, partTask } from "./gang.ts";
import { GangRuns, type GangWork } from "./gang-runs.ts";
import { secondsOption } from "./options.ts";
import { RayApi, RayError, type RayJob, type RayNode } from "./ray-api.ts";

const pollMilliseconds = 500;
/** Ray answers 400 or 500 with words instead of a code of its own. */
const known = /already exists|already submitted/i;
const [schedulerNote, jobNote, attemptNote] = ["heddle-scheduler", "heddle-job", "heddle-attempt"];

export const open: OpenCluster = async (setup) => {
  const { address = "http://127.0.0.1:8265", token } = setup.options;
  const api = new RayApi(address, token);
  const found = await api.nodes().catch((error: unknown) => {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error ? error.message || (error as NodeJS.ErrnoException).code : error;
    throw new UserError(
      `No Ray answers at ${address}: ${reason}.`,
      "Give its dashboard: `--set address=http://HOST:8265`.",
    );
  });
  const alive = found.filter(({ state }) => state === "ALIVE");
  const nodes = alive.flatMap((node) => nodeOf(node, found) ?? []);
  if (nodes.length === 0) throw new UserError(`None of the ${alive.length} nodes of the Ray at ${address} has GPUs.`);
  return new RayCluster(setup, api, nodes, secondsOption(setup.options, "graceSeconds", 60));
};

/** The name that was given to it, where no other node that lives has the same; else Ray's id. */
function nameOf(node: RayNode, nodes: readonly RayNode[]): string {
  const same = nodes.filter(({ node_name, state }) => state === "ALIVE" && node_name === node.node_name);
  return same.length > 1 ? node.node_id : node.node_name;
}

function nodeOf(node: RayNode, nodes: readonly RayNode[]): NodeSpec | undefined {
  const { resources_total } = node;
  const gpus = resources_total.GPU ?? 0;
  if (gpus === 0) return undefined;
  const named = Object.keys(resources_total).find((name) => name.startsWith("accelerator_type:"));
  const type = named?.slice("accelerator_type:".length).toLowerCase() ?? "gpu";
  return { id: nameOf(node, nodes), type, gpus };
}

class RayCluster implements Cluster, GangWork {
  readonly silent = "Ray ended it";
  readonly nodes: readonly NodeSpec[];
  readonly #setup: ClusterSetup;
  readonly #api: RayApi;
  readonly #graceSeconds: number;
  readonly #runs: GangRuns;
  /** Ray's ids of the nodes that live. */
  #alive = new Map<number, string>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(setup: ClusterSetup, api: RayApi, nodes: readonly NodeSpec[], graceSeconds: number) {
    this.#setup = setup;
    this.#api = api;
    this.nodes = nodes;
    this.#graceSeconds = graceSeconds;
    this.#runs = new GangRuns(setup, graceSeconds, this);
  }

  async adopt(beliefs: readonly Belief[]): Promise<void> {
    this.#runs.believe(beliefs);
    await this.#look();
    this.#runs.catchUp();
    this.#again();
  }

  #again(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#look()
        .catch((error: unknown) => this.#setup.warn(`Ray did not answer: ${(error as Error).message}`))
        .finally(() => this.#again());
    }, pollMilliseconds);
  }

  start(run: Run): void {
    this.#runs.start(run);
  }

  stop(job: JobId, attempt: number): void {
    this.#runs.stop(job, attempt);
  }

  #idOf({ job, attempt }: Run, part: number): string {
    const hash = createHash("sha256").update(`${this.#setup.id}/${job.id}`).digest("hex").slice(0, 16);
    return `heddle-${hash}-${attempt}-${part}`;
  }

  async make({ run, parts }: Gang): Promise<void> {
    for (const [part, state] of parts.entries()) {
      if (state !== "none") continue;
      const submission = this.#submissionOf(run, part);
      await this.#runs.patience.until(async () => {
        try {
          await this.#api.submit(submission);
        } catch (error) {
          if (!(error instanceof RayError && known.test(error.message))) throw error;
        }
      });
      parts[part] = "pending";
    }
  }

  #submissionOf(run: Run, part: number) {
    const { argv, environment } = partTask(this.#setup, this.nodes, run, part);
    const { node, gpus } = run.places[part]!;
    return {
      entrypoint: `exec ${argv.map(quoted).join(" ")}`,
      submission_id: this.#idOf(run, part),
      metadata: { [schedulerNote]: this.#setup.id, [jobNote]: run.job.id, [attemptNote]: String(run.attempt) },
      runtime_env: {
        env_vars: { ...environment, RAY_JOB_STOP_WAIT_TIME_S: String(this.#graceSeconds) },
      },
      entrypoint_num_gpus: gpus,
      entrypoint_num_cpus: run.job.cpus ?? 0,
      entrypoint_label_selector: { "ray.io/node-id": this.#alive.get(node) ?? this.nodes[node]!.id },
    };
  }

  async end(gang: Gang): Promise<void> {
    for (const [part, state] of gang.parts.entries()) {
      if (state === "none") gang.parts[part] = absent(gang);
      else if (state === "pending" || state === "running") {
        // One that has ended answers that it has.
        await this.#runs.patience.until(() => this.#api.stop(this.#idOf(gang.run, part)), [400, 404]);
      }
    }
  }

  /** One look at all there is: nodes first, since the jobs of a node that is lost are not to be judged. */
  async #look(): Promise<void> {
    this.#seeNodes(await this.#api.nodes());
    const jobs = new Map<string, RayJob>();
    for (const job of await this.#api.jobs()) if (job.submission_id !== null) jobs.set(job.submission_id, job);
    for (const gang of this.#runs.all()) {
      for (const part of gang.parts.keys()) {
        const id = this.#idOf(gang.run, part);
        const job = jobs.get(id);
        jobs.delete(id);
        if (job !== undefined) this.#seePart(gang, part, job);
      }
    }
    for (const [id, job] of jobs) if (job.metadata?.[schedulerNote] === this.#setup.id) this.#tidy(id, job);
  }

  #seePart(gang: Gang, part: number, { status, message }: RayJob): void {
    // Ray calls what ended while it was being stopped stopped, whatever its exit code.
    const over = gang.stopping ? (partIsDone(this.#setup, gang.run, part) ? "done" : "left") : "failed";
    const states: Record<RayJob["status"], PartState> = {
      PENDING: "pending",
      RUNNING: "running",
      SUCCEEDED: "done",
      STOPPED: over,
      FAILED: over,
    };
    this.#runs.see(gang, part, states[status], () => message?.trim().split("\n").at(-1) ?? `Ray says ${status}`);
  }

  /** Ends a submission of ours that nobody believes in, and forgets those that have ended. */
  #tidy(id: string, { status }: RayJob): void {
    const call = status === "PENDING" || status === "RUNNING" ? this.#api.stop(id) : this.#api.remove(id);
    call.catch((error: unknown) => {
      if (!(error instanceof RayError)) this.#setup.warn((error as Error).message);
    });
  }

  #seeNodes(found: readonly RayNode[]): void {
    const alive = found.filter(({ state }) => state === "ALIVE");
    const ids = new Map(alive.map((node) => [nameOf(node, found), node.node_id]));
    for (const [index, { id }] of this.nodes.entries()) {
      const now = ids.get(id);
      if (now !== undefined) this.#alive.set(index, now);
      this.#runs.seeNode(index, now !== undefined);
    }
  }

  close(jobs: "leave" | "stop"): Promise<void> {
    return this.#runs.close(jobs, () => {
      this.#closed = true;
      clearTimeout(this.#timer);
    });
  }
}

/** A word of a shell's command line. */
const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
