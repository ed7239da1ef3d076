import assert from "node:assert/strict";
import { test } from "node:test";
import { efficiency, Periods, periodSeconds } from "./interleave.ts";
import type { Phases } from "./job.ts";

const phases = (storage: number, cpu: number, gpu: number, network: number): Phases => ({ storage, cpu, gpu, network });

test("four jobs that each fill another resource fit into one another's gaps", () => {
  // Each slot lasts as long as its longest phase; in the best order the long ones meet.
  const group = [phases(4, 1, 1, 1), phases(1, 4, 1, 1), phases(1, 1, 4, 1), phases(1, 1, 1, 4)];
  assert.equal(periodSeconds(group), 7);
  assert.equal(efficiency(group, 7), 1);
});

test("two jobs of one resource take as long as one after the other on it", () => {
  const busy = phases(1, 1, 6, 1);
  assert.equal(periodSeconds([busy, busy]), 14);
});

test("the order decides: the worst would take half as long again", () => {
  // In slots, A's storage stands beside nothing, its CPU beside B's storage, and so on.
  const a = phases(1, 2, 3, 4);
  const b = phases(4, 3, 2, 1);
  const one = Math.max(1, 1) + Math.max(2, 4) + Math.max(3, 3) + Math.max(4, 2);
  const two = Math.max(4, 4) + Math.max(3, 1) + Math.max(2, 2) + Math.max(1, 3);
  const opposite = Math.max(1 + 2, 2 + 1) + Math.max(4 + 3, 3 + 4);
  assert.equal(periodSeconds([a, b]), Math.min(one, two, opposite));
});

test("where loading is one stage, it has two slots for it", () => {
  // One loads for 10 while the other computes and exchanges for 10, and the other way round.
  const group = [phases(10, 0, 6, 4), phases(10, 0, 7, 3)];
  assert.equal(periodSeconds(group), 20);
  // Loading that is shorter than the rest hides wholly: computing and exchanging go on side by side.
  assert.equal(periodSeconds([phases(2, 0, 6, 4), phases(2, 0, 4, 6)]), 12);
});

test("periods are remembered by phases, whatever the order of the jobs", () => {
  const periods = new Periods();
  const [a, b] = [phases(1, 2, 3, 4), phases(4, 3, 2, 1)];
  assert.equal(periods.of([a, b]), periods.of([{ ...b }, { ...a }]));
  assert.equal(periods.kind(a), periods.kind({ ...a }));
  assert.notEqual(periods.kind(a), periods.kind(b));
});
