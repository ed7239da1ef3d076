/**
 * Fusion: which operations of a graph become one kernel, so that what is between them never reaches memory.
 *
 * A policy answers a partition. The compiler checks that each group can be one kernel (see `Form`) and that no group must wait
 * for another that waits for it, and lowers each group to one call. Whatever the partition, results are the same bits.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import type { Dim, NodeId, OpKind } from "../graph/ir.ts";
import { fusionIndex } from "./fusion.index.ts";

/**
 * How an operation uses its operands. `injective`: each element of the result needs one of each operand. `reduction`: many.
 * `complex`: many, and much arithmetic; elements of its result can be worked on as they are made. `opaque`: none of these.
 */
export type OpClass = "injective" | "reduction" | "complex" | "opaque";

/**
 * What can share a kernel. `rows`: any operations over the same rows. `panel`: products over the same rows and of the same
 * width, and what follows them column by column. `heads`: one attention and what follows it column by column. `alone`: nobody.
 */
export type Form = "rows" | "panel" | "heads" | "alone";

/** Most products of a kernel, beside the last of a chain. */
export const productsMax = 3;

/** Weights [n, k] of a product. */
export interface ProductShape {
  readonly n: number;
  readonly k: number;
  readonly weightBytes: number;
}

export interface FusionInput {
  readonly node: NodeId;
  /** Row i of the reader needs row i of this, and no other: the two may be in a group. */
  readonly rowwise: boolean;
}

/** An operation that a call computes; weights, inputs, reshapes and slices are none. */
export interface FusionNode {
  readonly id: NodeId;
  readonly kind: OpKind;
  readonly class: OpClass;
  readonly form: Form;
  /** Each 32 columns of its result need the same 32 of its operands: it can follow column by column. */
  readonly local: boolean;
  readonly rows: Dim;
  /** Of a row of its result; 0 where it leaves none. */
  readonly rowBytes: number;
  readonly product?: ProductShape;
  /** What it reads of other nodes. */
  readonly inputs: readonly FusionInput[];
  /** Who reads its result. */
  readonly readers: readonly NodeId[];
  /** How often it walks over a row of its inputs. */
  readonly passes: number;
  /** The step returns it. */
  readonly output: boolean;
}

export interface FusionView {
  /** Each after those that it reads. */
  readonly nodes: readonly FusionNode[];
  /** Of the machine's nearest cache, and of the next. */
  readonly l1Bytes: number;
  readonly l2Bytes: number;
  /** Tokens of the largest step. */
  readonly tokens: number;
}

export type Group = readonly NodeId[];

/** Decides, and does nothing else: no clock, no randomness, no input or output. */
export interface Fusion {
  /** Each node in one group. */
  partition(view: FusionView): readonly Group[];
  /** Tokens that a group goes through at a time, if it is a chain: see `chainOf`. */
  block?(group: Group, view: FusionView): number;
}

export const fusions = slot<Fusion>("compile/fusion", fusionIndex);

/** Types an entry, and returns it unchanged. */
export const fusion = <const O extends Options>(entry: Entry<Fusion, O>): Entry<Fusion, O> => entry;

/** The product of a group that reads what others of it make row by row, and the others; `undefined` where none does. */
export function chainOf(
  group: ReadonlySet<FusionNode>,
): { readonly last: FusionNode; readonly first: ReadonlySet<FusionNode> } | undefined {
  const ids = new Set([...group].map(({ id }) => id));
  const last = [...group].filter(({ form, inputs }) => form === "panel" && inputs.some(({ node }) => ids.has(node)));
  return last.length === 1 ? { last: last[0]!, first: new Set([...group].filter((n) => n !== last[0])) } : undefined;
}

/** Why nodes cannot be one kernel; `undefined` where they can. */
export function whyNoKernel(group: ReadonlySet<FusionNode>): string | undefined {
  if (group.size === 1) return undefined;
  const chain = chainOf(group);
  if (chain !== undefined) return whyNoChain(chain.last, chain.first);
  const ids = new Map([...group].map((node) => [node.id, node]));
  const [first] = group;
  const products = [...group].filter(({ form }) => form !== "rows");
  for (const node of group) {
    const { id, form, rows, inputs, local, rowBytes, readers, output } = node;
    if (form === "alone" || rows !== first!.rows)
      return `${node.kind} %${id} cannot be in one kernel with %${first!.id}`;
    const inside = inputs.filter((input) => ids.has(input.node));
    const far = inside.find((input) => !input.rowwise);
    if (far !== undefined) return `%${id} needs other rows of %${far.node}, and is in its group`;
    if (products.length === 0) continue;
    if (form !== "rows") {
      const [other] = products;
      if (output || readers.some((reader) => !ids.has(reader))) return `%${id} is wanted outside of its kernel`;
      if (inside.length > 0) return `%${id} needs whole rows of %${inside[0]!.node}, and is in its group`;
      if (products.length > (form === "panel" ? productsMax : 1)) return `%${id} is one product of ${products.length}`;
      if (form !== other!.form || rowBytes !== other!.rowBytes) return `%${id} and %${other!.id} differ in form`;
    } else if (!local || inside.length === 0) return `${node.kind} %${id} cannot follow %${products[0]!.id} by columns`;
  }
  return undefined;
}

/** A chain's first part is a kernel of panels whose one result only the last product reads, and which reads only products. */
function whyNoChain(last: FusionNode, first: ReadonlySet<FusionNode>): string | undefined {
  const why = whyNoKernel(first);
  if (why !== undefined) return why;
  const between = [...first].filter(({ form }) => form === "rows");
  const made = between.find(({ id }) => last.inputs.some(({ node }) => node === id));
  if (made === undefined || first.size === between.length) return `%${last.id} does not follow products`;
  const ids = new Set([...first].map(({ id }) => id));
  const open = between.find(
    ({ id, inputs, output, readers }) =>
      output ||
      inputs.some(({ node }) => !ids.has(node)) ||
      readers.some((reader) => reader !== last.id && !ids.has(reader)) ||
      (readers.includes(last.id) && id !== made.id),
  );
  if (open !== undefined) return `%${open.id} is between products, and read or written elsewhere`;
  return made.readers.length === 1 ? undefined : `%${made.id} is read by others than %${last.id}`;
}

/** Groups that grow by being joined; joins that would make a group wait for itself are refused. */
export class Partition {
  readonly #view: FusionView;
  readonly #place: ReadonlyMap<NodeId, number>;
  readonly #groupOf = new Map<NodeId, Set<FusionNode>>();

  constructor(view: FusionView) {
    this.#view = view;
    this.#place = new Map(view.nodes.map(({ id }, i) => [id, i]));
    for (const node of view.nodes) this.#groupOf.set(node.id, new Set([node]));
  }

  node = (id: NodeId): FusionNode => this.#view.nodes[this.#place.get(id)!]!;
  readers = (id: NodeId): readonly FusionNode[] => this.node(id).readers.map(this.node);
  groupOf = (id: NodeId): ReadonlySet<FusionNode> => this.#groupOf.get(id)!;

  /** Joins the groups of two nodes where they can be one kernel; tells whether they are one group now. */
  join(a: NodeId, b: NodeId, allow: (joined: ReadonlySet<FusionNode>) => boolean = () => true): boolean {
    const [one, other] = [this.#groupOf.get(a)!, this.#groupOf.get(b)!];
    if (one === other) return true;
    const joined = new Set([...one, ...other]);
    return allow(joined) && this.joinAll(joined);
  }

  /** Makes one group of those of all nodes, where they can be one kernel; tells whether they are. */
  joinAll(nodes: ReadonlySet<FusionNode>): boolean {
    const joined = new Set([...nodes].flatMap(({ id }) => [...this.groupOf(id)]));
    if (whyNoKernel(joined) !== undefined || this.#leadsBack(joined)) return false;
    for (const { id } of joined) this.#groupOf.set(id, joined);
    return true;
  }

  /** Whether something outside needs the group and is needed by it, through groups as they are. */
  #leadsBack(group: ReadonlySet<FusionNode>): boolean {
    const last = Math.max(...[...group].map(({ id }) => this.#place.get(id)!));
    const seen = new Set<ReadonlySet<FusionNode>>();
    const open: ReadonlySet<FusionNode>[] = [group];
    for (let from = open.pop(); from !== undefined; from = open.pop()) {
      for (const { id } of from) {
        for (const reader of this.readers(id)) {
          if (group.has(reader)) {
            if (from !== group) return true;
            continue;
          }
          const next = this.groupOf(reader.id);
          // Nodes only need earlier ones, so a group that lies behind leads nowhere.
          if (seen.has(next) || [...next].every((n) => this.#place.get(n.id)! > last)) continue;
          seen.add(next);
          open.push(next);
        }
      }
    }
    return false;
  }

  /**
   * One node of each group that works on rows, by how long the longest way to the group is: groups of one level cannot need
   * each other, and those of different ones mostly do.
   */
  levels(): readonly (readonly FusionNode[])[] {
    const depths = new Map<ReadonlySet<FusionNode>, number>();
    const depthOf = (group: ReadonlySet<FusionNode>): number => {
      const known = depths.get(group);
      if (known !== undefined) return known;
      const before = [...group].flatMap(({ inputs }) => inputs.map(({ node }) => this.groupOf(node)));
      const depth = 1 + Math.max(-1, ...before.filter((other) => other !== group).map(depthOf));
      depths.set(group, depth);
      return depth;
    };
    const levels: FusionNode[][] = [];
    for (const group of new Set(this.#groupOf.values())) {
      const found = [...group].find(({ form }) => form === "rows");
      if (found !== undefined) (levels[depthOf(group)] ??= []).push(found);
    }
    return levels.filter((level) => level !== undefined);
  }

  groups(): readonly Group[] {
    return [...new Set(this.#groupOf.values())].map((group) => [...group].map(({ id }) => id));
  }
}
