/** The GPUs of one node, dealt anew among those on it and those who wait. */
import type { NodeProgram } from "./node-program.ts";
import type { Plan } from "./plan.ts";
import { precedence, type Stake } from "./stake.ts";

export interface NodeDeal {
  readonly bidders: readonly Stake[];
  /** GPUs by bidder. */
  readonly sizes: readonly number[];
  /** Against the deal as it is. */
  readonly gain: number;
}

/** `waiting`: by their least, and then by service; as many of a size take part as the node could hold. */
export function bestOn(node: number, plan: Plan, waiting: readonly Stake[], program: NodeProgram): NodeDeal {
  const capacity = plan.capacity(node);
  const bidders = [...plan.residents[node]!];
  let least = 0;
  let room = 0;
  for (const stake of waiting) {
    const { gpusMin } = stake;
    if (gpusMin > capacity) break;
    if (gpusMin !== least) room = Math.floor(capacity / Math.max(gpusMin, 1));
    least = gpusMin;
    if (room-- > 0 && plan.allows(stake, node)) bidders.push(stake);
  }
  bidders.sort((a, b) => a.service - b.service);
  const lossOf = (i: number, gpus: number): number =>
    bidders[i]!.lossOn(node, gpus) - (gpus > 0 ? precedence * (bidders.length - i) : 0);
  const sizes: number[] = [];
  let gain = -program.solve(capacity, bidders, lossOf, sizes);
  for (const [i, { on }] of bidders.entries()) gain += lossOf(i, on[0]?.gpus ?? 0);
  return { bidders, sizes, gain };
}
