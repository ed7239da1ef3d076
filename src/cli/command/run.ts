/** `heddle run`: an entry on its rig beside its baseline, or a baseline beside all others of its slot. */
import type { Command } from "commander";
import { rigOf } from "../../sim/rig.ts";
import type { Metrics } from "../../sim/serve-metrics.ts";
import { workloads } from "../../sim/workload.ts";
import { figure, plotBars } from "../plot.ts";
import { type Found, findEntries } from "../slots.ts";
import { print, printJson } from "../terminal.ts";

interface Arguments {
  readonly on?: string;
  readonly json?: boolean;
}

interface Measured {
  readonly id: string;
  readonly metrics: Metrics;
}

export function define(command: Command): void {
  command
    .argument("<name>", "a row of systems.tsv, a system or an entry: orca, pagedattention, …")
    .option("--on <workload>", `another workload than the claim's: ${workloads().join(", ")}`)
    .option("--json", "print a list of {id, slot, on, metrics: {…}}")
    .action(run);
}

async function run(name: string, given: Arguments): Promise<void> {
  const reports: unknown[] = [];
  for (const found of await findEntries(name)) reports.push(await runOne(found, given));
  if (given.json) printJson(reports.flat());
}

async function runOne({ id, slot, entry }: Found, { on, json }: Arguments): Promise<unknown[]> {
  const { claim } = entry;
  const rig = rigOf(slot.path);
  const others = claim === "baseline" ? slot.ids().filter((other) => other !== id) : [claim.than];
  const workload = on ?? (claim === "baseline" ? rig.workload : claim.on);
  const where = claim === "baseline" ? "sim" : claim.where;
  const measured: Measured[] = [];
  for (const each of [id, ...others]) measured.push({ id: each, metrics: await rig.measure(each, where, workload) });
  if (!json) {
    print(`${entry.title}: ${entry.paper?.title ?? "a baseline"}\n${entry.idea}\n`);
    print(`on ${workload}, ${where === "sim" ? "in virtual time" : "counted on this machine"}:\n`);
    print(table(measured));
    const [first] = Object.keys(measured[0]!.metrics);
    const metric = claim !== "baseline" ? claim.metric : "latencyMean" in measured[0]!.metrics ? "latencyMean" : first!;
    print(`\n${metric}\n${plot(measured, metric)}`);
    if (claim !== "baseline" && workload === claim.on) print(`\n${verdict(measured, claim)}`);
  }
  return measured.map(({ id: each, metrics }) => ({ id: each, slot: slot.path, on: workload, where, metrics }));
}

function table(measured: readonly Measured[]): string {
  const names = Object.keys(measured[0]!.metrics);
  const width = Math.max(...measured.map(({ id }) => id.length), 10) + 2;
  const head = " ".repeat(18) + measured.map(({ id }) => id.padStart(width)).join("");
  const row = (name: string): string =>
    name.padEnd(18) + measured.map(({ metrics }) => figure(metrics[name]!).padStart(width)).join("");
  return [head, ...names.map(row)].join("\n");
}

const plot = (measured: readonly Measured[], metric: string): string =>
  plotBars(
    measured.map(({ id, metrics }) => ({ name: id, value: metrics[metric]! })),
    Math.min(process.stdout.columns ?? 80, 100),
  );

function verdict(measured: readonly Measured[], claim: Exclude<Found["entry"]["claim"], "baseline">): string {
  const [mine, baseline] = measured.map(({ metrics }) => metrics[claim.metric]!) as [number, number];
  const ratio = claim.better === "higher" ? mine / baseline : baseline / mine;
  const outcome = ratio >= claim.factor ? "the claim holds" : "the claim fails";
  return `Claimed: at least ${claim.factor}× ${claim.better} than ${claim.than}. Measured: ${ratio.toFixed(2)}×; ${outcome}.`;
}
