/**
 * Compiles Gemma's programs once, in this process, and prints the seconds of each part as JSON. Words: a level, or "", and a
 * folder in which the program is looked for first, and kept.
 */
import type { WeightFormat } from "../compile/layout.ts";
import { type CompileOptions, compile } from "../compile/pipeline.ts";
import type { Device } from "../device/device.ts";
import { levels, openDevice } from "../device/open.ts";
import { programCache } from "../device/program-cache.ts";
import type { Graph } from "../graph/ir.ts";
import { buildGraph } from "../model/architecture.ts";
import { formatOf } from "../model/pack.ts";
import { openGemma } from "./gemma-steps.ts";

export interface CompileSeconds {
  readonly level: string;
  readonly kernels: number;
  /** Graph to tile programs, memory plan and barriers; or reading all of it from the cache. */
  readonly compile: number;
  /** Tile programs to machine code in executable memory. */
  readonly install: number;
  /** Both, of the program that embeddings need besides. */
  readonly embed: number;
}

/** What a load does where it keeps programs. */
function kept(device: Device, graph: Graph, options: CompileOptions, folder: string) {
  if (device.dialect === undefined) return compile(graph, options);
  const cached = programCache(folder).at([device.dialect, graph, options]);
  const known = cached.read();
  if (known !== undefined) return known;
  const fresh = compile(graph, options);
  const rendered = { ...fresh, kernels: fresh.kernels.map((k) => device.render(k)) };
  cached.write(rendered);
  return rendered;
}

async function once(): Promise<CompileSeconds> {
  const checkpoint = await openGemma();
  const [asked, folder] = process.argv.slice(2);
  const device = await openDevice(
    levels.find((level) => level === asked),
    { threads: 1, scratchBytes: 4096 },
  );
  const graph = await buildGraph(checkpoint);
  const formats = new Map<string, WeightFormat>();
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "weight" || type.shape.length !== 2) continue;
    formats.set(op.name, formatOf(checkpoint.tensors.get(op.name)!, "default"));
  }
  // The limits, and the second program for embeddings, are those of `loadRunner`.
  const options = { target: device.target, formats, tokensMax: 512, rowsMax: 64 };
  const began = performance.now();
  const program = folder === undefined ? compile(graph, options) : kept(device, graph, options, folder);
  const compiled = performance.now();
  device.install(program.kernels);
  const installed = performance.now();
  const hidden: Graph = { nodes: graph.nodes, outputs: { hidden: graph.outputs.hidden! } };
  device.install(compile(hidden, { ...options, rowsMax: 512 }).kernels);
  const embedded = performance.now();
  const { level } = device;
  await device.close();
  checkpoint.close();
  return {
    level,
    kernels: program.kernels.length,
    compile: (compiled - began) / 1000,
    install: (installed - compiled) / 1000,
    embed: (embedded - installed) / 1000,
  };
}

process.stdout.write(`${JSON.stringify(await once())}\n`);
