/** The programs of an adapter's training as graphs: a whole step, and the loss alone. */
import type { ArrayGraph, ArrayType } from "../../graph/array.ts";
import { ArrayBuilder, type ArrayValue } from "../../graph/array-builder.ts";
import { ArrayMath } from "../../graph/array-math.ts";
import { gradient } from "../../graph/gradient.ts";
import type { Graph, NodeId, Rope } from "../../graph/ir.ts";
import { type AdamW, type AddInput, updated } from "../model/optimizer.ts";
import { servedAsArrays, weightedLoss } from "../model/served.ts";

/** A factor of one matrix, as trained; its product with the other counts α / r times. */
export interface Factor {
  readonly weight: string;
  readonly part: "a" | "b";
  readonly shape: readonly number[];
}

export interface AdapterGraphOptions {
  readonly rank: number;
  readonly alpha: number;
  /** Sequences, tokens of each, and answer tokens of all, at most, in a batch. */
  readonly batch: number;
  readonly length: number;
  readonly rows: number;
  readonly optimizer: AdamW;
}

export type Purpose = "step" | "loss";

export interface AdapterGraph {
  readonly graph: ArrayGraph;
  readonly donate: Readonly<Record<string, string>>;
  /** What a run binds. */
  readonly names: readonly string[];
}

export const nameOf = ({ weight, part }: Pick<Factor, "weight" | "part">): string => `${weight}.lora.${part}`;

const f32 = (...shape: number[]): ArrayType => ({ dtype: "f32", shape });
const i32 = (...shape: number[]): ArrayType => ({ dtype: "i32", shape });

/** `model` has the factors beside its weights; `ropes` are numbered as the inputs of their tables are. */
export function adapterGraph(
  purpose: Purpose,
  model: Graph,
  factors: readonly Factor[],
  ropes: readonly Rope[],
  options: AdapterGraphOptions,
): AdapterGraph {
  const m = new ArrayMath(new ArrayBuilder());
  const input: AddInput = (name, type) => m.builder.add({ kind: "input", name }, [], type);
  const { batch, length, rows, rank, alpha } = options;
  const trained = new Map(factors.map((factor) => [nameOf(factor), input(nameOf(factor), f32(...factor.shape))]));
  const served = servedAsArrays(
    m,
    model,
    {
      tokens: input("tokens", i32(batch, length)),
      rows: input("rows", i32(rows)),
      weight: (name, shape) => {
        const factor = trained.get(name);
        if (factor === undefined) return input(name, { dtype: shape.length === 2 ? "bf16" : "f32", shape });
        return name.endsWith(".b") ? m.mul(factor, alpha / rank) : factor;
      },
      rope: (rope) => {
        const i = ropes.indexOf(rope);
        const shape = f32(length, rope.frequencies.length);
        return { cos: input(`cos${i}`, shape), sin: input(`sin${i}`, shape) };
      },
    },
    true,
  );
  const { loss, stop } = weightedLoss(m, served.logits, input("targets", i32(rows)), input("weights", f32(rows)));
  const stops = new Set([...served.stops, stop]);
  const made = purpose === "loss" ? nothing : update(m, input, trained, loss, stops, options.optimizer);
  const graph = m.builder.finish({ loss, ...made.outputs });
  const inputs = graph.nodes.flatMap(({ op }) => (op.kind === "input" ? [op.name] : []));
  const names = [...inputs, ...Object.keys(graph.outputs).filter((name) => !(name in made.donate))];
  return { graph, donate: made.donate, names };
}

interface Update {
  readonly outputs: Readonly<Record<string, ArrayValue>>;
  readonly donate: Readonly<Record<string, string>>;
}

const nothing: Update = { outputs: {}, donate: {} };

/** The gradients of the factors, and an optimizer's step over them: each is replaced, with its moments. */
function update(
  m: ArrayMath,
  input: AddInput,
  trained: ReadonlyMap<string, ArrayValue>,
  loss: ArrayValue,
  stops: ReadonlySet<NodeId>,
  optimizer: AdamW,
): Update {
  const values = [...trained.values()];
  const gradients = gradient(m.builder, [loss], values, { stops }).map((g, i) => g ?? m.fill(values[i]!, 0));
  const { after, norm } = updated(m, input, trained, gradients, loss, optimizer);
  const outputs: Record<string, ArrayValue> = { gradientNorm: norm };
  const donate: Record<string, string> = {};
  for (const [name, value] of after) {
    outputs[`${name}'`] = value;
    donate[`${name}'`] = name;
  }
  return { outputs, donate };
}
