import assert from "node:assert/strict";
import { test } from "node:test";
import type { ClusterEvent } from "../../cluster/launcher.ts";
import { jobSpec } from "../../test/cluster-view.ts";
import { VirtualClock } from "../../time/virtual-clock.ts";
import { TurnsLauncher } from "./turns-launcher.ts";

const phases = { storage: 1, cpu: 0, gpu: 1, network: 0 };
const job = (id: string) => jobSpec(id, { iterations: 1000, duration: 2000, phases });
const places = [{ node: 0, gpus: 1 }];

/** Iterations that `a` has done by 200 s, where `b`, which shares its GPUs, is stopped in the decision at 100 s. */
function doneBy200(relaunches: boolean): number {
  const clock = new VirtualClock();
  const options = { report: () => {}, startSeconds: () => 10, rate: () => 0.5, relaunches: () => relaunches };
  const launcher = new TurnsLauncher(clock, options);
  let before = 0;
  let done = 0;
  const [a, b] = [job("a"), job("b")];
  clock.at(0, () => {
    launcher.start({ job: a, attempt: 0, places, beside: [] });
    launcher.start({ job: b, attempt: 0, places, beside: ["a"] });
  });
  clock.at(100, () => {
    launcher.settle(100);
    before = launcher.outlook(a).done;
    launcher.stop("b", 0);
  });
  clock.at(200, () => {
    done = launcher.outlook(a).done;
    launcher.stop("a", 0);
  });
  clock.run();
  return done - before;
}

test("who stays when a mate is stopped is launched again without it", () => {
  assert.equal(doneBy200(true), 0.5 * (100 - 10));
  assert.equal(doneBy200(false), 0.5 * 100);
});

test("an end that is all but an arrival is at its time, and one that only comes after it is not", () => {
  const ends = (arrivals: readonly number[]): number => {
    const clock = new VirtualClock();
    let end = 0;
    const report = (event: ClusterEvent) => {
      if (event.kind === "finished") end = event.at;
    };
    const launcher = new TurnsLauncher(clock, { report, rate: () => 0.5, arrivals });
    clock.at(0, () => launcher.start({ job: job("a"), attempt: 0, places, beside: [] }));
    clock.run();
    return end;
  };
  assert.equal(ends([]), 2000);
  assert.equal(ends([0, 1999.99995, 3000]), 1999.99995);
  assert.equal(ends([0, 2000.00005]), 2000.00005);
  assert.equal(ends([1999.9998, 2000.0002]), 2000);
});

test("two that are done at the same time are both done, though the first leaves the other alone", () => {
  const clock = new VirtualClock();
  const ends: number[] = [];
  const report = (event: ClusterEvent) => {
    if (event.kind === "finished") ends.push(event.at);
  };
  const launcher = new TurnsLauncher(clock, { report, startSeconds: () => 10, rate: () => 0.5 });
  clock.at(0, () => {
    launcher.start({ job: job("a"), attempt: 0, places, beside: [] });
    launcher.start({ job: job("b"), attempt: 0, places, beside: ["a"] });
    launcher.settle(0);
  });
  clock.run();
  assert.equal(ends.length, 2);
  assert.equal(ends[0], ends[1]);
});

test("an end a billionth later is the same event where ends that are near are together", () => {
  const ends = (endsTogether: boolean): readonly number[] => {
    const clock = new VirtualClock();
    const found: number[] = [];
    const report = (event: ClusterEvent) => {
      if (event.kind !== "finished") return;
      found.push(event.at);
      // As at every event of the authors' simulator: who is not done now starts again.
      clock.at(event.at, () => launcher.settle(event.at));
    };
    const rate = ({ id }: { id: string }) => (id === "a" ? 0.5 : 0.5 * (1 - 5e-10));
    const launcher = new TurnsLauncher(clock, { report, rate, endsTogether, startSeconds: () => 10 });
    clock.at(0, () => {
      launcher.settle(0);
      for (const id of ["a", "b"]) launcher.start({ job: job(id), attempt: 0, places, beside: [] });
    });
    clock.run();
    return found;
  };
  assert.deepEqual(ends(true), [2000, 2000]);
  assert.ok(ends(false)[1]! > 2009.9, "what it did not do while it started is left");
});
