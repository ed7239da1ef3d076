/** A substitution on random matrices modulo a prime, in every assignment of a few sizes that fits both of its sides. */
import { evaluate, type Matrix, type Substitution } from "./algebra.ts";
import { randomMatrix } from "./random-matrix.ts";

/** Sizes that a dimension takes. Two suffice to tell dimensions apart. */
const sizes = [2, 3];
const fittingMax = 12;

/** Whether both sides give the same wherever both are defined, which must be for at least two assignments of shapes. */
export function verify({ source, target }: Substitution, seed = 1): boolean {
  let fitting = 0;
  const variables = Array.from({ length: source.variables }, (_, v) => v);
  const choose = (chosen: readonly Matrix[]): boolean => {
    if (fitting >= fittingMax) return true;
    if (chosen.length < source.variables) {
      return shapes(source.cut.includes(variables[chosen.length]!), seed, chosen.length).every((m) =>
        choose([...chosen, m]),
      );
    }
    const [a, b] = [evaluate(source, chosen), evaluate(target, chosen)];
    if (a === undefined || b === undefined) return true;
    fitting++;
    return source.outputs.every((o, i) => equal(a[o]!, b[target.outputs[i]!]!));
  };
  return choose([]) && fitting >= 2;
}

function shapes(cut: boolean, seed: number, variable: number): Matrix[] {
  return sizes.flatMap((rows) =>
    cut
      ? sizes.flatMap((low) =>
          sizes.map((high) => randomMatrix(rows, low + high, low, seed, variable, rows, low, high)),
        )
      : sizes.map((columns) => randomMatrix(rows, columns, undefined, seed, variable, rows, columns)),
  );
}

export function equal(a: Matrix, b: Matrix): boolean {
  return a.rows === b.rows && a.columns === b.columns && a.data.every((x, i) => x === b.data[i]);
}
