/** Convolution and pooling over channels-last images [N, H, W, C]. */
import { avgPool2d, type ConvolutionOptions, conv2d, maxPool2d, type PoolingOptions } from "../products.ts";
import type { Tensor } from "../tensor.ts";
import { uniform } from "./initial.ts";
import type { Layer } from "./layers.ts";
import { Module } from "./module.ts";

type Size = number | readonly [number, number];

/** [N, H, W, inputs] → [N, H', W', outputs]; weight [h, w, inputs / groups, outputs]. */
export class Conv2d extends Module implements Layer {
  weight: Tensor;
  bias: Tensor | undefined;
  readonly options: ConvolutionOptions;

  constructor(
    inputs: number,
    outputs: number,
    size: Size,
    { bias = true, ...options }: ConvolutionOptions & { readonly bias?: boolean } = {},
  ) {
    super();
    const [height, width] = typeof size === "number" ? [size, size] : size;
    const channels = inputs / (options.groups ?? 1);
    const bound = 1 / Math.sqrt(channels * height * width);
    this.weight = uniform([height, width, channels, outputs], bound);
    this.bias = bias ? uniform([outputs], bound) : undefined;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return conv2d(x, this.weight, this.bias, this.options);
  }
}

class Pool2d extends Module {
  readonly size: Size;
  readonly options: PoolingOptions;

  constructor(size: Size, options: PoolingOptions = {}) {
    super();
    this.size = size;
    this.options = options;
  }
}

export class MaxPool2d extends Pool2d implements Layer {
  forward(x: Tensor): Tensor {
    return maxPool2d(x, this.size, this.options);
  }
}

/** Padding does not count in the divisor: PyTorch's `count_include_pad=False`. */
export class AvgPool2d extends Pool2d implements Layer {
  forward(x: Tensor): Tensor {
    return avgPool2d(x, this.size, this.options);
  }
}
