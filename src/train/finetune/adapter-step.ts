/**
 * The step that trains a low-rank adapter of a model (Hu et al., ICLR 2022): the model's weights stay as they are, in bf16; what
 * is learnt are the two factors beside each matrix, in f32.
 *
 *     conversations ──► tokens [B, T], the rows that are answers [S] ──► loss ──► gradients of A and B alone ──► AdamW
 */
import { narrowWords } from "../../core/half.ts";
import { draw } from "../../core/random.ts";
import { sizeOf } from "../../graph/array.ts";
import type { Graph, Rope } from "../../graph/ir.ts";
import { buildGraph } from "../../model/architecture.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import { dequantize } from "../../model/dequantize.ts";
import { type ArrayMachine, type ArrayProgramRun, floats, integers, Regions } from "../machine.ts";
import { stepNumbers } from "../model/optimizer.ts";
import { ropeTables } from "../model/served.ts";
import { learningRate, type Schedule } from "../schedule.ts";
import { firstNonFinite, type NonFinite, type StateArray, type Step, type StepMetrics } from "../step.ts";
import { type AdapterGraphOptions, adapterGraph, type Factor, nameOf, type Purpose } from "./adapter-graph.ts";
import type { Taught } from "./conversations.ts";

export interface AdapterOptions extends AdapterGraphOptions {
  readonly checkpoint: Checkpoint;
  /** Canonical names of parts of a layer, for example `attention.q`. */
  readonly targets: readonly string[];
  readonly schedule: Schedule;
  readonly seed: number;
}

export interface AdapterStep extends Step<readonly Taught[]> {
  readonly factors: readonly Factor[];
  values(factor: Factor): Float32Array;
}

export async function openAdapterStep(machine: ArrayMachine, options: AdapterOptions): Promise<AdapterStep> {
  const { checkpoint, rank } = options;
  const weights = [...checkpoint.tensors.values()].flatMap(({ name, shape }): string[] => {
    const part = /^layer\.\d+\.(.*)$/.exec(name)?.[1];
    return shape.length === 2 && part !== undefined && options.targets.includes(part) ? [name] : [];
  });
  const factors = weights.flatMap((weight): Factor[] => {
    const [n, k] = checkpoint.tensors.get(weight)!.shape as [number, number];
    return [
      { weight, part: "a", shape: [rank, k] },
      { weight, part: "b", shape: [n, rank] },
    ];
  });
  // The graph asks for adapters by the presence of their tensors.
  const present = new Map(checkpoint.tensors);
  for (const { weight, part } of factors) present.set(`${weight}.lora.${part}`, checkpoint.tensors.get(weight)!);
  const config = { ...checkpoint.config, adapterRank: rank };
  const graph = await buildGraph({ ...checkpoint, config, tensors: present });
  return new CompiledAdapterStep(machine, options, factors, graph);
}

class CompiledAdapterStep implements AdapterStep {
  readonly factors: readonly Factor[];
  readonly state: ReadonlyMap<string, StateArray>;
  readonly #machine: ArrayMachine;
  readonly #options: AdapterOptions;
  readonly #graph: Graph;
  readonly #regions: Regions;
  readonly #ropes: Rope[] = [];
  readonly #programs = new Map<Purpose, { readonly run: ArrayProgramRun; readonly names: readonly string[] }>();

  constructor(machine: ArrayMachine, options: AdapterOptions, factors: readonly Factor[], graph: Graph) {
    this.#machine = machine;
    this.#options = options;
    this.#graph = graph;
    this.#regions = new Regions(machine);
    this.factors = factors;
    this.state = new Map(
      factors.flatMap((factor) =>
        ["", ".first", ".second"].map((part) => {
          const name = nameOf(factor) + part;
          return [name, this.#regions.state(name, factor.shape)] as const;
        }),
      ),
    );
    this.#fill();
  }

  /** Weights as bf16, tables of ropes, factors as they begin: A uniform in ± 1 / √K, B zero, so that the first loss is the model's. */
  #fill(): void {
    const { checkpoint, batch, length, rows, seed } = this.#options;
    for (const { op, type } of this.#graph.nodes) {
      if (op.kind === "rope" && !this.#ropes.includes(op.rope)) this.#ropes.push(op.rope);
      if (op.kind !== "weight" || op.name.includes(".lora.")) continue;
      const tensor = checkpoint.tensors.get(op.name)!;
      const size = sizeOf(type.shape.map(Number));
      const region = this.#regions.alloc(op.name, size, type.shape.length === 2 ? 2 : 4);
      const bytes = tensor.bytes();
      if (type.shape.length === 1) dequantize(tensor.type, bytes, size, floats(region, size));
      else
        narrowRows(
          tensor.type,
          bytes,
          type.shape as [number, number],
          new Uint16Array(region.buffer, region.offset, size),
        );
    }
    for (const [i, rope] of this.#ropes.entries()) {
      const tables = ropeTables(rope, length);
      for (const part of ["cos", "sin"] as const) {
        floats(this.#regions.alloc(`${part}${i}`, tables[part].length), tables[part].length).set(tables[part]);
      }
    }
    for (const [place, { weight, part, shape }] of this.factors.entries()) {
      for (const moment of [".first", ".second"]) this.#regions.alloc(`${weight}.lora.${part}${moment}`, sizeOf(shape));
      const values = floats(this.#regions.alloc(nameOf({ weight, part }), sizeOf(shape)), sizeOf(shape));
      const bound = 1 / Math.sqrt(shape[1]!);
      if (part === "a") for (let i = 0; i < values.length; i++) values[i] = bound * (2 * draw(seed, place, i) - 1);
    }
    this.#regions.alloc("tokens", batch * length);
    for (const name of ["rows", "targets", "weights"]) this.#regions.alloc(name, rows);
    for (const name of ["learningRate", "correction1", "correction2", "loss", "gradientNorm"])
      this.#regions.alloc(name, 1);
  }

  async #program(purpose: Purpose) {
    const known = this.#programs.get(purpose);
    if (known !== undefined) return known;
    const made = adapterGraph(purpose, this.#graph, this.factors, this.#ropes, this.#options);
    const opened = { run: await this.#machine.open(made.graph, made.donate), names: made.names };
    this.#programs.set(purpose, opened);
    return opened;
  }

  values(factor: Factor): Float32Array {
    return floats(this.#regions.get(nameOf(factor)), sizeOf(factor.shape));
  }

  async run(batch: readonly Taught[], number: number): Promise<StepMetrics> {
    const { optimizer, schedule } = this.#options;
    const rate = learningRate(schedule, number);
    for (const [name, value] of Object.entries(stepNumbers(optimizer, rate, number))) this.#regions.set(name, value);
    const loss = await this.#run("step", batch);
    return { loss, gradientNorm: this.#regions.number("gradientNorm"), learningRate: rate };
  }

  evaluate(batch: readonly Taught[]): Promise<number> {
    return this.#run("loss", batch);
  }

  async locate(): Promise<NonFinite | undefined> {
    for (const factor of this.factors) {
      const found = firstNonFinite(`adapter ${nameOf(factor)}`, this.values(factor));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  async #run(purpose: Purpose, batch: readonly Taught[]): Promise<number> {
    this.#give(batch);
    const { run, names } = await this.#program(purpose);
    await run.run(this.#regions.bindings(names));
    return this.#regions.number("loss");
  }

  /** The loss is a mean over the answers' tokens; those beyond the rows of a batch do not count. */
  #give(batch: readonly Taught[]): void {
    const { length, rows } = this.#options;
    const words = (name: string, count: number): Int32Array => integers(this.#regions.get(name), count);
    const tokens = words("tokens", this.#options.batch * length).fill(0);
    const [picked, targets] = [words("rows", rows).fill(0), words("targets", rows).fill(0)];
    const weights = floats(this.#regions.get("weights"), rows).fill(0);
    let next = 0;
    for (const [row, one] of batch.entries()) {
      tokens.set(one.tokens.slice(0, length), row * length);
      for (const place of one.answers) {
        if (next === rows) break;
        picked[next] = row * length + place - 1;
        targets[next] = one.tokens[place]!;
        weights[next++] = 1;
      }
    }
    for (let i = 0; i < next; i++) weights[i] = 1 / next;
  }

  async close(): Promise<void> {
    for (const { run } of this.#programs.values()) await run.close();
    this.#programs.clear();
    this.#regions.free();
  }
}

/** A matrix in any format of files as bf16, rounded to nearest even, some rows at a time. */
function narrowRows(
  type: Parameters<typeof dequantize>[0],
  bytes: Uint8Array,
  [n, k]: readonly [number, number],
  out: Uint16Array,
): void {
  const rowBytes = bytes.length / n;
  const row = new Float32Array(k);
  const words = new Uint32Array(row.buffer);
  for (let i = 0; i < n; i++) {
    dequantize(type, bytes.subarray(i * rowBytes, (i + 1) * rowBytes), k, row);
    narrowWords(words, out.subarray(i * k, (i + 1) * k));
  }
}
