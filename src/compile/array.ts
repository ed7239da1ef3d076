/**
 * The compiler of graphs of arrays (`graph/array.ts`): what training and the tensor library run.
 *
 *     graph ──► long sums split ──► which arrays lie in memory ──► nests of loops ──► tile programs, in order
 *
 * Movement of data becomes arithmetic on places, elementwise operations are computed where they are read, and every sum has
 * one order, whatever the target and the threads: a run is a pure function of its inputs, bit for bit.
 */
import { UserError } from "../core/errors.ts";
import { type ArrayDType, type ArrayGraph, type ArrayNode, bytesOfType, sizeOf } from "../graph/array.ts";
import type { NodeId } from "../graph/ir.ts";
import type { Form } from "./array/form.ts";
import { type Group, groupsOf } from "./array/group.ts";
import { nestKernel } from "./array/kernel.ts";
import { type Nest, nestOf } from "./array/nest.ts";
import { lowerProduct } from "./array/op/product.ts";
import { random } from "./array/op/random.ts";
import { scatterAdd, take } from "./array/op/rows.ts";
import { argmax, axisOf, cumsum } from "./array/op/scan.ts";
import { lowerWindows } from "./array/op/windows.ts";
import { arraysOf, loadsOf, numbered } from "./array/order.ts";
import { type Prepared, prepare } from "./array/prepare.ts";
import type { ArrayCall, ArrayMemory, ArrayProgram } from "./array/program.ts";
import { nestRoots, rootsOf } from "./array/roots.ts";
import type { Target, TileProgram } from "./tile.ts";

/** Arrays that a nest reads only where it writes. */
function inPlaceOf(nest: Nest): readonly NodeId[] {
  if (nest.fn !== undefined) return [];
  const [first] = nest.stores as [Nest["stores"][number]];
  const elsewhere = new Set<NodeId>();
  const loads = loadsOf(nest);
  const same = ({ form, dtype }: { readonly form: Form; readonly dtype: ArrayDType }): boolean =>
    bytesOfType[dtype] === bytesOfType[first.dtype] &&
    form.offset === first.form.offset &&
    `${form.terms}` === `${first.form.terms}`;
  if (!nest.stores.every(same)) return [];
  for (const load of loads) if (!same(load)) elsewhere.add(load.node);
  return [...new Set(loads.map((l) => l.node))].filter((node) => !elsewhere.has(node));
}

export type { ArrayArgument, ArrayCall, ArrayMemory, ArrayProgram } from "./array/program.ts";

export interface ArrayOptions {
  readonly target: Target;
  /** False computes each array by itself: the same bits, for tests and comparisons. Default true. */
  readonly fused?: boolean;
}

/** Throws a `UserError` for operations that have no kernel. */
export function compileArrays(graph: ArrayGraph, { target, fused = true }: ArrayOptions): ArrayProgram {
  return new Lowering(prepare(graph), target, fused).program();
}

/** Kernels of nests use a few words of it, those of products say what they need. */
const scratchLeast = 1 << 16;

export class Lowering {
  readonly target: Target;
  readonly nodes: ReadonlyMap<NodeId, ArrayNode>;
  readonly roots: ReadonlySet<NodeId>;
  readonly #prepared: Prepared;
  readonly #kernels: TileProgram[] = [];
  readonly #handles = new Map<TileProgram, number>();
  readonly #made = new Map<string, unknown>();
  readonly #groups: readonly Group[];
  readonly #calls: ArrayCall[] = [];
  readonly #buffers: ArrayMemory[] = [];
  readonly #of = new Map<NodeId, number>();
  #scratchBytes = scratchLeast;

  constructor(prepared: Prepared, target: Target, fused: boolean) {
    this.target = target;
    this.#prepared = prepared;
    this.nodes = new Map(prepared.nodes.map((node) => [node.id, node]));
    this.roots = rootsOf(prepared);
    this.#groups = groupsOf(prepared.nodes, this.roots, new Set(Object.values(prepared.outputs)), fused);
  }

  program(): ArrayProgram {
    const { nodes, outputs } = this.#prepared;
    const names = new Map(Object.entries(outputs).map(([name, id]) => [id, name]));
    const inputs: Record<string, number> = {};
    const stored = new Set(this.#groups.flatMap((group) => group.stored));
    for (const node of nodes) {
      if (!stored.has(node.id) && node.op.kind !== "input") continue;
      const bytes = sizeOf(node.type.shape) * bytesOfType[node.type.dtype];
      const output = names.get(node.id);
      const bound = node.op.kind === "input" ? { input: node.op.name } : output === undefined ? {} : { output };
      const id = this.buffer({ bytes, node: this.#prepared.parts.get(node.id) ?? node.id, ...bound });
      this.#of.set(node.id, id);
      if (node.op.kind === "input") inputs[node.op.name] = id;
    }
    for (const group of this.#groups) {
      const [first] = group.members as [NodeId];
      if (group.members.length === 1) this.#lower(this.nodes.get(first)!);
      else this.#together(group);
    }
    return {
      target: this.target,
      kernels: this.#kernels,
      calls: this.#calls,
      buffers: this.#buffers,
      inputs,
      outputs: Object.fromEntries(Object.entries(outputs).map(([name, id]) => [name, this.#of.get(id)!])),
      scratchBytes: this.#scratchBytes,
    };
  }

  buffer(buffer: ArrayMemory): number {
    return this.#buffers.push(buffer) - 1;
  }

  bufferOf(node: NodeId): number {
    return this.#of.get(node)!;
  }

  needScratch(bytes: number): void {
    this.#scratchBytes = Math.max(this.#scratchBytes, bytes);
  }

  /** What `make` gives for a key, made once: kernels that are alike are one. */
  once<T>(key: unknown, make: () => T): T {
    const text = JSON.stringify(key);
    const known = this.#made.get(text);
    if (known !== undefined) return known as T;
    const made = make();
    this.#made.set(text, made);
    return made;
  }

  /** A call of a kernel on buffers, that computes the nodes `ids`. */
  call(
    ids: readonly NodeId[],
    program: TileProgram,
    items: number,
    buffers: readonly { readonly id: number; readonly written?: boolean; readonly offset?: number }[],
    inPlace: readonly number[] = [],
  ): void {
    if (items === 0) return;
    let kernel = this.#handles.get(program);
    if (kernel === undefined) {
      kernel = this.#kernels.push(program) - 1;
      this.#handles.set(program, kernel);
    }
    const nodes = ids.map((node) => this.#prepared.parts.get(node) ?? node);
    const args = buffers.map(({ id, written = false, offset = 0 }) => {
      return { kind: "buffer" as const, id, written, ...(offset === 0 ? {} : { offset }) };
    });
    const call = { label: program.name, kernel, nodes, args, items };
    this.#calls.push(inPlace.length === 0 ? call : { ...call, inPlace });
  }

  /** A nest's kernel, and its call. */
  #nest(ids: readonly NodeId[], nest: Nest, name: string, empty: boolean): void {
    const params = arraysOf(nest);
    const numbers = new Map(params.map((node, k) => [node, k]));
    const key = [numbered(nest, numbers), name];
    const kernel = this.once(key, () => nestKernel(this.target, nest, name));
    const written = new Set(nest.stores.map((s) => s.node));
    const args = params.map((from) => ({ id: this.bufferOf(from), written: written.has(from) }));
    const inPlace = inPlaceOf(nest).map((from) => this.bufferOf(from));
    this.call(ids, kernel.program, empty ? 0 : kernel.items, args, inPlace);
  }

  #together({ members, stored }: Group): void {
    const roots = stored.flatMap((id) => nestRoots(this.nodes.get(id)!, this.nodes));
    const nest = nestOf(this.nodes, this.roots, roots, members) as Nest;
    const { op, type } = this.nodes.get(members.at(-1)!)!;
    this.#nest(members, nest, `${op.kind}-and-${members.length - 1}-${type.shape.join("x")}`, false);
  }

  #lower(node: ArrayNode): void {
    const { id, op, inputs, type } = node;
    const { target } = this;
    const shapeOf = (k: number): readonly number[] => this.nodes.get(inputs[k]!)!.type.shape;
    const own = (make: () => { readonly program: TileProgram; readonly items: number }): void => {
      const kernel = this.once([op, inputs.map((from) => this.nodes.get(from)!.type), type], make);
      const args = [...inputs.map((from) => ({ id: this.bufferOf(from) })), { id: this.bufferOf(id), written: true }];
      this.call([id], kernel.program, sizeOf(type.shape) === 0 ? 0 : kernel.items, args);
    };
    switch (op.kind) {
      case "input":
        return;
      case "matmul":
        return lowerProduct(this, node);
      case "argmax": {
        const { dtype } = this.nodes.get(inputs[0]!)!.type;
        if (dtype === "i32") throw new UserError("argmax of i32 is not compiled.", "Cast it to f32.");
        return own(() => argmax(target, axisOf(shapeOf(0), op.axis), dtype));
      }
      case "cumsum":
        return own(() => cumsum(target, axisOf(shapeOf(0), op.axis)));
      case "take": {
        const rowBytes = sizeOf(shapeOf(0).slice(1)) * bytesOfType[type.dtype];
        return own(() => take(target, sizeOf(shapeOf(1)), rowBytes));
      }
      case "scatterAdd":
        return own(() => scatterAdd(target, sizeOf(shapeOf(0)), sizeOf(type.shape.slice(1)), type.shape[0]!));
      case "conv2d":
      case "conv2dInput":
      case "conv2dWeight":
      case "attention":
      case "attentionInput":
      case "pool2d":
      case "pool2dInput":
        return lowerWindows(this, node, op);
      case "random":
        return own(() => random(target, op.fn, op.stream, sizeOf(type.shape)));
      default: {
        const roots = nestRoots(node, this.nodes);
        if (roots.length === 0) throw new UserError(`Operation ${op.kind} has no kernel yet.`, "Leave it out.");
        for (const root of roots) {
          const nest = nestOf(this.nodes, this.roots, [root]) as Nest;
          const name = root.fn === undefined ? op.kind : `${op.kind}-${root.fn}`;
          const empty = sizeOf(type.shape) === 0 || (op.kind !== "reduce" && sizeOf(root.shape) === 0);
          this.#nest([id], nest, `${name}-${root.shape.join("x")}`, empty);
        }
      }
    }
  }
}
