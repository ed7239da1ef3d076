/**
 * GPUs that are left, for those that gain by moving to more of them, those first that have had least service: first to more on one
 * node, and then over several.
 */
import { gpusIn, type Share } from "../../node.ts";
import type { Plan } from "./plan.ts";
import { precedence, type Stake } from "./stake.ts";

export function widen(plan: Plan, running: readonly Stake[]): void {
  const order = running.filter(({ isFixed }) => !isFixed).sort((a, b) => a.service - b.service);
  for (const stake of order) {
    move(plan, stake, (most) => {
      const one = plan.onOne(stake, most);
      return one === undefined ? [] : [one];
    });
  }
  for (const stake of order) move(plan, stake, (most) => plan.onSeveral(stake, most));
}

function move(plan: Plan, stake: Stake, find: (most: number) => readonly Share[]): void {
  const { on, gpusMax } = stake;
  const held = gpusIn(on);
  if (plan.freeTotal === 0 || held >= gpusMax) return;
  const now = stake.lossOf(on);
  plan.leave(stake);
  const found = find(gpusMax);
  const gains = gpusIn(found) > held && stake.lossOf(found) < now - precedence;
  plan.settle(stake, gains ? found : on);
}
