import assert from "node:assert/strict";
import { test } from "node:test";
import { namePolicy } from "../../cluster/policy.ts";
import { loadTrace } from "../../cluster/trace/load.ts";
import { readNodes } from "../../cluster/trace/nodes.ts";
import { loadCombination } from "../../system/combination.ts";
import { sharedData, skipWithout } from "../../test/shared-data.ts";
import { findTables, modelFor, modelOfFormat, models } from "./model.ts";
import type { Replayed } from "./replay-task.ts";
import { replaySideBySide } from "./side-by-side.ts";
import { clusterWorkload } from "./workload.ts";

const quiet = { progress: () => {}, done: () => {} };

test("policies run side by side, and answer in the order in which they were asked", async () => {
  const { jobs, nodes } = clusterWorkload("philly-like");
  const names = ["fifo", "srtf", "las"];
  const seen = new Map<number, number>();
  const done: string[] = [];
  const tasks = await Promise.all(
    names.map(async (name) => ({ ...{ jobs, nodes, model: "steady" }, policy: await namePolicy(name) })),
  );
  const results = await replaySideBySide(tasks, 2, {
    progress: (task, ended) => seen.set(task, ended),
    done: (_, { policy }: Replayed) => done.push(policy),
  });
  assert.deepEqual([results.map(({ policy }) => policy), done.sort()], [names, names.toSorted()]);
  assert.deepEqual([...seen.values()], [jobs.length, jobs.length, jobs.length]);
  const alone = await replaySideBySide([tasks[1]!], 1, quiet);
  assert.deepEqual(alone[0]!.metrics, results[1]!.metrics);
});

test("the user's mistake on a thread is the user's mistake here", async () => {
  const { jobs, nodes } = clusterWorkload("philly-like");
  const unknown = jobs.map(({ duration: _, ...job }) => job);
  const task = { ...{ jobs: unknown, nodes, model: "steady" }, policy: await namePolicy("fifo") };
  await assert.rejects(replaySideBySide([task], 1, quiet), { name: "UserError", message: /does not say how long/ });
});

test("a model is found by the format of a trace, and its tables beside it", () => {
  assert.equal(modelOfFormat("pollux"), "pollux");
  assert.equal(modelOfFormat("slurm"), "steady");
  for (const { nodes } of Object.values(models)) if (nodes !== undefined) assert.ok(readNodes(nodes).length > 0);
  assert.throws(() => modelFor("magic"), { name: "UserError", message: /no model "magic"/ });
  assert.throws(() => findTables("pollux", "/none/workloads/w.csv", undefined), /nothing at .*traces.*Give --tables/s);
  assert.throws(() => findTables("steady", "/none/w.csv", "/tables"), /reads no tables/);
});

test("Pollux's workload 6 as it is read, to the published digit", skipWithout("pollux/traces"), async () => {
  const path = sharedData("pollux/workloads/workload-6.csv")!;
  const { jobs, format } = await loadTrace(path);
  const model = modelOfFormat(format);
  const nodes = readNodes(modelFor(model).nodes!);
  const tables = findTables(model, path, undefined)!;
  const policy = await namePolicy("tiresias", {}, loadCombination);
  const [result] = await replaySideBySide([{ jobs, nodes, model, tables, policy }], 1, quiet);
  assert.equal(result!.metrics.averageJct, 3469.69375);
});

test(
  "Shockwave's trace as it is read: Gavel's makespan within 1 % of the published",
  skipWithout("shockwave"),
  async () => {
    const path = sharedData("shockwave/traces/120_0.2_5_100_40_25.trace")!;
    const { jobs, format } = await loadTrace(path);
    const model = modelOfFormat(format);
    const tables = findTables(model, path, undefined)!;
    const policy = await namePolicy("gavel", { gavel: { objective: 0, agnostic: 1 } });
    const task = { jobs, nodes: readNodes(modelFor(model).nodes!), model, tables, policy };
    const [result] = await replaySideBySide([task], 1, quiet);
    assert.equal(model, "shockwave");
    assert.ok(Math.abs(result!.metrics.makespan / 33_208 - 1) < 0.01, String(result!.metrics.makespan));
  },
);
