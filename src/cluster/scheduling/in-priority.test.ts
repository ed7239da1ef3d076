import assert from "node:assert/strict";
import { test } from "node:test";
import { streamCluster } from "../../sim/cluster/simulate.ts";
import type { LogLine } from "../log.ts";
import { policyOf } from "../policy.ts";

test("the highest priority goes first, and a job that has no place holds back nobody", async () => {
  const job = (id: string, gpus: number, priority: number) => ({
    ...{ id, submit: 0, gpus, duration: 10, tenant: "t", priority, weight: 1 },
  });
  const log: LogLine[] = [];
  streamCluster(
    {
      jobs: [job("low", 1, 0), job("wide", 3, 1), job("high", 2, 2)],
      nodes: [{ id: "n", type: "gpu", gpus: 4 }],
      policy: await policyOf("in-priority"),
    },
    (line) => void log.push(line),
  );
  const first = log.find((line) => line.kind === "decided" && line.start.length > 0);
  assert.ok(first?.kind === "decided");
  assert.deepEqual(
    first.start.map(({ job: id }) => id),
    ["high", "low"],
  );
  assert.deepEqual(first.unplaced, ["wide"]);
});
