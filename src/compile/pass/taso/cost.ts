/**
 * What a graph costs, counted from the calls that it will be lowered to: each moves bytes or multiplies, whichever takes longer,
 * and has to be handed out to the threads.
 *
 * A slice costs nothing to those that can read it where it lies, and a copy otherwise: so the layout of each value is chosen
 * with the graph, as in TASO (§5), though here the readers decide it.
 */
import type { Term, TermId, Terms } from "./term.ts";

export interface Machine {
  /** Tokens in the step that is priced. */
  readonly tokens: number;
  readonly callSeconds: number;
  readonly bytesPerSecond: number;
  readonly operationsPerSecond: number;
}

export interface Cost {
  readonly seconds: number;
  readonly calls: number;
}

/** Which inputs are read where they lie, whatever the distance between their rows; see `lower.ts`. */
function readsSlices({ op }: Term, input: number, quantised: boolean): boolean {
  if (op.kind === "linear") return input === 0 && quantised;
  if (op.kind === "opaque") {
    if (op.of === "attention") return input === 1 || input === 2;
    return op.of === "rmsNorm" || op.of === "rope" || op.of === "reshape";
  }
  return op.kind !== "leaf";
}

export function costOf(terms: Terms, outputs: readonly TermId[], machine: Machine): Cost {
  const graph = terms.reachable(outputs);
  const uses = new Map<TermId, number>();
  for (const id of [...graph.flatMap((t) => t.inputs), ...outputs]) uses.set(id, (uses.get(id) ?? 0) + 1);
  const copied = new Set<TermId>();
  const converted = new Set<TermId>();
  let [seconds, calls] = [0, 0];
  const call = (bytes: number, operations = 0, count = 1): void => {
    const { callSeconds, bytesPerSecond, operationsPerSecond } = machine;
    seconds += count * callSeconds + Math.max(bytes / bytesPerSecond, operations / operationsPerSecond);
    calls += count;
  };
  const bytesOf = (id: TermId): number => 4 * machine.tokens * elements(terms.at(id));
  const isView = (id: TermId): boolean => {
    const { op, inputs } = terms.at(id);
    return op.kind === "slice" || (op.kind === "opaque" && op.of === "reshape" && isView(inputs[0]!));
  };
  const needDense = (id: TermId): void => {
    if (!isView(id) || copied.has(id)) return;
    copied.add(id);
    call(2 * bytesOf(id));
  };
  for (const term of graph) {
    const { op, inputs, id } = term;
    const weights = op.kind === "linear" ? terms.at(inputs[1]!) : undefined;
    const matrix = weights?.op.kind === "matrix" ? weights.op : undefined;
    const quantised = matrix?.format.includes("blocks") ?? false;
    for (const [i, input] of inputs.entries()) if (!readsSlices(term, i, quantised)) needDense(input);
    const activations = inputs.reduce((n, i) => n + (terms.at(i).op.kind === "matrix" ? 0 : bytesOf(i)), bytesOf(id));
    if (op.kind === "linear" && matrix !== undefined) {
      if (!matrix.format.includes("f32") && !converted.has(inputs[0]!)) {
        converted.add(inputs[0]!);
        call(1.25 * bytesOf(inputs[0]!));
      }
      const [n, k] = weights!.type.shape.map(Number) as [number, number];
      call((n * k * matrix.bits) / 8 + activations, 2 * machine.tokens * n * k);
    } else if (op.kind === "opaque" && op.of === "attention") call(activations, 0, 2);
    else if (!isFree(term) && !joinsGate(terms, term, graph, uses)) call(activations);
  }
  outputs.forEach(needDense);
  return { seconds, calls };
}

const isFree = ({ op }: Term): boolean =>
  op.kind === "leaf" || op.kind === "matrix" || op.kind === "slice" || (op.kind === "opaque" && op.of === "reshape");

/** `fuse-gate` will make one call of an activation and the product that alone uses it. */
function joinsGate(terms: Terms, term: Term, graph: readonly Term[], uses: ReadonlyMap<TermId, number>): boolean {
  if (term.op.kind !== "gelu" && term.op.kind !== "silu") return false;
  return uses.get(term.id) === 1 && graph.some((t) => t.op.kind === "mul" && terms.at(t.inputs[0]!) === term);
}

const elements = ({ type }: Term): number =>
  type.shape.slice(type.dtype === "f32" ? 1 : 0).reduce<number>((n, d) => n * (typeof d === "number" ? d : 1), 1);
