/** What cells promise, on random traffic; and what is refused. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { UserError } from "../../core/errors.ts";
import { stream } from "../../core/random.ts";
import { evenCells } from "../placement/hived.ts";
import { Cells } from "./cells.ts";
import type { CellConfig } from "./config.ts";
import { readCellConfig } from "./file.ts";
import type { PhysicalCell } from "./physical.ts";

const nodes = Array.from({ length: 6 }, (_, i) => ({ id: `n${i}`, type: "gpu", gpus: 8 }));
const usable = (): boolean => true;

/** A rack of three nodes: its tenants own a node, half nodes and pairs. */
const rack: CellConfig = {
  ...evenCells(nodes, 1),
  virtual: new Map([
    ["a", { quotas: [{ path: ["gpu × 8"], cells: 2 }], pinned: [] }],
    [
      "b",
      {
        quotas: [
          { path: ["gpu × 8", "4 gpu"], cells: 4 },
          { path: ["gpu × 8", "4 gpu", "2 gpu"], cells: 8 },
        ],
        pinned: [],
      },
    ],
  ]),
};

for (const lazyPreemption of [false, true]) {
  for (let seed = 1; seed <= 20; seed++) {
    const repeat = `seed ${seed}: node --test --test-name-pattern="seed ${seed}," dist/cluster/cell/cells.test.js`;
    test(`what fits into a tenant's cells alone fits while others come and go (seed ${seed}, lazy ${lazyPreemption})`, () => {
      const shared = new Cells(rack, { lazyPreemption, usable });
      const alone = new Cells(rack, { lazyPreemption, usable });
      const random = stream(0xce11, seed);
      const mine: string[] = [];
      const others: string[] = [];
      for (let step = 0; step < 200; step++) {
        const gpus = 2 ** Math.floor(random() * 4);
        const tasks = random() < 0.2 ? [gpus, gpus] : [gpus];
        const job = `j${step}`;
        if (random() < 0.5) {
          const request = { job, tenant: "a", priority: 0, tasks };
          const [here, there] = [shared.place(request), alone.place(request)];
          assert.equal(here !== undefined, there !== undefined, `step ${step}, ${repeat}`);
          if (here !== undefined) {
            mine.push(job);
            for (const id of here.evict) others.splice(others.indexOf(id), 1);
          }
        } else {
          const priority = random() < 0.5 ? -1 : Math.floor(random() * 3);
          const grant = shared.place({ job, tenant: "b", priority, tasks });
          if (grant !== undefined) {
            for (const id of grant.evict) {
              assert.ok(!mine.includes(id), `${id} of another tenant was evicted, ${repeat}`);
              others.splice(others.indexOf(id), 1);
            }
            others.push(job);
          }
        }
        for (const list of [mine, others]) {
          if (random() > 0.45 || list.length === 0) continue;
          const [id] = list.splice(Math.floor(random() * list.length), 1);
          shared.release(id!);
          alone.release(id!);
        }
        checkOwners(shared.leaves, new Set([...mine, ...others]));
      }
      for (const id of [...mine, ...others]) shared.release(id);
      assert.ok(shared.place({ job: "all", tenant: "a", priority: 0, tasks: [8, 8] }), "all is free again");
    });
  }
}

function checkOwners(leaves: readonly PhysicalCell[], running: ReadonlySet<string>): void {
  for (const { user, node } of leaves)
    assert.ok(user === undefined || running.has(user.job), `${user?.job} on ${node}`);
}

test("with quotas of GPUs alone small jobs would split what another tenant was promised; with cells they cannot", () => {
  const cells = new Cells(evenCells(nodes.slice(0, 2), 2), { lazyPreemption: false, usable });
  for (let i = 0; i < 8; i++) assert.ok(cells.place({ job: `small${i}`, tenant: "0", priority: 0, tasks: [1] }));
  assert.equal(cells.place({ job: "small8", tenant: "0", priority: 0, tasks: [1] }), undefined);
  assert.ok(cells.place({ job: "whole", tenant: "1", priority: 0, tasks: [8] }));
});

test("a machine that fails is replaced by another only where that takes nothing that is promised", () => {
  const bad = new Set(["n0"]);
  const cells = new Cells(evenCells(nodes.slice(0, 3), 2), { lazyPreemption: false, usable: (node) => !bad.has(node) });
  const first = cells.place({ job: "a", tenant: "0", priority: 0, tasks: [8] });
  assert.equal(first?.leaves[0]?.node, "n1");
  const second = cells.place({ job: "b", tenant: "1", priority: 0, tasks: [8] });
  assert.equal(second?.leaves[0]?.node, "n2");
});

test("virtual clusters that own more than there is, and files that are none, are refused in words", () => {
  const crowded: CellConfig = {
    ...rack,
    virtual: new Map([["a", { quotas: [{ path: ["gpu × 8"], cells: 7 }], pinned: [] }]]),
  };
  const make = (): Cells => new Cells(crowded, { lazyPreemption: false, usable });
  assert.throws(make, (e: unknown) => e instanceof UserError && /do not fit .* for a/.test(e.message));
  for (const [text, what] of [
    ["a: [", /not YAML/],
    ["physicalCluster: 3", /physicalCluster/],
    ["physicalCluster: {cellTypes: {N: {childCellType: G, childCellNumber: 0}}, physicalCells: []}", /childCellNumber/],
  ] as const) {
    assert.throws(
      () => readCellConfig(text, "f.yaml"),
      (e: unknown) => e instanceof UserError && what.test(e.message),
    );
  }
});
