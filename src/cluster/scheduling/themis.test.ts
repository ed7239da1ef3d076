import assert from "node:assert/strict";
import { test } from "node:test";
import { measureCluster } from "../../sim/rig/cluster.ts";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import { schedulings } from "../scheduling.ts";

test("the worst finish-time fairness is far below that of attained service, and not by chance of a seed", async () => {
  for (const seed of [1, 2]) {
    const [themis, tiresias] = [
      await measureCluster("themis", "philly-like", {}, seed),
      await measureCluster("tiresias", "philly-like", {}, seed),
    ];
    assert.equal(themis.finished, themis.jobs);
    assert.ok(
      themis.fairnessWorst! < tiresias.fairnessWorst!,
      `seed ${seed}: ${themis.fairnessWorst}, ${tiresias.fairnessWorst}`,
    );
  }
});

test("f trades fairness for efficiency: offering to all is less fair than offering to the worst-off", async () => {
  const worst = async (f: number): Promise<number> =>
    (await measureCluster("themis", "philly-like", { f }, 1)).fairnessWorst!;
  const [few, all] = [await worst(0.8), await worst(0)];
  assert.ok(few < all, `${few}, ${all}`);
});

test("without the auction's order, leases to whoever came first, it is less fair", async () => {
  const [themis, fifo] = [
    await measureCluster("themis", "philly-like", {}, 3),
    await measureCluster("fifo", "philly-like", {}, 3),
  ];
  assert.ok(themis.fairnessWorst! < fifo.fairnessWorst!, `${themis.fairnessWorst}, ${fifo.fairnessWorst}`);
});

test("by a program, the largest share goes first, and launches had count against it", async () => {
  const job = (id: string, submit: number, left: number) =>
    jobView(id, { gpus: 4, submit }, { outlook: { done: 0, total: left, rate: () => 1 } });
  const first = async (program: number): Promise<string[]> => {
    const themis = await schedulings.create("themis", { program });
    const begun: string[] = [];
    let jobs = [job("old", 0, 300), job("new", 900, 300)];
    for (const now of [1000, 1360, 1720]) {
      const third = job(`late ${now}`, now, 1e6);
      jobs = [...jobs, third];
      const view = clusterView(jobs, nodeSpecs(1, 4), { now, arrived: now === 1000 ? jobs : [third] });
      begun.push(themis.decide(view).start[0]!.job);
    }
    return begun;
  };
  assert.deepEqual((await first(1)).slice(0, 2), ["old", "old"]);
  assert.equal(new Set(await first(2)).size, 3);
});

test("by a program, seconds had count against a share, as in Muri's simulator", async () => {
  const job = (id: string, gpus: number, ran: number) =>
    jobView(id, { gpus }, { ran, outlook: { done: ran, total: 1000, rate: () => 1 } });
  const first = async (program: number): Promise<string> => {
    const themis = await schedulings.create("themis", { program });
    const jobs = [job("had much", 4, 500), job("had little", 4, 50)];
    return themis.decide(clusterView(jobs, nodeSpecs(1, 4), { now: 1000, arrived: jobs })).start[0]!.job;
  };
  assert.equal(await first(3), "had little");
  assert.equal(await first(2), "had much");
});

test("a job that asks for no GPUs is started too", async () => {
  const themis = await schedulings.create("themis");
  const jobs = [jobView("none", { gpus: 0, duration: 10 }), jobView("some", { duration: 10 })];
  const { start } = themis.decide(clusterView(jobs, nodeSpecs(1, 4), { arrived: jobs }));
  assert.deepEqual(start.map(({ job }) => job).sort(), ["none", "some"]);
});
