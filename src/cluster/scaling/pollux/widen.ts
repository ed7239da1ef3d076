/** GPUs that are left, for those that gain by moving to more of them, those first that have had least service. */
import { gpusIn } from "../../node.ts";
import type { Plan } from "./plan.ts";
import { precedence, type Stake } from "./stake.ts";

export function widen(plan: Plan, running: readonly Stake[]): void {
  for (const stake of running.toSorted((a, b) => a.service - b.service)) {
    const { on, gpusMax } = stake;
    const held = gpusIn(on);
    if (held >= gpusMax) continue;
    if (plan.freeTotal === 0) return;
    const now = stake.lossOf(on);
    plan.leave(stake);
    const one = plan.onOne(stake, gpusMax);
    const [best] = [one === undefined ? on : [one], plan.onSeveral(stake, gpusMax)]
      .filter((places) => gpusIn(places) > held)
      .map((places) => ({ places, loss: stake.lossOf(places) }))
      .sort((a, b) => a.loss - b.loss);
    plan.settle(stake, best !== undefined && best.loss < now - precedence ? best.places : on);
  }
}
