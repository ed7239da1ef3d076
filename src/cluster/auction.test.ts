import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { auction, type Bid } from "./auction.ts";

/** Every allocation, tried. */
function exhaustive(bids: readonly Bid[], items: number): number {
  const [bid, ...rest] = bids;
  if (bid === undefined) return 0;
  const options = [{ items: 0, gain: 0 }, ...bid].filter((offer) => offer.items <= items);
  return Math.max(...options.map((offer) => offer.gain + exhaustive(rest, items - offer.items)));
}

const gainOf = (bids: readonly Bid[], won: ReturnType<typeof auction>): number =>
  won.reduce((sum, { bidder, items }) => sum + bids[bidder]!.find((offer) => offer.items === items)!.gain, 0);

test("the product of values is the greatest there is, and what is kept is what the others lose by it", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = stream(0xa0c, seed);
    const bids = Array.from({ length: 1 + Math.floor(random() * 5) }, () =>
      [1, 2, 4].slice(0, 1 + Math.floor(random() * 3)).map((items) => ({ items, gain: random() * items })),
    );
    const items = Math.floor(random() * 9);
    const won = auction(bids, items);
    assert.ok(Math.abs(gainOf(bids, won) - exhaustive(bids, items)) < 1e-12, `seed ${seed}`);
    assert.ok(won.reduce((n, w) => n + w.items, 0) <= items, `seed ${seed}`);
    for (const { bidder, items: own, kept } of won) {
      const others = bids.filter((_, i) => i !== bidder);
      const lost = exhaustive(others, items - own) - exhaustive(others, items);
      assert.ok(Math.abs(kept - Math.exp(lost)) < 1e-12, `seed ${seed}`);
    }
  }
});

test("with all of it wanted by one there is nothing to pay; with two alike half is kept", () => {
  assert.deepEqual(auction([[{ items: 4, gain: 3 }]], 4), [{ bidder: 0, items: 4, kept: 1 }]);
  const [only] = auction([[{ items: 4, gain: Math.log(2) }], [{ items: 4, gain: Math.log(2) }]], 4);
  assert.ok(Math.abs(only!.kept - 0.5) < 1e-12);
});

test("a bidder that overstates what it gets is worth no more for it", () => {
  // Value of n items is 1 + n; the truth is compared with claims that are too high by a power.
  const truth = (n: number): number => Math.log(1 + n);
  const bid = (power: number): Bid => [1, 2, 3, 4].map((items) => ({ items, gain: power * truth(items) }));
  const worth = (power: number): number => {
    const mine = auction([bid(power), bid(1), bid(1)], 4).find(({ bidder }) => bidder === 0);
    return mine === undefined ? 0 : Math.log(mine.kept) + truth(mine.items);
  };
  for (const power of [1.2, 1.5, 2, 3, 5]) assert.ok(worth(power) <= worth(1) + 1e-12, `${power}: ${worth(power)}`);
});
