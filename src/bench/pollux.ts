/**
 * A workload of 160 jobs under Tiresias and Optimus: the published simulator of Pollux, as a process, against the same through
 * our engine, profiles read from disk each time. Both end every job at the same second.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { promisify } from "node:util";
import { policyOf } from "../cluster/policy.ts";
import { UserError } from "../core/errors.ts";
import { median } from "../core/statistics.ts";
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
}

async function replay(name: string, folder: string): Promise<number> {
  const jobs = readWorkload(`${folder}/workloads/workload-6.csv`);
  const policy = await policyOf(name, {}, loadCombination);
  const applications = readProfiles(`${folder}/traces`);
  const reading = new ClusterReading(polluxNodes);
  streamCluster(profiledSetup({ jobs, policy, applications }), reading.add);
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
