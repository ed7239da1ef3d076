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
  /** Between a call and one that needs what it wrote. */
  readonly waitSeconds: number;
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
  return new Count(terms, outputs, machine).run();
}

class Count {
  readonly #terms: Terms;
  readonly #outputs: readonly TermId[];
  readonly #machine: Machine;
  /** Copies of slices, and activations converted for products that share them. */
  readonly #made = new Set<string>();
  /** Calls that wait for one another, up to the value. */
  readonly #depth = new Map<TermId, number>();
  #seconds = 0;
  #calls = 0;

  constructor(terms: Terms, outputs: readonly TermId[], machine: Machine) {
    this.#terms = terms;
    this.#outputs = outputs;
    this.#machine = machine;
  }

  run(): Cost {
    const graph = this.#terms.reachable(this.#outputs);
    const gated = gatedActivations(this.#terms, graph, this.#outputs);
    for (const term of graph) {
      const calls = isFree(term) || gated.has(term.id) ? 0 : this.#price(term);
      this.#depth.set(term.id, calls + Math.max(0, ...term.inputs.map((id, i) => this.#ready(term, id, i))));
    }
    for (const id of this.#outputs) if (this.#isView(id)) this.#once(`dense ${id}`, 2 * this.#bytes(id));
    const waits = Math.max(...this.#outputs.map((id) => this.#depth.get(id)!));
    return { seconds: this.#seconds + waits * this.#machine.waitSeconds, calls: this.#calls };
  }

  #call(bytes: number, operations = 0, count = 1): void {
    const { callSeconds, bytesPerSecond, operationsPerSecond } = this.#machine;
    this.#seconds += count * callSeconds + Math.max(bytes / bytesPerSecond, operations / operationsPerSecond);
    this.#calls += count;
  }

  #once(what: string, bytes: number): void {
    if (!this.#made.has(what)) this.#call(bytes);
    this.#made.add(what);
  }

  #bytes = (id: TermId): number => 4 * this.#machine.tokens * elements(this.#terms.at(id));

  #isView(id: TermId): boolean {
    const { op, inputs } = this.#terms.at(id);
    return op.kind === "slice" || (op.kind === "opaque" && op.of === "reshape" && this.#isView(inputs[0]!));
  }

  #format({ op, inputs }: Term): string | undefined {
    const weights = op.kind === "linear" ? this.#terms.at(inputs[1]!).op : undefined;
    return weights?.kind === "matrix" ? weights.format : undefined;
  }

  /** When an input can be read: a slice that must be copied first comes a call later. */
  #ready(term: Term, input: TermId, index: number): number {
    const copied = this.#isView(input) && !readsSlices(term, index, this.#format(term)?.includes("blocks") ?? false);
    if (copied) this.#once(`dense ${input}`, 2 * this.#bytes(input));
    return this.#depth.get(input)! + (copied ? 1 : 0);
  }

  /** Counts a term's own calls; gives how many follow one another. */
  #price(term: Term): number {
    const { op, inputs, id } = term;
    const values = inputs.filter((i) => this.#terms.at(i).op.kind !== "matrix");
    const activations = values.reduce((n, i) => n + this.#bytes(i), this.#bytes(id));
    const format = this.#format(term);
    if (format !== undefined) {
      const weights = this.#terms.at(inputs[1]!);
      const [n, k] = weights.type.shape.map(Number) as [number, number];
      const bits = weights.op.kind === "matrix" ? weights.op.bits : 0;
      const converted = !format.includes("f32");
      if (converted) this.#once(`converted ${inputs[0]}`, 1.25 * this.#bytes(inputs[0]!));
      this.#call((n * k * bits) / 8 + activations, 2 * this.#machine.tokens * n * k);
      return converted ? 2 : 1;
    }
    const calls = op.kind === "opaque" && op.of === "attention" ? 2 : 1;
    this.#call(activations, 0, calls);
    return calls;
  }
}

const isFree = ({ op }: Term): boolean =>
  op.kind === "leaf" || op.kind === "matrix" || op.kind === "slice" || (op.kind === "opaque" && op.of === "reshape");

/** `fuse-gate` will make one call of an activation and the product that alone uses it. */
function gatedActivations(terms: Terms, graph: readonly Term[], outputs: readonly TermId[]): ReadonlySet<TermId> {
  const uses = new Map<TermId, number>();
  for (const id of [...graph.flatMap((t) => t.inputs), ...outputs]) uses.set(id, (uses.get(id) ?? 0) + 1);
  const gates = graph.filter((t) => t.op.kind === "mul").map((t) => terms.at(t.inputs[0]!));
  return new Set(
    gates.filter((t) => (t.op.kind === "gelu" || t.op.kind === "silu") && uses.get(t.id) === 1).map((t) => t.id),
  );
}

const elements = ({ type }: Term): number =>
  type.shape.slice(type.dtype === "f32" ? 1 : 0).reduce<number>((n, d) => n * (typeof d === "number" ? d : 1), 1);
