/** Compiles Gemma's programs once, in this process, and prints the seconds of each part as JSON. */
import type { WeightFormat } from "../compile/layout.ts";
import { compile } from "../compile/pipeline.ts";
import { levels, openDevice } from "../device/open.ts";
import type { Graph } from "../graph/ir.ts";
import { buildGraph } from "../model/architecture.ts";
import { formatOf } from "../model/pack.ts";
import { openGemma } from "./gemma-steps.ts";

export interface CompileSeconds {
  readonly level: string;
  readonly kernels: number;
  /** Graph to tile programs, memory plan and barriers. */
  readonly compile: number;
  /** Tile programs to machine code in executable memory. */
  readonly install: number;
  /** Both, of the program that embeddings need besides. */
  readonly embed: number;
}

async function once(): Promise<CompileSeconds> {
  const checkpoint = await openGemma();
  const device = await openDevice(
    levels.find((level) => level === process.argv[2]),
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
  const program = compile(graph, options);
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
