/** Writes expressions: a vector of each value of a nest, computed once where it is used several times. */
import type { ArrayDType } from "../../graph/array.ts";
import { bytesOfType } from "../../graph/array.ts";
import type { Address, F32, I32, Int } from "../tile.ts";
import { at, type TileBuilder } from "../tile-builder.ts";
import { roundToBf16, select } from "./functions.ts";
import { binary, cast, compares, unary } from "./local.ts";
import type { Value } from "./nest.ts";
import type { Places } from "./places.ts";

/** Scratch begins with the numbers of the lanes; behind them lies what is between registers and memory. */
export const laneTableBytes = 64;

type Vector = F32 | I32;

export class Evaluator {
  readonly #b: TileBuilder;
  readonly #places: Places;
  readonly #vector: number | undefined;
  readonly #spill: boolean;
  #slot = 2 * laneTableBytes;
  #known = new Map<Value, Vector>();
  #masks = new Map<Value, I32>();
  #spilled = new Map<Value, { readonly slot: number; readonly type: "f32" | "i32" }>();

  constructor(b: TileBuilder, places: Places, vector: number | undefined, spill: boolean) {
    this.#b = b;
    this.#places = places;
    this.#vector = vector;
    this.#spill = spill;
  }

  /** Before any loop: cursors, and the table of lanes where it is needed. */
  prepare(values: readonly Value[], masked: boolean): void {
    const b = this.#b;
    const seen = new Set<Value>();
    let table = masked;
    const visit = (value: Value): void => {
      if (seen.has(value)) return;
      seen.add(value);
      if (value.kind === "load") this.#places.declare(value.node, value.form, value.dtype);
      if (value.kind === "index") {
        this.#places.declare(undefined, value.form, value.dtype);
        table ||= this.#term(value.form) !== 0;
      }
      if (value.kind === "local") value.inputs.forEach(visit);
    };
    values.forEach(visit);
    if (!table) return;
    for (let l = 0; l < b.target.lanes; l++) b.storeLane(at(b.scratch, 4 * l), b.constI(l));
  }

  #term = (form: { readonly terms: readonly number[] }): number =>
    this.#vector === undefined ? 0 : form.terms[this.#vector]!;

  /** The mask of the first `count` lanes. */
  firstLanes(count: number): I32 {
    return this.#b.compare("lt", this.#b.loadI(at(this.#b.scratch)), this.#b.constI(count));
  }

  /** Vectors of the values at element `i` + `ahead` of the vector loop; of the last `count` elements where it is given. */
  evaluate(values: readonly Value[], i: Int | undefined, ahead: number, count?: number): Vector[] {
    this.#known = new Map();
    this.#masks = new Map();
    this.#spilled = new Map();
    this.#slot = 2 * laneTableBytes;
    if (!this.#spill) return values.map((v) => this.#value(v, i, ahead, count));
    const slots = values.map((v) => {
      const x = this.#value(v, i, ahead, count);
      return { slot: this.#keep(x), type: x.type };
    });
    return slots.map((s) => this.#reload(s));
  }

  #keep(v: Vector): number {
    const slot = this.#slot;
    this.#slot += 64;
    this.#b.store(at(this.#b.scratch, slot), v);
    return slot;
  }

  #reload({ slot, type }: { readonly slot: number; readonly type: "f32" | "i32" }): Vector {
    const place = at(this.#b.scratch, slot);
    return type === "f32" ? this.#b.loadF(place) : this.#b.loadI(place);
  }

  #value(value: Value, i: Int | undefined, ahead: number, count?: number): Vector {
    const spilled = this.#spilled.get(value);
    if (spilled !== undefined) return this.#reload(spilled);
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const made = this.#compute(value, i, ahead, count);
    if (this.#spill && value.kind === "local") {
      this.#spilled.set(value, { slot: this.#keep(made), type: made.type });
    } else if (!this.#spill) this.#known.set(value, made);
    return made;
  }

  #compute(value: Value, i: Int | undefined, ahead: number, count?: number): Vector {
    const b = this.#b;
    switch (value.kind) {
      case "constant":
        return value.dtype === "i32" ? b.constI(value.value) : b.constF(value.value);
      case "load":
        return this.#load(value, i, ahead, count);
      case "index": {
        const term = this.#term(value.form);
        let index = this.#places.index(value.form);
        if (term !== 0 && i !== undefined) index = b.add(index, b.mul(i, term));
        if (term !== 0 && ahead !== 0) index = b.add(index, ahead * term);
        let lanes = b.splat(index);
        if (term === 1) lanes = b.i32("add", lanes, b.loadI(at(b.scratch)));
        else if (term !== 0) lanes = b.i32("add", lanes, b.i32("mul", b.loadI(at(b.scratch)), b.constI(term)));
        return value.dtype === "i32" ? lanes : b.toF32(lanes);
      }
      case "local":
        return this.#local(value, i, ahead, count);
    }
  }

  #local(value: Extract<Value, { kind: "local" }>, i: Int | undefined, ahead: number, count?: number): Vector {
    const b = this.#b;
    const { op, inputs, dtype } = value;
    const input = (k: number): Vector => this.#value(inputs[k]!, i, ahead, count);
    const rounded = (v: Vector): Vector => (dtype === "bf16" ? roundToBf16(b, v as F32) : v);
    switch (op.kind) {
      case "unary":
        return rounded(unary(b, op.fn, input(0)));
      case "cast": {
        const from = inputs[0]!.dtype;
        const v = cast(b, from, dtype, input(0));
        return dtype === "bf16" && from !== "bf16" ? roundToBf16(b, v as F32) : v;
      }
      case "where": {
        const mask = this.#mask(inputs[0]!, i, ahead, count);
        const kept = this.#spill ? this.#keep(mask) : undefined;
        const x = input(1);
        const held = this.#spill ? this.#keep(x) : undefined;
        const y = input(2);
        const m = kept === undefined ? mask : b.loadI(at(b.scratch, kept));
        const chosen = held === undefined ? x : this.#reload({ slot: held, type: x.type });
        return select(b, m, chosen, y);
      }
      case "binary": {
        const { fn } = op;
        if (compares(fn)) {
          const mask = this.#mask(value, i, ahead, count);
          return b.bitsF(b.i32("and", mask, b.bitsI(b.constF(1))));
        }
        const [x, y] = this.#pair(inputs, i, ahead, count);
        return rounded(binary(b, fn, x, y));
      }
    }
  }

  #pair(inputs: readonly Value[], i: Int | undefined, ahead: number, count?: number): [Vector, Vector] {
    const x = this.#value(inputs[0]!, i, ahead, count);
    if (!this.#spill || inputs[1]!.kind !== "local" || inputs[0] === inputs[1])
      return [x, this.#value(inputs[1]!, i, ahead, count)];
    const slot = this.#spilled.get(inputs[0]!)?.slot ?? this.#keep(x);
    const y = this.#value(inputs[1]!, i, ahead, count);
    return [this.#reload({ slot, type: x.type }), y];
  }

  /** All bits of a lane where the value is not 0: of a comparison without the detour by 1. */
  #mask(value: Value, i: Int | undefined, ahead: number, count?: number): I32 {
    const known = this.#masks.get(value);
    if (known !== undefined) return known;
    const b = this.#b;
    let mask: I32;
    if (value.kind === "local" && value.op.kind === "binary" && compares(value.op.fn)) {
      const [x, y] = this.#pair(value.inputs, i, ahead, count);
      mask = b.compare(value.op.fn, x, y);
    } else {
      mask = b.compare("ne", this.#value(value, i, ahead, count) as F32, b.constF(0));
    }
    if (!this.#spill) this.#masks.set(value, mask);
    return mask;
  }

  #load(value: Extract<Value, { kind: "load" }>, i: Int | undefined, ahead: number, count?: number): Vector {
    const b = this.#b;
    const { node, form, dtype } = value;
    const term = this.#term(form);
    const place = (more: number): Address => this.#places.address(node, form, dtype, i, ahead + more);
    if (term === 0) return this.#broadcast(dtype, place(0));
    if (term === 1 && count === undefined) {
      if (dtype === "i32") return b.loadI(place(0));
      return b.loadF(place(0), dtype === "bf16" ? "bf16" : "32");
    }
    if (term === 1 && dtype !== "bf16") {
      return dtype === "i32" ? b.loadPartI(place(0), count!) : b.loadPartF(place(0), count!);
    }
    const slot = this.#slot;
    this.#slot += 64;
    const lanes = count ?? b.target.lanes;
    for (let l = 0; l < lanes; l++) {
      const word = b.loadInt(place(l), dtype === "bf16" ? "u16" : "i32");
      b.storeInt(at(b.scratch, slot + bytesOfType[dtype] * l), word, dtype === "bf16" ? "u16" : "i32");
    }
    const from = at(b.scratch, slot);
    return dtype === "i32" ? b.loadI(from) : b.loadF(from, dtype === "bf16" ? "bf16" : "32");
  }

  #broadcast(dtype: ArrayDType, place: Address): Vector {
    const b = this.#b;
    if (dtype === "i32") return b.broadcastI(place);
    if (dtype === "f32") return b.broadcastF(place);
    return b.bitsF(b.shift("shl", b.splat(b.loadInt(place, "u16")), 16));
  }
}
