/** Operations to calls of kernels: one rule for each operation; equal kernels are generated once. */
import { assert } from "../core/errors.ts";
import type { Dim, Graph, InputName, Node, NodeId, Op, OpKind, Rope } from "../graph/ir.ts";
import { narrowRowBytes, quantLayout, type WeightFormat, weightLayout } from "./layout.ts";
import { lowerAttention, lowerCacheStore } from "./lower/attention.ts";
import { lowerEmbed } from "./lower/embed.ts";
import { lowerLinear } from "./lower/linear.ts";
import { lowerNarrow } from "./lower/narrow.ts";
import { lowerQuantize } from "./lower/quantize.ts";
import { lowerRope } from "./lower/rope.ts";
import {
  lowerConcat,
  lowerGather,
  lowerRmsNorm,
  lowerRowOp,
  lowerStridedRowOp,
  type RowOp,
  rowBytesOf,
} from "./lower/rows.ts";
import { lowerRowMaxima, lowerRowSums, statisticsFloats, statisticsItems } from "./lower/statistics.ts";
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
  | { readonly kind: "count"; readonly dim: Dim };

export interface Call {
  readonly op: OpKind | "cacheStore";
  readonly kernel: number;
  readonly args: readonly Argument[];
  /** Work items: `times`, for each row of `dim` (1 where it is a constant). */
  readonly items: { readonly dim: Dim; readonly times: number };
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

/** Columns of a buffer: what a slice is to those that can read rows further apart than they are wide. */
interface View {
  readonly of: number;
  readonly offset: number;
}

interface Options {
  readonly target: Target;
  readonly formats: ReadonlyMap<string, WeightFormat>;
}

export function lowerGraph(graph: Graph, options: Options): Lowered {
  return new Lowering(graph, options).run();
}

class Lowering {
  readonly #graph: Graph;
  readonly #nodes: ReadonlyMap<NodeId, Node>;
  readonly #options: Options;
  readonly #kernels = new Map<string, { readonly index: number; readonly program: TileProgram }>();
  readonly #calls: Call[] = [];
  readonly #buffers: Buffer[] = [];
  readonly #caches: CacheShape[] = [];
  /** The buffer of each node; a reshape shares its input's. */
  readonly #bufferOf = new Map<NodeId, number>();
  /** Slices lie in the rows of what they are cut from; only who cannot read them there gets a copy, made once. */
  readonly #viewOf = new Map<NodeId, View>();

  constructor(graph: Graph, options: Options) {
    this.#graph = graph;
    this.#options = options;
    this.#nodes = new Map(graph.nodes.map((n) => [n.id, n]));
  }

  run(): Lowered {
    for (const node of this.#graph.nodes) (this.#rules[node.op.kind] as (n: Node, op: Op) => void)(node, node.op);
    const outputs = Object.entries(this.#graph.outputs).map(([name, id]) => [name, this.#buffer(id)] as const);
    return {
      kernels: [...this.#kernels.values()].map((k) => k.program),
      calls: this.#calls,
      buffers: this.#buffers,
      caches: this.#caches,
      outputs: Object.fromEntries(outputs),
    };
  }

  readonly #rules: { readonly [K in OpKind]: (node: Node, op: Extract<Op, { kind: K }>) => void } = {
    input: () => {},
    weight: () => {},
    reshape: (node) => {
      const view = this.#viewOf.get(node.inputs[0]!);
      if (view === undefined) this.#bufferOf.set(node.id, this.#buffer(node.inputs[0]!));
      else this.#viewOf.set(node.id, view);
    },
    slice: (node, { from }) => {
      const outer = this.#viewOf.get(node.inputs[0]!);
      const of = outer?.of ?? this.#buffer(node.inputs[0]!);
      this.#viewOf.set(node.id, { of, offset: (outer?.offset ?? 0) + from * 4 });
    },
    concat: (node) => {
      const widths = node.inputs.map((id) => widthOf(this.#nodes.get(id)!));
      const rows = node.inputs.map(this.#rows);
      const strides = rows.map((r) => r.stride);
      const kernel = this.#kernel(`concat ${widths} ${strides}`, (t) => lowerConcat(t, widths, strides));
      const args = rows.map((r) => r.arg);
      this.#call(node, kernel, args, this.#perRow(node));
    },
    embed: (node, { scale }) => {
      const { name, shape } = this.#matrix(node.inputs[1]!);
      const format = this.#format(name);
      const kernel = this.#kernel(`embed ${JSON.stringify(format)} ${shape} ${scale}`, (t) =>
        lowerEmbed(t, format, { n: shape[0]!, k: shape[1]! }, scale),
      );
      this.#call(node, kernel, [this.#read(node.inputs[0]!), this.#read(node.inputs[1]!)], this.#perRow(node));
    },
    linear: (node) => this.#linear(node),
    rmsNorm: (node, { epsilon }) => {
      const [heads, width] = headsOf(node);
      const { arg, stride } = this.#rows(node.inputs[0]!);
      const kernel = this.#kernel(`rmsNorm ${heads} ${width} ${epsilon} ${stride}`, (t) =>
        lowerRmsNorm(t, heads, width, epsilon, stride),
      );
      this.#call(node, kernel, [arg, this.#read(node.inputs[1]!)], this.#perRow(node));
    },
    rope: (node, { rope }) => {
      const [heads, width] = headsOf(node);
      const { arg, stride } = this.#rows(node.inputs[0]!);
      const kernel = this.#kernel(`rope ${heads} ${width} ${stride}`, (t) => lowerRope(t, heads, width, stride));
      const table: Argument = { kind: "rope", rope, width };
      this.#call(node, kernel, [arg, this.#read(node.inputs[1]!), table], this.#perRow(node));
    },
    attention: (node, op) => this.#attention(node, op),
    add: (node) => this.#rowOp(node, "add"),
    mul: (node) => this.#rowOp(node, "mul"),
    gelu: (node) => this.#rowOp(node, "gelu"),
    silu: (node) => this.#rowOp(node, "silu"),
    relu: (node) => this.#rowOp(node, "relu"),
    gate: (node, { activation }) => this.#rowOp(node, activation === "gelu" ? "geluMul" : "siluMul"),
    gather: (node) => {
      const width = Number(node.type.shape[1]);
      const kernel = this.#kernel(`gather ${width}`, (t) => lowerGather(t, width));
      this.#call(node, kernel, node.inputs.map(this.#read), this.#perRow(node));
    },
    quantize: (node) => {
      const k = Number(node.type.shape[1]);
      const { arg, stride } = this.#rows(node.inputs[0]!);
      const kernel = this.#kernel(`quantize ${k} ${stride}`, (t) => lowerQuantize(t, k, stride));
      this.#call(node, kernel, [arg], this.#perRow(node), quantLayout(k, this.#options.target.dot4).rowBytes);
    },
    narrow: (node) => {
      const k = Number(node.type.shape[1]);
      const kernel = this.#kernel(`narrow ${k}`, (t) => lowerNarrow(t, k));
      const bytes = narrowRowBytes(k, this.#options.target.dotBf16);
      this.#call(node, kernel, node.inputs.map(this.#read), this.#perRow(node), bytes);
    },
    rowMaxima: (node) => this.#statistics(node, lowerRowMaxima),
    rowSums: (node) => this.#statistics(node, lowerRowSums),
  };

  #linear(node: Node): void {
    const [x, w, bias] = node.inputs;
    const { name, shape } = this.#matrix(w!);
    const format = this.#format(name);
    const [n, k] = [shape[0]!, shape[1]!];
    const key = `linear ${JSON.stringify(format)} ${n} ${k} ${bias !== undefined}`;
    const kernel = this.#kernel(key, (t) => lowerLinear(t, format, { n, k, bias: bias !== undefined }));
    const rows = node.type.shape[0]!;
    const args = [this.#read(w!), this.#read(x!), { kind: "count", dim: rows } as const];
    if (bias !== undefined) args.push(this.#read(bias) as (typeof args)[number]);
    this.#call(node, kernel, args, { dim: 1, times: weightLayout(format, n, k).panels });
  }

  #attention(node: Node, op: Extract<Op, { kind: "attention" }>): void {
    const [q, k, v, positions] = node.inputs;
    const [, heads, width] = this.#nodes.get(q!)!.type.shape.map(Number) as [number, number, number];
    const kvHeads = Number(this.#nodes.get(k!)!.type.shape[1]);
    const { layer, window } = op;
    this.#caches.push({ layer, kvHeads, width, heads, ...(window !== undefined && { window }) });
    const cache = (part: "keys" | "values"): Argument => ({ kind: "cache", layer: op.layer, part });
    const [keys, values] = [this.#rows(k!), this.#rows(v!)];
    const strides = { k: keys.stride, v: values.stride };
    const store = this.#kernel(`cacheStore ${kvHeads} ${width} ${keys.stride} ${values.stride}`, (t) =>
      lowerCacheStore(t, kvHeads, width, strides),
    );
    this.#calls.push({
      op: "cacheStore",
      kernel: store,
      args: [keys.arg, values.arg, { kind: "slots" }, cache("keys"), cache("values")],
      items: this.#perRow(node),
    });
    const shape = { heads, kvHeads, width, scale: op.scale, window: op.window };
    const kernel = this.#kernel(`attention ${JSON.stringify(shape)}`, (t) => lowerAttention(t, shape));
    const tables: Argument[] = [{ kind: "tables" }, { kind: "starts" }];
    const args = [
      this.#read(q!),
      this.#read(positions!),
      ...tables,
      cache("keys"),
      cache("values"),
      { kind: "masks" } as const,
    ];
    this.#call(node, kernel, args, { dim: node.type.shape[0]!, times: kvHeads });
  }

  #rowOp(node: Node, op: RowOp): void {
    const width = widthOf(node);
    const inputs = node.inputs.length === 2 ? 2 : 1;
    const rows = node.inputs.map(this.#rows);
    const strides = rows.map((r) => r.stride);
    const dense = !node.inputs.some((id) => this.#viewOf.has(id));
    const kernel = dense
      ? this.#kernel(`${op} ${width}`, (t) => lowerRowOp(t, op, width, inputs))
      : this.#kernel(`${op} ${width} ${strides}`, (t) => lowerStridedRowOp(t, op, width, strides));
    const args = rows.map((r) => r.arg);
    this.#call(node, kernel, args, this.#perRow(node));
  }

  #statistics(node: Node, lower: (t: Target, vocabulary: number) => TileProgram): void {
    const vocabulary = Number(this.#nodes.get(node.inputs[0]!)!.type.shape[1]);
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
    const id = this.#buffers.push({ rows: node.type.shape[0]!, rowBytes: rowBytes ?? rowBytesOf(widthOf(node)) }) - 1;
    this.#bufferOf.set(node.id, id);
    this.#calls.push({ op: node.op.kind, kernel, args: [...args, { kind: "buffer", id, written: true }], items });
  }

  #buffer(id: NodeId): number {
    if (this.#viewOf.has(id)) this.#copy(id);
    const buffer = this.#bufferOf.get(id);
    assert(buffer !== undefined, () => `%${id} has no buffer`);
    return buffer;
  }

  /** Gives a slice rows of its own. */
  #copy(id: NodeId): void {
    if (this.#bufferOf.has(id)) return;
    const node = this.#nodes.get(id)!;
    const { arg, stride } = this.#rows(id);
    const kernel = this.#kernel(`concat ${widthOf(node)} ${stride}`, (t) => lowerConcat(t, [widthOf(node)], [stride]));
    this.#call(node, kernel, [arg], this.#perRow(node));
  }

  /** A value as those read it that need not have its rows next to each other: `stride` bytes lie between them. */
  #rows = (id: NodeId): { readonly arg: Argument; readonly stride: number } => {
    const view = this.#viewOf.get(id);
    if (view === undefined) return { arg: this.#read(id), stride: rowBytesOf(widthOf(this.#nodes.get(id)!)) };
    const arg = { kind: "buffer", id: view.of, written: false, offset: view.offset } as const;
    return { arg, stride: this.#buffers[view.of]!.rowBytes };
  };

  #read = (id: NodeId): Argument => {
    const { op } = this.#nodes.get(id)!;
    if (op.kind === "weight") return { ...op };
    if (op.kind === "input") return { kind: "input", name: op.name };
    return { kind: "buffer", id: this.#buffer(id), written: false };
  };

  #matrix(id: NodeId): { readonly name: string; readonly shape: readonly number[] } {
    const { op, type } = this.#nodes.get(id)!;
    assert(op.kind === "weight", () => `%${id} should be a weight`);
    return { name: op.name, shape: type.shape.map(Number) };
  }

  #format(name: string): WeightFormat {
    const format = this.#options.formats.get(name);
    assert(format !== undefined, () => `weight ${name} has no format`);
    return format;
  }
}

const widthOf = ({ type }: Node): number => type.shape.slice(1).reduce<number>((n, d) => n * Number(d), 1);

/** [T, H, C] is H heads of C; [T, D] one of D. */
function headsOf({ type }: Node): readonly [number, number] {
  return type.shape.length === 3 ? [Number(type.shape[1]), Number(type.shape[2])] : [1, Number(type.shape[1])];
}
