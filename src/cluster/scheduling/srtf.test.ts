import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { schedulings } from "../scheduling.ts";

const outlook = (done: number, total: number) => ({ done, total, rate: () => 1 });

test("a job that would end sooner takes the GPUs of the one that would end last", async () => {
  const srtf = await schedulings.create("srtf");
  const nodes = nodeSpecs(1, 4);
  const long = jobView("long", { gpus: 2, duration: 100 }, { outlook: outlook(0, 100) });
  const longer = jobView("longer", { gpus: 2, duration: 200 }, { outlook: outlook(0, 200) });
  const first = srtf.decide(clusterView([long, longer], nodes, { arrived: [long, longer] }));
  assert.deepEqual(first.start, [{ job: "long" }, { job: "longer" }]);
  const running = [long, longer].map(
    (job, i) => ({ ...job, places: [{ node: 0, gpus: 2 }], state: "running", i }) as const,
  );
  // 150 s on, `longer` has 50 s left: less than the 80 s of the newcomer; `long` has a restart behind it and 90 s left.
  Object.assign(long, running[0], { outlook: outlook(10, 100) });
  Object.assign(longer, running[1], { outlook: outlook(150, 200) });
  const short = jobView("short", { gpus: 2, duration: 80 });
  const second = srtf.decide(clusterView([long, longer, short], nodes, { now: 1, arrived: [short] }));
  assert.deepEqual(second, { stop: [], start: [] }, "the one expected to end last has less left than the newcomer");
  const shorter = jobView("shorter", { gpus: 4, duration: 20 });
  const third = srtf.decide(clusterView([long, longer, short, shorter], nodes, { now: 2, arrived: [shorter] }));
  assert.deepEqual([third.stop, third.start], [["longer", "long"], [{ job: "shorter" }]]);
});

test("a job that does not fit is passed over", async () => {
  const srtf = await schedulings.create("srtf");
  const jobs = [jobView("a", { gpus: 8, duration: 1 }), jobView("b", { gpus: 1, duration: 9 })];
  const { start } = srtf.decide(clusterView(jobs, nodeSpecs(1, 4), { arrived: jobs }));
  assert.deepEqual(start, [{ job: "b" }]);
});
