/** All graphs of a few operators (TASO, Algorithm 1, depth first), each once for all namings of its variables. */
import { apply, arity, type Matrix, type Operator, type Pattern, type Step } from "./algebra.ts";
import { fingerprint, randomMatrix } from "./random-matrix.ts";

export interface Space {
  readonly operators: readonly Operator[];
  readonly stepsMax: number;
  /** Variables, and those among them that are cut. */
  readonly variables: number;
  readonly cut: number;
  /** At most so many of an operator in a graph. */
  readonly most: Partial<Readonly<Record<Operator, number>>>;
  /** Whether a variable may be used more than once. */
  readonly shared: boolean;
}

const size = 4;

/** A variable's matrix, and that of one that was put together. */
export const plain = (seed: number): Matrix => randomMatrix(size, size, undefined, 1, seed);
export const wide = (seed: number): Matrix => randomMatrix(size, 2 * size, size, 2, seed);

/** Every graph of the space whose variables come in the order of their first use, cut ones numbered last. */
export function enumerate(space: Space, found: (graph: Pattern, collapsed: readonly Matrix[]) => void): void {
  const { variables, cut, operators, stepsMax, most, shared } = space;
  const isCut = (v: number): boolean => v >= variables - cut;
  const start = Array.from({ length: variables }, (_, v) => (isCut(v) ? wide(v) : plain(v)));
  const same = Array.from({ length: variables }, (_, v) => (isCut(v) ? wide(0) : plain(0)));
  const steps: Step[] = [];
  const used: number[] = start.map(() => 0);
  const visit = (
    tensors: readonly Matrix[],
    collapsed: readonly Matrix[],
    known: ReadonlySet<string>,
    before: number,
  ): void => {
    if (steps.length === stepsMax) return;
    for (const [rank, op] of operators.entries()) {
      if (steps.filter((s) => s.op === op).length >= (most[op] ?? stepsMax)) continue;
      for (const inputs of operands(op, tensors.length)) {
        // Independent steps come in one order only.
        const fresh = inputs.some((i) => i >= before);
        const last = steps.at(-1);
        if (!fresh && last !== undefined && !follows(operators, last, rank, inputs)) continue;
        if (!shared && inputs.some((i) => i < variables && used[i])) continue;
        if (!inOrder(inputs, used, variables, isCut)) continue;
        const made = apply(
          op,
          inputs.map((i) => tensors[i]!),
        );
        if (made === undefined || made.some((m) => known.has(fingerprint(m)))) continue;
        const also = apply(
          op,
          inputs.map((i) => collapsed[i]!),
        )!;
        steps.push({ op, inputs });
        for (const i of inputs) used[i] = (used[i] ?? 0) + 1;
        const all = [...collapsed, ...also];
        const outputs = Array.from({ length: all.length }, (_, t) => t).filter((t) => t >= variables && !used[t]);
        found({ variables, cut: start.map((_, v) => v).filter(isCut), steps: [...steps], outputs }, all);
        visit([...tensors, ...made], all, new Set([...known, ...made.map(fingerprint)]), tensors.length);
        for (const i of inputs) used[i]!--;
        steps.pop();
      }
    }
  };
  visit(start, same, new Set(start.map(fingerprint)), 0);
}

/** An operator over the same tensor twice is left out: it says little of graphs as people write them. */
function operands(op: Operator, tensors: number): number[][] {
  const all = Array.from({ length: tensors }, (_, i) => i);
  if (arity[op] === 1) return all.map((i) => [i]);
  const commutes = op === "add" || op === "mul";
  return all.flatMap((i) => all.filter((j) => (commutes ? i < j : i !== j)).map((j) => [i, j]));
}

function follows(operators: readonly Operator[], last: Step, rank: number, inputs: readonly number[]): boolean {
  const order = operators.indexOf(last.op) - rank;
  if (order !== 0) return order < 0;
  const difference = last.inputs.map((x, i) => x - inputs[i]!).find((d) => d !== 0) ?? 0;
  return difference < 0;
}

/** A variable is used for the first time only after all before it of its kind. */
function inOrder(
  inputs: readonly number[],
  used: readonly number[],
  variables: number,
  isCut: (v: number) => boolean,
): boolean {
  const seen = new Set<number>();
  for (const i of inputs) {
    if (i < variables && !used[i] && !seen.has(i)) {
      for (let v = 0; v < i; v++) if (isCut(v) === isCut(i) && !used[v] && !seen.has(v)) return false;
      seen.add(i);
    }
  }
  return true;
}
