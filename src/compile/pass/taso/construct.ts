/** Targets of substitutions become terms, with the shapes that the match has fixed. */
import type { Step } from "./algebra.ts";
import type { Binding } from "./match.ts";
import type { TermId, Terms } from "./term.ts";

/** Where a tensor of the target was put together along its columns. */
interface Seam {
  readonly at: number;
  readonly low: Seam | undefined;
  readonly high: Seam | undefined;
}

/** The target of a substitution over what its source was bound to. */
export class Construction {
  readonly #terms: Terms;
  readonly #binding: Binding;
  readonly #made: (TermId | undefined)[] = [];
  readonly #seams: (Seam | undefined)[] = [];

  constructor(terms: Terms, binding: Binding, cuts: ReadonlyMap<number, number>, variables: number) {
    this.#terms = terms;
    this.#binding = binding;
    for (let v = 0; v < variables; v++) {
      this.#made.push(binding.tensors.get(v));
      const at = cuts.get(v);
      this.#seams.push(at === undefined ? undefined : { at, low: undefined, high: undefined });
    }
  }

  /** A term for each tensor; `undefined` where widths or formats do not fit. */
  run(steps: readonly Step[]): readonly TermId[] | undefined {
    for (const step of steps) if (!this.#step(step)) return undefined;
    return this.#made as TermId[];
  }

  #push(id: TermId | undefined, seam: Seam | undefined): boolean {
    this.#made.push(id);
    this.#seams.push(seam);
    return id !== undefined;
  }

  #step({ op, inputs }: Step): boolean {
    const [a, b] = inputs.map((i) => this.#made[i]) as [TermId, TermId];
    const [sa, sb] = inputs.map((i) => this.#seams[i]);
    if (inputs.some((i) => this.#made[i] === undefined)) return false;
    const terms = this.#terms;
    if (op === "matmul") {
      if (terms.width(a) !== terms.width(b)) return false;
      return this.#push(terms.add({ kind: "linear" }, [a, b]), sb);
    }
    if (op === "add" || op === "mul") {
      const same = `${terms.at(a).type.shape}` === `${terms.at(b).type.shape}`;
      const seam = JSON.stringify(sa) === JSON.stringify(sb) ? sa : undefined;
      return same && this.#push(terms.add({ kind: op }, [a, b]), seam);
    }
    if (op === "map") return this.#push(terms.add({ kind: this.#binding.map! }, [a]), sa);
    if (op === "concat1") return this.#concat(a, b, sa, sb);
    return op === "split1" && this.#split(a, sa);
  }

  #concat(a: TermId, b: TermId, low: Seam | undefined, high: Seam | undefined): boolean {
    const terms = this.#terms;
    const [x, y] = [terms.at(a), terms.at(b)];
    if (x.op.kind === "matrix" && y.op.kind === "matrix") {
      const [n, k] = x.type.shape.map(Number) as [number, number];
      const fits = x.op.format === y.op.format && k === Number(y.type.shape[1]) && n % 32 === 0;
      const type = { ...x.type, shape: [n + Number(y.type.shape[0]), k] };
      const op = { ...x.op, parts: [...x.op.parts, ...y.op.parts] };
      return fits && this.#push(terms.add(op, [], type), { at: n, low, high });
    }
    const fits = x.type.shape[0] === y.type.shape[0] && terms.width(a) % 32 === 0;
    return fits && this.#push(terms.add({ kind: "concat" }, [a, b]), { at: terms.width(a), low, high });
  }

  #split(x: TermId, seam: Seam | undefined): boolean {
    const width = this.#terms.width(x);
    if (seam === undefined || seam.at % 32 !== 0 || seam.at <= 0 || seam.at >= width) return false;
    const part = (from: number, to: number): TermId => this.#terms.add({ kind: "slice", from, to }, [x]);
    return this.#push(part(0, seam.at), seam.low) && this.#push(part(seam.at, width), seam.high);
  }
}
