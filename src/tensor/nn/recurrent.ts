/** Recurrent cells, with PyTorch's parameters: the gates lie one below the other in each weight. */
import { zeros } from "../creation.ts";
import { linear } from "../products.ts";
import type { Tensor } from "../tensor.ts";
import { uniform } from "./initial.ts";
import { lstmSequence } from "./lstm-sequence.ts";
import { Module } from "./module.ts";

/** What every cell holds: maps from the input and from the state to `gates` times the state's width. */
class Cell extends Module {
  weightIh: Tensor;
  weightHh: Tensor;
  biasIh: Tensor;
  biasHh: Tensor;
  readonly width: number;

  constructor(inputs: number, width: number, gates: number) {
    super();
    const bound = 1 / Math.sqrt(width);
    this.weightIh = uniform([gates * width, inputs], bound);
    this.weightHh = uniform([gates * width, width], bound);
    this.biasIh = uniform([gates * width], bound);
    this.biasHh = uniform([gates * width], bound);
    this.width = width;
  }

  protected fromInput(x: Tensor): Tensor {
    return linear(x, this.weightIh, this.biasIh);
  }

  protected fromState(h: Tensor): Tensor {
    return linear(h, this.weightHh, this.biasHh);
  }
}

/** h' = tanh(W x + b + U h + c); x [N, inputs], h [N, width]. */
export class RNNCell extends Cell {
  constructor(inputs: number, width: number) {
    super(inputs, width, 1);
  }

  forward(x: Tensor, h = zeros([x.shape[0]!, this.width])): Tensor {
    return this.fromInput(x).add(this.fromState(h)).tanh();
  }
}

export type LstmState = readonly [h: Tensor, c: Tensor];

export class LSTMCell extends Cell {
  constructor(inputs: number, width: number) {
    super(inputs, width, 4);
  }

  forward(x: Tensor, state: LstmState = this.initial(x.shape[0]!)): LstmState {
    return this.step(this.fromInput(x), state);
  }

  initial(batch: number): LstmState {
    return [zeros([batch, this.width]), zeros([batch, this.width])];
  }

  /** One step from what the input gives [N, 4 · width], so that a whole sequence's inputs are one product. */
  step(given: Tensor, [h, c]: LstmState): LstmState {
    const [i, f, g, o] = given.add(this.fromState(h)).chunk(4, -1) as [Tensor, Tensor, Tensor, Tensor];
    const next = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    return [o.sigmoid().mul(next.tanh()), next];
  }

  /** What the input gives, for any leading axes: [..., 4 · width]. */
  given(x: Tensor): Tensor {
    return this.fromInput(x);
  }
}

export class GRUCell extends Cell {
  constructor(inputs: number, width: number) {
    super(inputs, width, 3);
  }

  forward(x: Tensor, h = zeros([x.shape[0]!, this.width])): Tensor {
    const [ri, zi, ni] = this.fromInput(x).chunk(3, -1) as [Tensor, Tensor, Tensor];
    const [rh, zh, nh] = this.fromState(h).chunk(3, -1) as [Tensor, Tensor, Tensor];
    const z = zi.add(zh).sigmoid();
    const n = ni.add(ri.add(rh).sigmoid().mul(nh)).tanh();
    return n.add(z.mul(h.sub(n)));
  }
}

/** A layer of LSTM over whole sequences: x [N, T, inputs] → outputs [N, T, width] and the last state. */
export class LSTM extends Module {
  readonly cell: LSTMCell;

  constructor(inputs: number, width: number) {
    super();
    this.cell = new LSTMCell(inputs, width);
  }

  forward(
    x: Tensor,
    state: LstmState = this.cell.initial(x.shape[0]!),
  ): { readonly outputs: Tensor; readonly state: LstmState } {
    const { weightHh, biasHh } = this.cell;
    const [outputs, c] = lstmSequence(this.cell.given(x.transpose(0, 1)), weightHh, biasHh, ...state);
    return { outputs: outputs.transpose(0, 1), state: [outputs.select(0, -1), c] };
  }
}
