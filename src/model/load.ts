/**
 * A checkpoint made ready to run:
 *
 *     checkpoint ──► graph ──► compiled program ─┐
 *          └───────► packed weights ─────────────┴──► session on a device ──► Runner
 */

import { fusions, productsMax } from "../compile/fusion.ts";
import { launches } from "../compile/launch.ts";
import type { WeightFormat } from "../compile/layout.ts";
import { attentionScratch } from "../compile/lower/attention.ts";
import { blockBytes, type CacheType, positionsPerBlock } from "../compile/lower/cache-store.ts";
import { chainScratchMax } from "../compile/lower/chain.ts";
import { linearScratch } from "../compile/lower/linear.ts";
import { panelScratch } from "../compile/lower/panels.ts";
import { rowScratchMax } from "../compile/lower/row-kernel.ts";
import { optionalPasses } from "../compile/pass.ts";
import { type CompileOptions, compile } from "../compile/pipeline.ts";
import type { LinearSchedule } from "../compile/schedule/linear.ts";
import { UserError } from "../core/errors.ts";
import type { Device, Level, Region, Span } from "../device/device.ts";
import { holding } from "../device/holding.ts";
import { openDevice } from "../device/open.ts";
import type { ProgramCache } from "../device/program-cache.ts";
import type { Graph, Shape } from "../graph/ir.ts";
import { buildGraph } from "./architecture.ts";
import type { Checkpoint, TensorSource } from "./checkpoint.ts";
import { type AnyProgram, CompiledRunner, type Weights } from "./compiled-runner.ts";
import { formatOf, type Matrix, type Numerics, packMatrices, packVector } from "./pack.ts";
import type { Runner, StepSequence } from "./runner.ts";
import { verified } from "./verified-runner.ts";

export interface LoadOptions {
  readonly threads?: number;
  /** Weights dequantised to f32, all arithmetic in f32: short for numerics `exact`. */
  readonly exact?: boolean;
  readonly numerics?: Numerics;
  /** What keys and values are kept as; default f16, or f32 where the numerics are exact. */
  readonly cacheType?: CacheType;
  readonly level?: Level;
  /** Most positions of one sequence; default and at most the model's. */
  readonly context?: number;
  /** Cache blocks of 16 positions; default what fits in 1 GiB, at most a whole context for each sequence of a step. */
  readonly blocks?: number;
  readonly tokensMax?: number;
  readonly rowsMax?: number;
  readonly sequencesMax?: number;
  readonly observe?: CompileOptions["observe"];
  /** Which entry of `compile/pass` rewrites the graph first; default none. */
  readonly pass?: string;
  /** How products are scheduled on a device, by `linearKey`: what tuning found. */
  readonly schedules?: (device: Pick<Device, "level" | "target" | "threads">) => ReadonlyMap<string, LinearSchedule>;
  /** The policy by which operations are put into kernels. */
  readonly fusion?: string;
  /** The policy by which calls are put on threads. */
  readonly launch?: string;
  /** On a device whose runs can be timed, call by call: see `Loaded.timedStep`. */
  readonly timed?: boolean;
  /** Checks the first step of each class of shapes against the reference level, bit for bit: see `verified`. */
  readonly verify?: boolean;
  /** Where compiled programs are kept; without, each load compiles. */
  readonly programs?: ProgramCache;
  /** Called once while other threads pack weights: what can be done on this one goes here. */
  readonly meanwhile?: () => unknown;
}

const defaults = {
  fusion: "astitch",
  launch: "nimble",
  threads: 2,
  tokensMax: 512,
  rowsMax: 64,
  sequencesMax: 64,
  cacheBytes: 2 ** 30,
};

const verifiedMax = { blocks: 64, tokens: 32 };

/** The runner, and what it runs on. */
export interface Loaded extends Runner {
  readonly device: Device;
  /** What a step runs. */
  readonly program: AnyProgram;
  /** Of a weight as packed. */
  weightBytes(name: string): number;
  /** A step, and when each thread did its part of each call of the program. For a runner loaded with `timed`. */
  timedStep(sequences: readonly StepSequence[]): Promise<readonly Span[]>;
}

export async function loadRunner(checkpoint: Checkpoint, options: LoadOptions = {}): Promise<Loaded> {
  const { config } = checkpoint;
  const context = contextOf(checkpoint, options.context);
  const graph = await buildGraph(checkpoint);
  const numerics = options.numerics ?? (options.exact ? "exact" : "default");
  const cache = options.cacheType ?? (numerics === "exact" ? "f32" : "f16");
  const formats = formatsOf(graph, checkpoint, numerics);
  const tokensMax = options.tokensMax ?? Math.min(defaults.tokensMax, context);
  const kernelScratch = Math.max(attentionScratch(config.headWidth), unpackScratch(graph, formats));
  const scratchBytes = kernelScratch + rowScratchMax + Math.max(chainScratchMax, panelScratch(productsMax, tokensMax));
  const { fusion, launch } = await policies(options);
  const threads = options.threads ?? defaults.threads;
  const timed = options.timed !== undefined && { timed: options.timed };
  const { device, freeAll } = holding(await openDevice(options.level, { threads, scratchBytes, ...timed }));
  let packing: Promise<Weights> | undefined;
  try {
    const limits = {
      tokensMax,
      rowsMax: options.rowsMax ?? defaults.rowsMax,
      sequencesMax: options.sequencesMax ?? defaults.sequencesMax,
    };
    const schedules = options.schedules?.(device) ?? new Map();
    const shared = { target: device.target, formats, fusion, schedules, cache, ...limits };
    const make = {
      step: () => program(device, graph, shared, options),
      embed: () => program(device, hiddenOfAll(graph), { ...shared, rowsMax: limits.tokensMax }, unobserved(options)),
    };
    // A pass may join weights, so what it made must be known before they are packed.
    const made = options.pass === undefined ? undefined : { step: await make.step(), embed: await make.embed() };
    packing = packWeights(device, graph, checkpoint, formats, stacksOf(made === undefined ? [] : Object.values(made)));
    packing.catch(() => {});
    // Else what waits for threads and what needs this one go on side by side.
    const embed = async (): Promise<AnyProgram> => made?.embed ?? (await make.embed());
    const programs = { step: made?.step ?? (await make.step()), embed };
    options.meanwhile?.();
    const weights = await packing;
    const ofBlock = config.layers * 2 * blockBytes({ kvHeads: config.kvHeads, width: config.headWidth, cache });
    const whole = Math.ceil(context / positionsPerBlock);
    const blocks =
      options.blocks ?? Math.max(1, Math.min(limits.sequencesMax * whole, Math.floor(defaults.cacheBytes / ofBlock)));
    const runner = new CompiledRunner({
      device,
      programs,
      launch,
      weights,
      config,
      context,
      blocks,
      blockBytes: ofBlock,
      ...limits,
      adapters: checkpoint.adapters ?? [],
    });
    return options.verify && device.level !== "reference" ? await withReference(runner, checkpoint, options) : runner;
  } catch (error) {
    await packing?.catch(() => {});
    await device.close();
    freeAll();
    throw error;
  }
}

async function policies(options: LoadOptions) {
  const [fusion, launch] = [options.fusion ?? defaults.fusion, options.launch ?? defaults.launch];
  return {
    fusion: { id: fusion, policy: await fusions.create(fusion) },
    launch: { id: launch, policy: await launches.create(launch) },
  };
}

/** Who observes compilation sees that of the step alone. */
const unobserved = ({ observe: _, ...rest }: LoadOptions): LoadOptions => rest;

/** Its steps are short where they are checked: the reference takes some seconds a token of a small model. */
async function withReference(runner: Loaded, checkpoint: Checkpoint, options: LoadOptions): Promise<Loaded> {
  const { observe: _, verify: __, timed: ___, meanwhile: ____, ...rest } = options;
  const blocks = Math.min(runner.blocks, verifiedMax.blocks);
  const tokensMax = Math.min(runner.tokensMax, verifiedMax.tokens);
  const reference = await loadRunner(checkpoint, { ...rest, level: "reference", threads: 1, blocks, tokensMax });
  return verified(runner, reference);
}

/** From the cache, or compiled and kept there. A run that is observed or timed is about the compiler: it compiles. */
async function program(
  device: Device,
  graph: Graph,
  how: CompileOptions,
  { observe, timed, programs, pass: id }: LoadOptions,
): Promise<AnyProgram> {
  const pass = id === undefined ? {} : { pass: await optionalPasses.create(id) };
  const compiled = () => compile(graph, { ...how, ...pass, ...(observe && { observe }) });
  if (programs === undefined || observe !== undefined || timed || device.dialect === undefined) return compiled();
  // Policies are functions: their names stand for them.
  const kept = programs.at([device.dialect, graph, how, id]);
  const known = kept.read();
  if (known !== undefined) return known;
  const fresh = compiled();
  const rendered = { ...fresh, kernels: fresh.kernels.map((k) => device.render(k)) };
  kept.write(rendered);
  return rendered;
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

/** What the largest product needs to unpack a panel. */
function unpackScratch(graph: Graph, formats: ReadonlyMap<string, WeightFormat>): number {
  const needs = graph.nodes.map(({ op, type }) => {
    const format = op.kind === "weight" ? formats.get(op.name) : undefined;
    return format === undefined ? 0 : linearScratch(format, Number(type.shape[1]));
  });
  return Math.max(...needs);
}

function formatsOf(graph: Graph, checkpoint: Checkpoint, numerics: Numerics): Map<string, WeightFormat> {
  const formats = new Map<string, WeightFormat>();
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "weight" || type.shape.length !== 2) continue;
    formats.set(op.name, formatOf(tensorOf(checkpoint, op.name, type.shape), numerics));
  }
  return formats;
}

/** `stacks`: matrices that the programs read as one, so that they must lie one behind the other. */
async function packWeights(
  device: Device,
  graph: Graph,
  checkpoint: Checkpoint,
  formats: ReadonlyMap<string, WeightFormat>,
  stacks: ReadonlyMap<string, readonly string[]>,
): Promise<Weights> {
  const weights = new Map<string, Region>();
  const single = new Map<string, Matrix>();
  for (const { op, type } of graph.nodes) {
    if (op.kind !== "weight") continue;
    const tensor = tensorOf(checkpoint, op.name, type.shape);
    const format = formats.get(op.name);
    if (format === undefined) weights.set(op.name, packVector(device, tensor));
    else single.set(op.name, { tensor, format });
  }
  const vectors = [...weights.values()];
  const stacked = [...stacks.values()].flat();
  const names = [...stacked, ...[...single.keys()].filter((name) => !stacked.includes(name))];
  const begins = new Set([...stacks.values()].map((parts) => parts[0]!));
  const matrices = names.map((name, i) => ({ ...single.get(name)!, joined: i < stacked.length && !begins.has(name) }));
  const { pools, regions } = await packMatrices(device, matrices);
  for (const [i, name] of names.entries()) weights.set(name, regions[i]!);
  let next = 0;
  for (const [name, parts] of stacks) {
    const bytes = regions.slice(next, next + parts.length).reduce((sum, r) => sum + r.bytes, 0);
    weights.set(name, { ...regions[next]!, bytes });
    next += parts.length;
  }
  return { byName: weights, owned: [...vectors, ...pools] };
}

/** By the name under which programs read them. */
function stacksOf(programs: readonly AnyProgram[]): Map<string, readonly string[]> {
  const args = programs.flatMap((p) => p.calls.flatMap((call) => call.args));
  return new Map(
    args.flatMap((a) => (a.kind === "weight" && a.parts !== undefined ? [[a.name, a.parts] as const] : [])),
  );
}

function tensorOf(checkpoint: Checkpoint, name: string, shape: Shape): TensorSource {
  const tensor = checkpoint.tensors.get(name);
  if (tensor !== undefined && `${tensor.shape}` === `${shape}`) return tensor;
  throw new UserError(
    `${checkpoint.path} has ${tensor === undefined ? "no" : `shape [${tensor.shape}] for`} tensor ${name}; [${shape}] is needed.`,
    "The file is incomplete or of another model than it says; download it again.",
  );
}
