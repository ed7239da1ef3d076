/**
 * Time slicing: nobody waits for a cluster to empty. Jobs that ask for more GPUs than there are take turns, a quantum each, and
 * are suspended where their state on the GPU is smallest, between mini-batches. Jobs move where that makes room or brings one together.
 */
import type { ClusterView, Decision } from "../decision.ts";
import type { JobView } from "../job.ts";
import { type JobOrder, listed, oneAfterAnother } from "../job-order.ts";
import { firstThatFit } from "../regroup.ts";
import { regroupAlone } from "../regroup-alone.ts";
import { RunningRows } from "../running-rows.ts";
import { scheduling } from "../scheduling.ts";
import { WaitingOrder } from "../waiting-order.ts";
import { byNodeSets } from "./gandiva/node-sets.ts";
import { tidy } from "./gandiva/tidy.ts";

export default scheduling({
  title: "Gandiva",
  paper: {
    title: "Gandiva: Introspective Cluster Scheduling for Deep Learning",
    venue: "OSDI 2018",
    url: "https://www.usenix.org/conference/osdi18/presentation/xiao",
  },
  rows: ["gandiva"],
  idea: "Let all jobs take turns on the GPUs in quanta of a minute, whoever has waited longest since its last turn next; move the fewest jobs that make room for a gang, and, when one has left and nobody waits, bring spread jobs together and empty sparse nodes.",
  differs: [
    "Suspension at the least memory of a mini-batch is the launcher's: a stop is asked for, and the job leaves when it has saved its state.",
    "Jobs of all sizes take turns in one queue (paper: on each server by itself); a gang that does not fit into what is left lets smaller ones by until the next turn.",
    "Turns change at multiples of the quantum, and last for at least one; a job that has run for long has longer ones (`stretch`), since it is suspended for nothing otherwise: 0 gives the paper's equal turns.",
    "`sets` is what the simulators of Tiresias and ElasticFlow call Gandiva: whole nodes belong to sets for gangs of one size, sizes get nodes in proportion to what their jobs ask for, and turns on a set change only at decisions that fall on a multiple of the quantum; nothing else of Gandiva is in it. A set takes one gang less than it has room for before another is begun, which counts those that have ended; sets of one node that a size grows by stay empty, and are given up the next time, unless there were too few nodes; of those who wait, every second is looked at when some have found room.",
    "Packing, grow-shrink and affinity are entries of other slots (`packing`, `grow-shrink`, `affinity`); the system `gandiva` has all of them.",
  ],
  options: {
    quantum: { default: 60, unit: "seconds", min: 1, help: "How long a turn lasts while others wait." },
    stretch: {
      default: 0.01,
      unit: "of the time that it has run",
      min: 0,
      help: "How long a job's turn lasts at least, if that is more than the quantum.",
    },
    migrate: {
      default: 1,
      unit: "0 or 1",
      min: 0,
      help: "Whether jobs that run are moved for locality and against fragmentation while nobody waits.",
    },
    sets: {
      default: 0,
      unit: "0 or 1",
      min: 0,
      help: "sets of whole nodes by size of gang in place of all that, as in ElasticFlow's simulator",
    },
  },
  claim: { metric: "fairnessWorst", better: "lower", than: "fifo", on: "batch", factor: 8, where: "sim" },

  create({ quantum, stretch, migrate, sets }) {
    if (sets > 0) return byNodeSets(quantum);
    const turns = new Turns(quantum, stretch);
    const waiting = new WaitingOrder();
    return {
      decide(view) {
        waiting.sync(view);
        if (view.waitingCount === 0) {
          // Who is given another size now moves already.
          return migrate > 0 && view.ended.length > 0 && !view.sized ? tidy(view) : nobodyWaits(view);
        }
        const order = turns.order(view, waiting.waiting(view));
        const chosen = firstThatFit(view, order, true);
        turns.grant(chosen, view.now);
        const { stop, start } = regroupAlone(view, chosen, true);
        const wake = Math.max(turns.firstEnd, quantum * (Math.floor(view.now / quantum) + 1));
        return { stop, start, wake, order };
      },
    };
  },
});

const nobodyWaits = ({ running }: ClusterView): Decision => ({ stop: [], start: [], order: listed(() => running) });

interface Turn {
  readonly job: JobView;
  began: number;
  /** When it was given one more right after the last, since it started. */
  granted: number;
}

class Turns {
  readonly #quantum: number;
  readonly #stretch: number;
  readonly #turns = new RunningRows((job): Turn => ({ job, began: 0, granted: 0 }));
  /** Who was in the middle of a turn, and whose turn was over, as of the last order. */
  #inTurn: readonly JobView[] = [];
  #over: readonly Turn[] = [];

  /** Of the turns that were granted or go on, as of the last decision. */
  firstEnd = 0;

  constructor(quantum: number, stretch: number) {
    this.#quantum = quantum;
    this.#stretch = stretch;
  }

  /** Who is in the middle of a turn goes on; then those who wait, the longest first; last those whose turn is over. */
  order({ now, running }: ClusterView, waiting: JobOrder): JobOrder {
    const inTurn: JobView[] = [];
    const over: Turn[] = [];
    this.firstEnd = Number.POSITIVE_INFINITY;
    for (const turn of this.#turns.of(running)) {
      const { job } = turn;
      turn.began = beganOf(turn, now);
      const end = this.#endOf(job, turn.began);
      if (end <= now) over.push(turn);
      else {
        inTurn.push(job);
        this.firstEnd = Math.min(this.firstEnd, end);
      }
    }
    over.sort((a, b) => a.began - b.began);
    this.#inTurn = inTurn;
    this.#over = over;
    return oneAfterAnother(
      listed(() => inTurn),
      waiting,
      listed(() => over.map(({ job }) => job)),
    );
  }

  /** These, in the order as it was last, go on or begin. */
  grant(chosen: readonly JobView[], now: number): void {
    const inTurn = this.#inTurn;
    let [next, again] = [0, 0];
    for (const job of chosen) {
      if (job.places.length > 0) {
        while (next < inTurn.length && inTurn[next] !== job) next++;
        if (next < inTurn.length) continue;
        // All who were in a turn came before: its own is over, and it has another.
        while (this.#over[again]!.job !== job) again++;
        this.#over[again]!.granted = now;
      }
      this.firstEnd = Math.min(this.firstEnd, this.#endOf(job, now));
    }
  }

  /** All turns change at once, so that the jobs that get one can be put together anew. */
  #endOf({ ran }: JobView, began: number): number {
    return this.#quantum * Math.ceil((began + Math.max(this.#quantum, this.#stretch * ran)) / this.#quantum);
  }
}

/** Who is still waiting for GPUs that are being left has not begun. */
const beganOf = ({ job: { startedAt = 0, state }, granted }: Turn, now: number): number =>
  Math.max(state === "starting" ? now : startedAt, granted);
