/** Products of matrices: operands are read as they lie, moved or not, where rows or columns of them are next to each other. */
import type { ArrayNode } from "../../../graph/array.ts";
import type { Lowering } from "../../array.ts";
import { lowerMatmul, type MatmulShape } from "../../lower/matmul.ts";

export function lowerProduct(lowering: Lowering, node: ArrayNode): void {
  const { op, inputs, type } = node;
  if (op.kind !== "matmul") return;
  const [m, n] = [type.shape.at(-2)!, type.shape.at(-1)!];
  const { type: left } = lowering.nodes.get(inputs[0]!)!;
  const { type: right } = lowering.nodes.get(inputs[1]!)!;
  const k = left.shape.at(op.transposeA ? -2 : -1)!;
  const batch = type.shape.slice(0, -2).reduce((a, d) => a * d, 1);
  if (m * n * k * batch === 0) return;
  const bf16 = left.dtype === "bf16";
  const operand = (transposed: boolean, columns: number, rows: number) => ({
    transposed,
    stride: columns,
    batchStride: rows * columns,
    type: bf16 ? ("bf16" as const) : ("f32" as const),
  });
  const shape: MatmulShape = {
    ...{ m, n, k, batch },
    a: operand(op.transposeA, left.shape.at(-1)!, left.shape.at(-2)!),
    b: operand(op.transposeB, right.shape.at(-1)!, right.shape.at(-2)!),
    c: { stride: n, batchStride: m * n },
    arithmetic: bf16 ? "bf16" : "f32",
  };
  const product = lowering.once(["matmul", shape], () => lowerMatmul(lowering.target, shape));
  const temporary = lowering.buffer({ bytes: product.temporaryBytes });
  lowering.needScratch(product.scratchBytes);
  const ids = {
    a: { id: lowering.bufferOf(inputs[0]!) },
    b: { id: lowering.bufferOf(inputs[1]!) },
    c: { id: lowering.bufferOf(node.id), written: true },
    epilogue: { id: 0 },
  };
  for (const call of product.calls) {
    const packs = !call.args.includes("c");
    lowering.call(
      [node.id],
      call.program,
      call.items,
      call.args.map((arg) => (arg === "temporary" ? { id: temporary, written: packs } : ids[arg as keyof typeof ids])),
    );
  }
}
