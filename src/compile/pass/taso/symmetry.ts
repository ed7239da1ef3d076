/**
 * Namings of a substitution's variables under which it says the same but for the order in which things lie side by side. A match
 * and its mirror image would double the graphs of a search at every step, and differ in nothing that costs.
 */
import { origins, type Pattern, type Substitution } from "./algebra.ts";

/** Without the one that changes nothing: the variable in whose place each stands. */
export function symmetries({ source, target }: Substitution): number[][] {
  const all = permutations(source.variables).filter((naming) => naming.some((to, v) => to !== v));
  const same = Array.from({ length: source.variables }, (_, v) => v);
  const written = text(source, target, same);
  return all.filter(
    (naming) =>
      naming.every((to, v) => source.cut.includes(v) === source.cut.includes(to)) &&
      text(source, target, naming) === written,
  );
}

function text(source: Pattern, target: Pattern, naming: readonly number[]): string {
  const [a, b] = [side(source, naming), side(target, naming)];
  return a
    .map((x, i) => `${x} = ${b[i]}`)
    .sort()
    .join();
}

/** Outputs as expressions, without the order of what is added, multiplied or put together. */
function side(pattern: Pattern, naming: readonly number[]): string[] {
  const from = origins(pattern);
  const written = (tensor: number): string => {
    const step = from[tensor]?.step;
    if (step === undefined) return `v${naming[tensor]}`;
    const inputs = step.inputs.map(written);
    return `${step.op}(${step.op === "matmul" ? inputs : inputs.sort()})`;
  };
  return pattern.outputs.map(written);
}

/** Of a match and its mirror images, the one whose variables come first is kept. */
export function isMirrored(tensors: ReadonlyMap<number, number>, naming: readonly number[]): boolean {
  for (const [v, to] of naming.entries()) {
    const difference = (tensors.get(to) ?? 0) - (tensors.get(v) ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

export function permutations(length: number): number[][] {
  if (length === 0) return [[]];
  return permutations(length - 1).flatMap((p) =>
    Array.from({ length }, (_, i) => [...p.slice(0, i), length - 1, ...p.slice(i)]),
  );
}
