/** Attention by several heads, with PyTorch's parameters. */
import { attention, linear } from "../products.ts";
import { noGrad } from "../scope.ts";
import type { Tensor } from "../tensor.ts";
import { constant, uniform } from "./initial.ts";
import { Linear } from "./layers.ts";
import { Module } from "./module.ts";

export interface HeadsOptions {
  readonly bias?: boolean;
  /** Each position sees itself and those before it. */
  readonly causal?: boolean;
}

/** x [N, T, width] → [N, T, width]; the maps to queries, keys and values are one, [3 · width, width]. */
export class MultiHeadAttention extends Module {
  inProjWeight: Tensor;
  inProjBias: Tensor | undefined;
  readonly outProj: Linear;
  readonly heads: number;
  readonly causal: boolean;

  constructor(width: number, heads: number, { bias = true, causal = false }: HeadsOptions = {}) {
    super();
    this.inProjWeight = uniform([3 * width, width], Math.sqrt(6 / (4 * width)));
    this.inProjBias = bias ? constant([3 * width], 0) : undefined;
    this.outProj = new Linear(width, width, { bias });
    noGrad(() => this.outProj.bias?.assign(0));
    this.heads = heads;
    this.causal = causal;
  }

  /** `mask` f32, repeats to [N, heads, T, T], is 0 where a query does not see a key. */
  forward(x: Tensor, mask?: Tensor): Tensor {
    const [n, t, width] = x.shape as [number, number, number];
    // [N, T, 3, heads, D] → 3 times [N, heads, T, D].
    const all = linear(x, this.inProjWeight, this.inProjBias).reshape(n, t, 3, this.heads, width / this.heads);
    const [q, k, v] = [0, 1, 2].map((i) => all.select(2, i).permute(0, 2, 1, 3)) as [Tensor, Tensor, Tensor];
    const seen = attention(q, k, v, { causal: this.causal }, mask);
    return this.outProj.forward(seen.permute(0, 2, 1, 3).reshape(n, t, width));
  }
}
