/** Ahead-of-time scheduling: the tasks of a step are recorded once, on streams with the fewest synchronisations. */
import { type LaunchView, launch, launchSeconds, type Task, wholeCall } from "../launch.ts";
import { withoutImplied } from "../launch-order.ts";
import { minimumEquivalent, streamsOf } from "../launch-streams.ts";

export default launch({
  title: "Nimble",
  paper: {
    title: "Nimble: Lightweight and Parallel GPU Task Scheduling for Deep Learning",
    venue: "NeurIPS 2020",
    url: "https://arxiv.org/abs/2012.02732",
  },
  rows: ["nimble"],
  idea: "Record all calls of a step with their memory and arguments, put them on streams by a maximum matching of the minimum equivalent graph, wait only along its edges between streams, and replay the record in one native call.",
  differs: [
    "A stream is a thread, and streams share threads where there are more of them (paper: streams of a GPU, as many as needed).",
    "A call too long for one thread is shared by all of them, chunk by chunk, as a kernel fills a GPU whatever its stream.",
    "Nothing is run to record it: calls and memory are known from the compiler (paper: a pre-run intercepts a framework).",
  ],
  options: {
    grain: { default: 2000, unit: "ns", min: 0, help: "A call estimated longer than this is shared by all threads." },
  },
  claim: {
    metric: "microseconds4",
    better: "lower",
    than: "conflict-barrier",
    on: "branchy",
    factor: 1.4,
    where: "sim",
  },

  create({ grain }) {
    return {
      plan(view) {
        const { calls, threads } = view;
        const after = minimumEquivalent(calls.map((c) => c.after));
        const threadOf = threadsOf(view, streamsOf(after));
        const tasks = calls.map(({ parts, seconds }, call): Task => {
          const shared = parts > 1 && seconds > grain * 1e-9 && threads > 1;
          return { ...wholeCall(call), after: after[call]!, ...(!shared && { thread: threadOf[call]! }) };
        });
        return withoutImplied(tasks, threads);
      },
    };
  },
});

/** Streams in the order in which they begin, each to the thread that is free first then. */
function threadsOf({ calls, threads }: LaunchView, streams: readonly number[]): readonly number[] {
  const threadOf = new Map<number, number>();
  const free = new Array<number>(threads).fill(0);
  const ends: number[] = [];
  return calls.map(({ after, seconds }, call) => {
    const ready = Math.max(0, ...after.map((e) => ends[e]!));
    const start = (thread: number): number => Math.max(free[thread]!, ready);
    const best = free.reduce((least, _, thread) => (start(thread) < start(least) ? thread : least), 0);
    const thread = threadOf.get(streams[call]!) ?? best;
    threadOf.set(streams[call]!, thread);
    free[thread] = ends[call] = start(thread) + seconds + launchSeconds.claim;
    return thread;
  });
}
