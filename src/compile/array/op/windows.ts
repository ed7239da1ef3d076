/** Convolutions, pooling and attention: kernels of `lower/` over whole arrays. */
import { type ArrayNode, type ArrayOp, type ArrayType, sizeOf } from "../../../graph/array.ts";
import type { Lowering } from "../../array.ts";
import { lowerConv2d } from "../../lower/conv.ts";
import { lowerDenseAttention, lowerDenseAttentionGradient } from "../../lower/dense-attention.ts";
import type { Lowered } from "../../lower/lowered.ts";
import { lowerPool2d, lowerPool2dInput } from "../../lower/pool.ts";
import type { Target } from "../../tile.ts";

type Windowed = Extract<
  ArrayOp,
  { kind: "conv2d" | "conv2dInput" | "conv2dWeight" | "pool2d" | "pool2dInput" | "attention" | "attentionInput" }
>;

function lowered(target: Target, op: Windowed, [a, b, c]: readonly ArrayType[], output: ArrayType): Lowered {
  if (op.kind === "attention" || op.kind === "attentionInput") return lowerAttention(target, op, a!);
  if (op.kind === "pool2d") return lowerPool2d(target, op, [a!], output);
  if (op.kind === "pool2dInput") return lowerPool2dInput(target, op, [a!, b!, c!], output);
  return lowerConv2d(target, op, [a!, b!], output);
}

function lowerAttention(
  target: Target,
  { kind, causal, scale }: Extract<ArrayOp, { kind: "attention" | "attentionInput" }>,
  { shape }: ArrayType,
): Lowered {
  const [length, width] = shape.slice(-2) as [number, number];
  const attention = { batch: sizeOf(shape.slice(0, -2)), queries: length, keys: length, width, causal, scale };
  if (kind === "attention") return lowerDenseAttention(target, attention);
  return lowerDenseAttentionGradient(target, attention);
}

export function lowerWindows(lowering: Lowering, node: ArrayNode, op: Windowed): void {
  const types = node.inputs.map((id) => lowering.nodes.get(id)!.type);
  if ([...types, node.type].some(({ shape }) => shape.includes(0))) return;
  const { calls, temporaries, scratchBytes } = lowering.once([op, types, node.type], () =>
    lowered(lowering.target, op, types, node.type),
  );
  lowering.needScratch(scratchBytes);
  const made = temporaries.map((bytes) => lowering.buffer({ bytes }));
  const buffers = [...node.inputs.map((id) => lowering.bufferOf(id)), lowering.bufferOf(node.id), ...made];
  const first = node.inputs.length;
  for (const call of calls) {
    const args = call.args.map((arg) => ({ id: buffers[arg]!, written: arg >= first }));
    lowering.call([node.id], call.program, call.items, args);
  }
}
