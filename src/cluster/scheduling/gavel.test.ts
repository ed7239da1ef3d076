import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../core/errors.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import { clusterView, jobSpec, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { Outlook } from "../job.ts";
import { type ClusterPolicy, policyOf } from "../policy.ts";
import { schedulings } from "../scheduling.ts";

const nodes = [...nodeSpecs(1, 1, "v100"), ...nodeSpecs(1, 1, "k80")];

/** Work that runs `k80` times as fast on a k80 as on a v100. */
const outlook = (k80: number, total = 1000): Outlook => ({
  ...{ done: 0, total },
  rate: (_gpus, _nodes, type) => (type === "v100" ? 1 : k80),
});

const first = async (
  options: Readonly<Record<string, number>>,
  k80: readonly number[],
  total: readonly number[] = [],
) => {
  const gavel = await schedulings.create("gavel", options);
  const jobs = k80.map((speed, i) => jobView(`${i}`, {}, { outlook: outlook(speed, total[i]) }));
  const { start } = gavel.decide(clusterView(jobs, nodes, { arrived: jobs, round: 360 }));
  return Object.fromEntries(start.map(({ job, type }) => [type, job]));
};

test("each job runs on the type that it loses most without", async () => {
  assert.deepEqual(await first({}, [0.9, 0.1]), { v100: "1", k80: "0" });
  assert.deepEqual(await first({}, [0.1, 0.9]), { v100: "0", k80: "1" });
  const blind = await first({ agnostic: 1 }, [0.9, 0.1]);
  assert.deepEqual(await first({ agnostic: 1 }, [0.1, 0.9]), blind, "where types are not known, speeds change nothing");
});

test("objectives differ: total throughput starves the slow job, the shortest makespan serves the long one", async () => {
  assert.deepEqual(await first({ objective: 3 }, [0.6, 0.5, 0.1]), { v100: "2", k80: "0" });
  assert.equal((await first({ objective: 2 }, [0.5, 0.5], [100, 9000])).v100, "1");
  await assert.rejects(async () => schedulings.create("gavel", { objective: 99 }), UserError);
});

/** Seconds that each job ran on each type, over so many rounds in which nobody ends. */
async function received(
  options: Readonly<Record<string, number>>,
  jobs: readonly (readonly [k80: number, tenant: string])[],
) {
  const policy: ClusterPolicy = await policyOf("gavel", { gavel: options });
  const specs = jobs.map(([, tenant], i) => jobSpec(`${i}`, { tenant, duration: 1e6 }));
  const seconds = specs.map(() => ({ v100: 0, k80: 0 }));
  simulateCluster({
    jobs: specs,
    nodes,
    policy,
    roundSeconds: 100,
    launcher: (clock, report) => {
      const since = new Map<string, readonly [number, "v100" | "k80"]>();
      const stop = (id: string, attempt: number): void => {
        const [from, type] = since.get(id)!;
        seconds[Number(id)]![type] += clock.now() - from;
        report({ kind: "stopped", at: clock.now(), job: id, attempt });
      };
      clock.at(20_050, () => {
        for (const { id } of specs) report({ kind: "cancelled", at: clock.now(), job: id });
      });
      return {
        start: ({ job, places }) => void since.set(job.id, [clock.now(), places[0]!.node === 0 ? "v100" : "k80"]),
        stop,
        outlook: ({ id }) => outlook(jobs[Number(id)]![0], 1e6),
      };
    },
  });
  return seconds.map((of) => (of.v100 + of.k80) / 20_050);
}

test("rounds make the shares true: three equal jobs on two GPUs get two thirds of the time each", async () => {
  for (const part of await received(
    {},
    [1, 1, 1].map((k80) => [k80, "a"]),
  ))
    assert.ok(Math.abs(part - 2 / 3) < 0.02, `${part}`);
});

test("tenants have equal shares, however many jobs they have; water filling by job does not know tenants", async () => {
  const jobs = [1, 1, 1, 1].map((k80, i) => [k80, i === 0 ? "a" : "b"] as const);
  const [alone, ...others] = await received({ objective: 8 }, jobs);
  assert.ok(alone! > 0.95, `${alone}`);
  for (const part of others) assert.ok(Math.abs(part - 1 / 3) < 0.03, `${part}`);
  for (const part of await received({ objective: 7 }, jobs)) assert.ok(Math.abs(part - 0.5) < 0.03, `${part}`);
  const [, second, third] = await received({ objective: 9 }, jobs);
  assert.ok(second! > 0.95 && third! < 0.05, "the first of the tenant's jobs goes before the others");
});

test("with pairs, two jobs that hardly slow each other share a GPU", async () => {
  const gavel = await schedulings.create("gavel", { pairs: 1 });
  const rates: Outlook = { done: 0, total: 1, rate: () => 1, rateBeside: () => 0.9 };
  const jobs = ["a", "b"].map((id) => jobView(id, {}, { outlook: rates }));
  const { start } = gavel.decide(clusterView(jobs, nodeSpecs(1, 1), { arrived: jobs, round: 360 }));
  assert.deepEqual(start, [
    { job: "a", type: "v100" },
    { job: "b", type: "v100", beside: "a" },
  ]);
});

test("where shares may change every round, they do, whatever sums of seconds are rounded to", async () => {
  assert.ok(240.7 - 120.7 < 120, "as doubles");
  const policy = await policyOf("gavel", { gavel: { round: 120, reset: 120 } });
  const jobs = [0.7, 50, 130].map((submit, i) => jobSpec(`${i}`, { submit, duration: 1000 }));
  const log = simulateCluster({ jobs, nodes: nodeSpecs(1, 3, "v100"), policy });
  const starts = log.flatMap((line) => (line.kind === "decided" ? line.start.map(({ job }) => [job, line.at]) : []));
  assert.deepEqual(starts, [
    ["0", 0.7],
    ["1", 120.7],
    ["2", 240.7],
  ]);
});
