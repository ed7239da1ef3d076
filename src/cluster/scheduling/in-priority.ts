/** Every waiting job is offered a place, by priority: whether it fits is for placement to say, which may make others leave. */
import type { JobView } from "../job.ts";
import { listed } from "../job-order.ts";
import { Offers } from "../offers.ts";
import { scheduling } from "../scheduling.ts";

export default scheduling({
  title: "In priority, none held back",
  rows: [],
  idea: "Offer every waiting job to placement, highest priority first, then oldest; one that has no place holds back nobody but those like it.",
  differs: [],
  options: {},
  claim: "baseline",

  create() {
    const offers = new Offers(({ spec }) => -spec.priority);
    return {
      decide(view) {
        offers.sync(view);
        // Jobs that are alike may have got different sizes.
        if (view.sized)
          return { stop: [], start: [...view.waiting].sort(byPriority).map(({ spec }) => ({ job: spec.id })) };
        const order = listed(() => [...view.running, ...offers.all()]);
        return { stop: [], start: [], offer: offers.begin(), order };
      },
    };
  },
});

const byPriority = (a: JobView, b: JobView): number =>
  b.spec.priority - a.spec.priority || a.spec.submit - b.spec.submit;
