/**
 * The compiler of graphs of arrays (`graph/array.ts`): what training and the tensor library run.
 *
 *     graph ──► long sums split ──► which arrays lie in memory ──► nests of loops ──► tile programs, in order
 *
 * Movement of data becomes arithmetic on places, elementwise operations are computed where they are read, and every sum has
 * one order, whatever the target and the threads: a run is a pure function of its inputs, bit for bit.
 */
import { UserError } from "../core/errors.ts";
import { type ArrayGraph, type ArrayNode, bytesOfType, sizeOf } from "../graph/array.ts";
import type { NodeId } from "../graph/ir.ts";
import { nestKernel } from "./array/kernel.ts";
import { type Nest, nestOf } from "./array/nest.ts";
import { lowerProduct } from "./array/op/product.ts";
import { random } from "./array/op/random.ts";
import { scatterAdd, take } from "./array/op/rows.ts";
import { argmax, axisOf, cumsum } from "./array/op/scan.ts";
import { lowerWindows } from "./array/op/windows.ts";
import { loadsOf } from "./array/order.ts";
import { type Prepared, prepare } from "./array/prepare.ts";
import type { ArrayCall, ArrayMemory, ArrayProgram } from "./array/program.ts";
import { nestRoots, rootsOf } from "./array/roots.ts";
import type { Target, TileProgram } from "./tile.ts";

/** Arrays that a nest reads only where it writes. */
function inPlaceOf(nest: Nest): readonly NodeId[] {
  if (nest.fn !== undefined || nest.stores.length !== 1) return [];
  const [store] = nest.stores as [Nest["stores"][number]];
  const elsewhere = new Set<NodeId>();
  const loads = loadsOf(nest);
  for (const { node, form, dtype } of loads) {
    const same =
      dtype === store.dtype && form.offset === store.form.offset && `${form.terms}` === `${store.form.terms}`;
    if (!same) elsewhere.add(node);
  }
  return [...new Set(loads.map((l) => l.node))].filter((node) => !elsewhere.has(node));
}

export type { ArrayArgument, ArrayCall, ArrayMemory, ArrayProgram } from "./array/program.ts";

export interface ArrayOptions {
  readonly target: Target;
}

/** Throws a `UserError` for operations that have no kernel. */
export function compileArrays(graph: ArrayGraph, { target }: ArrayOptions): ArrayProgram {
  return new Lowering(prepare(graph), target).program();
}

/** Kernels of nests use a few words of it, those of products say what they need. */
const scratchLeast = 1 << 16;

export class Lowering {
  readonly target: Target;
  readonly nodes: ReadonlyMap<NodeId, ArrayNode>;
  readonly roots: ReadonlySet<NodeId>;
  readonly #prepared: Prepared;
  readonly #kernels: TileProgram[] = [];
  readonly #known = new Map<string, number>();
  readonly #calls: ArrayCall[] = [];
  readonly #buffers: ArrayMemory[] = [];
  readonly #of = new Map<NodeId, number>();
  #scratchBytes = scratchLeast;

  constructor(prepared: Prepared, target: Target) {
    this.target = target;
    this.#prepared = prepared;
    this.nodes = new Map(prepared.nodes.map((node) => [node.id, node]));
    this.roots = rootsOf(prepared);
  }

  program(): ArrayProgram {
    const { nodes, outputs } = this.#prepared;
    const names = new Map(Object.entries(outputs).map(([name, id]) => [id, name]));
    const inputs: Record<string, number> = {};
    for (const node of nodes) {
      if (!this.roots.has(node.id)) continue;
      const bytes = sizeOf(node.type.shape) * bytesOfType[node.type.dtype];
      const output = names.get(node.id);
      const bound = node.op.kind === "input" ? { input: node.op.name } : output === undefined ? {} : { output };
      const id = this.buffer({ bytes, node: this.#prepared.parts.get(node.id) ?? node.id, ...bound });
      this.#of.set(node.id, id);
      if (node.op.kind === "input") inputs[node.op.name] = id;
    }
    for (const node of nodes) if (this.roots.has(node.id)) this.#lower(node);
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

  /** A call of a kernel on buffers; kernels that are alike are one. */
  call(
    node: NodeId,
    program: TileProgram,
    items: number,
    buffers: readonly { readonly id: number; readonly written?: boolean; readonly offset?: number }[],
    inPlace: readonly number[] = [],
  ): void {
    if (items === 0) return;
    const text = JSON.stringify([program.name, program.body]);
    let kernel = this.#known.get(text);
    if (kernel === undefined) {
      kernel = this.#kernels.push(program) - 1;
      this.#known.set(text, kernel);
    }
    const nodes = [this.#prepared.parts.get(node) ?? node];
    const args = buffers.map(({ id, written = false, offset = 0 }) => {
      return { kind: "buffer" as const, id, written, ...(offset === 0 ? {} : { offset }) };
    });
    const call = { label: program.name, kernel, nodes, args, items };
    this.#calls.push(inPlace.length === 0 ? call : { ...call, inPlace });
  }

  #lower(node: ArrayNode): void {
    const { id, op, inputs, type } = node;
    const { target } = this;
    const shapeOf = (k: number): readonly number[] => this.nodes.get(inputs[k]!)!.type.shape;
    const own = (kernel: { readonly program: TileProgram; readonly items: number }): void => {
      const args = [...inputs.map((from) => ({ id: this.bufferOf(from) })), { id: this.bufferOf(id), written: true }];
      this.call(id, kernel.program, sizeOf(type.shape) === 0 ? 0 : kernel.items, args);
    };
    switch (op.kind) {
      case "input":
        return;
      case "matmul":
        return lowerProduct(this, node);
      case "argmax": {
        const { dtype } = this.nodes.get(inputs[0]!)!.type;
        if (dtype === "i32") throw new UserError("argmax of i32 is not compiled.", "Cast it to f32.");
        return own(argmax(target, axisOf(shapeOf(0), op.axis), dtype));
      }
      case "cumsum":
        return own(cumsum(target, axisOf(shapeOf(0), op.axis)));
      case "take": {
        const rowBytes = sizeOf(shapeOf(0).slice(1)) * bytesOfType[type.dtype];
        return own(take(target, sizeOf(shapeOf(1)), rowBytes));
      }
      case "scatterAdd":
        return own(scatterAdd(target, sizeOf(shapeOf(0)), sizeOf(type.shape.slice(1)), type.shape[0]!));
      case "conv2d":
      case "conv2dInput":
      case "conv2dWeight":
      case "attention":
      case "attentionInput":
      case "pool2d":
      case "pool2dInput":
        return lowerWindows(this, node, op);
      case "random":
        return own(random(target, op.fn, op.stream, sizeOf(type.shape)));
      default: {
        const roots = nestRoots(node, this.nodes);
        if (roots.length === 0) throw new UserError(`Operation ${op.kind} has no kernel yet.`, "Leave it out.");
        for (const root of roots) {
          const nest = nestOf(this.nodes, this.roots, [root]) as Nest;
          const name = root.fn === undefined ? op.kind : `${op.kind}-${root.fn}`;
          const kernel = nestKernel(target, nest, `${name}-${root.shape.join("x")}`);
          const items =
            sizeOf(type.shape) === 0 || (op.kind !== "reduce" && sizeOf(root.shape) === 0) ? 0 : kernel.items;
          const args = kernel.params.map((from) => ({ id: this.bufferOf(from), written: from === id }));
          this.call(
            id,
            kernel.program,
            items,
            args,
            inPlaceOf(nest).map((from) => this.bufferOf(from)),
          );
        }
      }
    }
  }
}
