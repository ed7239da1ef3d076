import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../../core/random.ts";
import { clusterView, jobView, nodeSpecs } from "../../test/cluster-view.ts";
import type { JobView } from "../job.ts";
import { schedulings } from "../scheduling.ts";
import { MultilevelQueues, type Queued } from "./tiresias/multilevel-queues.ts";

const nodes = nodeSpecs(1, 4);
const ran = (id: string, gpus: number, service: number): JobView =>
  jobView(id, { gpus }, { places: [{ node: 0, gpus }], service, ran: service / gpus });

test("a job that has had its share of GPU time gives way to one that has not, and goes on after it", async () => {
  const tiresias = await schedulings.create("tiresias", { demote1: 100 });
  const begun = tiresias.decide(clusterView([], nodes, { arrived: [], waiting: [], ended: [] }));
  assert.deepEqual([begun.start, begun.wake], [[], undefined]);
  const a = jobView("a", { gpus: 4 });
  const first = tiresias.decide(clusterView([a], nodes, { arrived: [a] }));
  assert.deepEqual(first.start, [{ job: "a" }]);
  // 100 GPU-seconds on 4 GPUs.
  assert.equal(first.wake, 25);
  const b = jobView("b", { gpus: 2 });
  const early = tiresias.decide(clusterView([ran("a", 4, 40), b], nodes, { now: 10, arrived: [b] }));
  assert.deepEqual([early.stop, early.start], [[], []]);
  const late = tiresias.decide(clusterView([ran("a", 4, 100), b], nodes, { now: 25 }));
  assert.deepEqual([late.stop, late.start], [["a"], [{ job: "b" }]]);
});

test("two dimensions: of jobs that ran as long, the one on more GPUs has had more", async () => {
  const tiresias = await schedulings.create("tiresias", { demote1: 100 });
  const jobs = [jobView("wide", { gpus: 3 }), jobView("narrow", { gpus: 1 })];
  assert.equal(tiresias.decide(clusterView(jobs, nodes, { arrived: jobs })).wake, 100 / 3);
  const c = jobView("c", { gpus: 3 });
  const view = clusterView([ran("wide", 3, 120), ran("narrow", 1, 40), c], nodes, { now: 40, arrived: [c] });
  assert.deepEqual(tiresias.decide(view).stop, ["wide"]);
});

test("a preempted job that has waited long enough for what it ran returns to the first queue, with promote", async () => {
  for (const promote of [0, 2]) {
    const tiresias = await schedulings.create("tiresias", { demote1: 100, promote });
    const a = jobView("a", { gpus: 4 });
    tiresias.decide(clusterView([a], nodes, { arrived: [a] }));
    const b = jobView("b", { gpus: 4 });
    const swap = tiresias.decide(clusterView([ran("a", 4, 100), b], nodes, { now: 25, arrived: [b] }));
    assert.deepEqual([swap.stop, swap.start], [["a"], [{ job: "b" }]]);
    // At 75 s, a has waited twice as long as it ran, and b falls as a did: a goes on, and only in the first queue also beside c.
    const starved = jobView("a", { gpus: 4 }, { service: 100, ran: 25, waited: 50 });
    const again = tiresias.decide(clusterView([starved, ran("b", 4, 200)], nodes, { now: 75 }));
    assert.deepEqual([again.stop, again.start], [["b"], [{ job: "a" }]]);
    const c = jobView("c", { gpus: 4 });
    const b2 = jobView("b", { gpus: 4 }, { service: 200, ran: 50, waited: 1 });
    const view = clusterView([ran("a", 4, 104), b2, c], nodes, { now: 76, arrived: [c] });
    assert.deepEqual(tiresias.decide(view).stop, promote === 0 ? ["a"] : []);
  }
});

test("emptied: who is first in line has the room that others make by moving; who falls goes behind those that wait", async () => {
  const tiresias = await schedulings.create("tiresias", { demote1: 100, emptied: 1 });
  const at = (id: string, node: number, service: number): JobView =>
    jobView(id, { gpus: 2 }, { places: [{ node, gpus: 2 }], service, ran: service / 2 });
  const two = nodeSpecs(2, 4);
  const fresh = [jobView("a", { gpus: 2 }), jobView("b", { gpus: 2 })];
  tiresias.decide(clusterView(fresh, two, { arrived: fresh }));
  const c = jobView("c", { gpus: 4 });
  const moved = tiresias.decide(clusterView([at("a", 0, 20), at("b", 1, 20), c], two, { now: 10, arrived: [c] }));
  assert.equal(moved.stop.length, 1);
  assert.deepEqual(new Set(moved.start.map(({ job }) => job)), new Set([...moved.stop, "c"]));
  const whole = jobView("c", { gpus: 4 }, { places: [{ node: 1, gpus: 4 }], service: 100, ran: 25 });
  const d = jobView("d", { gpus: 4 });
  const later = [at("a", 0, 70), at("b", 0, 70), whole, d];
  assert.deepEqual(tiresias.decide(clusterView(later, two, { now: 35, arrived: [d] })).stop, ["c"]);
});

test("emptied: who falls at once does so in the order of arrivals, and falls are looked for in whole seconds", async () => {
  const tiresias = await schedulings.create("tiresias", { demote1: 10, emptied: 1 });
  const four = nodeSpecs(1, 4);
  const at = (id: string, gpus: number, service: number): JobView =>
    jobView(id, { gpus }, { places: [{ node: 0, gpus }], service, ran: service / gpus });
  const [a, b, c] = [jobView("a"), jobView("b", { gpus: 4 }), jobView("c", { gpus: 3 })];
  assert.equal(tiresias.decide(clusterView([a, b, c], four, { arrived: [a, b, c] })).wake, 4);
  // c comes before a in the queue once it has run without it.
  tiresias.decide(clusterView([a, at("b", 4, 4), c], four, { now: 1, requeued: [a] }));
  const both = tiresias.decide(clusterView([at("a", 1, 10), b, at("c", 3, 30)], four, { now: 10 }));
  assert.deepEqual([...both.stop].sort(), ["a", "c"]);
  const back = tiresias.decide(clusterView([c, at("b", 4, 8), a], four, { now: 12, ended: [at("b", 4, 8)] }));
  assert.deepEqual(
    Array.from(back.order!, ({ spec }) => spec.id),
    ["a", "c"],
  );
});

test("with gittins, the job goes first whose service says that it ends soon", async () => {
  const tiresias = await schedulings.create("tiresias", { demote1: 100, gittins: 1 });
  const done = [90, 95, 95, 1000, 1000, 1000].map((service, i) => jobView(`d${i}`, {}, { state: "finished", service }));
  const fresh = jobView("fresh", { gpus: 4 }, { service: 0 });
  const nearly = jobView("nearly", { gpus: 4 }, { service: 85 });
  const jobs = [fresh, nearly];
  const { start } = tiresias.decide(clusterView(jobs, nodes, { arrived: jobs, ended: done }));
  assert.deepEqual(start, [{ job: "nearly" }]);
});

const fresh = (order: number, gpus: number): Queued => ({
  ...{ id: `j${order}`, order, gpus, queue: 0, key: 0, running: false, out: false, version: 0 },
});

test("what the queues keep up is what a walk over all jobs would choose (seed 5)", () => {
  const random = stream(5);
  const total = 20;
  const queues = new MultilevelQueues(3, false);
  /** The same queues, as lists. */
  const lists: Queued[][] = [[], [], []];
  for (let step = 0; step < 3000; step++) {
    const all = lists.flat();
    const any = all[Math.floor(random() * all.length)];
    const action = random();
    if (any === undefined || action < 0.4) {
      const job = fresh(step, 1 + Math.floor(random() ** 2 * 12));
      queues.append(job, 0);
      lists[0]!.push(job);
    } else if (action < 0.6 && any.queue < 2) {
      lists[any.queue]!.splice(lists[any.queue]!.indexOf(any), 1);
      queues.append(any, any.queue + 1);
      lists[any.queue]!.push(any);
    } else if (action < 0.7) {
      queues.resize(any, 1 + Math.floor(random() * 8), false);
    } else {
      lists[any.queue]!.splice(lists[any.queue]!.indexOf(any), 1);
      queues.remove(any);
    }
    queues.settle(total);
    let free = total;
    for (const job of lists.flat()) {
      const fits = job.gpus <= free;
      assert.equal(job.running, fits, `step ${step}: ${job.id}`);
      if (fits) free -= job.gpus;
    }
  }
});
