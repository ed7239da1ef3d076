/** Attention of the oracle and its gradients, row by row. */
import { type ArrayOp, sizeOf } from "../graph/array.ts";
import type { OracleArray } from "./array-oracle.ts";

type Attention = Pick<Extract<ArrayOp, { kind: "attention" }>, "causal" | "scale">;

/** Calls `visit` with each query, a key that it sees, the probability of it, and the gradient of its score. */
function visitPairs(
  { causal, scale }: Attention,
  [q, k, v, dy]: readonly OracleArray[],
  visit: (query: number, key: number, p: number, ds: number) => void,
): void {
  const [rows, width] = q!.type.shape.slice(-2) as [number, number];
  const dot = (x: OracleArray, y: OracleArray, i: number, j: number): number =>
    Array.from({ length: width }, (_, c) => x.data[i * width + c]! * y.data[j * width + c]!).reduce((a, b) => a + b, 0);
  for (let i = 0; i < sizeOf(q!.type.shape.slice(0, -1)); i++) {
    const first = i - (i % rows);
    const keys = Array.from({ length: causal ? (i % rows) + 1 : rows }, (_, j) => first + j);
    const scores = keys.map((j) => scale * dot(q!, k!, i, j));
    const most = Math.max(...scores);
    const powers = scores.map((s) => Math.exp(s - most));
    const total = powers.reduce((a, b) => a + b, 0);
    const g = keys.map((j) => (dy === undefined ? 0 : dot(dy, v!, i, j)));
    const mean = powers.reduce((sum, p, n) => sum + (p / total) * g[n]!, 0);
    for (const [n, j] of keys.entries()) {
      const p = powers[n]! / total;
      visit(i, j, p, scale * p * (g[n]! - mean));
    }
  }
}

export function attend(op: Attention, inputs: readonly OracleArray[]): Float64Array {
  const [q, , v] = inputs;
  const width = q!.type.shape.at(-1)!;
  const result = new Float64Array(q!.data.length);
  visitPairs(op, inputs, (i, j, p) => {
    for (let c = 0; c < width; c++) result[i * width + c] = result[i * width + c]! + p * v!.data[j * width + c]!;
  });
  return result;
}

/** Gradients of q, k and v, one behind the other. */
export function attendInput(op: Attention, inputs: readonly OracleArray[]): Float64Array {
  const [q, k, , dy] = inputs;
  const width = q!.type.shape.at(-1)!;
  const size = q!.data.length;
  const result = new Float64Array(3 * size);
  visitPairs(op, inputs, (i, j, p, ds) => {
    for (let c = 0; c < width; c++) {
      const [here, there] = [i * width + c, j * width + c];
      result[here] = result[here]! + ds * k!.data[there]!;
      result[size + there] = result[size + there]! + ds * q!.data[here]!;
      result[2 * size + there] = result[2 * size + there]! + p * dy!.data[here]!;
    }
  });
  return result;
}
