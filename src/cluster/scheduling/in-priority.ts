/** Every waiting job is offered a place, by priority: whether it fits is for placement to say, which may make others leave. */
import type { JobView } from "../job.ts";
import { scheduling } from "../scheduling.ts";

export default scheduling({
  title: "In priority, none held back",
  rows: [],
  idea: "Offer every waiting job to placement, highest priority first, then oldest; one that has no place holds back nobody.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({
    decide: ({ waiting }) => ({ stop: [], start: [...waiting].sort(byPriority).map(({ spec }) => ({ job: spec.id })) }),
  }),
});

const byPriority = (a: JobView, b: JobView): number =>
  b.spec.priority - a.spec.priority || a.spec.submit - b.spec.submit;
