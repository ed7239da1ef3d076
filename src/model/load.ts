/**
 * A checkpoint made ready to run:
 *
 *     checkpoint ──► graph ──► compiled program ─┐
 *          └───────► packed weights ─────────────┴──► session on a device ──► Runner
 */

import type { WeightFormat } from "../compile/layout.ts";
import { attentionScratch, positionsPerBlock } from "../compile/lower/attention.ts";
import { type CompileOptions, compile } from "../compile/pipeline.ts";
import { UserError } from "../core/errors.ts";
import type { Device, Level, Region } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import type { Graph } from "../graph/ir.ts";
import { buildGraph } from "./architecture.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { CompiledRunner } from "./compiled-runner.ts";
import { formatOf, packMatrix, packVector } from "./pack.ts";
import type { Runner } from "./runner.ts";

export interface LoadOptions {
  readonly threads?: number;
  /** Weights dequantised to f32, all arithmetic in f32. */
  readonly exact?: boolean;
  readonly level?: Level;
  /** Most positions of one sequence; default and at most the model's. */
  readonly context?: number;
  /** Cache blocks of 16 positions; default what fits in 1 GiB, at most eight whole contexts. */
  readonly blocks?: number;
  readonly tokensMax?: number;
  readonly rowsMax?: number;
  readonly sequencesMax?: number;
  readonly observe?: CompileOptions["observe"];
}

const defaults = { threads: 2, tokensMax: 512, rowsMax: 64, sequencesMax: 64, cacheBytes: 2 ** 30 };

/** The runner, and what it runs on. */
export interface Loaded extends Runner {
  readonly device: Pick<Device, "level" | "threads">;
}

export async function loadRunner(checkpoint: Checkpoint, options: LoadOptions = {}): Promise<Loaded> {
  const { config } = checkpoint;
  const context = contextOf(checkpoint, options.context);
  const graph = await buildGraph(checkpoint);
  const scratchBytes = Math.max(attentionScratch(context), config.headWidth * 8);
  const device = await openDevice(options.level, { threads: options.threads ?? defaults.threads, scratchBytes });
  try {
    const limits = {
      tokensMax: options.tokensMax ?? Math.min(defaults.tokensMax, context),
      rowsMax: options.rowsMax ?? defaults.rowsMax,
      sequencesMax: options.sequencesMax ?? defaults.sequencesMax,
    };
    const formats = formatsOf(graph, checkpoint, options.exact ?? false);
    const shared = { target: device.target, formats, ...limits };
    const programs = {
      step: compile(graph, { ...shared, ...(options.observe && { observe: options.observe }) }),
      embed: compile(hiddenOfAll(graph), { ...shared, rowsMax: limits.tokensMax }),
    };
    const weights = packWeights(device, graph, checkpoint, formats);
    const blockBytes = config.layers * 2 * config.kvHeads * config.headWidth * positionsPerBlock * 4;
    const whole = Math.ceil(context / positionsPerBlock);
    const blocks = options.blocks ?? Math.max(1, Math.min(8 * whole, Math.floor(defaults.cacheBytes / blockBytes)));
    return new CompiledRunner({ device, programs, weights, config, context, blocks, blockBytes, ...limits });
  } catch (error) {
    await device.close();
    throw error;
  }
}

function contextOf({ config, name }: Checkpoint, asked: number | undefined): number {
  if (asked === undefined) return config.context;
  if (Number.isInteger(asked) && asked >= 1 && asked <= config.context) return asked;
  throw new UserError(`A context of ${asked} was asked for; ${name} has ${config.context}.`, "Ask for 1 to that many.");
}

/** Graphs differ only in what they return: this one gives the final norm's output and no logits. */
function hiddenOfAll(graph: Graph): Graph {
  return { nodes: graph.nodes, outputs: { hidden: graph.outputs.hidden! } };
}

function formatsOf(graph: Graph, checkpoint: Checkpoint, exact: boolean): Map<string, WeightFormat> {
  const formats = new Map<string, WeightFormat>();
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "weight" || type.shape.length !== 2) continue;
    formats.set(op.name, formatOf(checkpoint.tensors.get(op.name)!, exact));
  }
  return formats;
}

function packWeights(
  device: Device,
  graph: Graph,
  checkpoint: Checkpoint,
  formats: ReadonlyMap<string, WeightFormat>,
): Map<string, Region> {
  const weights = new Map<string, Region>();
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "weight") continue;
    const tensor = checkpoint.tensors.get(op.name);
    if (tensor === undefined || `${tensor.shape}` !== `${type.shape}`) {
      throw new UserError(
        `${checkpoint.path} has ${tensor === undefined ? "no" : `shape [${tensor.shape}] for`} tensor ${op.name}; [${type.shape}] is needed.`,
        "The file is incomplete or of another model than it says; download it again.",
      );
    }
    const format = formats.get(op.name);
    weights.set(op.name, format === undefined ? packVector(device, tensor) : packMatrix(device, tensor, format));
  }
  return weights;
}
