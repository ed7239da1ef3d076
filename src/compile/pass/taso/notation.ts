/** Substitutions as lines of text: `3 variables (cut: 2): matmul 0 1; add 2 3 -> 4 => …`. */
import type { Operator, Pattern, Step, Substitution } from "./algebra.ts";

export function write({ source, target }: Substitution): string {
  const cut = source.cut.length === 0 ? "" : ` (cut: ${source.cut.join(" ")})`;
  return `${source.variables} variables${cut}: ${side(source)} => ${side(target)}`;
}

const side = ({ steps, outputs }: Pattern): string =>
  `${steps.map((s) => `${s.op} ${s.inputs.join(" ")}`).join("; ")} -> ${outputs.join(" ")}`;

/** The inverse of `write`. */
export function read(line: string): Substitution {
  const [head, body] = splitHead(line);
  const [variables] = head!.split(" ");
  const cut = /cut: ([\d ]+)/.exec(head!)?.[1];
  const [source, target] = body!.split(" => ").map((text) => pattern(text, Number(variables), numbers(cut ?? "")));
  return { source: source!, target: target! };
}

function splitHead(line: string): [string, string] {
  const at = line.lastIndexOf(": ");
  return [line.slice(0, at), line.slice(at + 2)];
}

function pattern(text: string, variables: number, cut: readonly number[]): Pattern {
  const [steps, outputs] = text.split(" -> ");
  return { variables, cut, steps: steps!.split("; ").map(step), outputs: numbers(outputs!) };
}

function step(text: string): Step {
  const [op, ...inputs] = text.split(" ");
  return { op: op as Operator, inputs: inputs.map(Number) };
}

const numbers = (text: string): number[] => text.split(" ").filter(Boolean).map(Number);
