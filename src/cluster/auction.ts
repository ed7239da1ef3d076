/**
 * A partial-allocation auction of identical items (Cole, Gkatzelis and Goel, EC 2013; Themis, NSDI 2020, §5.1): the allocation that
 * maximises the product of all values, and of each winner's part the fraction that it leaves the others no worse for.
 */

export interface Offer {
  readonly items: number;
  /** Logarithm of what this part is worth to the bidder over what nothing is. */
  readonly gain: number;
}

export type Bid = readonly Offer[];

export interface Won {
  /** Index of the bid. */
  readonly bidder: number;
  readonly items: number;
  /** What the winner may keep of it: 1 where nobody else wanted it. */
  readonly kept: number;
}

/** Sum of the gains, and items to each bidder, of the best allocation without bidder `without`. O(bids · offers · items). */
function best(
  bids: readonly Bid[],
  items: number,
  without?: number,
): { readonly gain: number; readonly part: number[] } {
  let gains = new Float64Array(items + 1);
  const choices: Int32Array[] = [];
  for (const [bidder, bid] of bids.entries()) {
    const next = gains.slice();
    const choice = new Int32Array(items + 1).fill(-1);
    if (bidder !== without) {
      for (const [i, { items: asked, gain }] of bid.entries()) {
        for (let n = asked; n <= items; n++) {
          const sum = gains[n - asked]! + gain;
          if (sum <= next[n]!) continue;
          next[n] = sum;
          choice[n] = i;
        }
      }
    }
    choices.push(choice);
    gains = next;
  }
  const part = bids.map(() => 0);
  let left = items;
  for (let bidder = bids.length - 1; bidder >= 0; bidder--) {
    const choice = choices[bidder]![left]!;
    if (choice < 0) continue;
    part[bidder] = bids[bidder]![choice]!.items;
    left -= part[bidder]!;
  }
  return { gain: gains[items]!, part };
}

/** Winners by the order of their bids. A bid that overstates its gains gains parts, and pays for them in what it keeps. */
export function auction(bids: readonly Bid[], items: number): Won[] {
  const { gain, part } = best(bids, items);
  return bids.flatMap((bid, bidder) => {
    const won = part[bidder]!;
    if (won === 0) return [];
    const own = bid.find((offer) => offer.items === won)!.gain;
    // The others' product with the winner there, over what it would be without.
    return [{ bidder, items: won, kept: Math.min(1, Math.exp(gain - own - best(bids, items, bidder).gain)) }];
  });
}
