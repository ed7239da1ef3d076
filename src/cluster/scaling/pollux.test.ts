import assert from "node:assert/strict";
import { test } from "node:test";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { JobView } from "../job.ts";
import type { Share } from "../node.ts";
import { scalings } from "../scaling.ts";

/** Goodput of `gpus ** power`, less across nodes. */
const job = (id: string, power: number, view: Partial<JobView> = {}): JobView => {
  const goodput = (gpus: number, nodes: number): number => gpus ** power * (nodes > 1 ? 0.5 : 1);
  const outlook = { done: 0, total: 1, gpusMax: 8, rate: goodput, goodput };
  return jobView(id, { gpus: 4, submit: -1000 }, { outlook, ...view });
};

async function sizes(jobs: readonly JobView[], nodes = 2, now = 0) {
  const pollux = await scalings.create("pollux");
  const sized = pollux.sizes(clusterView(jobs, nodeSpecs(nodes, 4), { arrived: jobs, now }));
  return Object.fromEntries([...sized].map(([id, { gpus, on }]) => [id, { gpus, nodes: on!.length }]));
}

test("GPUs go to the job that they speed up, each on as few nodes as it takes", async () => {
  const found = await sizes([job("scales", 1), job("does not", 0.1)]);
  assert.deepEqual(found.scales, { gpus: 4, nodes: 1 });
  assert.ok(found["does not"]!.gpus >= 1 && found["does not"]!.nodes === 1);
});

test("nobody is left out while others have many: the mean is harmonic", async () => {
  const found = await sizes(
    ["a", "b", "c", "d"].map((id) => job(id, 1)),
    1,
  );
  assert.ok(
    Object.values(found).every(({ gpus }) => gpus === 1),
    JSON.stringify(found),
  );
});

test("a job that would gain little stays where it is, since a restart costs", async () => {
  const running = job("a", 0.05, { places: [{ node: 0, gpus: 3 }], service: 30 });
  const young = { ...running, spec: { ...running.spec, submit: 0 } };
  // At its age of 60 s, a restart of 30 s costs a third; four GPUs instead of three gain a hundredth.
  assert.deepEqual((await sizes([young], 1, 60)).a, { gpus: 3, nodes: 1 });
});

test("at most one job over several nodes is on a node", async () => {
  const pollux = await scalings.create("pollux");
  const jobs = ["a", "b", "c"].map((id) => {
    const goodput = (gpus: number): number => gpus;
    return jobView(id, { submit: -1000 }, { outlook: { done: 0, total: 1, gpusMax: 6, rate: goodput, goodput } });
  });
  const found = [...pollux.sizes(clusterView(jobs, nodeSpecs(4, 4), { arrived: jobs })).values()];
  const spread = found.filter(({ on }) => on!.length > 1).flatMap(({ on }) => on!.map(({ node }) => node));
  assert.equal(new Set(spread).size, spread.length, JSON.stringify(found));
});

/** Jobs that run on what they ask for, or not at all. */
const gang = (id: string, gpus: number, view: Partial<JobView> = {}): JobView =>
  jobView(id, { gpus, submit: -1e6, duration: 1 }, { outlook: { done: 0, total: 1, rate: (n) => n / gpus }, ...view });

async function dealt(jobs: readonly JobView[], nodes = 2) {
  const pollux = await scalings.create("pollux");
  const sized = pollux.sizes(clusterView(jobs, nodeSpecs(nodes, 8), { arrived: jobs }));
  return Object.fromEntries([...sized].map(([id, { on }]) => [id, on]));
}

test("gangs are dealt: those that fit run, on the node that they fill best; who runs is not named", async () => {
  const runs = gang("runs", 5, { places: [{ node: 1, gpus: 5 }] });
  assert.deepEqual(await dealt([runs, gang("three", 3), gang("eight", 8)]), {
    three: [{ node: 1, gpus: 3 }],
    eight: [{ node: 0, gpus: 8 }],
  });
});

test("a gang gives way to two that wait, and not to one", async () => {
  const large = gang("large", 8, { places: [{ node: 0, gpus: 8 }], service: 100 });
  assert.deepEqual(await dealt([large, gang("a", 4)], 1), {});
  assert.deepEqual(await dealt([large, gang("a", 4), gang("b", 4)], 1), {
    large: [],
    a: [{ node: 0, gpus: 4 }],
    b: [{ node: 0, gpus: 4 }],
  });
  const wide = gang("wide", 16, { places: [0, 1].map((node) => ({ node, gpus: 8 })), service: 100 });
  assert.deepEqual(await dealt([wide, gang("a", 8)]), {});
  assert.deepEqual(Object.keys(await dealt([wide, gang("a", 8), gang("b", 8)])).sort(), ["a", "b", "wide"]);
});

test("of two alike, who has had less service runs", async () => {
  const held = gang("held", 8, { places: [{ node: 0, gpus: 8 }], service: 100 });
  assert.deepEqual(await dealt([held, gang("new", 8)], 1), { held: [], new: [{ node: 0, gpus: 8 }] });
  assert.deepEqual(await dealt([held, gang("new", 8, { service: 200 })], 1), {});
});

test("a gang that fits on no node, but would if others moved, gets its room", async () => {
  const on = (id: string, gpus: number, node: number) => gang(id, gpus, { places: [{ node, gpus }], service: 1 });
  // Nobody else may be on several of its nodes.
  const over = gang("over", 4, { places: [0, 1].map((node) => ({ node, gpus: 2 })), beside: ["another"] });
  assert.deepEqual(await dealt([on("a", 1, 0), on("b", 1, 0), on("c", 2, 1), on("d", 2, 1), over, gang("tall", 6)]), {
    tall: [{ node: 0, gpus: 6 }],
    a: [{ node: 1, gpus: 1 }],
    b: [{ node: 1, gpus: 1 }],
  });
});

/** Jobs that tell their goodput, `gpus ** power` over any nodes, beyond the cells that are searched; GPUs by place. */
async function beyond(
  powers: Readonly<Record<string, number>>,
  places: Readonly<Record<string, Share[]>>,
  nodes: number,
) {
  const pollux = await scalings.create("pollux", { cells: 0, population: 2, generations: 2, patience: 1 });
  const jobs = Object.entries(powers).map(([id, power]) => {
    const goodput = (gpus: number): number => gpus ** power;
    const outlook = { done: 0, total: 1, gpusMax: 8, rate: goodput, goodput };
    const on = places[id];
    return jobView(id, { gpus: 4, submit: -1e6 }, { outlook, service: on?.length ?? 0, ...(on && { places: on }) });
  });
  const found = pollux.sizes(clusterView(jobs, nodeSpecs(nodes, 4), { arrived: jobs }));
  return jobs.map(({ spec: { id }, places: held }) => (found.get(id)?.on ?? held).map(({ gpus }) => gpus));
}

test("beyond `cells`, a node's GPUs go where they are worth most", async () => {
  assert.deepEqual(await beyond({ scales: 1, "does not": 0.1 }, {}, 1), [[3], [1]]);
});

test("beyond `cells`, a job that scales gets what is free on other nodes", async () => {
  assert.deepEqual(await beyond({ scales: 1 }, { scales: [{ node: 0, gpus: 2 }] }, 2), [[4, 4]]);
});

test("beyond `cells`, a job over several nodes that gains little there makes room for those that gain", async () => {
  const wide = [0, 1].map((node) => ({ node, gpus: 4 }));
  const narrow = [{ node: 2, gpus: 2 }];
  assert.deepEqual(await beyond({ wide: 0.1, a: 1, b: 1 }, { wide, a: narrow, b: narrow }, 3), [[4], [4], [4]]);
});
