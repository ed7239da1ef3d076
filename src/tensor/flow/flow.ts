/**
 * Programs with conditions and loops in the graph: operations on arrays, `cond`, `while`, and stacks that keep what the iterations
 * of a loop were given. A body may use any value around it; what it uses becomes one of its inputs.
 */
import { assert, UserError } from "../../core/errors.ts";
import type { ArrayOp, ArrayType } from "../../graph/array.ts";
import { inferArray } from "../../graph/array-infer.ts";

/** A stack holds lists of arrays by index. */
export type FlowType = ArrayType | "stack";

export type FlowNode =
  | { readonly kind: "input"; readonly type: FlowType }
  | { readonly kind: "op"; readonly op: ArrayOp; readonly inputs: readonly number[]; readonly type: ArrayType }
  /** Inputs are a predicate, f32 with one element, and what the branches take; both give the same types. */
  | { readonly kind: "cond"; readonly inputs: readonly number[]; readonly whenTrue: Flow; readonly whenFalse: Flow }
  /** Inputs are the state, then what the condition uses, then what the body uses beside it. */
  | {
      readonly kind: "while";
      readonly inputs: readonly number[];
      readonly states: number;
      readonly condition: Flow;
      readonly body: Flow;
    }
  /** A result of a `cond` or `while`. */
  | { readonly kind: "item"; readonly inputs: readonly [number]; readonly index: number; readonly type: FlowType }
  /** A new, empty stack. */
  | { readonly kind: "stack"; readonly inputs: readonly []; readonly type: "stack" }
  /** (stack, index i32 [1], values…) → the stack, with the values at the index. */
  | { readonly kind: "push"; readonly inputs: readonly number[]; readonly type: "stack" }
  /** (stack, index) → the `item`th value at the index. */
  | { readonly kind: "read"; readonly inputs: readonly number[]; readonly item: number; readonly type: ArrayType };

export interface Flow {
  readonly nodes: readonly FlowNode[];
  /** Ids of the inputs, in order. */
  readonly inputs: readonly number[];
  readonly results: readonly number[];
}

export interface FlowValue {
  readonly scope: Scope;
  readonly id: number;
  readonly type: FlowType;
}

type Body = (scope: Scope, state: readonly FlowValue[]) => readonly FlowValue[];

/** A graph being written: the outermost, a branch, or the condition or body of a loop. */
export class Scope {
  readonly #parent: Scope | undefined;
  readonly #nodes: FlowNode[] = [];
  readonly #inputs: number[] = [];
  readonly #known = new Map<string, FlowValue>();
  /** Values of the scope around this one that became inputs. */
  readonly #captured: FlowValue[] = [];

  constructor(parent?: Scope) {
    this.#parent = parent;
  }

  #add(node: FlowNode, type: FlowType): FlowValue {
    return { scope: this, id: this.#nodes.push(node) - 1, type };
  }

  input(type: FlowType): FlowValue {
    const value = this.#add({ kind: "input", type }, type);
    this.#inputs.push(value.id);
    return value;
  }

  /** The value here, captured from the scopes around where it is theirs. */
  #here(value: FlowValue): number {
    if (value.scope === this) return value.id;
    assert(this.#parent !== undefined, () => "a value of another program");
    const outer = this.#parent.own(value);
    const place = this.#captured.findIndex((c) => c.id === outer.id);
    if (place >= 0) return this.#inputs[this.#inputs.length - this.#captured.length + place]!;
    this.#captured.push(outer);
    return this.input(value.type).id;
  }

  /** The same value as one of this scope. */
  own(value: FlowValue): FlowValue {
    return { scope: this, id: this.#here(value), type: value.type };
  }

  /** Equal operations on equal inputs are one node. */
  op(op: ArrayOp, inputs: readonly FlowValue[] = [], declared?: ArrayType): FlowValue {
    const ids = inputs.map((v) => this.#here(v));
    const type = inferArray(op, inputs.map(arrayType), declared);
    const key = JSON.stringify([op, ids, type]);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const value = this.#add({ kind: "op", op, inputs: ids, type }, type);
    this.#known.set(key, value);
    return value;
  }

  constant(value: number, type: ArrayType): FlowValue {
    return this.op({ kind: "constant", value }, [], type);
  }

  cond(predicate: FlowValue, whenTrue: (scope: Scope) => readonly FlowValue[], whenFalse: typeof whenTrue) {
    const branches = [whenTrue, whenFalse].map((write) => this.#inner((scope) => write(scope)));
    const [first, second] = branches as [Inner, Inner];
    assertEqual("cond: its branches", first.types, second.types);
    const taken = [...first.captured];
    for (const value of second.captured) if (!taken.some(({ id }) => id === value.id)) taken.push(value);
    const [yes, no] = branches.map(({ flow, captured }) => withInputs(flow, captured, taken));
    const inputs = [predicate, ...taken].map((v) => this.#here(v));
    return this.#items({ kind: "cond", inputs, whenTrue: yes!, whenFalse: no! }, first.types);
  }

  /** Runs `body` on the state while `condition`, f32 with one element, is not 0; gives the state at the end. */
  while(state: readonly FlowValue[], condition: (scope: Scope, state: readonly FlowValue[]) => FlowValue, body: Body) {
    const types = state.map(({ type }) => type);
    if (types.length === 0) throw new UserError("while: it has no state, so it could never end.");
    const test = this.#inner((scope, own) => [condition(scope, own)], types);
    const step = this.#inner(body, types);
    assertEqual("while: its state and what the body gives", types, step.types);
    const inputs = [...state, ...test.captured, ...step.captured].map((v) => this.#here(v));
    const node = { kind: "while", inputs, states: types.length, condition: test.flow, body: step.flow } as const;
    return this.#items(node, types);
  }

  stack(): FlowValue {
    return this.#add({ kind: "stack", inputs: [], type: "stack" }, "stack");
  }

  push(stack: FlowValue, index: FlowValue, values: readonly FlowValue[]): FlowValue {
    const inputs = [stack, index, ...values].map((v) => this.#here(v));
    return this.#add({ kind: "push", inputs, type: "stack" }, "stack");
  }

  read(stack: FlowValue, index: FlowValue, item: number, type: ArrayType): FlowValue {
    const inputs = [stack, index].map((v) => this.#here(v));
    return this.#add({ kind: "read", inputs, item, type }, type);
  }

  #inner(write: Body, types: readonly FlowType[] = []): Inner {
    const scope = new Scope(this);
    const state = types.map((type) => scope.input(type));
    const results = write(scope, state).map((v) => scope.own(v));
    return { flow: scope.finish(results), captured: scope.#captured, types: results.map(({ type }) => type) };
  }

  #items(node: Extract<FlowNode, { kind: "cond" | "while" }>, types: readonly FlowType[]): readonly FlowValue[] {
    const { id } = this.#add(node, "stack");
    return types.map((type, index) => this.#add({ kind: "item", inputs: [id], index, type }, type));
  }

  finish(results: readonly FlowValue[]): Flow {
    const ids = results.map((v) => this.#here(v));
    return { nodes: [...this.#nodes], inputs: [...this.#inputs], results: ids };
  }
}

/** A branch or body: its inputs are its state, then what it captured. */
interface Inner {
  readonly flow: Flow;
  readonly captured: readonly FlowValue[];
  readonly types: readonly FlowType[];
}

/** The branch with an input for each of `taken`, of which it uses those that it captured. */
function withInputs(flow: Flow, captured: readonly FlowValue[], taken: readonly FlowValue[]): Flow {
  const nodes = [...flow.nodes];
  const inputs = taken.map(({ id, type }) => {
    const place = captured.findIndex((c) => c.id === id);
    return place >= 0 ? flow.inputs[place]! : nodes.push({ kind: "input", type }) - 1;
  });
  return { nodes, inputs, results: flow.results };
}

export function arrayType({ type }: Pick<FlowValue, "type">): ArrayType {
  assert(type !== "stack", () => "a stack where an array is needed");
  return type;
}

const shown = (type: FlowType): string => (type === "stack" ? type : `${type.dtype}[${type.shape}]`);

function assertEqual(what: string, a: readonly FlowType[], b: readonly FlowType[]): void {
  const [first, second] = [a.map(shown).join(", "), b.map(shown).join(", ")];
  if (first !== second) throw new UserError(`${what} differ: ${first || "nothing"} and ${second || "nothing"}.`);
}
