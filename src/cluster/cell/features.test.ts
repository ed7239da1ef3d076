/** HiveD's feature files: each configuration and its jobs behave as the documentation beside them says. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { sharedData, skipWithout } from "../../test/shared-data.ts";
import { type CellNews, CellQueue, type HeldGpu } from "./cell-queue.ts";
import { Cells } from "./cells.ts";
import { readCellConfig } from "./file.ts";
import { readJobFile } from "./job-file.ts";

const files = "hived/example/feature/file";
const read = (name: string): string => readFileSync(`${sharedData(files)}/${name}.yaml`, "utf8");

class Demo {
  readonly #queue: CellQueue;

  constructor(config: string, lazyPreemption = false) {
    this.#queue = new CellQueue(readCellConfig(read(config), config), { lazyPreemption });
  }

  get bad(): Set<string> {
    return this.#queue.bad;
  }

  submit = (file: string): readonly CellNews[] => this.#queue.submit(readJobFile(read(file), file));

  schedule = (): readonly CellNews[] => this.#queue.schedule();

  restart = (config: string): readonly CellNews[] => this.#queue.restart(readCellConfig(read(config), config));

  /** Groups of the job that run. */
  running(job: string): number {
    return [...this.#queue.running.keys()].filter((id) => id.startsWith(`${job}/`)).length;
  }

  waiting(job: string): number {
    return this.#queue.waiting.filter(({ job: id }) => id.startsWith(`${job}/`)).length;
  }

  places(job: string): HeldGpu[] {
    return [...this.#queue.running].filter(([id]) => id.startsWith(job)).flatMap(([, { places }]) => places);
  }

  nodes(job: string): string[] {
    return [...new Set(this.places(job).map(({ node }) => node))].sort();
  }

  guaranteed(job: string): boolean {
    return [...this.#queue.running.keys()]
      .filter((id) => id.startsWith(`${job}/`))
      .every((id) => this.#queue.isGuaranteed(id));
  }
}

const m60 = "10.151.41.26";
const feature = (what: string, body: () => void): void => void test(what, skipWithout(files), body);

feature("VC safety: two jobs of one tenant stay within its one node", () => {
  const demo = new Demo("hived-config-1");
  for (const file of ["itc-safety-1", "itc-safety-2"]) demo.submit(file);
  assert.equal(demo.running("itc-safety-1") + demo.running("itc-safety-2"), 2);
  assert.equal(demo.nodes("itc-safety").length, 1);
  assert.notEqual(demo.nodes("itc-safety")[0], "10.151.41.25", "another tenant's pinned node");
});

feature("pinned cells: what asks for one is there, what does not is elsewhere", () => {
  const demo = new Demo("hived-config-8");
  demo.submit("itc-pin");
  assert.deepEqual(demo.nodes("itc-pin/vc1pinned"), ["10.151.41.25"]);
  assert.equal(demo.places("itc-pin/vc1nopinned").length, 4);
  assert.ok(!demo.nodes("itc-pin/vc1nopinned").includes("10.151.41.25"));
});

feature("a type that is named is the only one used; else any that the tenant owns", () => {
  const named = new Demo("hived-config-2");
  named.submit("itc-k80-type");
  assert.deepEqual([named.running("itc-k80-type"), named.waiting("itc-k80-type")], [4, 2]);
  const any = new Demo("hived-config-2");
  any.submit("itc-no-type");
  assert.equal(any.running("itc-no-type"), 6);
  assert.deepEqual(any.nodes("itc-no-type"), ["10.151.41.18", m60]);
});

feature("a gang starts whole or not at all, and one that waits holds back nobody", () => {
  const demo = new Demo("hived-config-2");
  demo.submit("itc-gang");
  assert.equal(demo.waiting("itc-gang"), 1);
  demo.submit("itc-gang4");
  assert.deepEqual([demo.running("itc-gang4"), demo.waiting("itc-gang")], [1, 1]);
});

feature("a distributed job of several roles is one gang", () => {
  const demo = new Demo("hived-config-2");
  demo.submit("itc-dtf");
  assert.deepEqual([demo.running("hived-distributed-tf"), demo.places("hived-distributed-tf").length], [1, 5]);
});

feature("tasks that are no gang run as far as the tenant's node goes; opportunistic ones go further", () => {
  const demo = new Demo("hived-config-1");
  demo.submit("itc-elastic");
  assert.deepEqual([demo.running("itc-elactic"), demo.waiting("itc-elactic")], [4, 2]);
  assert.equal(demo.nodes("itc-elactic").length, 1);
  const free = new Demo("hived-config-1");
  free.submit("itc-oppo");
  assert.equal(free.running("itc-oppo"), 6);
  assert.ok(free.nodes("itc-oppo").length > 1);
});

feature("within a tenant, priority preempts at once", () => {
  const demo = new Demo("hived-config-3");
  demo.submit("itc-intra-imd-preempt-test");
  demo.submit("itc-intra-imd-preempt-prod");
  assert.equal(demo.running("itc-intra-imd-preempt-prod"), 1);
  assert.equal(demo.waiting("itc-intra-imd-preempt-test"), 1);
});

feature("lazily, the one with less becomes opportunistic, and leaves when its GPUs are needed", () => {
  const demo = new Demo("hived-config-3", true);
  demo.submit("itc-intra-lazy-preempt-test");
  demo.submit("itc-intra-lazy-preempt-prod");
  assert.deepEqual([demo.running("itc-intra-lazy-preempt-test"), demo.running("itc-intra-lazy-preempt-prod")], [1, 1]);
  assert.ok(!demo.guaranteed("itc-intra-lazy-preempt-test") && demo.guaranteed("itc-intra-lazy-preempt-prod"));
  demo.submit("itc-intra-lazy-preempt-prod2");
  assert.equal(demo.running("itc-intra-lazy-preempt-prod2"), 1);
  assert.equal(demo.waiting("itc-intra-lazy-preempt-test"), 1);
});

feature("a tenant's guaranteed job preempts another's opportunistic one", () => {
  const demo = new Demo("hived-config-3");
  demo.submit("itc-inter-preempt-oppo");
  assert.equal(demo.running("itc-inter-preempt-oppo"), 1);
  demo.submit("itc-inter-preempt-prod");
  assert.equal(demo.running("itc-inter-preempt-prod"), 1);
  assert.equal(demo.waiting("itc-inter-preempt-oppo"), 1);
});

feature("two tasks of a gang get two buddies", () => {
  const demo = new Demo("hived-config-2");
  demo.submit("itc-buddy");
  const [a, b] = demo.places("itc-buddy").sort((x, y) => x.device - y.device);
  assert.ok(a!.node === b!.node && a!.device % 2 === 0 && b!.device === a!.device + 1);
});

feature("cells are removed: the job on them runs on, and is counted no more", () => {
  const demo = new Demo("hived-config-2");
  demo.submit("itc-reconfig-1");
  assert.deepEqual(demo.nodes("itc-reconfig-1"), [m60]);
  demo.restart("hived-config-33");
  assert.equal(demo.running("itc-reconfig-1"), 1);
});

feature("cells are added: the jobs on the others are counted as before", () => {
  const demo = new Demo("hived-config-33");
  demo.submit("itc-k80-type");
  demo.restart("hived-config-2");
  assert.deepEqual([demo.running("itc-k80-type"), demo.waiting("itc-k80-type")], [4, 2]);
  assert.ok(demo.guaranteed("itc-k80-type"));
  demo.schedule();
  assert.equal(demo.waiting("itc-k80-type"), 2, "its node is still counted");
});

feature("a node is added: a job that wants them all waits for the one that runs", () => {
  const demo = new Demo("hived-config-2");
  demo.submit("itc-reconfig-1");
  demo.restart("hived-config-4");
  assert.ok(demo.guaranteed("itc-reconfig-1"));
  demo.submit("itc-reconfig-2");
  assert.deepEqual([demo.running("itc-reconfig-1"), demo.waiting("itc-reconfig-2")], [1, 1]);
});

feature("a node is removed: the job runs on", () => {
  const demo = new Demo("hived-config-2");
  demo.submit("itc-reconfig-3");
  assert.equal(demo.nodes("itc-reconfig-3").length, 2);
  demo.restart("hived-config-7");
  assert.equal(demo.running("itc-reconfig-3"), 1);
});

for (const [what, config, file] of [
  ["a virtual cluster is deleted", "hived-config-5", "itc-reconfig-4"],
  ["a virtual cluster loses a cell", "hived-config-6", "itc-reconfig-5"],
] as const) {
  feature(`${what}: its job goes on as an opportunistic one, and gives way`, () => {
    const demo = new Demo("hived-config-2");
    demo.submit("itc-reconfig-3");
    demo.restart(config);
    assert.equal(demo.running("itc-reconfig-3"), 1);
    assert.ok(!demo.guaranteed("itc-reconfig-3"));
    demo.submit(file);
    assert.equal(demo.running(file), 1);
    assert.equal(demo.waiting("itc-reconfig-3"), 1);
  });
}

feature("bad hardware is avoided until it is well", () => {
  const demo = new Demo("hived-config-2");
  demo.bad.add(m60);
  demo.submit("itc-badnode50");
  assert.equal(demo.waiting("itc-badnode50"), 1);
  demo.bad.clear();
  demo.schedule();
  assert.deepEqual(demo.nodes("itc-badnode50"), [m60]);
});

feature("every configuration there is read, and its quotas fit", () => {
  for (const n of [1, 2, 3, 33, 4, 5, 6, 7, 8]) assert.doesNotThrow(() => new Demo(`hived-config-${n}`));
  const config = readFileSync(`${sharedData("hived/example/config")}/design/hivedscheduler.yaml`, "utf8");
  const cells = new Cells(readCellConfig(config, "design"), { lazyPreemption: false, usable: () => true });
  assert.ok(cells.leaves.length > 200);
});
