import assert from "node:assert/strict";
import { test } from "node:test";
import { draw } from "../core/random.ts";
import { clusterView, jobView, nodeSpecs } from "../test/cluster-view.ts";
import { Bins } from "./bins.ts";
import { listed } from "./job-order.ts";
import { firstThatFit, fitting, regroup } from "./regroup.ts";
import { regroupAlone } from "./regroup-alone.ts";

const on = (node: number, gpus: number) => ({ places: [{ node, gpus }] });

test("a gang takes one node, or whole ones and one for the rest", () => {
  const bins = new Bins(clusterView([], nodeSpecs(4, 4)).nodes);
  assert.deepEqual(bins.take(3), [{ node: 0, gpus: 3 }]);
  assert.deepEqual(bins.take(6), [
    { node: 1, gpus: 4 },
    { node: 2, gpus: 2 },
  ]);
  assert.deepEqual(bins.take(2), [{ node: 2, gpus: 2 }]);
  assert.equal(bins.take(8), undefined);
  bins.release([{ node: 0, gpus: 3 }]);
  assert.deepEqual(bins.take(8), [
    { node: 0, gpus: 4 },
    { node: 3, gpus: 4 },
  ]);
});

test("who stays with others goes on; the rest of the group joins them", () => {
  const a = jobView("a", {}, { ...on(0, 1), beside: ["b"] });
  const b = jobView("b", {}, { ...on(0, 1), beside: ["a"] });
  const [c, d] = [jobView("c"), jobView("d")];
  const view = clusterView([a, c, d], nodeSpecs(1, 2), { job: (id) => ({ a, b, c, d })[id]! });
  const decision = regroup({ ...view, running: [a, b] }, [[c, a], [d]]);
  assert.deepEqual(decision.stop, ["b"]);
  assert.deepEqual(decision.start, [
    { job: "c", beside: "a" },
    { job: "d", on: [{ node: 0, gpus: 1 }] },
  ]);
});

test("jobs move only where a gang finds no room beside those that stay", () => {
  const a = jobView("a", { gpus: 1 }, on(0, 1));
  const b = jobView("b", { gpus: 1 }, on(1, 1));
  const gang = jobView("gang", { gpus: 2 });
  const view = clusterView([a, b, gang], nodeSpecs(2, 2));
  assert.deepEqual(regroup(view, [[a], [b], [gang]]), {
    stop: ["a"],
    start: [
      { job: "gang", on: [{ node: 0, gpus: 2 }] },
      { job: "a", on: [{ node: 1, gpus: 1 }] },
    ],
  });
  assert.deepEqual(regroup(view, [[a], [b]]), { stop: [], start: [] });
});

test("groups fit by rank into an empty cluster", () => {
  const [a, b, c] = [jobView("a", { gpus: 3 }), jobView("b", { gpus: 2 }), jobView("c", { gpus: 1 })];
  const view = clusterView([a, b, c], nodeSpecs(1, 4));
  assert.deepEqual(fitting(view, [[a], [b], [c]]), [[a], [c]]);
});

test("jobs alone are regrouped as groups of one are", () => {
  for (let seed = 0; seed < 400; seed++) {
    const of = (what: number, i: number, below: number): number => Math.floor(draw(seed, what, i) * below);
    const free = [4, 4, 4, 4];
    const jobs = Array.from({ length: 14 }, (_, i) => {
      const [node, gpus] = [of(0, i, 4), 1 + of(1, i, 4)];
      const runs = gpus <= free[node]! && of(2, i, 3) > 0;
      if (runs) free[node]! -= gpus;
      return jobView(`job ${i}`, { gpus: of(3, i, 5) > 0 ? gpus : 5 }, runs ? { ...on(node, gpus) } : {});
    });
    const view = clusterView(jobs, nodeSpecs(4, 4));
    const chosen = firstThatFit(
      view,
      listed(() => jobs.toSorted((a, b) => a.gpus * 7 + a.places.length - b.gpus * 7 - b.places.length)),
    );
    for (const gently of [true, false]) {
      const groups = chosen.map((job) => [job]);
      assert.deepEqual(regroupAlone(view, chosen, gently), regroup(view, groups, { gently }), `seed ${seed}`);
    }
  }
});
