import assert from "node:assert/strict";
import { test } from "node:test";
import { jobSpec, nodeSpecs } from "../test/cluster-view.ts";
import { VirtualClock } from "../time/virtual-clock.ts";
import type { ClusterView, Decision } from "./decision.ts";
import { ClusterEngine } from "./engine.ts";
import type { JobSpec } from "./job.ts";
import type { ClusterEvent, Run } from "./launcher.ts";
import type { DecisionLine, LogLine } from "./log.ts";
import type { NodeSpec } from "./node.ts";
import { createPolicy, namePolicy } from "./policy.ts";

const base = await createPolicy(await namePolicy("fifo"));
const nothing: Decision = { stop: [], start: [] };

/** An engine whose launcher writes down what it is told, and whose policy answers what the test says next. */
function scripted(
  nodes: readonly NodeSpec[],
  more: { roundSeconds?: number; roundsOnly?: boolean; jobsMax?: number } = {},
) {
  const clock = new VirtualClock();
  const calls: string[] = [];
  const log: LogLine[] = [];
  const answers: ((view: ClusterView) => Decision)[] = [];
  const engine = new ClusterEngine({
    clock,
    nodes,
    launcher: {
      start: ({ job, attempt }: Run) => calls.push(`start ${job.id} ${attempt}`),
      stop: (job, attempt) => calls.push(`stop ${job} ${attempt}`),
    },
    policy: {
      ...base,
      names: { ...base.names, name: "scripted" },
      scheduling: { decide: (view) => answers.shift()?.(view) ?? nothing },
      sharing: { ...base.sharing, jobsMax: more.jobsMax ?? 1 },
    },
    log: (line) => log.push(line),
    ...(more.roundSeconds === undefined ? {} : { roundSeconds: more.roundSeconds }),
    ...(more.roundsOnly === undefined ? {} : { roundsOnly: more.roundsOnly }),
  });
  const at = (time: number, ...events: (Record<string, unknown> & { kind: string })[]) =>
    clock.at(time, () => {
      for (const event of events) engine.report({ at: time, ...event } as ClusterEvent);
    });
  const submit = (...ids: string[]) => ids.map((id) => ({ kind: "submitted", job: jobSpec(id, { gpus: 2 }) }));
  const decided = () => log.filter((line): line is DecisionLine => line.kind === "decided");
  return { clock, calls, log, answers, engine, at, submit, decided };
}

const starts =
  (...jobs: string[]) =>
  (): Decision => ({ stop: [], start: jobs.map((job) => ({ job })) });

test("one decision for all events of an instant", () => {
  const { clock, at, submit, answers, decided, calls } = scripted(nodeSpecs(1, 4));
  answers.push((view) => {
    assert.deepEqual(
      view.arrived.map(({ spec }) => spec.id),
      ["a", "b"],
    );
    return starts("a", "b")();
  });
  at(5, ...submit("a"));
  at(5, ...submit("b"));
  clock.run();
  assert.equal(decided().length, 1);
  assert.deepEqual(calls, ["start a 0", "start b 0"]);
});

test("where the launcher says when, nothing else makes it decide, not even a policy that would be woken", () => {
  const { clock, at, submit, answers, decided } = scripted(nodeSpecs(1, 4), { roundsOnly: true });
  answers.push(() => ({ ...starts("a")(), wake: 12 }));
  at(5, ...submit("a"));
  at(10, { kind: "round" });
  at(15, { kind: "finished", job: "a", attempt: 0 });
  at(20, { kind: "round" });
  clock.run();
  assert.deepEqual(
    decided().map((line) => line.at),
    [10, 20],
  );
});

test("a start on GPUs that another is leaving waits until it has left", () => {
  const { clock, at, submit, answers, calls, engine, log } = scripted(nodeSpecs(1, 2));
  answers.push(starts("a"), () => ({ stop: ["a"], start: [{ job: "b" }] }));
  at(0, ...submit("a"));
  at(10, ...submit("b"));
  at(11, { kind: "started", job: "a", attempt: 0 });
  clock.at(12, () => assert.deepEqual(calls, ["start a 0", "stop a 0"]));
  clock.at(12, () => assert.deepEqual([engine.job("a").state, engine.job("b").state], ["stopping", "starting"]));
  at(13, { kind: "stopped", job: "a", attempt: 0 });
  clock.run();
  assert.deepEqual(calls, ["start a 0", "stop a 0", "start b 0"]);
  assert.deepEqual(log.at(-1), { at: 13, kind: "launched", job: "b", attempt: 0 });
  const { state, ran, service, waited } = engine.job("a");
  assert.deepEqual([state, ran, service, waited], ["waiting", 13, 26, 0]);
});

test("a job is moved: it leaves, then starts again with the next attempt", () => {
  const { clock, at, submit, answers, calls, engine } = scripted(nodeSpecs(2, 2));
  answers.push(starts("a"), () => ({ stop: ["a"], start: [{ job: "a", on: [{ node: 1, gpus: 2 }] }] }));
  at(0, ...submit("a"));
  at(10, ...submit("b"));
  at(11, { kind: "stopped", job: "a", attempt: 0 });
  clock.run();
  assert.deepEqual(calls, ["start a 0", "stop a 0", "start a 1"]);
  assert.deepEqual(engine.job("a").places, [{ node: 1, gpus: 2 }]);
  assert.equal(engine.job("a").restarts, 1);
});

test("a job that is done before it hears that it is to move does not begin again", () => {
  const { clock, at, submit, answers, calls, engine } = scripted(nodeSpecs(1, 2));
  answers.push(starts("a"), () => ({ stop: ["a"], start: [{ job: "a" }] }));
  at(0, ...submit("a"));
  at(10, ...submit("b"));
  at(11, { kind: "finished", job: "a", attempt: 0 });
  clock.run();
  assert.deepEqual(calls, ["start a 0", "stop a 0"]);
  assert.deepEqual([engine.job("a").state, engine.nodes.freeTotal()], ["finished", 2]);
});

test("events that come twice, late, or of another run change nothing", () => {
  const { clock, at, submit, answers, calls, engine, log } = scripted(nodeSpecs(1, 2));
  answers.push(starts("a"), () => ({ stop: ["a"], start: [] }), starts("a"));
  at(0, ...submit("a"), ...submit("a"));
  at(1, { kind: "started", job: "a", attempt: 0 }, { kind: "started", job: "a", attempt: 0 });
  at(2, ...submit("b"));
  at(3, { kind: "stopped", job: "a", attempt: 0 }, { kind: "stopped", job: "a", attempt: 0 });
  at(4, ...submit("c"));
  at(5, { kind: "failed", job: "a", attempt: 0, why: "late" }, { kind: "stopped", job: "a", attempt: 7 });
  at(6, { kind: "finished", job: "a", attempt: 1 }, { kind: "finished", job: "a", attempt: 1 });
  clock.run();
  assert.deepEqual(calls, ["start a 0", "stop a 0", "start a 1"]);
  assert.equal(engine.job("a").state, "finished");
  assert.equal(log.filter((line) => line.kind === "event").length, 6);
});

test("a job that had finished before its node was lost has finished, though it was to start again", () => {
  const { clock, at, submit, answers, engine, calls } = scripted(nodeSpecs(2, 2));
  answers.push(starts("a"));
  at(0, ...submit("a"));
  at(5, { kind: "node-lost", node: 0 });
  at(6, { kind: "finished", job: "a", attempt: 0, at: 4 });
  clock.run();
  assert.deepEqual([engine.job("a").state, engine.job("a").ran], ["finished", 4]);
  assert.deepEqual(calls, ["start a 0", "stop a 0"]);
});

test("jobs on a lost node wait again, and run elsewhere once they have left; its GPUs come back with it", () => {
  const { clock, at, submit, answers, engine, calls } = scripted(nodeSpecs(2, 2));
  answers.push(starts("a"), starts("a"));
  at(0, ...submit("a"));
  at(5, { kind: "node-lost", node: 0 });
  clock.at(6, () => assert.deepEqual([engine.nodes.total(), engine.nodes.freeTotal()], [2, 0]));
  at(7, { kind: "stopped", job: "a", attempt: 0 });
  at(8, { kind: "node-back", node: 0 });
  clock.run();
  assert.deepEqual(calls, ["start a 0", "stop a 0", "start a 1"]);
  assert.deepEqual(engine.job("a").places, [{ node: 1, gpus: 2 }]);
  assert.deepEqual([engine.nodes.total(), engine.nodes.freeTotal()], [4, 2]);
});

test("a run that fails is started again, until it has failed as often as is borne", () => {
  const { clock, at, submit, answers, engine, decided } = scripted(nodeSpecs(1, 2));
  answers.push(starts("a"), starts("a"), starts("a"));
  at(0, ...submit("a"));
  for (const attempt of [0, 1, 2]) at(attempt + 1, { kind: "failed", job: "a", attempt, why: "exit 1" });
  clock.run();
  assert.deepEqual([engine.job("a").state, engine.job("a").restarts], ["failed", 2]);
  assert.equal(engine.nodes.freeTotal(), 2);
  assert.equal(decided().length, 4);
});

test("a cancelled job leaves, and its GPUs are another's when it has", () => {
  const { clock, at, submit, answers, calls, engine } = scripted(nodeSpecs(1, 2));
  answers.push(starts("a"), starts("b"));
  at(0, ...submit("a", "b"));
  at(1, { kind: "cancelled", job: "a" });
  at(2, { kind: "stopped", job: "a", attempt: 0 });
  clock.run();
  assert.deepEqual(calls, ["start a 0", "stop a 0", "start b 0"]);
  assert.deepEqual([engine.job("a").state, engine.unfinished], ["failed", 1]);
});

test("jobs beside one another hold their GPUs once, until the last has left", () => {
  const { clock, at, submit, answers, engine } = scripted(nodeSpecs(1, 2), { jobsMax: 2 });
  answers.push(() => ({ stop: [], start: [{ job: "a" }, { job: "b", beside: "a" }] }));
  at(0, ...submit("a", "b"));
  clock.at(1, () => assert.deepEqual([engine.nodes.freeTotal(), engine.job("a").beside], [0, ["b"]]));
  at(2, { kind: "finished", job: "a", attempt: 0 });
  clock.at(3, () => assert.deepEqual([engine.nodes.freeTotal(), engine.job("b").beside], [0, []]));
  at(4, { kind: "finished", job: "b", attempt: 0 });
  clock.run();
  assert.equal(engine.nodes.freeTotal(), 2);
});

test("with strict, one that cannot be placed holds back those after it; else they start", () => {
  for (const strict of [true, false]) {
    const { clock, at, answers, calls, decided } = scripted(nodeSpecs(1, 2));
    answers.push(() => ({ stop: [], start: [{ job: "a" }, { job: "b" }, { job: "c" }], strict }));
    const submitted = (id: string, gpus: number) => ({ kind: "submitted", job: jobSpec(id, { gpus }) });
    at(0, submitted("a", 1), submitted("b", 2), submitted("c", 1));
    clock.run();
    assert.deepEqual(calls, strict ? ["start a 0"] : ["start a 0", "start c 0"]);
    assert.deepEqual(decided()[0]?.unplaced, strict ? ["b", "c"] : ["b"]);
  }
});

test("a policy that asks to be woken decides then, unless it has changed its mind", () => {
  const { clock, at, submit, answers, decided } = scripted(nodeSpecs(1, 2));
  answers.push(
    () => ({ ...nothing, wake: 10 }),
    () => ({ ...nothing, wake: 20 }),
  );
  at(0, ...submit("a"));
  at(5, ...submit("b"));
  clock.run();
  assert.deepEqual(
    decided().map((line) => line.at),
    [0, 5, 20],
  );
});

test("in rounds, it decides at their beginnings while there are jobs, with what happened until then", () => {
  const { clock, at, submit, answers, decided } = scripted(nodeSpecs(1, 2), { roundSeconds: 10 });
  answers.push(starts("a"));
  at(12, ...submit("a"));
  at(20, ...submit("b"));
  at(31, { kind: "finished", job: "a", attempt: 0 }, { kind: "cancelled", job: "b" });
  at(57, ...submit("c"));
  at(58, { kind: "cancelled", job: "c" });
  clock.run();
  assert.deepEqual(
    decided().map((line) => [line.at, line.waiting]),
    [
      [20, 1],
      [30, 1],
      [40, 0],
      [60, 0],
    ],
  );
});

test("a job that no nodes could hold is refused", () => {
  const { clock, at, log, engine } = scripted(nodeSpecs(2, 2).map((node) => ({ ...node, cpus: 8, memoryBytes: 100 })));
  const could: Partial<JobSpec>[] = [
    { gpus: 4, cpus: 16 },
    { gpus: 0, cpus: 8 },
    { gpus: 2, cpus: 12 },
  ];
  const never: Partial<JobSpec>[] = [
    { gpus: 5 },
    { types: ["tpu"] },
    // One GPU is on one node; CPUs go with GPUs.
    { gpus: 1, cpus: 9 },
    { gpus: 3, cpus: 24 },
    { gpus: 0, memoryBytes: 101 },
    { gpus: 4, memoryBytes: 201 },
  ];
  for (const [i, spec] of could.entries()) at(0, { kind: "submitted", job: jobSpec(`could-${i}`, spec) });
  for (const [i, spec] of never.entries()) at(0, { kind: "submitted", job: jobSpec(`never-${i}`, spec) });
  clock.run();
  const refused = log.flatMap((line) => (line.kind === "refused" ? [line] : []));
  assert.deepEqual(
    refused.map(({ job }) => job),
    never.map((_, i) => `never-${i}`),
  );
  assert.match(refused[2]!.why, /^it needs 9 CPUs and 0\.0 GiB of memory for its 1 GPUs/);
  assert.equal(engine.job("never-0").state, "rejected");
});

const wrong: readonly [string, Decision, RegExp][] = [
  ["an unknown job", { stop: [], start: [{ job: "z" }] }, /scripted started job z, which nobody submitted/],
  ["what runs", { stop: [], start: [{ job: "a" }] }, /scripted started job a, which is starting/],
  ["a job twice", { stop: [], start: [{ job: "b" }, { job: "b" }] }, /scripted started job b twice/],
  ["to stop what waits", { stop: ["b"], start: [] }, /scripted stopped job b, which is waiting/],
  ["half a GPU", { stop: [], start: [{ job: "b", gpus: 0.5 }] }, /scripted gave job b 0.5 GPUs/],
  [
    "GPUs that are held",
    { stop: [], start: [{ job: "b", on: [{ node: 0, gpus: 2 }] }] },
    /scripted placed job b on 2 GPUs of node 0; 1 are free/,
  ],
  [
    "a node twice",
    {
      stop: [],
      start: [
        {
          job: "b",
          on: [
            { node: 1, gpus: 1 },
            { node: 1, gpus: 1 },
          ],
        },
      ],
    },
    /scripted placed job b on 1 GPUs of node 1 twice/,
  ],
  [
    "another size than decided",
    { stop: [], start: [{ job: "b", gpus: 2, on: [{ node: 1, gpus: 1 }] }] },
    /job b 1 GPUs where 2/,
  ],
  [
    "to share what may not be shared",
    { stop: [], start: [{ job: "b", beside: "a" }] },
    /more jobs than may share a GPU/,
  ],
  ["to run beside what waits", { stop: ["a"], start: [{ job: "b", beside: "a" }] }, /beside a, which does not run/],
  ["to reject and start", { stop: [], start: [{ job: "b" }], reject: ["b"] }, /started job b, and rejected it/],
  ["the past", { ...nothing, wake: 1 }, /scripted asked at 1 s to be woken at 1 s/],
];
for (const [what, decision, message] of wrong) {
  test(`a policy that decides ${what} is told so by name`, () => {
    const { clock, at, submit, answers } = scripted(nodeSpecs(2, 3));
    answers.push(starts("a"), () => decision);
    at(0, ...submit("a"));
    at(1, ...submit("b"));
    assert.throws(() => clock.run(), message);
  });
}
