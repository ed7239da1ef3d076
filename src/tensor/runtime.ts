/** The device that tensors live on: its memory, and the programs that were compiled for it, by what they compute. */
import { UserError } from "../core/errors.ts";
import type { Region } from "../device/device.ts";
import type { ArrayGraph, ArrayNode, ArrayType } from "../graph/array.ts";
import type { NodeId } from "../graph/ir.ts";
import { type MemorySource, type MemoryUse, Pool, Storage } from "./storage.ts";

/** A compiled graph, whose inputs and outputs are bound by name. */
export interface Session {
  run(bindings: Readonly<Record<string, Region>>): Promise<void>;
  /** The same, while this thread waits. */
  runNow(bindings: Readonly<Record<string, Region>>): void;
  close(): void;
}

/** What compiles and runs graphs of arrays. `donate` says which output may be written over which input. */
export interface Machine extends MemorySource {
  readonly name: string;
  open(graph: ArrayGraph, donate: Readonly<Record<string, string>>): Session;
  close(): Promise<void>;
}

/** A result that is an input's elements as they are, or another result's; else undefined. */
export type Alias = { readonly input: number } | { readonly output: number };

/** A graph from inputs `i0`, `i1`, … to outputs `o0`, `o1`, …, compiled but for results that are aliases. */
export interface Program {
  readonly types: readonly ArrayType[];
  readonly aliases: readonly (Alias | undefined)[];
  /** Whether input i is read. */
  readonly reads: readonly boolean[];
  /** Absent where all results are aliases. */
  readonly session: Session | undefined;
}

export class Runtime {
  readonly machine: Machine;
  readonly pool: Pool;
  readonly #programs = new Map<string, Program>();
  #closed = false;

  constructor(machine: Machine) {
    this.machine = machine;
    this.pool = new Pool(machine);
  }

  storage(bytes: number): Storage {
    if (this.#closed)
      throw new UserError("A tensor was asked for on a device that has been closed.", "Open another with device().");
    return new Storage(this.pool, bytes);
  }

  get memory(): MemoryUse {
    return this.pool.use;
  }

  /** The program kept under `key`, or the one that `make` gives. `donate` is by the numbers of outputs. */
  program(key: string, make: () => ArrayGraph, donate: ReadonlyMap<number, number> = new Map()): Program {
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    const program = openProgram(this.machine, make(), donate);
    this.#programs.set(key, program);
    return program;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const { session } of this.#programs.values()) session?.close();
    this.#programs.clear();
    this.pool.close();
    await this.machine.close();
  }
}

function openProgram(machine: Machine, whole: ArrayGraph, donate: ReadonlyMap<number, number>): Program {
  const nodes = new Map(whole.nodes.map((node) => [node.id, node]));
  const inputs = new Map(
    whole.nodes.flatMap(({ id, op }): [NodeId, number][] =>
      op.kind === "input" ? [[id, Number(op.name.slice(1))]] : [],
    ),
  );
  const firsts = new Map<NodeId, number>();
  const aliases = Object.values(whole.outputs).map((id, i): Alias | undefined => {
    const from = elementsOf(nodes, id);
    const input = inputs.get(from);
    if (input !== undefined) return { input };
    const output = firsts.get(from);
    if (output !== undefined) return { output };
    firsts.set(from, i);
    return undefined;
  });
  const outputs = Object.fromEntries(Object.entries(whole.outputs).filter((_, i) => aliases[i] === undefined));
  const graph = pruned({ nodes: whole.nodes, outputs });
  const reads: boolean[] = Array(inputs.size).fill(false);
  for (const { op } of graph.nodes) if (op.kind === "input") reads[Number(op.name.slice(1))] = true;
  const types = Object.values(whole.outputs).map((id) => nodes.get(id)!.type);
  const isOpen = Object.keys(outputs).length > 0;
  const donated = [...donate].filter(([output, input]) => aliases[output] === undefined && reads[input]);
  const names = Object.fromEntries(donated.map(([output, input]) => [`o${output}`, `i${input}`]));
  return { types, aliases, reads, session: isOpen ? machine.open(graph, names) : undefined };
}

/** The node whose elements, in order, those of `id` are. */
function elementsOf(nodes: ReadonlyMap<NodeId, ArrayNode>, id: NodeId): NodeId {
  const { op, inputs } = nodes.get(id)!;
  return op.kind === "reshape" ? elementsOf(nodes, inputs[0]!) : id;
}

/** Without what no output needs; ids are places again. */
export function pruned(graph: ArrayGraph): ArrayGraph {
  const needed = new Set(Object.values(graph.outputs));
  for (const { id, inputs } of graph.nodes.toReversed()) if (needed.has(id)) for (const i of inputs) needed.add(i);
  const nodes = graph.nodes.filter(({ id }) => needed.has(id));
  const places = new Map(nodes.map(({ id }, i) => [id, i]));
  const place = (id: NodeId): NodeId => places.get(id)!;
  return {
    nodes: nodes.map((node) => ({ ...node, id: place(node.id), inputs: node.inputs.map(place) })),
    outputs: Object.fromEntries(Object.entries(graph.outputs).map(([name, id]) => [name, place(id)])),
  };
}
