/** Small models on which ways of capture are compared: each uses its arguments alone, so that its source is all that it is. */
import { stream } from "../core/random.ts";
import type { Batch, Control, Input, Model, Named } from "../tensor/capture.ts";
import { tensor } from "../tensor/creation.ts";
import type { Tensor } from "../tensor/tensor.ts";

export interface CaptureModel {
  readonly model: Model;
  /** Shapes of the parameters, by name. */
  readonly parameters: Readonly<Record<string, readonly number[]>>;
  batch(step: number): Batch;
}

/** `size` numbers in ±scale, of the shape; a function of the seed. */
export function noise(seed: number, shape: readonly number[], scale: number): Tensor {
  const random = stream(31, seed);
  const size = shape.reduce((n, d) => n * d, 1);
  return tensor(Array.from({ length: size }, () => scale * (2 * random() - 1))).reshape(...shape);
}

const classes = (seed: number, count: number, of: number): Tensor => {
  const random = stream(32, seed);
  return tensor(
    Array.from({ length: count }, () => Math.floor(random() * of)),
    { dtype: "i32" },
  );
};

const mlp: CaptureModel = {
  parameters: { w1: [12, 16], b1: [16], w2: [16, 5], b2: [5] },
  batch: (step) => ({ arrays: { x: noise(step, [8, 12], 1), y: classes(step, 8, 5) }, counts: {} }),
  model: (control: Control, p: Named, batch: Input) => {
    const hidden = batch.arrays.x!.matmul(p.w1!).add(p.b1!).relu();
    return control.crossEntropy(hidden.matmul(p.w2!).add(p.b2!), batch.arrays.y!);
  },
};

const cnn: CaptureModel = {
  parameters: { k1: [3, 3, 2, 4], k2: [3, 3, 4, 6], w: [24, 3], b: [3] },
  batch: (step) => ({ arrays: { x: noise(step, [4, 8, 8, 2], 1), y: classes(step, 4, 3) }, counts: {} }),
  model: (control: Control, p: Named, batch: Input) => {
    const first = control.maxPool2d(control.conv2d(batch.arrays.x!, p.k1!, undefined, { padding: 1 }).relu(), 2);
    const second = control.maxPool2d(control.conv2d(first, p.k2!, undefined, { padding: 1 }).relu(), 2);
    const scores = second.reshape(4, 24).matmul(p.w!).add(p.b!);
    return control.crossEntropy(scores, batch.arrays.y!);
  },
};

const lengths = [3, 7, 5, 11];

/** An LSTM over sequences, one batch of one length after another: [T, B, F], the longest first so that it has the room. */
const lstm: CaptureModel = {
  parameters: { wx: [6, 32], wh: [8, 32], b: [32], w: [8, 4] },
  batch: (step) => {
    const length = lengths[step % lengths.length]!;
    return {
      arrays: { x: noise(step, [11, 3, 6], 1), y: classes(step, 3, 4), zeros: noise(0, [3, 8], 0) },
      counts: { length },
    };
  },
  model: (control: Control, p: Named, batch: Input) => {
    const x = batch.arrays.x!;
    const [h, _c] = control.loop(batch.counts.length!, [batch.arrays.zeros!, batch.arrays.zeros!], (i, [h, c]) => {
      const gates = x.take(i).reshape(3, 6).matmul(p.wx!).add(h!.matmul(p.wh!)).add(p.b!);
      const kept = c!.mul(gates.slice(1, 0, 8).sigmoid());
      const fresh = gates
        .slice(1, 8, 16)
        .sigmoid()
        .mul(gates.slice(1, 16, 24).tanh());
      const cell = kept.add(fresh);
      return [cell.tanh().mul(gates.slice(1, 24, 32).sigmoid()), cell];
    });
    return control.crossEntropy(h!.matmul(p.w!), batch.arrays.y!);
  },
};

export const captureModels = { mlp, cnn, lstm } as const;
