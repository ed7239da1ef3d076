/** What a tensor holds: elements on the device, or a value of a graph that is being traced; and how it lets go of it. */
import { assert } from "../core/errors.ts";
import { type ArrayDType, type ArrayType, sizeOf } from "../graph/array.ts";
import type { ArrayValue } from "../graph/array-builder.ts";
import { context } from "./context.ts";
import type { Nested } from "./creation.ts";
import { decode, encode, view } from "./elements-data.ts";
import type { Storage } from "./storage.ts";
import type { Trace } from "./trace.ts";
import { refuse } from "./user-line.ts";

export type Payload =
  | { readonly kind: "stored"; readonly storage: Storage }
  | { readonly kind: "traced"; readonly trace: Trace; readonly value: ArrayValue }
  | { readonly kind: "gone"; readonly why: string };

/** Gives memory back of tensors that nobody disposed of, whenever the garbage collector finds them. */
const abandoned = new FinalizationRegistry<Storage>((storage) => storage.release());

export class Handle {
  readonly dtype: ArrayDType;
  readonly shape: readonly number[];
  #payload: Payload;
  #signature: string | undefined;

  constructor({ dtype, shape }: ArrayType, payload: Payload) {
    this.dtype = dtype;
    this.shape = shape;
    this.#payload = payload;
    if (payload.kind === "stored") abandoned.register(this, payload.storage, this);
    context.scope?.add(this);
  }

  /** `f32[2,3]`. */
  get signature(): string {
    this.#signature ??= `${this.dtype}[${this.shape}]`;
    return this.#signature;
  }

  get rank(): number {
    return this.shape.length;
  }

  get size(): number {
    return sizeOf(this.shape);
  }

  get isDisposed(): boolean {
    return this.#payload.kind === "gone";
  }

  /** The payload, for another handle of the same elements. */
  protected shared(user: string): Payload {
    const payload = this.#payload;
    if (payload.kind === "gone") return refuse(`${user} over ${this.signature}`, `the tensor ${payload.why}.`);
    if (payload.kind === "stored") payload.storage.share();
    return payload;
  }

  get isTraced(): boolean {
    return this.#payload.kind === "traced";
  }

  /** Counts what was written over the elements. */
  get version(): number {
    return this.#payload.kind === "stored" ? this.#payload.storage.version : 0;
  }

  /** The elements on the device; `user` is what wants them. */
  storage(user: string): Storage {
    const payload = this.#payload;
    if (payload.kind === "stored") return payload.storage;
    if (payload.kind === "gone") return refuse(`${user} over ${this.signature}`, `the tensor ${payload.why}.`);
    return refuse(
      `${user} over ${this.signature}`,
      "its elements are not known: the function is being traced, by jit or vmap, and the value leaves it or decides in it.",
      "Return it from the function, or use where() for what depends on it.",
    );
  }

  /** The value in the graph of `trace`, if it is one of it. */
  valueIn(trace: Trace): ArrayValue | undefined {
    return this.#payload.kind === "traced" && this.#payload.trace === trace ? this.#payload.value : undefined;
  }

  /** Gives the memory back. Reading it afterwards is an error. */
  dispose(): void {
    this.#leave("has been disposed of");
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #leave(why: string): void {
    if (this.#payload.kind === "stored") {
      abandoned.unregister(this);
      this.#payload.storage.release();
    }
    this.#payload = { kind: "gone", why };
    context.scope?.delete(this);
  }

  /** Its elements were donated: what was made of them lies there now. */
  consumed(by: string): void {
    this.#leave(`was donated to ${by}`);
  }

  /** Takes the elements of `other`, which is gone then. Both are of one type. */
  become(other: Handle): void {
    assert(other.signature === this.signature, () => `${this.signature} cannot become ${other.signature}`);
    const [own, payload] = [this.#payload, other.#payload];
    if (payload.kind === "stored") abandoned.unregister(other);
    other.#payload = { kind: "gone", why: "has become another" };
    context.scope?.delete(other);
    if (own.kind === "stored") {
      abandoned.unregister(this);
      own.storage.release();
    }
    this.#payload = payload;
    if (payload.kind === "stored") abandoned.register(this, payload.storage, this);
  }

  /** Writes numbers over the elements, in their order. */
  set(data: ArrayLike<number> & Iterable<number>): this {
    if (data.length !== this.size) refuse(`set over ${this.signature}`, `${data.length} numbers are not ${this.size}.`);
    const storage = this.storage("set");
    storage.version += 1;
    encode(data, this.dtype, storage.region);
    return this;
  }

  /** The elements, copied: numbers, also of bf16. */
  data(): Float32Array | Int32Array {
    return decode(this.storage("data").region, this.dtype, this.size);
  }

  /** The elements where they lie; bits of bf16. Valid until the tensor is disposed of. */
  view(): Float32Array | Int32Array | Uint16Array {
    return view(this.storage("view").region, this.dtype, this.size);
  }

  /** The only element. */
  item(): number {
    if (this.size !== 1) refuse(`item over ${this.signature}`, `it has ${this.size} elements.`, "Use toArray().");
    return this.data()[0]!;
  }

  /** The elements as nested arrays. */
  toArray(): Nested {
    const flat = this.data();
    const nest = (axis: number, from: number): Nested => {
      if (axis === this.shape.length) return flat[from]!;
      const inner = sizeOf(this.shape.slice(axis + 1));
      return Array.from({ length: this.shape[axis]! }, (_, i) => nest(axis + 1, from + i * inner));
    };
    return nest(0, 0);
  }

  toString(): string {
    const what = this.#payload.kind === "stored" ? JSON.stringify(this.toArray()) : this.#payload.kind;
    return `tensor ${this.signature} ${what}`;
  }
}
