/**
 * How fast clusters are simulated: production traces whole under every scheduling entry that solves no program, in seconds, of which
 * 60 are allowed; and up to a million jobs on 10,000 nodes, with the exponent by which time grows with jobs.
 */
import type { JobSpec } from "../cluster/job.ts";
import type { NodeSpec } from "../cluster/node.ts";
import { policyOf } from "../cluster/policy.ts";
import { schedulings } from "../cluster/scheduling.ts";
import { loadTrace } from "../cluster/trace/load.ts";
import { readNodes } from "../cluster/trace/nodes.ts";
import { ClusterReading } from "../sim/cluster/metrics.ts";
import { streamCluster } from "../sim/cluster/simulate.ts";
import type { Speed } from "../sim/cluster/steady-launcher.ts";
import { generateJobs, modelledSpeed, nodesOf } from "../sim/cluster/workload.ts";
import { loadCombination } from "../system/combination.ts";
import { sharedData } from "../test/shared-data.ts";
import type { Bench, Terms } from "./terms.ts";

/** A linear or integer program, or a search, at every decision. */
const solvers = ["gavel", "shockwave", "allox", "pollux", "themis"];
const secondsMax = 60;

interface Case {
  readonly name: string;
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
}

export async function run(bench: Bench): Promise<void> {
  for (const trace of await traces(bench.quick)) {
    const entries = schedulings.ids().filter((id) => !solvers.includes(id));
    for (const id of bench.quick ? ["fifo", "srtf"] : entries) await replay(bench, trace, id);
  }
  for (const policy of ["fifo", "tiresias", "gavel"]) await grow(bench, policy, ["v100"]);
  await grow(bench, "gavel", ["v100", "k80"]);
}

async function replay(bench: Bench, { name, jobs, nodes }: Case, policy: string): Promise<void> {
  const [seconds, terms] = await simulate(policy, jobs, nodes);
  const goal = { most: secondsMax };
  bench.row({
    name: `${name} under ${policy}`,
    unit: "s",
    ours: seconds,
    goal,
    terms: { nodes: nodes.length, ...terms },
  });
}

/** Time by the number of jobs, the load and the nodes being the same. Types have equally many nodes. */
async function grow(bench: Bench, policy: string, types: readonly string[]): Promise<void> {
  const count = bench.quick ? 100 : 10_000;
  const nodes = types.flatMap((type, k) => nodesOf(count / types.length, 8, type, (k * count) / types.length));
  const name = types.length === 1 ? policy : `${policy} on ${types.join(" and ")}`;
  // Seconds on one GPU of a job of this generator, on average: nine tenths of the GPUs are in use, or of what slower ones are worth.
  const worth = types.length === 1 ? 0.9 : 0.6;
  const gap = 11_500 / (worth * 8 * nodes.length);
  const times: { readonly jobs: number; readonly seconds: number }[] = [];
  for (const jobs of bench.quick ? [1000, 4000] : [62_500, 250_000, 1_000_000]) {
    const trace = generateJobs({ jobs, gap, shorten: 10, tenants: [0.6, 0.3, 0.1] }, 1);
    const [seconds, terms] = await simulate(policy, trace, nodes, types.length > 1 ? modelledSpeed : undefined);
    times.push({ jobs, seconds });
    bench.row({ name: `${jobs} jobs under ${name}`, unit: "s", ours: seconds, terms: { nodes: count, ...terms } });
  }
  const [first, last] = [times[0]!, times.at(-1)!];
  const exponent = Math.log(last.seconds / first.seconds) / Math.log(last.jobs / first.jobs);
  bench.note({ name: `growth under ${name}`, law: `seconds ~ jobs^${exponent.toFixed(2)}`, exponent });
}

async function simulate(
  name: string,
  jobs: readonly JobSpec[],
  nodes: readonly NodeSpec[],
  speed?: Speed,
): Promise<[number, Terms]> {
  const policy = await policyOf(name, {}, loadCombination);
  const reading = new ClusterReading(nodes);
  let decisions = 0;
  const began = performance.now();
  streamCluster({ jobs, nodes, policy, ...(speed && { steady: { speed } }) }, (line) => {
    reading.add(line);
    if (line.kind === "decided") decisions++;
  });
  const seconds = (performance.now() - began) / 1e3;
  const { finished, averageJct, utilisation, restarts } = reading.metrics();
  return [seconds, { jobs: jobs.length, finished, decisions, averageJct, utilisation, restarts }];
}

/** Those that are on the shelf. */
async function traces(quick: boolean): Promise<Case[]> {
  const philly = sharedData("pollux/traces/philly.csv");
  const itp = sharedData("itp-traces/raw");
  const found: Case[] = [];
  if (itp !== undefined) {
    const clusters = quick ? ["10"] : ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10"];
    const loaded = await Promise.all(clusters.map((cluster) => loadTrace(`${itp}/cluster${cluster}.csv`)));
    const jobs = loaded.flatMap((trace, i) => trace.jobs.map((job) => ({ ...job, id: `${clusters[i]}/${job.id}` })));
    found.push({ name: "itp", jobs, nodes: readNodes(quick ? "4x8:gpu" : "192x8:gpu") });
  }
  if (philly !== undefined && !quick) {
    found.push({ name: "philly", jobs: (await loadTrace(philly)).jobs, nodes: readNodes("64x8:gpu") });
  }
  return found;
}
