/** Substitutions that another says already: under other names, or with two of its variables the same (TASO, §3.3). */
import { origins, type Pattern, type Substitution } from "./algebra.ts";
import { permutations } from "./symmetry.ts";

export function mostGeneral(all: readonly Substitution[]): Substitution[] {
  const byKey = new Map(all.map((s) => [keyOf(s), s]));
  for (const s of [...byKey.values()]) {
    for (let v = 0; v < s.source.variables; v++) {
      for (let w = 0; w < s.source.variables; w++) {
        if (v === w || s.source.cut.includes(v) !== s.source.cut.includes(w)) continue;
        const merged = Array.from({ length: s.source.variables }, (_, i) => (i === v ? w : i));
        byKey.delete(keyOf(s, merged));
      }
    }
  }
  return [...byKey.values()];
}

/** Equal for substitutions that differ in names and in the order of steps and outputs only. */
function keyOf({ source, target }: Substitution, as?: readonly number[]): string {
  const start = as ?? Array.from({ length: source.variables }, (_, v) => v);
  const used = [...new Set(start)];
  const keys = permutations(used.length).map((order) => {
    const name = (v: number): string => `${source.cut.includes(v) ? "c" : "v"}${order[used.indexOf(start[v]!)]}`;
    const [a, b] = [expressions(source, name), expressions(target, name)];
    return a
      .map((x, i) => `${x}=${b[i]}`)
      .sort()
      .join();
  });
  return keys.reduce((least, key) => (key < least ? key : least));
}

function expressions(pattern: Pattern, name: (variable: number) => string): string[] {
  const from = origins(pattern);
  const text = (tensor: number): string => {
    const origin = from[tensor];
    if (origin === undefined) return name(tensor);
    const { step, part } = origin;
    const inputs = step.inputs.map(text);
    return `${step.op}${part}(${step.op === "add" || step.op === "mul" ? inputs.sort() : inputs})`;
  };
  return pattern.outputs.map(text);
}
