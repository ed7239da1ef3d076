/** A configuration of HiveD's as the nodes of a cluster, and its virtual clusters as what jobs get. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { UserError } from "../../core/errors.ts";
import { simulateCluster } from "../../sim/cluster/simulate.ts";
import { jobSpec } from "../../test/cluster-view.ts";
import type { NodeSpec } from "../node.ts";
import { policyOf } from "../policy.ts";
import { readNodes } from "../trace/nodes.ts";

const config = (
  virtual: string,
  node = "NODE: {childCellType: K80, childCellNumber: 4, isNodeLevel: true}",
): string => `
physicalCluster:
  cellTypes:
    ${node}
    2-NODE: {childCellType: NODE, childCellNumber: 2}
  physicalCells:
  - cellType: 2-NODE
    cellChildren: [{cellAddress: left}, {cellAddress: right, pinnedCellId: PIN}]
virtualClusters: {${virtual}}
`;
const owners = "A: {virtualCells: [{cellType: 2-NODE.NODE, cellNumber: 1}]}, B: {pinnedCells: [{pinnedCellId: PIN}]}";

function nodesOf(context: TestContext, text: string): NodeSpec[] {
  const place = mkdtempSync(join(tmpdir(), "heddle-cells-"));
  context.after(() => rmSync(place, { recursive: true, force: true }));
  writeFileSync(join(place, "hived.yaml"), text);
  return readNodes(join(place, "hived.yaml"));
}

test("machines become nodes, and cells above them their topology", (context) => {
  const nodes = nodesOf(context, config(owners));
  assert.deepEqual(
    nodes.map(({ cells: _, ...node }) => node),
    ["left", "right"].map((id) => ({ id, type: "K80", gpus: 4, topology: ["2-NODE@0"] })),
  );
  assert.deepEqual(Object.keys(nodes[0]!.cells!.virtualClusters), ["A", "B"]);
});

const mixed = `
physicalCluster:
  cellTypes:
    OLD: {childCellType: K80, childCellNumber: 2, isNodeLevel: true}
    NEW: {childCellType: V100, childCellNumber: 4, isNodeLevel: true}
    2-NEW: {childCellType: NEW, childCellNumber: 2}
  physicalCells:
  - {cellType: OLD, cellAddress: both, cellChildren: [{cellAddress: 8}, {cellAddress: 9}]}
  - cellType: 2-NEW
    cellChildren: [{cellAddress: both}, {cellAddress: other}]
virtualClusters:
  A: {virtualCells: [{cellType: OLD, cellNumber: 1}, {cellType: 2-NEW.NEW, cellNumber: 1}]}
`;

test("a machine with GPUs of two types is a node of each, and jobs get the type that they ask for", async (context) => {
  const nodes = nodesOf(context, mixed);
  assert.deepEqual(
    nodes.map(({ id, type, gpus, machine }) => [id, type, gpus, machine]),
    [
      ["both/K80", "K80", 2, "both"],
      ["both/V100", "V100", 4, "both"],
      ["other", "V100", 4, undefined],
    ],
  );
  const jobs = [
    jobSpec("old", { tenant: "A", gpus: 2, types: ["K80"], duration: 10 }),
    jobSpec("new", { tenant: "A", gpus: 4, types: ["V100"], duration: 10 }),
  ];
  const log = simulateCluster({ jobs, nodes, policy: await policyOf("fifo+hived") });
  const starts = log.flatMap((line) => (line.kind === "decided" ? line.start : []));
  assert.deepEqual(
    starts.map(({ job, on }) => [job, on]),
    [
      ["old", [{ node: 0, gpus: 2, devices: [8, 9] }]],
      ["new", [{ node: 1, gpus: 4, devices: [0, 1, 2, 3] }]],
    ],
  );
});

test("a job gets its own virtual cluster's cells by name, and leaves others' idle ones when they come", async (context) => {
  const nodes = nodesOf(context, config(owners));
  const jobs = [
    jobSpec("mine", { tenant: "A", gpus: 4, duration: 100 }),
    jobSpec("more", { tenant: "A", gpus: 4, duration: 100 }),
    jobSpec("guest", { tenant: "nobody", gpus: 2, duration: 100 }),
    jobSpec("pinned", { tenant: "B", cell: "PIN", gpus: 4, submit: 10, duration: 10 }),
  ];
  for (const policy of ["in-priority+hived", "fifo+hived"]) {
    const log = simulateCluster({ jobs, nodes, policy: await policyOf(policy) });
    const begun = log.flatMap((line) =>
      line.kind === "decided"
        ? line.start.map(({ job, on }) => `${job} on ${nodes[on[0]!.node]!.id} at ${line.at}`)
        : [],
    );
    assert.ok(begun.includes("mine on left at 0"), policy);
    if (policy.startsWith("fifo")) continue;
    assert.deepEqual(begun.slice(1, 3), ["guest on right at 0", "pinned on right at 10"]);
    const evicted = log.find((line) => line.kind === "decided" && line.at === 10);
    assert.deepEqual(evicted?.kind === "decided" && evicted.stop, ["guest"]);
    assert.ok(begun.includes("more on left at 100"));
  }
});

test("what is wrong with such a file is said", (context) => {
  const leaf = "NODE: {childCellType: K80, childCellNumber: 4}";
  const loop = "NODE: {childCellType: 2-NODE, childCellNumber: 1, isNodeLevel: true}";
  for (const [text, what] of [
    [
      config("A: {virtualCells: [{cellType: 2-NODE.NODE, cellNumber: 3}]}"),
      /do not fit into the physical ones.* for A/,
    ],
    [config("A: {virtualCells: [{cellType: 2-NODE.OTHER, cellNumber: 1}]}"), /A owns cells of the type 2-NODE.OTHER/],
    [config("A: {pinnedCells: [{pinnedCellId: NIX}]}"), /pinned cell NIX, which there is not/],
    [config("A: {virtualCells: [{cellType: 2-NODE, cellNumber: -1}]}"), /hived.yaml: virtualClusters.A.virtualCells.0/],
    [config(owners, leaf), /type K80, of a 2-NODE, is in no node.\n.*isNodeLevel/],
    [config(owners, loop), /NODE is among the cells below itself/],
    [
      config(owners).replace(
        "cellAddress: left",
        "cellAddress: left, cellChildren: [0, 0, 1, 2]".replace(/\d/g, "{cellAddress: $&}"),
      ),
      /two GPUs of left have the same address/,
    ],
  ] as const) {
    assert.throws(
      () => nodesOf(context, text),
      (e: unknown) => e instanceof UserError && what.test(e.message),
      String(what),
    );
  }
});
