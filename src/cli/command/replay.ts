/**
 * `heddle replay`: a recorded log again, in virtual time.
 *
 * With the policies that it was recorded with, decisions are made anew from the recorded events and must be the recorded
 * ones. In any case its requests run on a cost model that is fitted to its passes, with the policies that are asked for: what
 * they would have made of the same load.
 */
import type { Command } from "commander";
import { UserError } from "../../core/errors.ts";
import { batchings } from "../../serve/batching.ts";
import { kvCaches } from "../../serve/kv-cache.ts";
import type { LogHeader, LogLine } from "../../serve/log.ts";
import { speculations } from "../../serve/speculation.ts";
import { fit } from "../../sim/pass-cost.ts";
import { firstDifference, readLog, replay, requestsOf } from "../../sim/replay.ts";
import { type Metrics, serveMetrics } from "../../sim/serve-metrics.ts";
import { type Setup, simulate } from "../../sim/simulate.ts";
import { collectOption, type SlotOptions, slotOptions } from "../arguments.ts";
import { figure } from "../plot.ts";
import { print, printJson } from "../terminal.ts";
import { readText } from "../text-file.ts";

interface Arguments {
  readonly batching?: string;
  readonly kvCache?: string;
  readonly speculation?: string;
  readonly option?: readonly string[];
  readonly json?: boolean;
}

export function define(command: Command): void {
  command
    .argument("<log>", "a file that `heddle serve --record` wrote")
    .option("--batching <id>", `default: as recorded; ${batchings.ids().join(", ")}`)
    .option("--kv-cache <id>", `default: as recorded; ${kvCaches.ids().join(", ")}`)
    .option("--speculation <id>", `default: as recorded; ${speculations.ids().join(", ")}`)
    .option("--option <slot.name=value>", "an option of what fills a slot; repeatable", collectOption)
    .option("--json", "print {policies, decisionsEqual, recorded: {…}, simulated: {…}}")
    .action(run);
}

async function run(path: string, given: Arguments): Promise<void> {
  const { header, lines } = readLog(readText(path), path);
  const requests = requestsOf(lines);
  if (requests.length === 0) throw new UserError(`${path} has no finished request.`, "Record a server under load.");
  const names = {
    batching: given.batching ?? header.batching,
    kvCache: given.kvCache ?? header.kvCache,
    speculation: given.speculation ?? header.speculation,
  };
  const options = optionsOf(header, names, given.option ?? []);
  const asRecorded = JSON.stringify([names, options]) === JSON.stringify([namesOf(header), header.options]);
  const difference = asRecorded
    ? firstDifference(lines, replay(header, await create(names, options), lines))
    : undefined;
  const recorded = serveMetrics(lines, header.blockSize);
  const { blocks, swapBlocks, limits } = header;
  const setup = { ...(await create(names, options)), names, cost: fit(lines), blocks, swapBlocks, limits };
  const load = { requests, acceptance: acceptanceOf(recorded, lines) };
  const simulated = serveMetrics(simulate(setup, load), header.blockSize);
  const decisionsEqual = asRecorded ? difference === undefined : null;
  if (given.json) printJson({ policies: names, decisionsEqual, recorded, simulated });
  else show(names, recorded, simulated, decisionsEqual, difference);
  if (decisionsEqual === false) process.exitCode = 1;
}

const namesOf = ({ batching, kvCache, speculation }: LogHeader): Setup["names"] => ({ batching, kvCache, speculation });

/** The recorded options of the slots that keep their entry, and those given now. */
function optionsOf(header: LogHeader, names: Setup["names"], given: readonly string[]): SlotOptions {
  const kept = {
    batching: names.batching === header.batching,
    "kv-cache": names.kvCache === header.kvCache,
    speculation: names.speculation === header.speculation,
  };
  const asked = slotOptions(given, Object.keys(kept));
  const entries = Object.entries(kept).flatMap(([slot, isKept]) => {
    const values = { ...(isKept ? header.options[slot] : {}), ...asked[slot] };
    return Object.keys(values).length === 0 ? [] : [[slot, values] as const];
  });
  return Object.fromEntries(entries);
}

async function create(
  { batching, kvCache, speculation }: Setup["names"],
  options: SlotOptions,
): Promise<Pick<Setup, "batching" | "kvCache" | "speculation">> {
  return {
    batching: await batchings.create(batching, options.batching),
    kvCache: await kvCaches.create(kvCache, options["kv-cache"]),
    speculation: await speculations.create(speculation, options.speculation),
  };
}

/** The share of recorded guesses that were right; where none were made, one half. */
function acceptanceOf({ acceptance = 0 }: Metrics, lines: readonly LogLine[]): number {
  const drafted = lines.some((line) => line.kind === "done" && line.produced.some((p) => p.drafted > 0));
  return drafted ? acceptance : 0.5;
}

function show(
  names: Setup["names"],
  recorded: Metrics,
  simulated: Metrics,
  decisionsEqual: boolean | null,
  difference: string | undefined,
): void {
  print(`${names.batching}, ${names.kvCache}, speculation: ${names.speculation}\n`);
  print(`${" ".repeat(18)}${"recorded".padStart(12)}${"simulated".padStart(12)}`);
  for (const [name, value] of Object.entries(recorded)) {
    print(`${name.padEnd(18)}${figure(value).padStart(12)}${figure(simulated[name]!).padStart(12)}`);
  }
  if (decisionsEqual === true) print("\nDecided again from the same events, every decision is the recorded one.");
  if (difference !== undefined) print(`\nDecisions differ from the recorded ones, at ${difference}`);
}
