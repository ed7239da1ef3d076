/** Networks whose activations outweigh their parameters, as training steps with plain gradient descent. */
import { UserError } from "../core/errors.ts";
import { ArrayBuilder, type ArrayValue } from "../graph/array-builder.ts";
import { ArrayMath } from "../graph/array-math.ts";
import { gradient } from "../graph/gradient.ts";
import type { TrainingGraph } from "../train/memory/step-view.ts";

/** Builds a network's layers; images are [N, H, W, C]. */
class Layers {
  readonly m = new ArrayMath(new ArrayBuilder());
  readonly parameters = new Map<string, ArrayValue>();

  input(name: string, shape: readonly number[]): ArrayValue {
    return this.m.builder.add({ kind: "input", name }, [], { dtype: "f32", shape });
  }

  parameter(shape: readonly number[]): ArrayValue {
    const name = `p${this.parameters.size}`;
    const value = this.input(name, shape);
    this.parameters.set(name, value);
    return value;
  }

  convolution(x: ArrayValue, channels: number, size = 3, stride = 1): ArrayValue {
    const w = this.parameter([size, size, x.type.shape[3]!, channels]);
    const p = (size - 1) >> 1;
    return this.m.builder.add(
      { kind: "conv2d", strides: [stride, stride], padding: [p, p, p, p], dilations: [1, 1], groups: 1 },
      [x, w],
    );
  }

  biased(x: ArrayValue): ArrayValue {
    return this.m.add(x, this.m.broadcast(this.parameter([x.type.shape.at(-1)!]), x.type.shape));
  }

  relu = (x: ArrayValue): ArrayValue => this.m.unary("relu", x);

  pool(x: ArrayValue): ArrayValue {
    const op = { kind: "pool2d", fn: "max", size: [2, 2], strides: [2, 2], padding: [0, 0, 0, 0] } as const;
    return this.m.builder.add(op, [x]);
  }

  /** Over all axes but the last, with the batch's own mean and variance. */
  normalized(x: ArrayValue, axes = x.type.shape.map((_, i) => i).slice(0, -1)): ArrayValue {
    const { m } = this;
    const { shape } = x.type;
    const count = axes.reduce((n, axis) => n * shape[axis]!, 1);
    const centred = m.sub(x, m.expand(m.mul(m.sum(x, axes), 1 / count), shape));
    const variance = m.mul(m.sum(m.unary("square", centred), axes), 1 / count);
    const scaled = m.mul(centred, m.expand(m.unary("rsqrt", m.add(variance, 1e-5)), shape));
    const [scale, shift] = [this.parameter([shape.at(-1)!]), this.parameter([shape.at(-1)!])];
    return m.add(m.mul(scaled, m.broadcast(scale, shape)), m.broadcast(shift, shape));
  }

  linear(x: ArrayValue, width: number): ArrayValue {
    return this.biased(this.m.matmul(x, this.parameter([x.type.shape.at(-1)!, width])));
  }

  softmax(x: ArrayValue): ArrayValue {
    const { m } = this;
    const axis = x.type.shape.length - 1;
    const e = m.unary("exp", m.sub(x, m.expand(m.max(x, [axis]), x.type.shape)));
    return m.div(e, m.expand(m.sum(e, [axis]), x.type.shape));
  }

  /** Mean squared distance to the targets, then a step of gradient descent. */
  step(y: ArrayValue, rate: number): TrainingGraph {
    const { m } = this;
    const error = m.sub(y, this.input("target", y.type.shape));
    const count = y.type.shape.reduce((n, d) => n * d, 1);
    const axes = y.type.shape.map((_, i) => i);
    const loss = m.mul(m.sum(m.unary("square", error), axes), 1 / count);
    const entries = [...this.parameters];
    const gradients = gradient(
      m.builder,
      [loss],
      entries.map(([, p]) => p),
    );
    const updated = entries.map(([name, p], i) => [`${name}'`, m.sub(p, m.mul(gradients[i]!, rate))] as const);
    return {
      graph: m.builder.finish({ loss, ...Object.fromEntries(updated) }),
      loss: "loss",
      donate: Object.fromEntries(entries.map(([name]) => [`${name}'`, name])),
    };
  }
}

/** How large a network is: `size` pixels a side or tokens, `width` channels of the first layers. */
export interface NetworkShape {
  readonly batch: number;
  readonly size: number;
  readonly width: number;
  readonly blocks: number;
}

const rate = 0.01;

/** Three stages of `blocks` convolutions with ReLU and a pooling; channels double. */
function vgg({ batch, size, width, blocks }: NetworkShape): TrainingGraph {
  const l = new Layers();
  let x = l.input("x", [batch, size, size, 3]);
  for (let stage = 0; stage < 3; stage++) {
    for (let i = 0; i < blocks; i++) x = l.relu(l.biased(l.convolution(x, width << stage)));
    x = l.pool(x);
  }
  const [n, h, w, c] = x.type.shape;
  return l.step(l.linear(l.m.reshape(x, [n!, h! * w! * c!]), 10), rate);
}

/** Residual blocks of two convolutions with batch norms; halfway the image halves and channels double. */
function resnet({ batch, size, width, blocks }: NetworkShape): TrainingGraph {
  const l = new Layers();
  let x = l.relu(l.normalized(l.convolution(l.input("x", [batch, size, size, 3]), width)));
  for (let block = 0; block < blocks; block++) {
    const half = block === Math.floor(blocks / 2);
    const channels = x.type.shape[3]! * (half ? 2 : 1);
    const inner = l.relu(l.normalized(l.convolution(x, channels, 3, half ? 2 : 1)));
    const y = l.normalized(l.convolution(inner, channels));
    x = l.relu(l.m.add(y, half ? l.convolution(x, channels, 1, 2) : x));
  }
  const [n, h, w, c] = x.type.shape;
  const mean = l.m.mul(l.m.sum(x, [1, 2]), 1 / (h! * w!));
  return l.step(l.linear(l.m.reshape(mean, [n!, c!]), 10), rate);
}

/** Blocks of four branches (1×1, 1×1 then 3×3, 1×1 then two 3×3, pooled 1×1) that are joined by channels. */
function inception({ batch, size, width, blocks }: NetworkShape): TrainingGraph {
  const l = new Layers();
  const conv = (x: ArrayValue, channels: number, kernel: number): ArrayValue =>
    l.relu(l.biased(l.convolution(x, channels, kernel)));
  let x = conv(l.input("x", [batch, size, size, 3]), width, 3);
  for (let block = 0; block < blocks; block++) {
    if (block === Math.floor(blocks / 2)) x = l.pool(x);
    const narrow = (kernel: number): ArrayValue => conv(x, width / 2, kernel);
    const branches = [
      narrow(1),
      conv(narrow(1), width, 3),
      conv(conv(narrow(1), width / 2, 3), width / 2, 3),
      narrow(3),
    ];
    x = l.m.concat(branches, 3);
  }
  const [n, h, w, c] = x.type.shape;
  const mean = l.m.mul(l.m.sum(x, [1, 2]), 1 / (h! * w!));
  return l.step(l.linear(l.m.reshape(mean, [n!, c!]), 10), rate);
}

/** Blocks of attention over all tokens and a gated layer four times as wide; layer norms before each. */
function transformer({ batch, size, width, blocks }: NetworkShape): TrainingGraph {
  const l = new Layers();
  const { m } = l;
  const heads = Math.max(1, width / 16);
  let x = l.input("x", [batch, size, width]);
  const last = [2];
  const apart = (v: ArrayValue): ArrayValue =>
    m.transpose(m.reshape(v, [batch, size, heads, width / heads]), [0, 2, 1, 3]);
  const linear = (v: ArrayValue, to: number): ArrayValue => {
    const { shape } = v.type;
    return m.reshape(l.linear(m.reshape(v, [batch * size, shape[2]!]), to), [batch, size, to]);
  };
  for (let block = 0; block < blocks; block++) {
    const h = l.normalized(x, last);
    const [q, k, v] = [apart(linear(h, width)), apart(linear(h, width)), apart(linear(h, width))];
    const scores = l.softmax(m.mul(m.matmul(q, k, false, true), 1 / Math.sqrt(width / heads)));
    const mixed = m.reshape(m.transpose(m.matmul(scores, v), [0, 2, 1, 3]), [batch, size, width]);
    x = m.add(x, linear(mixed, width));
    x = m.add(x, linear(m.unary("gelu", linear(l.normalized(x, last), 4 * width)), width));
  }
  return l.step(x, rate);
}

const networks: Readonly<Record<string, (shape: NetworkShape) => TrainingGraph>> = {
  vgg,
  resnet,
  inception,
  transformer,
};

export const networkNames: readonly string[] = Object.keys(networks);

export function trainingGraph(name: string, shape: NetworkShape): TrainingGraph {
  const network = Object.hasOwn(networks, name) ? networks[name] : undefined;
  if (network !== undefined) return network(shape);
  throw new UserError(`There is no network "${name}" to train.`, `There are: ${networkNames.join(", ")}.`);
}
