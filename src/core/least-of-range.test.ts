import assert from "node:assert/strict";
import { test } from "node:test";
import { LeastOfRange } from "./least-of-range.ts";
import { stream } from "./random.ts";

test("the first least of a range, and the next place that has a number, are what a look at all finds", () => {
  const random = stream(0x1ea5);
  for (const places of [1, 2, 7, 64, 100]) {
    const tree = new LeastOfRange(places);
    const plain: number[] = new Array<number>(places).fill(Number.POSITIVE_INFINITY);
    for (let step = 0; step < 400; step++) {
      const place = Math.floor(random() * places);
      const value = random() < 0.5 ? Number.POSITIVE_INFINITY : Math.floor(random() * 5);
      tree.set(place, value);
      plain[place] = value;
      const [from, to] = [Math.floor(random() * places), Math.floor(random() * (places + 2))];
      let best: number | undefined;
      for (let i = from; i < Math.min(to, places); i++) {
        if (plain[i] === Number.POSITIVE_INFINITY) continue;
        if (best === undefined || plain[i]! < plain[best]!) best = i;
      }
      assert.equal(tree.least(from, to), best, `${plain} from ${from} to ${to}`);
      const next = plain.findIndex((number, i) => i >= from && number < Number.POSITIVE_INFINITY);
      assert.equal(tree.next(from), next === -1 ? undefined : next, `${plain} from ${from}`);
    }
  }
});
