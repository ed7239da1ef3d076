/**
 * Shockwave's published simulation, 120 jobs on 32 V100s, by policy: equal to the millisecond where the published solver's choice among
 * equal optima is known (its path is `central-path.ts`), else as near as it says here. Where no result is published on the shelf, what
 * the published simulator does when it is run (`bench/peers/shockwave-fixtures.py`), with 220 jobs on 64 V100s beside. The runs that
 * were compared with a real cluster are of an earlier state of that simulator (`comparisonRules`).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { namePolicy, policyOf } from "../../../cluster/policy.ts";
import { loadTrace } from "../../../cluster/trace/load.ts";
import { sharedData, skipWithout } from "../../../test/shared-data.ts";
import { replayTask } from "../replay-task.ts";
import { comparisonRules, type LeaseFigures, shockwaveRules, simulateLeases, singleGpuNodes } from "./simulate.ts";
import { readThroughputs } from "./throughputs.ts";

interface Golden {
  readonly makespan: number;
  readonly avg_jct: number;
  readonly jct_list: readonly number[];
  readonly finish_time_fairness_list: readonly number[];
  readonly per_round_schedule: readonly Readonly<Record<string, readonly number[]>>[];
}

const table = "shockwave/tacc_throughputs.json";
const goldenOf = (policy: string, runs = "tacc_32gpus"): Golden =>
  JSON.parse(readFileSync(sharedData(`shockwave/golden/${runs}.simulation.${policy}.json`)!, "utf8"));

const small = "120_0.2_5_100_40_25";

/** What the published simulator does by solver and settings: `bench/peers/shockwave-choices.py`. Jobs' seconds with ECOS alone. */
const choices: readonly {
  readonly trace: string;
  readonly gpus: number;
  readonly solver: string;
  readonly makespan: number;
  readonly average: number;
  readonly worst: number;
  readonly jct?: readonly number[];
}[] = JSON.parse(readFileSync(new URL("../../../../fixtures/shockwave-choices.json", import.meta.url), "utf8"));

async function run(
  policy: string,
  options: Readonly<Record<string, number>>,
  trace = small,
  gpus = 32,
  rules = shockwaveRules,
): Promise<LeaseFigures> {
  const { jobs } = await loadTrace(sharedData(`shockwave/traces/${trace}.trace`)!);
  return simulateLeases({
    jobs,
    nodes: singleGpuNodes({ v100: gpus }),
    policy: await policyOf(policy, { [policy]: options }),
    throughputs: readThroughputs(readFileSync(sharedData(table)!, "utf8"), table),
    ...rules,
  });
}

/** Largest relative difference of makespan and average JCT; and that of the worst fairness. */
function away(ours: LeaseFigures, { makespan, avg_jct, finish_time_fairness_list }: Golden): [number, number] {
  const relative = (a: number, b: number): number => Math.abs(a / b - 1);
  const worst = Math.max(...finish_time_fairness_list);
  return [
    Math.max(relative(ours.makespan, makespan), relative(ours.averageJct, avg_jct)),
    relative(ours.worstFairness, worst),
  ];
}

function equal(ours: LeaseFigures, golden: Golden): void {
  for (const [i, jct] of golden.jct_list.entries()) assert.ok(Math.abs(ours.jct[i]! - jct) < 0.001, `job ${i}`);
  assert.deepEqual(
    ours.rounds.map((ids) => ids.map(Number).sort((a, b) => a - b)),
    golden.per_round_schedule.map((round) => Object.keys(round).map(Number)),
  );
  assert.deepEqual(
    away(ours, golden).map((x) => Math.round(x * 1e6)),
    [0, 0],
  );
}

test(
  "max-min fairness: every job ends as published, and every round runs the same jobs",
  skipWithout(table),
  async () => equal(await run("gavel", { objective: 0, agnostic: 1 }), goldenOf("max_min_fairness")),
);

const compared = (policy: string, options: Readonly<Record<string, number>>): Promise<LeaseFigures> =>
  run(policy, options, small, 32, comparisonRules);

test(
  "the comparison with a real cluster: max-min fairness and makespan, every job and every round",
  skipWithout(table),
  async () => {
    equal(
      await compared("gavel", { objective: 0, agnostic: 1 }),
      goldenOf("max_min_fairness", "tacc_32gpus_comparison"),
    );
    equal(await compared("gavel", { objective: 2 }), goldenOf("min_total_duration", "tacc_32gpus_comparison"));
  },
);

test("the same: AlloX and throughput, all three figures within 1 %", skipWithout(table), async () => {
  for (const [name, ours] of [
    ["allox", await compared("allox", {})],
    ["max_sum_throughput_perf", await compared("gavel", { objective: 3 })],
  ] as const) {
    const off = away(ours, goldenOf(name, "tacc_32gpus_comparison"));
    assert.ok(Math.max(...off) < 0.01, `${name}: ${off}`);
  }
});

test("what a replay reports of it is what the published simulator does", skipWithout(table), async () => {
  const { jobs } = await loadTrace(sharedData(`shockwave/traces/${small}.trace`)!);
  const task = {
    ...{ jobs, nodes: singleGpuNodes({ v100: 32 }), model: "shockwave", tables: sharedData(table)! },
    policy: await namePolicy("gavel", { gavel: { agnostic: 1 } }),
  };
  const { averageJct, fairness } = (await replayTask(task, () => undefined)).metrics;
  const golden = goldenOf("max_min_fairness");
  const ratios = golden.finish_time_fairness_list;
  assert.ok(Math.abs(averageJct - golden.avg_jct) < 0.001);
  assert.equal(fairness.worst, Math.max(...ratios));
  assert.equal(fairness.unfair, ratios.filter((rho) => rho > 1.05).length);
});

// The published run had Gurobi: makespan 31,929 s, JCT 11,302 s, worst 3.44. Which of equal optima it stops at depends on its settings.
test(
  "finish-time fairness: makespan and JCT as published; the worst ratio no farther than the published program's are from each other",
  skipWithout(table),
  async () => {
    const golden = goldenOf("finish_time_fairness");
    const ours = await run("gavel", { objective: 1 });
    const [times, worst] = away(ours, golden);
    assert.ok(times < 0.005, `makespan and JCT are ${times} away`);
    assert.ok(worst < 0.055, `worst fairness is ${worst} away`);
    const ratios = choices.flatMap(({ solver, worst }) => (solver === "GUROBI" ? [worst] : []));
    const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
    for (const ratio of [ours.worstFairness, Math.max(...golden.finish_time_fairness_list)]) {
      assert.ok(ratio > least && ratio < most, `${ratio} is not between ${least} and ${most}`);
    }
  },
);

for (const { trace, gpus, makespan, average, worst, jct = [] } of choices.filter(({ solver }) => solver === "ECOS")) {
  test(
    `finish-time fairness on the path of ECOS, ${gpus} GPUs: every job ends as in the published simulator with ECOS`,
    skipWithout(table),
    async () => {
      const ours = await run("gavel", { objective: 10 }, trace, gpus);
      assert.equal(ours.jct.length, jct.length);
      for (const [i, seconds] of jct.entries()) {
        assert.ok(Math.abs(ours.jct[i]! - seconds) < 0.001, `job ${i}: ${ours.jct[i]}, ${seconds}`);
      }
      assert.equal(ours.worstFairness, worst);
      assert.ok(Math.abs(ours.makespan - makespan) < 0.001, `makespan ${ours.makespan}`);
      assert.ok(Math.abs(ours.averageJct - average) < 0.001, `JCT ${ours.averageJct}`);
    },
  );
}

test("shockwave: all three figures within 1 % of the published run", skipWithout(table), async () => {
  const [times, worst] = away(await run("shockwave", {}), goldenOf("shockwave"));
  assert.ok(times < 0.01, `makespan and JCT are ${times} away`);
  assert.ok(worst < 0.01, `worst fairness is ${worst} away`);
});

interface Ran {
  readonly makespan: number;
  readonly average: number;
  readonly worst: number;
  readonly jct: readonly number[];
}

const published: Readonly<Record<string, Readonly<Record<string, Ran>>>> = JSON.parse(
  readFileSync(new URL("../../../../fixtures/shockwave-runs.json", import.meta.url), "utf8"),
);

/** `apart`: seconds by which a job may end earlier or later than there, where equal jobs change places by the last bit of a share. */
const policies = [
  { title: "makespan", name: "min_total_duration", policy: "gavel", options: { objective: 2 }, apart: 0.001 },
  { title: "AlloX", name: "allox", policy: "allox", options: {}, apart: 0.001 },
  { title: "throughput", name: "max_sum_throughput_perf", policy: "gavel", options: { objective: 3 }, apart: 200 },
  { title: "Gandiva-Fair", name: "gandiva_fair", policy: "gandiva-fair", options: {}, apart: 0.001 },
];

for (const [trace, gpus] of [
  [small, 32],
  ["220_0.2_5_100_25_4", 64],
] as const) {
  for (const { title, name, policy, options, apart } of policies) {
    test(`${title}, ${gpus} GPUs: as the published simulator runs it`, skipWithout(table), async () => {
      const theirs = published[trace]![name]!;
      const ours = await run(policy, options, trace, gpus);
      assert.ok(Math.abs(ours.makespan - theirs.makespan) < 0.001, `makespan ${ours.makespan}, ${theirs.makespan}`);
      assert.ok(Math.abs(ours.averageJct / theirs.average - 1) < (apart < 1 ? 1e-7 : 3e-4), `JCT ${ours.averageJct}`);
      assert.equal(ours.worstFairness, theirs.worst);
      for (const [i, jct] of theirs.jct.entries()) {
        assert.ok(Math.abs(ours.jct[i]! - jct) < apart, `job ${i}: ${ours.jct[i]}, ${jct}`);
      }
    });
  }
}
