/** Groups of operations to calls of kernels; equal kernels are generated once. */
import { assert } from "../core/errors.ts";
import type { Dim, Graph, InputName, Node, NodeId, Op, OpKind, Rope } from "../graph/ir.ts";
import { type WeightFormat, weightLayout } from "./layout.ts";
import { lowerAttention, lowerAttentionShares } from "./lower/attention.ts";
import type { CacheType } from "./lower/cache-store.ts";
import { lowerChain } from "./lower/chain.ts";
import { type LinearShape, lowerTuned } from "./lower/linear.ts";
import { lowerPanels, type PanelProduct } from "./lower/panels.ts";
import { lowerRows } from "./lower/row-kernel.ts";
import { type RowProgram, type RowWork, strideOf } from "./lower/row-work.ts";
import { rowBytesOf } from "./lower/rows.ts";
import { lowerRowMaxima, lowerRowSums, statisticsFloats, statisticsItems } from "./lower/statistics.ts";
import { isRowOp, type RowContext, rowGroup, widthOf } from "./lower-rows.ts";
import { defaultSchedule, type LinearSchedule, linearKey } from "./schedule/linear.ts";
import type { Target, TileProgram } from "./tile.ts";

/** A value that calls write and read: rows of bytes, as many as its dimension says. */
export interface Buffer {
  readonly rows: Dim;
  readonly rowBytes: number;
}

export type Argument =
  /** `offset`, where given, is the byte in each row at which a slice begins. */
  | { readonly kind: "buffer"; readonly id: number; readonly written: boolean; readonly offset?: number }
  | { readonly kind: "weight"; readonly name: string; readonly parts?: readonly string[] }
  | { readonly kind: "input"; readonly name: InputName }
  | { readonly kind: "cache"; readonly layer: number; readonly part: "keys" | "values" }
  | { readonly kind: "rope"; readonly rope: Rope; readonly width: number }
  /** Cache slot of each token, start of each token's table, the tables, the masks of `attentionMasks`. */
  | { readonly kind: "slots" | "starts" | "tables" | "masks" }
  /** Into how many items each attention of the step is cut, and what they leave for each other. */
  | { readonly kind: "shares" }
  | { readonly kind: "partials"; readonly written: boolean }
  | { readonly kind: "count"; readonly dim: Dim };

export interface Call {
  /** The last of what it computes, or what is told apart: an embedding, an append to the cache. */
  readonly op: OpKind;
  readonly kernel: number;
  readonly args: readonly Argument[];
  /** Its weights are read once for so many rows; where it is left out, once. */
  readonly block?: number;
  /** Work items: `times`, for each row of `dim` (1 where it is a constant); each cut into the step's shares where `shared`. */
  readonly items: { readonly dim: Dim; readonly times: number; readonly shared?: true };
}

export interface CacheShape {
  readonly layer: number;
  readonly kvHeads: number;
  readonly width: number;
  /** Of the queries that read it, and how far back they see. */
  readonly heads: number;
  readonly window?: number;
}

export interface Lowered {
  readonly kernels: readonly TileProgram[];
  readonly calls: readonly Call[];
  readonly buffers: readonly Buffer[];
  readonly caches: readonly CacheShape[];
  readonly outputs: Readonly<Record<string, number>>;
}

interface Options {
  readonly target: Target;
  readonly formats: ReadonlyMap<string, WeightFormat>;
  readonly schedules?: ReadonlyMap<string, LinearSchedule>;
  /** What keys and values are kept as; default f32. */
  readonly cache?: CacheType;
}

/** Nodes that become one call; where they are a chain of products, `block` tokens at a time. */
export interface FusedGroup {
  readonly nodes: readonly NodeId[];
  readonly block?: number;
}

/** Groups in the order of calls; without them each node is its own. */
export function lowerGraph(
  graph: Graph,
  options: Options,
  groups: readonly FusedGroup[] = graph.nodes.filter(isComputed).map(({ id }) => ({ nodes: [id] })),
): Lowered {
  return new Lowering(graph, options).run(groups);
}

/** Whether a call must compute it: others are where their input is. */
export const isComputed = ({ op }: Node): boolean =>
  op.kind !== "input" && op.kind !== "weight" && op.kind !== "reshape" && op.kind !== "slice";

/** A value as columns of another: a reshape is all of them, a slice some. */
interface View {
  readonly of: NodeId;
  readonly offset: number;
  readonly sliced: boolean;
}

class Lowering {
  readonly #graph: Graph;
  readonly #nodes: ReadonlyMap<NodeId, Node>;
  readonly #options: Options;
  readonly #kernels = new Map<string, { readonly index: number; readonly program: TileProgram }>();
  readonly #calls: Call[] = [];
  readonly #buffers: Buffer[] = [];
  readonly #caches: CacheShape[] = [];
  readonly #bufferOf = new Map<NodeId, number>();

  constructor(graph: Graph, options: Options) {
    this.#graph = graph;
    this.#options = options;
    this.#nodes = new Map(graph.nodes.map((n) => [n.id, n]));
  }

  run(groups: readonly FusedGroup[]): Lowered {
    const users = usersOf(this.#graph, (id) => this.#view(id));
    for (const { nodes, block } of groups) this.#lower(nodes.map(this.#node), block, users);
    const outputs = Object.entries(this.#graph.outputs).map(([name, id]) => [name, this.#buffer(id)] as const);
    return {
      kernels: [...this.#kernels.values()].map((k) => k.program),
      calls: this.#calls,
      buffers: this.#buffers,
      caches: this.#caches,
      outputs: Object.fromEntries(outputs),
    };
  }

  #lower(
    group: readonly Node[],
    block: number | undefined,
    users: ReadonlyMap<NodeId, readonly (NodeId | undefined)[]>,
  ): void {
    const [node] = group;
    if (node === undefined) return;
    const inside = new Set(group.map(({ id }) => id));
    const wanted = (id: NodeId): boolean => users.get(id)?.some((u) => u === undefined || !inside.has(u)) ?? false;
    const products = group.filter(({ op }) => !isRowOp(op));
    if (products.length === 0) return this.#rowCall(group, wanted);
    if (block !== undefined) return this.#chainCall(group, products, block);
    if (group.length > 1) return this.#productCall(group, products, wanted);
    if (node.op.kind === "linear") return this.#linear(node);
    if (node.op.kind === "attention") return this.#attention(node, node.op, () => [this.#allocate(node)]);
    return this.#statistics(node, node.op.kind === "rowMaxima" ? lowerRowMaxima : lowerRowSums);
  }

  /** Operations on rows as one kernel; those that nobody outside wants leave nothing in memory. */
  #rowCall(group: readonly Node[], wanted: (id: NodeId) => boolean): void {
    const { program, args, results } = rowGroup(group, wanted, this.#rowContext);
    const kernel = this.#kernel(`rows ${JSON.stringify(program)}`, (t) => lowerRows(t, program));
    const outs = results.map(this.#result);
    const kinds = group.map(({ op }) => op.kind);
    const op = kinds.find((kind) => kind === "embed" || kind === "cacheStore") ?? kinds.at(-1)!;
    this.#calls.push({ op, kernel, args: [...args, ...outs], items: this.#perRow(group[0]!) });
  }

  readonly #rowContext: RowContext = {
    cache: () => this.#cacheType(),
    node: (id) => this.#node(id),
    source: (id) => this.#view(id),
    rows: (id) => this.#rows(id),
    read: (id) => this.#read(id),
    format: (name) => this.#format(name),
  };

  #result = ({ node, work }: { readonly node: Node; readonly work: RowWork }): Argument =>
    this.#allocate(node, strideOf(work, this.#options.target));

  /** Products, or an attention, and what follows column by column. */
  #productCall(group: readonly Node[], products: readonly Node[], wanted: (id: NodeId) => boolean): void {
    const [first] = products;
    const ids = products.map(({ id }) => id);
    assert(!ids.some(wanted), () => `%${ids} are wanted outside of their kernel`);
    const steps = group.filter(({ op }) => isRowOp(op));
    const { program, args, results } = rowGroup(steps, wanted, this.#rowContext, ids);
    const outs = (): readonly Argument[] => results.map(this.#result);
    if (first!.op.kind === "attention") {
      return this.#attention(first!, first!.op, () => [...args, ...outs()], program);
    }
    const parts = products.map((node) => this.#product(node));
    const panels = { products: parts.map((part) => this.#scheduled(part)), rows: program };
    const kernel = this.#kernel(`panels ${JSON.stringify(panels)}`, (t) => lowerPanels(t, panels));
    const operands = parts.flatMap((p) => p.args);
    const count = { kind: "count", dim: first!.type.shape[0]! } as const;
    const { format, shape } = parts[0]!;
    const items = { dim: 1, times: weightLayout(format, shape.n, shape.k).panels } as const;
    this.#calls.push({ op: "linear", kernel, args: [count, ...operands, ...args, ...outs()], items });
  }

  /** Products, what follows column by column, and the product of that, which comes last. */
  #chainCall(group: readonly Node[], products: readonly Node[], block: number): void {
    const [last, ...first] = products.toReversed();
    const ids = first.toReversed().map(({ id }) => id);
    const steps = group.filter(({ op }) => isRowOp(op));
    const { program: rows } = rowGroup(steps, (id) => id === steps.at(-1)!.id, this.#rowContext, ids);
    const parts = ids.map((id) => this.#product(this.#node(id)));
    const end = this.#product(last!, []);
    const panels = { products: parts.map((part) => this.#scheduled(part)), rows };
    const chain = { panels, last: this.#scheduled(end), block };
    const kernel = this.#kernel(`chain ${JSON.stringify(chain)}`, (t) => lowerChain(t, chain));
    const args = [...parts.flatMap((part) => part.args), ...end.args];
    this.#push({ op: "linear", kernel, args, items: this.#perRow(last!), block }, last!);
  }

  #scheduled({ format, shape }: { readonly format: WeightFormat; readonly shape: LinearShape }): PanelProduct {
    return { format, shape, schedule: defaultSchedule(this.#options.target, format, shape) };
  }

  #linear(node: Node): void {
    const { format, shape, args } = this.#product(node);
    const [w, x, ...bias] = args;
    const key = `linear ${JSON.stringify(format)} ${JSON.stringify(shape)}`;
    const tuned = this.#options.schedules?.get(linearKey(format, shape.n, shape.k));
    const kernel = this.#kernel(key, (t) => lowerTuned(t, format, shape, tuned));
    const count = { kind: "count", dim: node.type.shape[0]! } as const;
    this.#call(node, kernel, [w!, x!, count, ...bias], {
      dim: 1,
      times: weightLayout(format, shape.n, shape.k).panels,
    });
  }

  /** A product's weights, x and bias; `x` is no argument where the kernel makes it. */
  #product(
    { inputs }: Node,
    x: readonly Argument[] = [this.#read(inputs[0]!)],
  ): {
    readonly format: WeightFormat;
    readonly shape: LinearShape;
    readonly args: readonly Argument[];
  } {
    const [, w, ...bias] = inputs;
    const { name, shape } = this.#matrix(w!);
    const args = [this.#read(w!), ...x, ...bias.map(this.#read)];
    return { format: this.#format(name), shape: { n: shape[0]!, k: shape[1]!, bias: bias.length > 0 }, args };
  }

  #cacheType = (): CacheType => this.#options.cache ?? "f32";

  /** Attention and the rows that follow it, if any, in the same kernel; and once more for tokens that are cut into shares. */
  #attention(
    node: Node,
    { layer, window, scale }: Extract<Op, { kind: "attention" }>,
    results: () => readonly Argument[],
    then?: RowProgram,
  ): void {
    const [q, stored, , positions] = node.inputs;
    assert(this.#node(stored!).op.kind === "cacheStore", () => `%${node.id} attends to what is not in the cache`);
    const [dim, heads, width] = node.type.shape as [Dim, number, number];
    const kvHeads = Number(this.#node(stored!).type.shape[1]);
    this.#caches.push({ layer, kvHeads, width, heads, ...(window !== undefined && { window }) });
    const shape = { heads, kvHeads, width, scale, window, cache: this.#cacheType() };
    const key = `${JSON.stringify(shape)} ${JSON.stringify(then)}`;
    const kernel = this.#kernel(`attention ${key}`, (t) => lowerAttention(t, shape, then));
    const combine = this.#kernel(`attention shares ${key}`, (t) => lowerAttentionShares(t, shape, then));
    const position = this.#read(positions!);
    const args: readonly Argument[] = [
      this.#read(q!),
      position,
      { kind: "tables" },
      { kind: "starts" },
      { kind: "cache", layer, part: "keys" },
      { kind: "cache", layer, part: "values" },
      { kind: "masks" },
      { kind: "shares" },
      { kind: "partials", written: true },
    ];
    const rest = results();
    const items = { dim, times: kvHeads } as const;
    this.#calls.push({ op: "attention", kernel, args: [...args, ...rest], items: { ...items, shared: true } });
    const partials = [position, { kind: "shares" }, { kind: "partials", written: false }] as const;
    this.#calls.push({ op: "attention", kernel: combine, args: [...partials, ...rest], items });
  }

  #statistics(node: Node, lower: (t: Target, vocabulary: number) => TileProgram): void {
    const vocabulary = Number(this.#node(node.inputs[0]!).type.shape[1]);
    const kernel = this.#kernel(`${node.op.kind} ${vocabulary}`, (t) => lower(t, vocabulary));
    const items = { dim: node.type.shape[0]!, times: statisticsItems(vocabulary) };
    this.#call(node, kernel, node.inputs.map(this.#read), items, statisticsFloats(vocabulary) * 4);
  }

  #perRow = (node: Node): Call["items"] => ({ dim: node.type.shape[0]!, times: 1 });

  #kernel(key: string, make: (target: Target) => TileProgram): number {
    const known = this.#kernels.get(key);
    if (known !== undefined) return known.index;
    const index = this.#kernels.size;
    this.#kernels.set(key, { index, program: make(this.#options.target) });
    return index;
  }

  /** Adds a call that writes the node's buffer, its last argument. */
  #call(node: Node, kernel: number, args: readonly Argument[], items: Call["items"], rowBytes?: number): void {
    this.#push({ op: node.op.kind, kernel, args, items }, node, rowBytes);
  }

  #push(call: Call, node: Node, rowBytes?: number): void {
    this.#calls.push({ ...call, args: [...call.args, this.#allocate(node, rowBytes)] });
  }

  #allocate(node: Node, rowBytes = rowBytesOf(widthOf(node))): Argument {
    const id = this.#buffers.push({ rows: node.type.shape[0]!, rowBytes }) - 1;
    this.#bufferOf.set(node.id, id);
    return { kind: "buffer", id, written: true };
  }

  #node = (id: NodeId): Node => this.#nodes.get(id)!;

  #view(id: NodeId): View {
    const { op, inputs } = this.#node(id);
    if (op.kind !== "reshape" && op.kind !== "slice") return { of: id, offset: 0, sliced: false };
    const { of, offset, sliced } = this.#view(inputs[0]!);
    return op.kind === "reshape" ? { of, offset, sliced } : { of, offset: offset + op.from * 4, sliced: true };
  }

  /** A slice lies in the rows of what it is cut from; who cannot read it there gets a copy, made once. */
  #buffer(id: NodeId): number {
    const { of, sliced } = this.#view(id);
    const known = this.#bufferOf.get(sliced ? id : of);
    if (known !== undefined) return known;
    assert(sliced, () => `%${of} has no buffer`);
    this.#copy(this.#node(id));
    return this.#bufferOf.get(id)!;
  }

  #copy(node: Node): void {
    const { arg, stride } = this.#rows(node.id);
    const work = { kind: "concat", widths: [widthOf(node)] } as const;
    const program = {
      params: 1,
      steps: [{ work, inputs: [{ from: "rows", param: 0, stride } as const], written: true }],
    };
    const kernel = this.#kernel(`rows ${JSON.stringify(program)}`, (t) => lowerRows(t, program));
    this.#call(node, kernel, [arg], this.#perRow(node));
  }

  /** A value as those read it that need not have its rows next to each other: `stride` bytes lie between them. */
  #rows = (id: NodeId): { readonly arg: Argument; readonly stride: number } => {
    const { of, offset, sliced } = this.#view(id);
    const source = this.#node(of);
    if (source.op.kind === "input") return { arg: this.#read(of), stride: rowBytesOf(widthOf(source)) };
    const buffer = this.#buffer(of);
    const arg = { kind: "buffer", id: buffer, written: false, ...(sliced && { offset }) } as const;
    return { arg, stride: this.#buffers[buffer]!.rowBytes };
  };

  #read = (id: NodeId): Argument => {
    const { op } = this.#node(id);
    if (op.kind === "weight") return { ...op };
    if (op.kind === "input") return { kind: "input", name: op.name };
    return { kind: "buffer", id: this.#buffer(id), written: false };
  };

  #matrix(id: NodeId): { readonly name: string; readonly shape: readonly number[] } {
    const { op, type } = this.#node(id);
    assert(op.kind === "weight", () => `%${id} should be a weight`);
    return { name: op.name, shape: type.shape.map(Number) };
  }

  #format(name: string): WeightFormat {
    const format = this.#options.formats.get(name);
    assert(format !== undefined, () => `weight ${name} has no format`);
    return format;
  }
}

/** Who reads each value, through reshapes and slices; `undefined` is whoever gets the step's outputs. */
function usersOf(graph: Graph, view: (id: NodeId) => View): ReadonlyMap<NodeId, readonly (NodeId | undefined)[]> {
  const users = new Map<NodeId, (NodeId | undefined)[]>();
  const use = (id: NodeId, user: NodeId | undefined): void => {
    const { of } = view(id);
    users.set(of, [...(users.get(of) ?? []), user]);
  };
  for (const node of graph.nodes) if (isComputed(node)) for (const id of node.inputs) use(id, node.id);
  for (const id of Object.values(graph.outputs)) use(id, undefined);
  return users;
}
