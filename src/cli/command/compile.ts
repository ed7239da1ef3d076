/** `heddle compile`: what each pass of the compiler makes of a model's graph. */
import type { Command } from "commander";
import { passes } from "../../compile/pipeline.ts";
import { UserError } from "../../core/errors.ts";
import type { Graph } from "../../graph/ir.ts";
import { print as printGraph } from "../../graph/print.ts";
import { addRunnerOptions, loadOptions, type RunnerArguments } from "../arguments.ts";
import { withCheckpoint, withRunner } from "../model.ts";
import { print, say } from "../terminal.ts";

interface Arguments extends RunnerArguments {
  readonly dump?: string;
}

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .option("--explain", "print what each pass changes (this is the default)")
    .option("--dump <pass>", `print the graph after a pass: ${stages().join(", ")}`)
    .action(run);
  addRunnerOptions(command);
}

/** `capture` is the graph before the first pass. */
const stages = (): string[] => ["capture", ...passes.map(({ name }) => name)];

async function run(model: string, given: Arguments): Promise<void> {
  if (given.dump !== undefined && !stages().includes(given.dump)) {
    throw new UserError(`There is no pass "${given.dump}".`, `There are: ${stages().join(", ")}.`);
  }
  const seen: { readonly pass: string; readonly graph: Graph }[] = [];
  const observe = (pass: string, graph: Graph): void => void seen.push({ pass, graph });
  await withCheckpoint(model, (checkpoint) =>
    withRunner(checkpoint, { ...loadOptions(given), observe }, async ({ device }) => {
      say(`${checkpoint.name}, compiled for ${device.level} with ${device.threads} threads`);
    }),
  );
  if (given.dump !== undefined) {
    const dumped = seen.find(({ pass }) => pass === given.dump);
    if (dumped !== undefined) print(printGraph(dumped.graph));
    return;
  }
  for (const [i, { pass, graph }] of seen.entries()) print(explain(pass, graph, seen[i - 1]?.graph));
}

/** One line: the nodes there are, and which kinds became more or fewer. */
function explain(pass: string, graph: Graph, before: Graph | undefined): string {
  const line = `${pass.padEnd(22)} ${String(graph.nodes.length).padStart(5)} nodes`;
  if (before === undefined) return line;
  const [now, then] = [kinds(graph), kinds(before)];
  const changes = [...new Set([...then.keys(), ...now.keys()])].flatMap((kind) => {
    const more = (now.get(kind) ?? 0) - (then.get(kind) ?? 0);
    return more === 0 ? [] : [`${more > 0 ? "+" : "−"}${Math.abs(more)} ${kind}`];
  });
  return `${line}  ${changes.join(", ") || "nothing changed"}`;
}

function kinds(graph: Graph): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { op } of graph.nodes) counts.set(op.kind, (counts.get(op.kind) ?? 0) + 1);
  return counts;
}
