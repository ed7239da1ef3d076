/**
 * The default order of Kubernetes' scheduler: the plugin PrioritySort, and DefaultPreemption where nothing is free. Its other rules
 * (which node) are placement's: `least-allocated`.
 */
import { RankedJobs } from "../ranking.ts";
import { scheduling } from "../scheduling.ts";

export default scheduling({
  title: "Kubernetes' default order",
  rows: [],
  idea: "Take jobs by priority, then by how long they are in the queue; pass over what does not fit; evict what has a lower priority, the lowest and latest started first, for what does not fit otherwise.",
  differs: [
    "Kubernetes takes pods one by one, and holds the GPUs of a gang of which only some pods fit, until it deadlocks; here a gang is taken whole or passed over, as its pods with the coscheduling plugin would be.",
    "A pod that did not fit is tried again at once when anything changes; Kubernetes makes it wait one to ten seconds.",
    "Victims are chosen over the whole cluster; Kubernetes chooses the node where they matter least, and honours disruption budgets.",
  ],
  options: {},
  claim: "baseline",

  create() {
    const jobs = new RankedJobs({
      rank: ({ spec }) => -spec.priority,
      tie: ({ waitingSince }, now, runs) => (runs ? now : waitingSince),
    });
    return { decide: (view) => jobs.decide(view) };
  },
});
