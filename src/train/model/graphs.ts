/**
 * The programs of a training, as graphs: a whole step, a step in parts where gradients are accumulated over several batches, and
 * the loss alone.
 *
 *     loss        tokens, targets, weights, parameters ──► loss
 *     accumulate  … and sums of gradients             ──► loss, sums + gradients
 *     update      sums, parameters, moments, numbers  ──► parameters, moments, norm
 *     step        all in one
 *
 * Names: parameter `p` with moments `p.first` and `p.second`, sum of gradients `p.sum`; an output is called as the input that it
 * replaces, with a prime. Numbers of a step are f32 [1].
 */
import type { ArrayGraph, ArrayType } from "../../graph/array.ts";
import { ArrayBuilder, type ArrayValue } from "../../graph/array-builder.ts";
import { ArrayMath } from "../../graph/array-math.ts";
import { gradient } from "../../graph/gradient.ts";
import type { Graph, NodeId, Rope } from "../../graph/ir.ts";
import { type AdamW, updated } from "./optimizer.ts";
import { type ServedValues, servedAsArrays, weightedLoss } from "./served.ts";
import type { Parameter } from "./shape.ts";

export interface GraphOptions {
  /** The model as it is served. */
  readonly model: Graph;
  readonly parameters: readonly Parameter[];
  /** Sequences and tokens of each, of one batch. */
  readonly batch: number;
  readonly length: number;
  readonly bf16: boolean;
  readonly optimizer: AdamW;
}

export interface NamedGraph {
  readonly graph: ArrayGraph;
  /** Inputs that it reads. */
  readonly inputs: readonly string[];
  /** Which output replaces which input. */
  readonly donate: Readonly<Record<string, string>>;
}

const f32 = (...shape: number[]): ArrayType => ({ dtype: "f32", shape });
const i32 = (...shape: number[]): ArrayType => ({ dtype: "i32", shape });

/** A graph being built: its inputs by name, and what its outputs replace. */
class GraphInProgress {
  readonly builder = new ArrayBuilder();
  readonly m = new ArrayMath(this.builder);
  readonly parameters: ReadonlyMap<string, ArrayValue>;
  readonly #options: GraphOptions;
  readonly #outputs: Record<string, ArrayValue> = {};
  readonly #donate: Record<string, string> = {};

  constructor(options: GraphOptions) {
    this.#options = options;
    this.parameters = new Map(options.parameters.map(({ name, shape }) => [name, this.input(name, f32(...shape))]));
  }

  input(name: string, type: ArrayType): ArrayValue {
    return this.builder.add({ kind: "input", name }, [], type);
  }

  output(name: string, value: ArrayValue): void {
    this.#outputs[name] = value;
  }

  replace(name: string, value: ArrayValue): void {
    this.output(`${name}'`, value);
    this.#donate[`${name}'`] = name;
  }

  /** The model over inputs of its own: logits [B · T, V]. */
  served(): ServedValues {
    const { model, batch, length, bf16 } = this.#options;
    const inputs = {
      tokens: this.input("tokens", i32(batch, length)),
      weight: (name: string) => this.parameters.get(name)!,
      rope: ({ frequencies }: Rope) => ({
        cos: this.input("cos", f32(length, frequencies.length)),
        sin: this.input("sin", f32(length, frequencies.length)),
      }),
    };
    return servedAsArrays(this.m, model, inputs, bf16);
  }

  loss(): { readonly served: ServedValues; readonly loss: ArrayValue; readonly stops: ReadonlySet<NodeId> } {
    const { batch, length } = this.#options;
    const served = this.served();
    const targets = this.input("targets", i32(batch * length));
    const weights = this.input("weights", f32(batch * length));
    const { loss, stop } = weightedLoss(this.m, served.logits, targets, weights);
    return { served, loss, stops: new Set([...served.stops, stop]) };
  }

  gradients({
    loss,
    stops,
  }: {
    readonly loss: ArrayValue;
    readonly stops: ReadonlySet<NodeId>;
  }): readonly ArrayValue[] {
    const wrt = [...this.parameters.values()];
    const found = gradient(this.builder, [loss], wrt, { stops });
    return found.map((g, i) => g ?? this.m.fill(wrt[i]!, 0));
  }

  /** Updates by `gradients`, guarded by `loss` where it is known here. */
  update(gradients: readonly ArrayValue[], loss: ArrayValue): void {
    const input = (name: string, type: ArrayType): ArrayValue => this.input(name, type);
    const { after, norm } = updated(this.m, input, this.parameters, gradients, loss, this.#options.optimizer);
    for (const [name, value] of after) this.replace(name, value);
    this.output("gradientNorm", norm);
  }

  finish(): NamedGraph {
    const graph = this.builder.finish(this.#outputs);
    const inputs = graph.nodes.flatMap(({ op }) => (op.kind === "input" ? [op.name] : []));
    return { graph, inputs, donate: this.#donate };
  }
}

/** Output `logits` [B · T, V]. */
export function logitsGraph(options: GraphOptions): NamedGraph {
  const g = new GraphInProgress(options);
  g.output("logits", g.served().logits);
  return g.finish();
}

/** Output `loss` [1]: the weighted sum over the batch. */
export function lossGraph(options: GraphOptions): NamedGraph {
  const g = new GraphInProgress(options);
  g.output("loss", g.loss().loss);
  return g.finish();
}

/** Outputs `loss` and `gradientNorm`, and all parameters and moments replaced. */
export function stepGraph(options: GraphOptions): NamedGraph {
  const g = new GraphInProgress(options);
  const made = g.loss();
  g.output("loss", made.loss);
  g.update(g.gradients(made), made.loss);
  return g.finish();
}

/** Outputs `loss`, and all sums of gradients replaced. */
export function accumulateGraph(options: GraphOptions): NamedGraph {
  const g = new GraphInProgress(options);
  const made = g.loss();
  const gradients = g.gradients(made);
  for (const [i, { name, shape }] of options.parameters.entries()) {
    const sum = `${name}.sum`;
    g.replace(sum, g.m.add(g.input(sum, f32(...shape)), gradients[i]!));
  }
  g.output("loss", made.loss);
  return g.finish();
}

/** From sums of gradients and `total`, the loss of all their batches: output `gradientNorm`, parameters and moments replaced. */
export function updateGraph(options: GraphOptions): NamedGraph {
  const g = new GraphInProgress(options);
  const sums = options.parameters.map(({ name, shape }) => g.input(`${name}.sum`, f32(...shape)));
  g.update(sums, g.input("total", f32(1)));
  return g.finish();
}

/** To find where a number stops being finite: what each weight gives, the loss, and the gradients, each under its name. */
export function inspectGraph(options: GraphOptions): NamedGraph {
  const g = new GraphInProgress(options);
  const made = g.loss();
  for (const [name, value] of made.served.activations) g.output(`result of ${name}`, value);
  g.output("loss", made.loss);
  for (const [i, value] of g.gradients(made).entries()) {
    g.output(`gradient of ${options.parameters[i]!.name}`, value);
  }
  return g.finish();
}
