/** Convolutions and pooling: kernels of `lower/` over whole arrays. */
import type { ArrayNode, ArrayOp, ArrayType } from "../../../graph/array.ts";
import type { Lowering } from "../../array.ts";
import { lowerConv2d } from "../../lower/conv.ts";
import type { Lowered } from "../../lower/lowered.ts";
import { lowerPool2d, lowerPool2dInput } from "../../lower/pool.ts";
import type { Target } from "../../tile.ts";

type Windowed = Extract<ArrayOp, { kind: "conv2d" | "conv2dInput" | "conv2dWeight" | "pool2d" | "pool2dInput" }>;

function lowered(target: Target, op: Windowed, [a, b, c]: readonly ArrayType[], output: ArrayType): Lowered {
  if (op.kind === "pool2d") return lowerPool2d(target, op, [a!], output);
  if (op.kind === "pool2dInput") return lowerPool2dInput(target, op, [a!, b!, c!], output);
  return lowerConv2d(target, op, [a!, b!], output);
}

export function lowerWindows(lowering: Lowering, node: ArrayNode, op: Windowed): void {
  const types = node.inputs.map((id) => lowering.nodes.get(id)!.type);
  if ([...types, node.type].some(({ shape }) => shape.includes(0))) return;
  const { calls, temporaries, scratchBytes } = lowered(lowering.target, op, types, node.type);
  lowering.needScratch(scratchBytes);
  const made = temporaries.map((bytes) => lowering.buffer({ bytes }));
  const buffers = [...node.inputs.map((id) => lowering.bufferOf(id)), lowering.bufferOf(node.id), ...made];
  const first = node.inputs.length;
  for (const call of calls) {
    const args = call.args.map((arg) => ({ id: buffers[arg]!, written: arg >= first }));
    lowering.call(node.id, call.program, call.items, args);
  }
}
