/**
 * Convolutions and their gradients by the image as one thing, a correlation: output t of an axis is the sum over taps j of
 * source[t × stride + first + j × step] × weight[place + j × every].
 *
 * A gradient by the image with strides falls apart into phases: outputs that are as many apart as the stride see the same
 * taps, at steps of one source each. So each phase is a correlation without strides, and no product with an inserted zero
 * is ever computed.
 */
import type { ArrayType, Convolution } from "../../../graph/array.ts";

/** One phase along one axis. */
export interface Axis {
  readonly outputs: number;
  /** Output t goes to `from + t × apart` of the result. */
  readonly from: number;
  readonly apart: number;
  readonly taps: number;
  readonly stride: number;
  readonly first: number;
  readonly step: number;
  /** Tap j is weighted by place `place + j × every` of the window. */
  readonly place: number;
  readonly every: number;
}

export interface Image {
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
}

export interface Correlation {
  readonly images: number;
  readonly source: Image;
  /** The source and the weights are bf16. */
  readonly narrow: boolean;
  readonly result: Image;
  /** Phases: each of the rows with each of the columns. */
  readonly rows: readonly Axis[];
  readonly columns: readonly Axis[];
  readonly groups: number;
  /** Channels that are summed over, and channels of the result, in each group. */
  readonly inner: number;
  readonly outer: number;
  /** Each channel is a group of its own, so that vectors may hold channels of the source. */
  readonly depthwise: boolean;
  /** The window's extents, [h, w, C / groups, O], and whether its last two change places. */
  readonly window: readonly [number, number, number, number];
  readonly transposed: boolean;
}

export const imageOf = ({ shape }: ArrayType): Image => ({
  rows: shape[1]!,
  columns: shape[2]!,
  channels: shape[3]!,
});

const windowOf = ({ shape }: ArrayType): readonly [number, number, number, number] =>
  shape as readonly [number, number, number, number];

/** y = x ∗ w. */
export function forward(x: ArrayType, w: ArrayType, y: ArrayType, op: Convolution): Correlation {
  const window = windowOf(w);
  const outer = window[3] / op.groups;
  const axis = (i: 0 | 1): Axis => ({
    ...{ outputs: y.shape[i + 1]!, from: 0, apart: 1, taps: window[i], stride: op.strides[i] },
    ...{ first: -op.padding[2 * i]!, step: op.dilations[i], place: 0, every: 1 },
  });
  return {
    ...{ images: x.shape[0]!, source: imageOf(x), result: imageOf(y), narrow: x.dtype === "bf16" },
    ...{ rows: [axis(0)], columns: [axis(1)], groups: op.groups, inner: window[2], outer },
    ...{ depthwise: op.groups > 1 && window[2] === 1 && outer === 1, window, transposed: false },
  };
}

/** The gradient of x from dy and w. */
export function backward(dy: ArrayType, w: ArrayType, x: ArrayType, op: Convolution): Correlation {
  const window = windowOf(w);
  const inner = window[3] / op.groups;
  const axes = (i: 0 | 1): Axis[] =>
    Array.from({ length: Math.min(op.strides[i], x.shape[i + 1]!) }, (_, phase) =>
      phaseOf(phase, x.shape[i + 1]!, window[i], op.strides[i], op.dilations[i], op.padding[2 * i]!),
    );
  return {
    ...{ images: x.shape[0]!, source: imageOf(dy), result: imageOf(x), narrow: dy.dtype === "bf16" },
    ...{ rows: axes(0), columns: axes(1), groups: op.groups, inner, outer: window[2] },
    ...{ depthwise: op.groups > 1 && window[2] === 1 && inner === 1, window, transposed: true },
  };
}

/** The outputs `phase`, `phase + stride`, …: places k of the window with (phase + low - k × dilation) a multiple of the stride. */
function phaseOf(phase: number, extent: number, size: number, stride: number, dilation: number, low: number): Axis {
  const source = (k: number): number => (phase + low - k * dilation) / stride;
  const places = Array.from({ length: size }, (_, i) => size - 1 - i).filter((k) => Number.isInteger(source(k)));
  const [place = 0, second] = places;
  return {
    ...{ outputs: Math.ceil((extent - phase) / stride), from: phase, apart: stride, taps: places.length, stride: 1 },
    ...{ first: places.length > 0 ? source(place) : 0, place },
    ...(second === undefined ? { step: 1, every: 1 } : { step: source(second) - source(place), every: second - place }),
  };
}

/** The stretch of source that `outputs` outputs of every phase see: from where, relative to the first output's, and how much. */
export interface Stretch {
  readonly low: number;
  readonly extent: number;
}

export function stretchOf(axes: readonly Axis[], outputs: number): Stretch {
  const seeing = axes.filter(({ taps }) => taps > 0);
  if (seeing.length === 0) return { low: 0, extent: 1 };
  const low = Math.min(...seeing.map(({ first }) => first));
  const last = Math.max(
    ...seeing.map((a) => (Math.min(outputs, a.outputs) - 1) * a.stride + a.first + (a.taps - 1) * a.step),
  );
  return { low, extent: last - low + 1 };
}
