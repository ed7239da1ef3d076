/**
 * Nests of loops: what is computed for each element of some arrays of one shape, as expressions over places in memory.
 * Movement has become arithmetic on places (`form.ts`), and what is elementwise has become part of who reads it.
 */
import type { ArrayDType, ArrayNode, ArrayOp } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";
import { combine, constantForm, coordinatesOf, type Form, linear, type Split, stridesOf } from "./form.ts";

export type Local = Extract<ArrayOp, { kind: "unary" | "binary" | "where" | "cast" }>;

export type Value =
  | { readonly kind: "load"; readonly node: NodeId; readonly form: Form; readonly dtype: ArrayDType }
  | { readonly kind: "constant"; readonly value: number; readonly dtype: ArrayDType }
  | { readonly kind: "index"; readonly form: Form; readonly dtype: ArrayDType }
  | { readonly kind: "local"; readonly op: Local; readonly inputs: readonly Value[]; readonly dtype: ArrayDType };

export interface Loop {
  readonly extent: number;
  /** Its turns are summed up, or the greatest is taken. */
  readonly reduced: boolean;
}

export interface Store {
  /** The array that is written, and where in it: `form` has no term for loops that are reduced. */
  readonly node: NodeId;
  readonly form: Form;
  readonly value: Value;
  readonly dtype: ArrayDType;
}

export interface Nest {
  readonly loops: readonly Loop[];
  readonly stores: readonly Store[];
  readonly fn?: "sum" | "max";
}

/** What is done with one root: where its elements come from, and where they go in which array. */
export interface Root {
  /** What is evaluated at each element of `shape`. */
  readonly source: NodeId | { readonly fill: number; readonly dtype: ArrayDType };
  readonly shape: readonly number[];
  readonly reduced: readonly number[];
  readonly fn?: "sum" | "max";
  readonly node: NodeId;
  readonly dtype: ArrayDType;
  /** Strides and start in the array written. */
  readonly strides: readonly number[];
  readonly start: number;
}

/**
 * The nest of some roots of one shape; `members` are computed where they are read element by element, stored or not. Or the node
 * whose array must lie in memory before there can be one.
 */
export function nestOf(
  graph: ReadonlyMap<NodeId, ArrayNode>,
  inMemory: ReadonlySet<NodeId>,
  roots: readonly Root[],
  members: readonly NodeId[] = roots.map((r) => r.node),
): Nest | { readonly needs: NodeId } {
  const [first] = roots as [Root];
  let axes = first.shape.map((d) => [d]);
  for (;;) {
    const walk = new Walk(graph, inMemory, axes, new Set(members));
    const stores = roots.map((root) => walk.store(root));
    if (walk.needs !== undefined) return { needs: walk.needs };
    if (walk.split === undefined) {
      const loops = axes.flatMap((list, axis) =>
        list.map((extent) => ({ extent, reduced: first.reduced.includes(axis) })),
      );
      const nest = { loops, stores };
      return merged(first.fn === undefined ? nest : { ...nest, fn: first.fn });
    }
    axes = splitLoop(axes, walk.split);
  }
}

function splitLoop(axes: number[][], { loop, inner }: Split): number[][] {
  let at = 0;
  return axes.map((list) => list.flatMap((extent) => (at++ === loop ? [extent / inner, inner] : [extent])));
}

class Walk {
  readonly #graph: ReadonlyMap<NodeId, ArrayNode>;
  readonly #inMemory: ReadonlySet<NodeId>;
  readonly #extents: readonly number[];
  readonly #home: readonly Form[];
  readonly #local: ReadonlySet<NodeId>;
  readonly #known = new Map<string, Value>();
  split: Split | undefined;
  needs: NodeId | undefined;

  constructor(
    graph: ReadonlyMap<NodeId, ArrayNode>,
    inMemory: ReadonlySet<NodeId>,
    axes: readonly (readonly number[])[],
    local: ReadonlySet<NodeId>,
  ) {
    this.#graph = graph;
    this.#inMemory = inMemory;
    this.#extents = axes.flat();
    this.#local = local;
    let at = 0;
    this.#home = axes.map((list) => {
      const strides = stridesOf(list);
      const terms = new Array<number>(this.#extents.length).fill(0);
      for (const stride of strides) terms[at++] = stride;
      return { offset: 0, terms };
    });
  }

  store({ source, node, dtype, strides, start }: Root): Store {
    const value: Value =
      typeof source === "object"
        ? { kind: "constant", value: source.fill, dtype: source.dtype }
        : this.#value(source, this.#home, source === node);
    return { node, dtype, value, form: combine(this.#home, strides, this.#extents.length, start) };
  }

  /** The value of a node at some coordinates; `inside` where it is to be computed though it lies in memory, or will. */
  #value(id: NodeId, at: readonly Form[], inside = false): Value {
    const here = at === this.#home;
    const key = `${id} ${here ? "" : JSON.stringify(at)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const value = this.#compute(this.#graph.get(id)!, at, inside || (here && this.#local.has(id)));
    this.#known.set(key, value);
    return value;
  }

  #compute(node: ArrayNode, at: readonly Form[], inside: boolean): Value {
    const { op, inputs, type } = node;
    const { dtype } = type;
    const loops = this.#extents.length;
    if (this.#inMemory.has(node.id) && !(inside && isInlined(op)))
      return { kind: "load", node: node.id, form: linear(at, type.shape, loops), dtype };
    const through = (coordinates: readonly Form[]): Value => this.#value(inputs[0]!, coordinates);
    const from = this.#graph.get(inputs[0]!)?.type.shape ?? [];
    switch (op.kind) {
      case "constant":
        return { kind: "constant", value: op.value, dtype };
      case "iota":
        return { kind: "index", form: at[op.axis]!, dtype };
      case "unary":
      case "binary":
      case "where":
      case "cast":
        return { kind: "local", op, inputs: inputs.map((id) => this.#value(id, at)), dtype };
      case "transpose":
        return through(op.order.map((_, axis) => at[op.order.indexOf(axis)]!));
      case "expand":
        return through(at.map((form, axis) => (from[axis] === 1 ? constantForm(0, loops) : form)));
      case "slice":
        return through(at.map((form, axis) => combine([form], [op.steps[axis]!], loops, op.starts[axis]!)));
      case "flip":
        return through(
          at.map((form, axis) => (op.axes.includes(axis) ? combine([form], [-1], loops, from[axis]! - 1) : form)),
        );
      case "reshape":
        return this.#reshaped(inputs[0]!, at, type.shape, from);
      default:
        // Anything else lies in memory.
        this.needs ??= node.id;
        return { kind: "constant", value: 0, dtype };
    }
  }

  #reshaped(input: NodeId, at: readonly Form[], shape: readonly number[], from: readonly number[]): Value {
    if (`${shape}` === `${from}`) return this.#value(input, at);
    const place = linear(at, shape, this.#extents.length);
    if (this.#inMemory.has(input)) {
      return { kind: "load", node: input, form: place, dtype: this.#graph.get(input)!.type.dtype };
    }
    const found = coordinatesOf(place, from, this.#extents);
    if (found !== undefined && "coordinates" in found) return this.#value(input, found.coordinates);
    if (found === undefined) this.needs ??= input;
    else this.split ??= found.split;
    return { kind: "constant", value: 0, dtype: "f32" };
  }
}

/** Operations that are computed where they are read. */
export function isInlined(op: ArrayOp): boolean {
  switch (op.kind) {
    case "constant":
    case "iota":
    case "unary":
    case "binary":
    case "where":
    case "cast":
    case "transpose":
    case "expand":
    case "slice":
    case "flip":
    case "reshape":
      return true;
    default:
      return false;
  }
}

/** Changes every form of a value. */
function mapForms(value: Value, change: (form: Form) => Form, known: Map<Value, Value>): Value {
  const done = known.get(value);
  if (done !== undefined) return done;
  let made: Value = value;
  if (value.kind === "load" || value.kind === "index") made = { ...value, form: change(value.form) };
  else if (value.kind === "local") made = { ...value, inputs: value.inputs.map((v) => mapForms(v, change, known)) };
  known.set(value, made);
  return made;
}

export function formsOf(nest: Nest): Form[] {
  const forms: Form[] = [];
  const seen = new Set<Value>();
  const visit = (value: Value): void => {
    if (seen.has(value)) return;
    seen.add(value);
    if (value.kind === "load" || value.kind === "index") forms.push(value.form);
    if (value.kind === "local") value.inputs.forEach(visit);
  };
  for (const { form, value } of nest.stores) {
    forms.push(form);
    visit(value);
  }
  return forms;
}

/** Without loops of one turn, and with loops in one that every place steps through as one. */
function merged(nest: Nest): Nest {
  const forms = formsOf(nest);
  /** Groups of old loops that become one; the last of a group gives the terms. */
  const groups: number[][] = [];
  for (const [j, { extent, reduced }] of nest.loops.entries()) {
    if (extent === 1) continue;
    const last = groups.at(-1)?.at(-1);
    const joins =
      last !== undefined &&
      nest.loops[last]!.reduced === reduced &&
      forms.every(({ terms }) => terms[last] === terms[j]! * extent);
    if (joins) groups.at(-1)!.push(j);
    else groups.push([j]);
  }
  const loops = groups.map((group) => ({
    extent: group.reduce((n, j) => n * nest.loops[j]!.extent, 1),
    reduced: nest.loops[group[0]!]!.reduced,
  }));
  const change = ({ offset, terms }: Form): Form => ({ offset, terms: groups.map((group) => terms[group.at(-1)!]!) });
  const known = new Map<Value, Value>();
  const stores = nest.stores.map((s) => ({ ...s, form: change(s.form), value: mapForms(s.value, change, known) }));
  return { ...nest, loops, stores };
}
