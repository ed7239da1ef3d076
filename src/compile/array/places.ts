/** Addresses of a nest's arrays while its loops are written: one cursor for each way of stepping, moved where a loop turns. */

import type { ArrayDType } from "../../graph/array.ts";
import { bytesOfType } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";
import type { Address, Int } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";
import type { Form } from "./form.ts";

interface Cursor {
  readonly steps: readonly number[];
  current: Int;
}

const offsetMax = 2 ** 24;

export class Places {
  readonly #b: TileBuilder;
  readonly #params: ReadonlyMap<NodeId, Int>;
  readonly #vector: number | undefined;
  readonly #cursors = new Map<string, Cursor>();

  constructor(b: TileBuilder, params: ReadonlyMap<NodeId, Int>, vector: number | undefined) {
    this.#b = b;
    this.#params = params;
    this.#vector = vector;
  }

  #cursor(node: NodeId | undefined, form: Form, bytes: number): { readonly cursor: Cursor; readonly offset: number } {
    const whole = form.offset * bytes;
    const far = Math.abs(whole) > offsetMax || node === undefined;
    const key = `${node} ${bytes} ${form.terms} ${far ? form.offset : ""}`;
    let cursor = this.#cursors.get(key);
    if (cursor === undefined) {
      const steps = form.terms.map((t, j) => (j === this.#vector ? 0 : t * bytes));
      const base = node === undefined ? this.#b.int(0) : this.#params.get(node)!;
      cursor = { steps, current: far && whole !== 0 ? this.#b.add(base, whole) : base };
      this.#cursors.set(key, cursor);
    }
    return { cursor, offset: far ? 0 : whole };
  }

  /** Declares a place before any loop begins. */
  declare(node: NodeId | undefined, form: Form, dtype: ArrayDType): void {
    this.#cursor(node, form, node === undefined ? 1 : bytesOfType[dtype]);
  }

  /** Runs `body` with all cursors where they are when loop `j` has come to `index`. */
  within(j: number, index: Int, body: () => void): void {
    const before: [Cursor, Int][] = [];
    for (const cursor of this.#cursors.values()) {
      const step = cursor.steps[j]!;
      if (step === 0) continue;
      before.push([cursor, cursor.current]);
      cursor.current = this.#b.add(cursor.current, step === 1 ? index : this.#b.mul(index, step));
    }
    body();
    for (const [cursor, current] of before) cursor.current = current;
  }

  /** Of the element at which the vector loop stands at `i`, plus `ahead` more elements along it. */
  address(node: NodeId, form: Form, dtype: ArrayDType, i: Int | undefined, ahead = 0): Address {
    const bytes = bytesOfType[dtype];
    const { cursor, offset } = this.#cursor(node, form, bytes);
    const term = this.#vector === undefined ? 0 : form.terms[this.#vector]!;
    const moved = offset + ahead * term * bytes;
    if (term === 0 || i === undefined) return at(cursor.current, moved);
    if (term === 1) return at(cursor.current, moved, i, bytes);
    return at(this.#b.add(cursor.current, this.#b.mul(i, term * bytes)), moved);
  }

  /** The number that an index has at the vector loop's turn 0. */
  index(form: Form): Int {
    return this.#cursor(undefined, form, 1).cursor.current;
  }
}
