/** Linear maps, embeddings, norms, dropout, and how layers follow each other. */
import * as ops from "../normalize.ts";
import { embedding, linear } from "../products.ts";
import type { Tensor } from "../tensor.ts";
import { constant, constantBuffer, normal, uniform } from "./initial.ts";
import { Module } from "./module.ts";

/** A module of one tensor to one tensor. */
export interface Layer extends Module {
  forward(x: Tensor): Tensor;
}

/** x [..., inputs] → [..., outputs] = x weightᵀ + bias; weight [outputs, inputs]. */
export class Linear extends Module implements Layer {
  weight: Tensor;
  bias: Tensor | undefined;

  constructor(inputs: number, outputs: number, { bias = true }: { readonly bias?: boolean } = {}) {
    super();
    const bound = 1 / Math.sqrt(inputs);
    this.weight = uniform([outputs, inputs], bound);
    this.bias = bias ? uniform([outputs], bound) : undefined;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }
}

/** i32 [...] → [..., width]; weight [count, width]. */
export class Embedding extends Module implements Layer {
  weight: Tensor;

  constructor(count: number, width: number) {
    super();
    this.weight = normal([count, width]);
  }

  forward(indices: Tensor): Tensor {
    return embedding(indices, this.weight);
  }
}

export interface NormOptions {
  readonly eps?: number;
  readonly bias?: boolean;
}

export class LayerNorm extends Module implements Layer {
  weight: Tensor;
  bias: Tensor | undefined;
  readonly eps: number;

  /** Over the last axes, of extents `shape`. */
  constructor(shape: number | readonly number[], { eps = 1e-5, bias = true }: NormOptions = {}) {
    super();
    const extents = typeof shape === "number" ? [shape] : shape;
    this.weight = constant(extents, 1);
    this.bias = bias ? constant(extents, 0) : undefined;
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return ops.layerNorm(x, this.weight, this.bias, this.eps);
  }
}

export class RMSNorm extends Module implements Layer {
  weight: Tensor;
  readonly eps: number;

  constructor(width: number, { eps = 1e-6 }: { readonly eps?: number } = {}) {
    super();
    this.weight = constant([width], 1);
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return ops.rmsNorm(x, this.weight, this.eps);
  }
}

export class GroupNorm extends Module implements Layer {
  weight: Tensor;
  bias: Tensor;
  readonly groups: number;
  readonly eps: number;

  /** Of channels-last images [N, H, W, channels]. */
  constructor(groups: number, channels: number, { eps = 1e-5 }: { readonly eps?: number } = {}) {
    super();
    this.weight = constant([channels], 1);
    this.bias = constant([channels], 0);
    this.groups = groups;
    this.eps = eps;
  }

  forward(x: Tensor): Tensor {
    return ops.groupNorm(x, this.groups, this.weight, this.bias, this.eps);
  }
}

/** Of channels-last images [N, H, W, channels]. In training it normalises by the batch, and moves its running estimates. */
export class BatchNorm2d extends Module implements Layer {
  weight: Tensor;
  bias: Tensor;
  runningMean: Tensor;
  runningVar: Tensor;
  readonly eps: number;
  readonly momentum: number;

  constructor(
    channels: number,
    { eps = 1e-5, momentum = 0.1 }: { readonly eps?: number; readonly momentum?: number } = {},
  ) {
    super();
    this.weight = constant([channels], 1);
    this.bias = constant([channels], 0);
    this.runningMean = constantBuffer([channels], 0);
    this.runningVar = constantBuffer([channels], 1);
    this.eps = eps;
    this.momentum = momentum;
  }

  forward(x: Tensor): Tensor {
    if (!this.training) {
      const scale = this.weight.mul(this.runningVar.add(this.eps).rsqrt());
      return x.mul(scale).add(this.bias.sub(this.runningMean.mul(scale)));
    }
    const { y, mean, variance } = ops.normalize(x, [0, 1, 2], this.eps);
    const count = x.size / x.shape.at(-1)!;
    this.#move(this.runningMean, mean.detach().flatten());
    this.#move(
      this.runningVar,
      variance
        .detach()
        .flatten()
        .mul(count / Math.max(1, count - 1)),
    );
    return y.mul(this.weight).add(this.bias);
  }

  #move(estimate: Tensor, measured: Tensor): void {
    estimate.assign(estimate.mul(1 - this.momentum).add(measured.mul(this.momentum)));
  }
}

/** In training each element is 0 with probability `p`. Draws follow `manualSeed`, or the key of `withKey`. */
export class Dropout extends Module implements Layer {
  readonly p: number;

  constructor(p = 0.5) {
    super();
    this.p = p;
  }

  forward(x: Tensor): Tensor {
    return this.training ? ops.dropout(x, this.p) : x;
  }
}

/** One layer after the other; a function of one tensor is a layer too. */
export class Sequential extends Module implements Layer {
  readonly layers: readonly (Layer | ((x: Tensor) => Tensor))[];

  constructor(...layers: readonly (Layer | ((x: Tensor) => Tensor))[]) {
    super();
    this.layers = layers;
  }

  /** Parameters are named by the layer's place: `0.weight`. */
  override slots(prefix = ""): ReturnType<Module["slots"]> {
    return this.layers.flatMap((layer, i) => (layer instanceof Module ? layer.slots(`${prefix}${i}.`) : []));
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((y, layer) => (typeof layer === "function" ? layer(y) : layer.forward(y)), x);
  }
}

/** A function of each tensor as a layer. */
class Activation extends Module implements Layer {
  readonly #f: (x: Tensor) => Tensor;

  constructor(f: (x: Tensor) => Tensor) {
    super();
    this.#f = f;
  }

  forward(x: Tensor): Tensor {
    return this.#f(x);
  }
}

export class ReLU extends Activation {
  constructor() {
    super((x) => x.relu());
  }
}

export class GELU extends Activation {
  constructor() {
    super((x) => x.gelu());
  }
}

export class SiLU extends Activation {
  constructor() {
    super((x) => x.silu());
  }
}

export class Tanh extends Activation {
  constructor() {
    super((x) => x.tanh());
  }
}

export class Sigmoid extends Activation {
  constructor() {
    super((x) => x.sigmoid());
  }
}

export class Flatten extends Activation {
  constructor() {
    super((x) => x.flatten(1));
  }
}
