/** The models of the bench of training, each as one compiled step over data that stays. `bench/peers/train.py` has the same. */
import { type ArrayGraph, sizeOf } from "../graph/array.ts";
import { nn, optim, randn, type Tensor, tensor } from "../tensor/index.ts";

export interface Stepping {
  /** Carries out one optimizer step, of each of the model's shapes in turn. */
  run(): void;
  /** Floating-point operations of its products and convolutions, one step. */
  readonly operations: number;
  dispose(): void;
}

export interface GptShape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly context: number;
  readonly batch: number;
  readonly vocabulary: number;
  readonly bf16?: boolean;
}

class Block extends nn.Module {
  readonly first: nn.LayerNorm;
  readonly heads: nn.MultiHeadAttention;
  readonly second: nn.LayerNorm;
  readonly up: nn.Linear;
  readonly down: nn.Linear;

  constructor(width: number, heads: number) {
    super();
    this.first = new nn.LayerNorm(width);
    this.heads = new nn.MultiHeadAttention(width, heads, { causal: true });
    this.second = new nn.LayerNorm(width);
    this.up = new nn.Linear(width, 4 * width);
    this.down = new nn.Linear(4 * width, width);
  }

  forward(x: Tensor): Tensor {
    const y = x.add(this.heads.forward(this.first.forward(x)));
    return y.add(this.down.forward(this.up.forward(this.second.forward(y)).gelu({ approximate: "tanh" })));
  }
}

class Gpt extends nn.Module {
  readonly tokens: nn.Embedding;
  readonly places: nn.Embedding;
  readonly blocks: readonly Block[];
  readonly norm: nn.LayerNorm;
  readonly head: nn.Linear;

  constructor({ layers, width, heads, context, vocabulary }: GptShape) {
    super();
    this.tokens = new nn.Embedding(vocabulary, width);
    this.places = new nn.Embedding(context, width);
    this.blocks = Array.from({ length: layers }, () => new Block(width, heads));
    this.norm = new nn.LayerNorm(width);
    this.head = new nn.Linear(width, vocabulary, { bias: false });
  }

  forward(ids: Tensor): Tensor {
    const x = this.tokens.forward(ids).add(this.places.weight);
    return this.head.forward(this.norm.forward(this.blocks.reduce((y, block) => block.forward(y), x)));
  }
}

const labels = (shape: readonly number[], below: number): Tensor =>
  tensor(
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i * 7919) % below),
    { shape },
  );

function stepping(step: optim.TrainStep<[Tensor, Tensor]>, batches: readonly (readonly [Tensor, Tensor])[]): Stepping {
  const operations = batches.reduce((sum, [x, y]) => sum + operationsOf(step.graph(x, y)), 0) / batches.length;
  return {
    operations,
    run() {
      for (const [x, y] of batches) step.step(x, y).dispose();
    },
    dispose() {
      step.dispose();
      step.model.dispose();
      for (const t of batches.flat()) t.dispose();
    },
  };
}

function classified(
  model: nn.Module & { forward(x: Tensor): Tensor },
  rule: optim.Rule,
  batches: readonly (readonly [Tensor, Tensor])[],
  options: optim.TrainStepOptions = {},
): Stepping {
  return stepping(
    new optim.TrainStep<[Tensor, Tensor]>(model, rule, (x, y) => nn.crossEntropy(model.forward(x), y), options),
    batches,
  );
}

export function gpt(shape: GptShape): Stepping {
  const { batch, context, vocabulary, bf16 = false } = shape;
  const ids = labels([batch, context], vocabulary);
  const data = [ids, labels([batch, context], vocabulary - 1)] as const;
  return classified(new Gpt(shape), optim.adamW({ lr: 1e-4 }), [data], { autocast: bf16 });
}

export function mlp(): Stepping {
  const model = new nn.Sequential(new nn.Linear(784, 256), new nn.ReLU(), new nn.Linear(256, 10));
  return classified(model, optim.adam(), [[randn([128, 784]), labels([128], 10)]]);
}

class Sequences extends nn.Module {
  readonly lstm: nn.LSTM;
  readonly head: nn.Linear;

  constructor() {
    super();
    this.lstm = new nn.LSTM(32, 64);
    this.head = new nn.Linear(64, 10);
  }

  forward(x: Tensor): Tensor {
    return this.head.forward(this.lstm.forward(x).state[0]);
  }
}

export function lstm(lengths: readonly number[]): Stepping {
  const batches = lengths.map((length) => [randn([16, length, 32]), labels([16], 10)] as const);
  return classified(new Sequences(), optim.adam(), batches);
}

class Residual extends nn.Module {
  readonly a: nn.Conv2d;
  readonly normA: nn.BatchNorm2d;
  readonly b: nn.Conv2d;
  readonly normB: nn.BatchNorm2d;
  readonly across: nn.Sequential | undefined;

  constructor(inputs: number, outputs: number) {
    super();
    const stride = inputs === outputs ? 1 : 2;
    this.a = new nn.Conv2d(inputs, outputs, 3, { stride, padding: 1, bias: false });
    this.normA = new nn.BatchNorm2d(outputs);
    this.b = new nn.Conv2d(outputs, outputs, 3, { padding: 1, bias: false });
    this.normB = new nn.BatchNorm2d(outputs);
    this.across =
      stride === 1
        ? undefined
        : new nn.Sequential(new nn.Conv2d(inputs, outputs, 1, { stride, bias: false }), new nn.BatchNorm2d(outputs));
  }

  forward(x: Tensor): Tensor {
    const y = this.normB.forward(this.b.forward(this.normA.forward(this.a.forward(x)).relu()));
    return y.add(this.across?.forward(x) ?? x).relu();
  }
}

/** 14 layers: a convolution, six blocks of two, a linear map. */
export function resnet(batch: number): Stepping {
  const blocks = [
    [16, 16],
    [16, 16],
    [16, 32],
    [32, 32],
    [32, 64],
    [64, 64],
  ].map(([inputs, outputs]) => new Residual(inputs!, outputs!));
  const first = new nn.Conv2d(3, 16, 3, { padding: 1, bias: false });
  const model = new nn.Sequential(
    ...[first, new nn.BatchNorm2d(16), new nn.ReLU(), ...blocks],
    (x) => x.mean([1, 2]),
    new nn.Linear(64, 10),
  );
  return classified(model, optim.sgd({ lr: 0.1, momentum: 0.9 }), [[randn([batch, 32, 32, 3]), labels([batch], 10)]]);
}

/** Twice the products that matrix products and convolutions sum. */
export function operationsOf({ nodes }: ArrayGraph): number {
  const types = new Map(nodes.map(({ id, type }) => [id, type.shape]));
  return nodes.reduce((sum, { op, inputs, type }) => {
    const [a, b] = inputs.map((id) => types.get(id)!);
    if (op.kind === "matmul") return sum + 2 * sizeOf(type.shape) * a!.at(op.transposeA ? -2 : -1)!;
    // Of q and k, of probabilities and v; and of each of these, two gradients. What is masked counts too.
    if (op.kind === "attention") return sum + 4 * sizeOf(a!) * b!.at(-2)!;
    if (op.kind === "attentionInput") return sum + 8 * sizeOf(a!) * b!.at(-2)!;
    // A weight [h, w, C / groups, O] meets each position of the result once.
    if (op.kind === "conv2d") return sum + 2 * sizeOf(b!.slice(0, 3)) * sizeOf(type.shape);
    if (op.kind === "conv2dInput") return sum + 2 * sizeOf(b!.slice(0, 3)) * sizeOf(a!);
    if (op.kind === "conv2dWeight") return sum + 2 * sizeOf(type.shape.slice(0, 3)) * sizeOf(b!);
    return sum;
  }, 0);
}
