/**
 * A decoder of llama's architecture as a graph of arrays, for training: all positions at once, causal, and the loss.
 *
 *     tokens ──► embedding ──► (norm ─► attention ─► + ─► norm ─► gated feed-forward ─► +) × layers ──► norm ──► logits ──► loss
 *
 * It computes what `model/architecture/llama.ts` serves, from the same configuration; a test compares their logits. B sequences
 * of T tokens; D width, H query heads, G key-value heads, C head width, F feed-forward width, V vocabulary.
 */
import type { ArrayBuilder, ArrayValue } from "../../graph/array-builder.ts";
import { ArrayMath } from "../../graph/array-math.ts";
import type { NodeId } from "../../graph/ir.ts";
import type { ModelConfig } from "../../model/checkpoint.ts";

export interface DecoderInputs {
  /** i32 [B, T]. */
  readonly tokens: ArrayValue;
  /** f32 [T, C / 2] each: of each position's angles. */
  readonly cos: ArrayValue;
  readonly sin: ArrayValue;
  /** By canonical name, f32. */
  readonly parameters: ReadonlyMap<string, ArrayValue>;
}

export interface DecoderOptions {
  /** Products take their operands as bf16 and sum in f32; all else stays f32. */
  readonly bf16: boolean;
}

/** The cosines and sines that the graph takes, [T, C / 2] each. Angles are products of f32, as the serving kernels have them. */
export function ropeTables(
  config: ModelConfig,
  length: number,
): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const [{ frequencies, magnitude }] = config.ropes as readonly [ModelConfig["ropes"][number]];
  const half = frequencies.length;
  const [cos, sin] = [new Float32Array(length * half), new Float32Array(length * half)];
  for (let at = 0; at < length * half; at++) {
    const angle = Math.fround(Math.floor(at / half) * Math.fround(frequencies[at % half]!));
    cos[at] = magnitude * Math.cos(angle);
    sin[at] = magnitude * Math.sin(angle);
  }
  return { cos, sin };
}

export class TrainedDecoder {
  readonly #m: ArrayMath;
  readonly #config: ModelConfig;
  readonly #inputs: DecoderInputs;
  readonly #bf16: boolean;
  /** What is subtracted for the range of exponentials alone passes no gradient: it would cancel. */
  readonly stops = new Set<NodeId>();
  /** The residual stream after each layer [B, T, D], by name. */
  readonly activations = new Map<string, ArrayValue>();

  constructor(builder: ArrayBuilder, config: ModelConfig, inputs: DecoderInputs, { bf16 }: DecoderOptions) {
    this.#m = new ArrayMath(builder);
    this.#config = config;
    this.#inputs = inputs;
    this.#bf16 = bf16;
  }

  /** [B · T, V]. */
  logits(): ArrayValue {
    const m = this.#m;
    const { tokens } = this.#inputs;
    const [batch, length] = tokens.type.shape as [number, number];
    let x = m.reshape(m.take(this.#parameter("embedding"), tokens), [batch * length, this.#config.width]);
    this.activations.set("embedding", x);
    for (let layer = 0; layer < this.#config.layers; layer++) {
      x = m.add(x, this.#attention(this.#norm(x, `layer.${layer}.attention.norm`), layer));
      this.activations.set(`layer.${layer}.attention`, x);
      x = m.add(x, this.#feedForward(this.#norm(x, `layer.${layer}.feedForward.norm`), layer));
      this.activations.set(`layer.${layer}.feedForward`, x);
    }
    return this.#linear(this.#norm(x, "norm"), this.#config.tied ? "embedding" : "output");
  }

  /** Σ weights · −log p(target), a single number; targets i32 and weights f32 are [B · T]. */
  loss(logits: ArrayValue, targets: ArrayValue, weights: ArrayValue): ArrayValue {
    const m = this.#m;
    const [rows, vocabulary] = logits.type.shape as [number, number];
    const shifted = m.sub(logits, m.expand(this.#greatest(logits), logits.type.shape));
    const logSum = m.unary("log", m.sum(m.unary("exp", shifted), [1]));
    const chosen = m.binary(
      "eq",
      m.iota([rows, vocabulary], 1, "i32"),
      m.broadcast(m.reshape(targets, [rows, 1]), [rows, vocabulary]),
    );
    const picked = m.sum(m.mul(shifted, chosen), [1]);
    const losses = m.mul(m.sub(logSum, picked), m.reshape(weights, [rows, 1]));
    return m.reshape(m.sum(losses, [0, 1]), [1]);
  }

  #parameter(name: string): ArrayValue {
    return this.#inputs.parameters.get(name)!;
  }

  #greatest(x: ArrayValue): ArrayValue {
    const greatest = this.#m.max(x, [x.type.shape.length - 1]);
    this.stops.add(greatest.id);
    return greatest;
  }

  /** x [N, D] / its root mean square, times the weight. */
  #norm(x: ArrayValue, name: string): ArrayValue {
    const m = this.#m;
    const width = x.type.shape[1]!;
    const mean = m.mul(m.sum(m.unary("square", x), [1]), 1 / width);
    const scale = m.unary("rsqrt", m.add(mean, this.#config.normEpsilon));
    const normed = m.mul(x, m.expand(scale, x.type.shape));
    return m.mul(normed, m.broadcast(this.#parameter(name), x.type.shape));
  }

  #matmul(a: ArrayValue, b: ArrayValue, transposeB: boolean): ArrayValue {
    const m = this.#m;
    const narrow = (x: ArrayValue): ArrayValue => (this.#bf16 ? m.cast(x, "bf16") : x);
    return m.builder.add({ kind: "matmul", transposeA: false, transposeB }, [narrow(a), narrow(b)]);
  }

  /** x [N, K] times the matrix called `name`, [outputs, K]. */
  #linear(x: ArrayValue, name: string): ArrayValue {
    return this.#matmul(x, this.#parameter(name), true);
  }

  /** x [B · T, D], already normed → [B · T, D]. */
  #attention(x: ArrayValue, layer: number): ArrayValue {
    const m = this.#m;
    const { heads, kvHeads, headWidth, attentionScale } = this.#config;
    const [batch, length] = this.#inputs.tokens.type.shape as [number, number];
    const name = `layer.${layer}.attention`;
    const project = (part: string, count: number): ArrayValue => {
      const rows = m.reshape(this.#linear(x, `${name}.${part}`), [batch, length, count, headWidth]);
      return m.transpose(rows, [0, 2, 1, 3]);
    };
    const q = this.#rotated(project("q", heads));
    const k = this.#shared(this.#rotated(project("k", kvHeads)));
    const v = this.#shared(project("v", kvHeads));
    const scores = m.mul(this.#matmul(q, k, true), attentionScale);
    const shape = scores.type.shape;
    const visible = m.binary("le", m.iota(shape, 3), m.iota(shape, 2));
    const masked = m.where(visible, scores, m.constant(-1e30, shape));
    const powers = m.unary("exp", m.sub(masked, m.expand(this.#greatest(masked), shape)));
    const shares = m.div(powers, m.expand(m.sum(powers, [3]), shape));
    const joined = m.transpose(this.#matmul(shares, v, false), [0, 2, 1, 3]);
    return this.#linear(m.reshape(joined, [batch * length, heads * headWidth]), `${name}.o`);
  }

  /** x [B, H, T, C]: element i with element i + C / 2, turned by their position's angle. */
  #rotated(x: ArrayValue): ArrayValue {
    const m = this.#m;
    const half = x.type.shape.with(3, x.type.shape[3]! / 2);
    const first = m.slice(x, [0, 0, 0, 0], half);
    const second = m.slice(x, [0, 0, 0, half[3]!], half);
    const [cos, sin] = [m.broadcast(this.#inputs.cos, half), m.broadcast(this.#inputs.sin, half)];
    return m.concat([m.sub(m.mul(first, cos), m.mul(second, sin)), m.add(m.mul(second, cos), m.mul(first, sin))], 3);
  }

  /** x [B, G, T, C] → [B, H, T, C]: neighbouring query heads share a key-value head. */
  #shared(x: ArrayValue): ArrayValue {
    const m = this.#m;
    const [batch, kvHeads, length, width] = x.type.shape as [number, number, number, number];
    const { heads } = this.#config;
    const repeats = m.expand(m.reshape(x, [batch, kvHeads, 1, length, width]), [
      batch,
      kvHeads,
      heads / kvHeads,
      length,
      width,
    ]);
    return m.reshape(repeats, [batch, heads, length, width]);
  }

  #feedForward(x: ArrayValue, layer: number): ArrayValue {
    const m = this.#m;
    const name = `layer.${layer}.feedForward`;
    const gate = m.unary("silu", this.#linear(x, `${name}.gate`));
    return this.#linear(m.mul(gate, this.#linear(x, `${name}.up`)), `${name}.down`);
  }
}
