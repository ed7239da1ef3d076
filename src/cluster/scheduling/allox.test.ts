import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { Outlook } from "../job.ts";
import { schedulings } from "../scheduling.ts";

const outlook = (total: number, k80: number): Outlook => ({
  ...{ done: 0, total },
  rate: (_gpus, _nodes, type) => (type === "v100" ? 1 : k80),
});

test("short jobs go first, each where the sum of completion times is least", async () => {
  const allox = await schedulings.create("allox", { alpha: 1 });
  const nodes = [...nodeSpecs(1, 1, "v100"), ...nodeSpecs(1, 1, "k80")];
  const work = [
    [900, 0.5],
    [100, 0.1],
    [120, 1],
  ] as const;
  const jobs = work.map(([total, k80], i) => jobView(`${i}`, {}, { outlook: outlook(total, k80) }));
  const { start } = allox.decide(clusterView(jobs, nodes, { arrived: jobs, round: 360 }));
  assert.deepEqual(Object.fromEntries(start.map(({ job, type }) => [type, job])), { v100: "1", k80: "2" });
});

test("who is first in a queue stays there, and a newcomer that is shorter waits", async () => {
  const allox = await schedulings.create("allox", { reset: 0 });
  const nodes = nodeSpecs(1, 1);
  const long = jobView("long", {}, { outlook: outlook(900, 1) });
  assert.equal(allox.decide(clusterView([long], nodes, { arrived: [long], round: 360 })).start[0]?.job, "long");
  const running = { ...long, places: [{ node: 0, gpus: 1 }], ran: 360 };
  const short = jobView("short", { submit: 300 }, { outlook: outlook(10, 1) });
  const view = clusterView([running, short], nodes, { now: 360, arrived: [short], round: 360 });
  assert.deepEqual(allox.decide(view), { stop: [], start: [] });
});
