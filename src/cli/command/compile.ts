/** `heddle compile`: what each pass of the compiler makes of a model's graph, and the machine code that comes out. */
import type { Command } from "commander";
import { optionalPasses } from "../../compile/pass.ts";
import { passes } from "../../compile/pipeline.ts";
import { printProgram } from "../../compile/print-program.ts";
import { renderX64 } from "../../compile/render/x64.ts";
import { printListing } from "../../compile/render/x64-listing.ts";
import { asCompiled, type Program } from "../../compile/schedule.ts";
import { nearest, UserError } from "../../core/errors.ts";
import type { Graph } from "../../graph/ir.ts";
import { print as printGraph } from "../../graph/print.ts";
import type { Loaded } from "../../model/load.ts";
import { addRunnerOptions, loadOptions, type RunnerArguments } from "../arguments.ts";
import { withCheckpoint, withRunner } from "../model.ts";
import { print, say } from "../terminal.ts";

interface Arguments extends RunnerArguments {
  readonly explain?: boolean;
  readonly dump?: string;
  readonly asm?: string;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .option("--explain", "print what each pass changes (this is the default)")
    .option(
      "--dump <pass>",
      `print the graph after a pass: ${passes.map(({ name }) => name).join(", ")}, that of --pass; before all: capture; the calls that it becomes: fusion`,
    )
    .option("--asm <kernel>", "print the machine code of a kernel, by the name that heddle profile gives it")
    .action(run);
  addRunnerOptions(command);
}

/** `capture` is the graph before the first pass, `fusion` the program in the end. */
const stages = (pass: string | undefined): string[] => [
  "capture",
  ...(pass === undefined ? [] : [pass]),
  ...passes.map(({ name }) => name),
  "fusion",
];

interface Stage {
  readonly pass: string;
  readonly graph: Graph;
  /** The program if this pass were the last, and each operation a kernel of its own. */
  readonly program: Program;
}

async function run(model: string, given: Arguments): Promise<void> {
  checkDump(given);
  const explains = given.explain || (given.dump === undefined && given.asm === undefined);
  const seen: Stage[] = [];
  const observe = (pass: string, graph: Graph, program: () => Program): void => {
    if (explains) seen.push({ pass, graph, program: program() });
    if (pass === given.dump) print(printGraph(graph));
  };
  await withCheckpoint(model, (checkpoint) =>
    withRunner(checkpoint, { ...loadOptions(given), observe }, async (runner) => {
      say(`${checkpoint.name}, compiled for ${runner.device.level} with ${runner.device.threads} threads`);
      if (given.dump === "fusion") print(printProgram(asCompiled(runner.program)));
      if (given.asm !== undefined) print(assembly(runner, given.asm));
      if (explains) print(explain(seen, asCompiled(runner.program)));
    }),
  );
}

function checkDump({ dump, pass }: Arguments): void {
  if (dump === undefined || stages(pass).includes(dump)) return;
  if (optionalPasses.ids().includes(dump)) throw new UserError(`${dump} is not run.`, `Add --pass ${dump}.`);
  const guess = nearest(dump, stages(pass));
  throw new UserError(
    `There is no pass "${dump}".`,
    guess === undefined ? `There are: ${stages(pass).join(", ")}.` : `Did you mean "${guess}"?`,
  );
}

function assembly({ device, program }: Loaded, name: string): string {
  if (device.level === "wasm" || device.level === "reference") {
    throw new UserError(
      `The machine code of ${name} was asked for; level ${device.level} has none of its own.`,
      "Use --level x64-avx512 or x64-avx2.",
    );
  }
  const { kernels } = asCompiled(program);
  const found = kernels.filter((kernel) => kernel.name === name);
  if (found.length > 0) return found.map((kernel) => printListing(renderX64(kernel))).join("\n\n");
  const names = [...new Set(kernels.map((kernel) => kernel.name))];
  const guess = nearest(name, names);
  throw new UserError(
    `There is no kernel "${name}".`,
    guess === undefined ? `There are: ${names.join(", ")}.` : `Did you mean "${guess}"?`,
  );
}

/** A line a pass, and one for fusion: what there is after it, and which operations became more or fewer. */
function explain(stages: readonly Stage[], fused: Program): string {
  const heads = ["after", "nodes", "bytes/token", "calls", "kernels", "barriers", "arena"];
  const widths = [22, 6, 12, 6, 8, 9, 11];
  const line = (cells: readonly string[], rest = ""): string =>
    `${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("")}  ${rest}`.trimEnd();
  const row = (name: string, nodes: number, program: Program, rest: string): string => {
    const counts = [
      nodes,
      bytesOfToken(program),
      program.calls.length,
      program.kernels.length,
      program.calls.filter((call) => call.barrier).length,
      program.arenaBytes,
    ];
    return line([name, ...counts.map(String)], rest);
  };
  const rows = stages.map(({ pass, graph, program }, i) =>
    row(pass, graph.nodes.length, program, changes(graph, stages[i - 1]?.graph)),
  );
  const last = stages.at(-1)!;
  const fewer = last.program.calls.length - fused.calls.length;
  rows.push(row("fusion", last.graph.nodes.length, fused, `${fewer} calls became parts of others`));
  return [line(heads, "operations"), ...rows].join("\n");
}

/** What a token's values take in memory, all of them together: what calls write. */
function bytesOfToken(program: Program): number {
  return program.buffers.reduce((n, b) => n + b.rowBytes * (typeof b.rows === "number" ? b.rows : 1), 0);
}

function changes(graph: Graph, before: Graph | undefined): string {
  if (before === undefined) return "";
  const [now, then] = [kinds(graph), kinds(before)];
  const changed = [...new Set([...then.keys(), ...now.keys()])].flatMap((kind) => {
    const more = (now.get(kind) ?? 0) - (then.get(kind) ?? 0);
    return more === 0 ? [] : [`${more > 0 ? "+" : "−"}${Math.abs(more)} ${kind}`];
  });
  return changed.join(", ") || "nothing changed";
}

function kinds(graph: Graph): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { op } of graph.nodes) counts.set(op.kind, (counts.get(op.kind) ?? 0) + 1);
  return counts;
}
