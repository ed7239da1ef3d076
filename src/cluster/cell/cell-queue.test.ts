/** Why jobs run and wait, step by step, as `heddle cluster cells` tells it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../core/errors.ts";
import { type CellNews, CellQueue } from "./cell-queue.ts";
import { readCellConfig } from "./file.ts";
import { readJobFile } from "./job-file.ts";

const config = (cells: number) =>
  readCellConfig(
    `
physicalCluster:
  cellTypes: {NODE: {childCellType: V100, childCellNumber: 2, isNodeLevel: true}}
  physicalCells: [{cellType: NODE, cellAddress: a}, {cellType: NODE, cellAddress: b}]
virtualClusters: {A: {virtualCells: [{cellType: NODE, cellNumber: ${cells}}]}}
`,
    "config",
  );

const job = (name: string, gpus: number, priority: string, tenant = "A") =>
  readJobFile(
    `
name: ${name}
taskRoles: {train: {instances: 1, resourcePerInstance: {gpu: ${gpus}}}}
defaults: {virtualCluster: ${tenant}}
extras: {hivedScheduler: {jobPriorityClass: ${priority}}}
`,
    name,
  );

const inShort = (news: readonly CellNews[]): string[] =>
  news.map((one) =>
    [one.kind, one.job, one.kind === "waits" ? one.why : one.kind === "evicted" ? one.by : ""].join(" ").trim(),
  );

test("each step tells who runs by what right, who leaves for whom, and why others wait", () => {
  const queue = new CellQueue(config(1));
  assert.deepEqual(queue.submit(job("first", 2, "test")), [
    { kind: "runs", job: "first/all", guaranteed: true, on: [0, 1].map((device) => ({ node: "a", device })) },
  ]);
  assert.deepEqual(inShort(queue.submit(job("second", 1, "test"))), [
    "waits second/all the cells of A are taken by first/all",
  ]);
  assert.deepEqual(inShort(queue.submit(job("guest", 2, "oppo")).slice(-1)), ["runs guest/all"]);
  assert.equal(queue.isGuaranteed("guest/all"), false);
  assert.deepEqual(inShort(queue.submit(job("urgent", 2, "prod")).slice(-2)), [
    "evicted first/all urgent/all",
    "runs urgent/all",
  ]);
  assert.deepEqual(inShort(queue.restart(config(0)).slice(0, 1)), ["demoted urgent/all"]);
});

test("what cannot be placed on empty cells is told apart from what waits for others, or for hardware", () => {
  const queue = new CellQueue(config(1));
  const why = (requests: ReturnType<typeof job>): string => inShort(queue.submit(requests).slice(-1))[0]!;
  queue.bad.add("a");
  queue.bad.add("b");
  assert.match(why(job("small", 1, "test")), /the cells of A are on nodes that are bad: a, b/);
  assert.match(why(job("large", 3, "test")), /it asks for more than the cells of A hold/);
  assert.match(why(job("guest", 1, "oppo")), /all GPUs are on nodes that are bad/);
  assert.match(why(job("other", 1, "test", "B")), /B owns no cells/);
});

test("what is wrong with a job file is said with its place", () => {
  for (const [text, what] of [
    ["name: [", /it is not YAML|is not YAML/],
    ["name: x", /job.yaml: taskRoles:/],
    ["name: x\ntaskRoles: {a: {instances: 0, resourcePerInstance: {gpu: 1}}}", /job.yaml: taskRoles.a.instances:/],
  ] as const) {
    assert.throws(
      () => readJobFile(text, "job.yaml"),
      (error: unknown) => error instanceof UserError && what.test(error.message),
    );
  }
});
