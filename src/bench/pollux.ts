/**
 * A workload of 160 jobs under Tiresias and Optimus: the published simulator of Pollux, as a process, against the same through
 * our engine, profiles read from disk each time. Both end every job at the same second. Then Pollux itself, a random search, under
 * every condition that its authors published: loads, periods between decisions, interference.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import { policyOf } from "../cluster/policy.ts";
import { UserError } from "../core/errors.ts";
import { mean, median } from "../core/statistics.ts";
import { ClusterReading } from "../sim/cluster/metrics.ts";
import { polluxNodes, profiledSetup, readProfiles, readWorkload } from "../sim/cluster/pollux/simulate.ts";
import { streamCluster } from "../sim/cluster/simulate.ts";
import { loadCombination } from "../system/combination.ts";
import { polluxSimulator } from "./peers.ts";
import type { Bench } from "./terms.ts";

const data = process.env.HEDDLE_DATA ?? "../shared/data";

export async function run(bench: Bench): Promise<void> {
  const folder = `${data}/pollux`;
  if (!existsSync(folder)) {
    throw new UserError(`The bench "pollux" replays ${folder}, which is not here.`, "HEDDLE_DATA names its parent.");
  }
  for (const policy of ["tiresias", "optimus"]) {
    const seconds: number[] = [];
    let ours = 0;
    for (let i = 0; i < bench.repeat + 1; i++) {
      const begun = performance.now();
      ours = await replay(policy, folder);
      seconds.push((performance.now() - begun) / 1000);
    }
    const [cold, ...warm] = seconds;
    const peer = await published(policy);
    bench.row({
      name: `Pollux workload 6, ${policy}`,
      unit: "s",
      ours: median(warm),
      peer: peer?.seconds,
      goal: { ratio: 50 },
      terms: {
        first: cold!,
        averageJct: ours,
        peerAverageJct: peer?.averageJct,
        peer: "petuum/adaptdl osdi21-artifact",
      },
    });
  }
  for (const condition of bench.quick ? conditions.slice(0, 1) : conditions) await spread(bench, folder, condition);
}

interface Condition {
  /** Its folder of results. */
  readonly result: string;
  readonly workloads?: string;
  readonly roundSeconds?: number;
  readonly interference?: number;
  /** Jobs over several nodes may meet on a node. */
  readonly crowd?: number;
}

const conditions: readonly Condition[] = [
  { result: "results-jobload/pollux-0.5", workloads: "workloads-0.5" },
  { result: "results-jobload/pollux-1.0" },
  { result: "results-jobload/pollux-1.5", workloads: "workloads-1.5" },
  { result: "results-jobload/pollux-2.0", workloads: "workloads-2.0" },
  { result: "results-period/pollux-30s", roundSeconds: 30 },
  { result: "results-period/pollux-2m", roundSeconds: 120 },
  { result: "results-period/pollux-4m", roundSeconds: 240 },
  { result: "results-period/pollux-8m", roundSeconds: 480 },
  { result: "results-inter/noavoid", crowd: 1 },
  { result: "results-inter/inter25", crowd: 1, interference: 0.25 },
  { result: "results-inter/inter50", crowd: 1, interference: 0.5 },
];

/** Mean completion times of the published workloads: ours, with one seed, against the one run that was published. */
async function spread(bench: Bench, folder: string, condition: Condition): Promise<void> {
  const { result, workloads = "workloads" } = condition;
  const theirs: Readonly<Record<string, Readonly<Record<string, number>>>> = JSON.parse(
    readFileSync(`${folder}/${result}/summary.json`, "utf8"),
  ).jcts;
  const pairs: (readonly [number, number])[] = [];
  const ratios: Record<string, number> = {};
  for (const [workload, jcts] of Object.entries(theirs)
    .sort()
    .slice(0, bench.quick ? 1 : undefined)) {
    const published = mean(Object.values(jcts))!;
    const ours = await replay("pollux", folder, condition, `${workloads}/${workload}.csv`);
    pairs.push([ours, published]);
    ratios[workload] = Math.round((ours / published) * 1e4) / 1e4;
  }
  bench.row({
    name: `Pollux itself, ${result}, mean JCT`,
    unit: "s",
    ours: mean(pairs.map(([ours]) => ours))!,
    peer: mean(pairs.map(([, published]) => published))!,
    terms: { oursOverPublished: mean(Object.values(ratios)), ratios, peer: "the published summary.json, one run" },
  });
}

async function replay(
  name: string,
  folder: string,
  { roundSeconds = 60, interference = 0, crowd = 0 }: Partial<Condition> = {},
  workload = "workloads/workload-6.csv",
): Promise<number> {
  const jobs = readWorkload(`${folder}/${workload}`);
  const policy = await policyOf(name, name === "pollux" ? { pollux: { crowd } } : {}, loadCombination);
  const applications = readProfiles(`${folder}/traces`);
  const reading = new ClusterReading(polluxNodes);
  streamCluster(profiledSetup({ jobs, policy, applications, roundSeconds, interference }), reading.add);
  return reading.metrics().averageJct;
}

async function published(policy: string): Promise<{ seconds: number; averageJct: number } | undefined> {
  const simulator = polluxSimulator();
  if (simulator === undefined) return undefined;
  const begun = performance.now();
  const words = ["-W", "ignore", "simulator.py", "--policy", policy, "workloads/workload-6.csv"];
  const { stdout } = await promisify(execFile)(simulator.python, words, { cwd: simulator.folder, maxBuffer: 2 ** 28 });
  const seconds = (performance.now() - begun) / 1000;
  return { seconds, averageJct: Number(/Average JCT: ([\d.]+)\s*$/.exec(stdout)?.[1]) };
}
