import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { ShareLines, type Standing } from "./share-lines.ts";

interface Unit extends Standing {
  readonly share: number;
  readonly received: number[];
}

/** Everybody sorted by how far behind they are: what the lines are to answer without sorting everybody. */
function bySorting(units: readonly Unit[], workerTime: number, free: number): number[] {
  const priority = ({ share, received: [time] }: Unit): number => share / (time! / workerTime);
  const sorted = units
    .filter((unit) => !unit.gone)
    .sort(
      (a, b) => priority(b) - priority(a) || b.deficits[0]! - a.deficits[0]! || b.share - a.share || a.order - b.order,
    );
  let left = free;
  const fits = ({ gpus }: Unit): boolean => {
    if (gpus > left) return false;
    left -= gpus;
    return true;
  };
  return sorted.filter(fits).map(({ order }) => order);
}

test("round after round, the units that sorting all of them would choose, in that order", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = stream(11, seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!;
    const units = Array.from({ length: 60 }, (_, order): Unit => {
      const deficits = [pick([-100, 0, 0, 250])];
      return {
        gpus: pick([1, 1, 2, 4]),
        order,
        received: [180],
        deficits,
        gone: false,
        stands: [],
        share: pick([0, 0.2, 0.5, 1]),
      };
    });
    const lines = new ShareLines<Unit>(0);
    for (const unit of units) lines.add(unit, unit.share);
    lines.sort();
    let workerTime = 180 * units.length;
    for (let round = 0; round < 12; round++) {
      const chosen: Unit[] = [];
      let free = 20;
      lines.walk(workerTime, (unit) => {
        if (unit.gpus > free) return false;
        free -= unit.gpus;
        chosen.push(unit);
        return true;
      });
      const expected = bySorting(units, workerTime, 20);
      assert.deepEqual(
        chosen.map(({ order }) => order),
        expected,
        `seed ${seed}, round ${round}`,
      );
      for (const unit of chosen) {
        const seconds = pick([360, 360, 120]);
        unit.received[0]! += seconds;
        workerTime += seconds;
        lines.moved(unit);
      }
      if (round % 3 === 0) pick(units).gone = true;
    }
  }
});

test("a round looks at those who can run, not at the thousands behind them", () => {
  const lines = new ShareLines<Standing>(0);
  let looked = 0;
  for (let order = 0; order < 10_000; order++) {
    lines.add({ gpus: order % 2 === 0 ? 1 : 2, order, received: [180], deficits: [0], gone: false, stands: [] }, 0.5);
  }
  lines.sort();
  let free = 9;
  lines.walk(1, ({ gpus }) => {
    looked++;
    if (gpus > free) return false;
    free -= gpus;
    return true;
  });
  assert.equal(free, 0);
  assert.ok(looked < 20, `${looked}`);
});
