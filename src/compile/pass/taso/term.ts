/**
 * The graphs that are searched: terms, each stored once, so that equal subgraphs are one and a graph is known by the terms that
 * it returns.
 *
 * What the algebra does not speak of (norms, attention, …) is opaque: a function of its inputs, named by the node that it
 * came from.
 */
import { assert } from "../../../core/errors.ts";
import { infer } from "../../../graph/infer.ts";
import type { Op, Type } from "../../../graph/ir.ts";

export type TermId = number;

type Known = Extract<Op, { readonly kind: "linear" | "add" | "mul" | "gelu" | "silu" | "relu" | "concat" | "slice" }>;

export type TermOp =
  | Known
  /** What comes from outside: the value of another node, a vector of parameters, an input of the step. */
  | { readonly kind: "leaf"; readonly index: number }
  /** Matrices of parameters below one another; equal `format`s can be stacked. */
  | { readonly kind: "matrix"; readonly parts: readonly number[]; readonly format: string; readonly bits: number }
  | { readonly kind: "opaque"; readonly index: number; readonly of: Op["kind"] };

export interface Term {
  readonly id: TermId;
  readonly op: TermOp;
  readonly inputs: readonly TermId[];
  readonly type: Type;
}

export const known: ReadonlySet<string> = new Set<Known["kind"]>([
  ...(["linear", "add", "mul", "gelu", "silu", "relu", "concat", "slice"] as const),
]);

export const isMap = (kind: string): kind is "gelu" | "silu" | "relu" =>
  kind === "gelu" || kind === "silu" || kind === "relu";

export class Terms {
  readonly #terms: Term[] = [];
  readonly #byKey = new Map<string, Term>();

  at(id: TermId): Term {
    return this.#terms[id]!;
  }

  width(id: TermId): number {
    return Number(this.#terms[id]!.type.shape[1]);
  }

  /** `declared` is needed by what the algebra does not know. */
  add(op: TermOp, inputs: readonly TermId[], declared?: Type): TermId {
    const simpler = this.#simpler(op, inputs);
    if (simpler !== undefined) return simpler;
    const key = `${JSON.stringify(op)} ${inputs}`;
    const found = this.#byKey.get(key);
    if (found !== undefined) return found.id;
    const type =
      declared ??
      infer(
        op as Known,
        inputs.map((i) => this.#terms[i]!.type),
      );
    const term = { id: this.#terms.length, op, inputs, type };
    this.#terms.push(term);
    this.#byKey.set(key, term);
    return term.id;
  }

  /** Slices and concatenations that undo each other are never made. */
  #simpler(op: TermOp, inputs: readonly TermId[]): TermId | undefined {
    const { op: inner, inputs: from } = this.#terms[inputs[0]!] ?? { op: undefined, inputs: [] };
    if (op.kind === "slice") {
      if (op.from === 0 && op.to === this.width(inputs[0]!)) return inputs[0]!;
      if (inner?.kind !== "concat") return undefined;
      let at = 0;
      for (const part of from) {
        if (at === op.from && at + this.width(part) === op.to) return part;
        at += this.width(part);
      }
    }
    if (op.kind === "concat" && inputs.length === 2 && inner?.kind === "slice") {
      const second = this.#terms[inputs[1]!]!;
      if (second.op.kind !== "slice" || second.inputs[0] !== from[0] || second.op.from !== inner.to) return undefined;
      return this.add({ kind: "slice", from: inner.from, to: second.op.to }, [from[0]!]);
    }
    return undefined;
  }

  /** What the outputs need, each term after its inputs. */
  reachable(outputs: readonly TermId[]): Term[] {
    const order: Term[] = [];
    const seen = new Set<TermId>();
    const visit = (id: TermId): void => {
      if (seen.has(id)) return;
      seen.add(id);
      const term = this.#terms[id]!;
      term.inputs.forEach(visit);
      order.push(term);
    };
    outputs.forEach(visit);
    return order;
  }

  /** The outputs with each key of `by` replaced by its value, whose own inputs stay as they are. */
  replace(outputs: readonly TermId[], by: ReadonlyMap<TermId, TermId>): TermId[] {
    const made = new Map(by);
    const visit = (id: TermId): TermId => {
      const known = made.get(id);
      if (known !== undefined) return known;
      const { op, inputs, type } = this.#terms[id]!;
      const renewed = inputs.map(visit);
      const fits = renewed.every((r, i) => `${this.at(r).type.shape}` === `${this.at(inputs[i]!).type.shape}`);
      assert(fits, () => `a substitution gives %${id} an input of another shape`);
      const same = renewed.every((r, i) => r === inputs[i]);
      const next = same ? id : this.add(op, renewed, type);
      made.set(id, next);
      return next;
    };
    return outputs.map(visit);
  }
}
