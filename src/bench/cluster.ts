/**
 * How fast clusters are simulated: production traces whole under every scheduling and scaling entry that solves no program, and Muri, in
 * seconds of CPU, of which 60 are allowed, on as many nodes as keep four fifths of them busy and on fewer; and up to a million jobs on
 * 10,000 nodes, with the exponent by which time grows with jobs.
 */
import type { JobSpec } from "../cluster/job.ts";
import type { NodeSpec } from "../cluster/node.ts";
import { type PolicyOptions, policyOf } from "../cluster/policy.ts";
import { scalings } from "../cluster/scaling.ts";
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

/** A linear or integer program at every decision. */
const solvers = ["gavel", "shockwave", "allox"];
const secondsMax = 60;

interface Case {
  readonly name: string;
  readonly jobs: readonly JobSpec[];
  readonly nodes: readonly NodeSpec[];
}

export async function run(bench: Bench): Promise<void> {
  for (const trace of await traces(bench.quick)) {
    const entries = [...schedulings.ids(), ...scalings.ids(), "srsf+muri"].filter((id) => !solvers.includes(id));
    for (const id of bench.quick ? ["fifo", "srtf", "afs"] : entries) await replay(bench, trace, id);
    if (!bench.quick) await replay(bench, trace, "optimus", { optimus: { fitted: 1 } });
  }
  for (const policy of ["fifo", "tiresias", "gavel"]) await grow(bench, policy, ["v100"]);
  await grow(bench, "gavel", ["v100", "k80"]);
}

async function replay(bench: Bench, { name, jobs, nodes }: Case, policy: string, options = {}): Promise<void> {
  const [seconds, terms] = await simulate(policy, jobs, nodes, { options });
  const goal = { most: secondsMax };
  bench.row({
    name: `${name} on ${nodes.length} nodes under ${policy}${Object.keys(options).length > 0 ? `, ${JSON.stringify(options)}` : ""}`,
    unit: "s",
    ours: seconds,
    goal,
    terms: { nodes: nodes.length, ...options, ...terms },
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
    const [seconds, terms] = await simulate(policy, trace, nodes, types.length > 1 ? { speed: modelledSpeed } : {});
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
  { options = {}, speed }: { readonly options?: PolicyOptions; readonly speed?: Speed },
): Promise<[number, Terms]> {
  const policy = await policyOf(name, options, loadCombination);
  const reading = new ClusterReading(nodes);
  let decisions = 0;
  const began = process.cpuUsage();
  streamCluster({ jobs, nodes, policy, ...(speed && { steady: { speed } }) }, (line) => {
    reading.add(line);
    if (line.kind === "decided") decisions++;
  });
  const { user, system } = process.cpuUsage(began);
  const seconds = (user + system) / 1e6;
  const memoryMaxSoFarMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  const { finished, averageJct, utilisation, restarts } = reading.metrics();
  return [seconds, { jobs: jobs.length, finished, decisions, averageJct, utilisation, restarts, memoryMaxSoFarMiB }];
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
    for (const nodes of quick ? ["4x8:gpu"] : ["178x8:gpu", "128x8:gpu"]) {
      found.push({ name: "itp", jobs, nodes: readNodes(nodes) });
    }
  }
  if (philly !== undefined && !quick) {
    const { jobs } = await loadTrace(philly);
    for (const nodes of ["64x8:gpu", "59x8:gpu"]) found.push({ name: "philly", jobs, nodes: readNodes(nodes) });
  }
  return found;
}
