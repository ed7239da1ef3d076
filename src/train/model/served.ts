/**
 * The graph that is served as a graph of arrays that can be trained: every architecture, and its adapters, from the one
 * definition in `model/architecture/`. All positions of B sequences of T tokens at once, causal; no cache.
 *
 * N = B · T rows, S of them wanted, D width, H query heads, G key-value heads, C head width, V vocabulary.
 */
import { assert } from "../../core/errors.ts";
import type { ArrayValue } from "../../graph/array-builder.ts";
import type { ArrayMath } from "../../graph/array-math.ts";
import type { Graph, Node, NodeId, Op, OpKind, Rope } from "../../graph/ir.ts";

export interface ServedInputs {
  /** i32 [B, T]. */
  readonly tokens: ArrayValue;
  /** i32 [S]: which of the N rows have logits. Without it all have. */
  readonly rows?: ArrayValue;
  /** Cosines and sines of a rope's angles, f32 [T, C / 2] each. */
  readonly rope: (rope: Rope) => { readonly cos: ArrayValue; readonly sin: ArrayValue };
  /** A weight by its canonical name: f32, or bf16 where it is not trained. */
  readonly weight: (name: string, shape: readonly number[]) => ArrayValue;
}

export interface ServedValues {
  /** f32 [S, V]. */
  readonly logits: ArrayValue;
  /** Values that pass no gradient on: it would cancel. */
  readonly stops: ReadonlySet<NodeId>;
  /** What each weight gave, by its name, in the order of computation. */
  readonly activations: ReadonlyMap<string, ArrayValue>;
}

/** The cosines and sines of `length` positions. Angles are products of f32, as the serving kernels have them. */
export function ropeTables({ frequencies, magnitude }: Rope, length: number): { cos: Float32Array; sin: Float32Array } {
  const half = frequencies.length;
  const [cos, sin] = [new Float32Array(length * half), new Float32Array(length * half)];
  for (let at = 0; at < length * half; at++) {
    const angle = Math.fround(Math.floor(at / half) * Math.fround(frequencies[at % half]!));
    cos[at] = magnitude * Math.cos(angle);
    sin[at] = magnitude * Math.sin(angle);
  }
  return { cos, sin };
}

/** With `bf16`, products take their operands as bf16 and sum in f32; all else is f32. */
export function servedAsArrays(m: ArrayMath, graph: Graph, inputs: ServedInputs, bf16: boolean): ServedValues {
  const converter = new Converter(m, inputs, bf16);
  for (const node of graph.nodes) converter.add(node);
  const { stops, activations } = converter;
  return { logits: converter.value(graph.outputs.logits!), stops, activations };
}

type Rule<O extends Op> = (op: O, inputs: readonly ArrayValue[], node: Node) => ArrayValue;

class Converter {
  readonly stops = new Set<NodeId>();
  readonly activations = new Map<string, ArrayValue>();
  readonly #names = new Map<NodeId, string>();
  readonly #m: ArrayMath;
  readonly #inputs: ServedInputs;
  readonly #bf16: boolean;
  readonly #batch: number;
  readonly #length: number;
  readonly #values = new Map<NodeId, ArrayValue>();

  constructor(m: ArrayMath, inputs: ServedInputs, bf16: boolean) {
    this.#m = m;
    this.#inputs = inputs;
    this.#bf16 = bf16;
    [this.#batch, this.#length] = inputs.tokens.type.shape as [number, number];
  }

  add(node: Node): void {
    const { id, op, inputs } = node;
    // What is bound to the step has no array: its readers know what it stands for.
    if (op.kind === "input" && op.name !== "tokens") return;
    const rule = this.#rules[op.kind] as Rule<Op>;
    const given = inputs.flatMap((input) => this.#values.get(input) ?? []);
    const value = rule(op, given, node);
    this.#values.set(id, value);
    if (op.kind === "weight") this.#names.set(id, op.name);
    else for (const input of inputs) if (this.#names.has(input)) this.activations.set(this.#names.get(input)!, value);
  }

  value(id: NodeId): ArrayValue {
    const found = this.#values.get(id);
    assert(found !== undefined, () => `%${id} has no array`);
    return found;
  }

  readonly #rules: { readonly [K in OpKind]: Rule<Extract<Op, { kind: K }>> } = {
    input: () => this.#m.reshape(this.#inputs.tokens, [this.#batch * this.#length]),
    weight: ({ name }, _, { type }) => this.#inputs.weight(name, type.shape.map(Number)),
    embed: ({ scale }, [tokens, table]) => this.#m.mul(this.#f32(this.#m.take(table!, tokens!)), scale),
    linear: (_, [x, w, bias]) => {
      const product = this.#matmul(x!, w!, true);
      return bias === undefined ? product : this.#m.add(product, this.#m.broadcast(bias, product.type.shape));
    },
    rmsNorm: ({ epsilon }, [x, w]) => {
      const m = this.#m;
      const { shape } = x!.type;
      const last = shape.length - 1;
      const mean = m.mul(m.sum(m.unary("square", x!), [last]), 1 / shape[last]!);
      const scale = m.unary("rsqrt", m.add(mean, epsilon));
      return m.mul(m.mul(x!, m.expand(scale, shape)), m.broadcast(this.#f32(w!), shape));
    },
    reshape: (_, [x], { type }) => this.#m.reshape(x!, type.shape.map(this.#extent)),
    rope: ({ rope }, [x]) => this.#rotated(x!, rope),
    attention: (op, given, node) => this.#attention(op, given as [ArrayValue, ArrayValue, ArrayValue], node),
    add: (_, [a, b]) => this.#m.add(a!, b!),
    // Where only one input has an array, the other is the choice of adapters: one is trained, and every token is its own.
    mul: (_, [a, b]) => (b === undefined ? a! : this.#m.mul(a!, b)),
    gelu: (_, [x]) => this.#m.unary("gelu", x!),
    silu: (_, [x]) => this.#m.unary("silu", x!),
    relu: (_, [x]) => this.#m.unary("relu", x!),
    concat: (_, given) => this.#m.concat(given, 1),
    slice: ({ from, to }, [x]) => this.#m.slice(x!, [0, from], [x!.type.shape[0]!, to - from]),
    gather: (_, [x]) => (this.#inputs.rows === undefined ? x! : this.#m.take(x!, this.#inputs.rows)),
    cacheStore: written,
    gate: written,
    quantize: written,
    narrow: written,
    rowMaxima: written,
    rowSums: written,
  };

  readonly #extent = (dim: number | "T" | "S"): number => {
    if (typeof dim === "number") return dim;
    const { rows } = this.#inputs;
    return dim === "S" && rows !== undefined ? rows.type.shape[0]! : this.#batch * this.#length;
  };

  #f32 = (x: ArrayValue): ArrayValue => this.#m.cast(x, "f32");

  #matmul(a: ArrayValue, b: ArrayValue, transposeB: boolean): ArrayValue {
    const narrow = this.#bf16 || a.type.dtype === "bf16" || b.type.dtype === "bf16";
    const operands = narrow ? [a, b].map((x) => this.#m.cast(x, "bf16")) : [a, b];
    return this.#m.builder.add({ kind: "matmul", transposeA: false, transposeB }, operands);
  }

  /** x [N, H, C]: element i with element i + C / 2, turned by their position's angle. */
  #rotated(x: ArrayValue, rope: Rope): ArrayValue {
    const m = this.#m;
    const [, heads, width] = x.type.shape as [number, number, number];
    const whole = m.reshape(x, [this.#batch, this.#length, heads, width]);
    const half = [this.#batch, this.#length, heads, width / 2];
    const [first, second] = [0, width / 2].map((from) => m.slice(whole, [0, 0, 0, from], half)) as [
      ArrayValue,
      ArrayValue,
    ];
    const tables = this.#inputs.rope(rope);
    const [cos, sin] = [tables.cos, tables.sin].map((table) =>
      m.broadcast(m.reshape(table, [this.#length, 1, width / 2]), half),
    ) as [ArrayValue, ArrayValue];
    const turned = [m.sub(m.mul(first, cos), m.mul(second, sin)), m.add(m.mul(second, cos), m.mul(first, sin))];
    return m.reshape(m.concat(turned, 3), x.type.shape);
  }

  /** q [N, H, C], k and v [N, G, C] → [N, H, C]. */
  #attention(
    { scale, window }: Extract<Op, { kind: "attention" }>,
    [query, key, value]: readonly [ArrayValue, ArrayValue, ArrayValue],
    { id }: Node,
  ): ArrayValue {
    const m = this.#m;
    const [rows, heads, width] = query.type.shape as [number, number, number];
    const kvHeads = key.type.shape[1]!;
    assert(rows === this.#batch * this.#length && heads % kvHeads === 0, () => `attention %${id}`);
    const byHead = (x: ArrayValue): ArrayValue => {
      const count = x.type.shape[1]!;
      const own = m.transpose(m.reshape(x, [this.#batch, this.#length, count, width]), [0, 2, 1, 3]);
      if (count === heads) return own;
      const apart = m.reshape(own, [this.#batch, count, 1, this.#length, width]);
      const repeated = m.expand(apart, [this.#batch, count, heads / count, this.#length, width]);
      return m.reshape(repeated, [this.#batch, heads, this.#length, width]);
    };
    const scores = m.mul(this.#matmul(byHead(query), byHead(key), true), scale);
    const { shape } = scores.type;
    const [from, to] = [m.iota(shape, 2), m.iota(shape, 3)];
    const causal = m.binary("le", to, from);
    const near = window === undefined ? causal : m.mul(causal, m.binary("lt", m.sub(from, to), window));
    const masked = m.where(near, scores, m.constant(-1e30, shape));
    const greatest = m.max(masked, [3]);
    this.stops.add(greatest.id);
    const powers = m.unary("exp", m.sub(masked, m.expand(greatest, shape)));
    const shares = m.div(powers, m.expand(m.sum(powers, [3]), shape));
    const joined = m.transpose(this.#matmul(shares, byHead(value), false), [0, 2, 1, 3]);
    return m.reshape(joined, [rows, heads, width]);
  }
}

/** Passes write it, architectures never do. */
function written(op: Op): never {
  throw new Error(`bug: ${op.kind} in the graph of an architecture`);
}

/** Σ weights · −log p(target), f32 [1]; logits [S, V], targets i32 and weights f32 [S]. Gives the value that passes no gradient too. */
export function weightedLoss(
  m: ArrayMath,
  logits: ArrayValue,
  targets: ArrayValue,
  weights: ArrayValue,
): { readonly loss: ArrayValue; readonly stop: NodeId } {
  const [rows, vocabulary] = logits.type.shape as [number, number];
  const greatest = m.max(logits, [1]);
  const shifted = m.sub(logits, m.expand(greatest, logits.type.shape));
  const logSum = m.unary("log", m.sum(m.unary("exp", shifted), [1]));
  const own = m.broadcast(m.reshape(targets, [rows, 1]), [rows, vocabulary]);
  const chosen = m.binary("eq", m.iota([rows, vocabulary], 1, "i32"), own);
  const picked = m.sum(m.mul(shifted, chosen), [1]);
  const losses = m.mul(m.sub(logSum, picked), m.reshape(weights, [rows, 1]));
  return { loss: m.reshape(m.sum(losses, [0, 1]), [1]), stop: greatest.id };
}
