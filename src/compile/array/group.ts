/**
 * Which arrays are computed together: elementwise arrays of one shape in one pass over memory, where one reads another or both
 * read the same, and the pass would not have to wait for itself.
 */
import { type ArrayNode, sizeOf } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";
import { isInlined, nestOf } from "./nest.ts";
import { loadsOf } from "./order.ts";
import { nestRoots } from "./roots.ts";

/** Nodes whose arrays one kernel computes, or the calls of one operation; those that must be stored. */
export interface Group {
  readonly members: readonly NodeId[];
  readonly stored: readonly NodeId[];
}

/** Arrays that one pass writes at most, so that its streams are few and its values fit the registers. */
const membersMax = 6;
/** Groups that are tried, the latest first. */
const triedMax = 6;

interface Draft {
  readonly members: NodeId[];
  readonly shape: string | undefined;
  /** Arrays that it reads. */
  reads: Set<NodeId>;
}

/** `fused` false gives each array a group of its own. */
export function groupsOf(
  nodes: readonly ArrayNode[],
  roots: ReadonlySet<NodeId>,
  outputs: ReadonlySet<NodeId>,
  fused: boolean,
): readonly Group[] {
  const grouping = new Grouping(nodes, roots);
  for (const node of nodes) if (roots.has(node.id) && node.op.kind !== "input") grouping.add(node, fused);
  return grouping.finish(outputs);
}

class Grouping {
  readonly #graph: ReadonlyMap<NodeId, ArrayNode>;
  readonly #roots: ReadonlySet<NodeId>;
  readonly #drafts: Draft[] = [];
  readonly #draftOf = new Map<NodeId, Draft>();

  constructor(nodes: readonly ArrayNode[], roots: ReadonlySet<NodeId>) {
    this.#graph = new Map(nodes.map((node) => [node.id, node]));
    this.#roots = roots;
  }

  add(node: ArrayNode, fused: boolean): void {
    const reads = readsOf(node, this.#graph, this.#roots);
    const shape = isInlined(node.op) && sizeOf(node.type.shape) > 0 ? `${node.type.shape}` : undefined;
    const home = fused && shape !== undefined ? this.#joinable(node, reads, shape) : undefined;
    if (home === undefined) {
      const draft = { members: [node.id], shape, reads };
      this.#drafts.push(draft);
      this.#draftOf.set(node.id, draft);
      return;
    }
    home.members.push(node.id);
    home.reads = new Set([...home.reads, ...reads].filter((id) => !home.members.includes(id)));
    this.#draftOf.set(node.id, home);
  }

  finish(outputs: ReadonlySet<NodeId>): readonly Group[] {
    const readers = new Map<NodeId, Set<Draft>>();
    for (const draft of this.#drafts)
      for (const id of draft.reads) readers.set(id, (readers.get(id) ?? new Set()).add(draft));
    return ordered(this.#drafts, this.#draftOf).map(({ members }) => {
      const stored = members.filter((id) => members.length === 1 || outputs.has(id) || readers.has(id));
      return { members, stored };
    });
  }

  #joinable(node: ArrayNode, reads: ReadonlySet<NodeId>, shape: string): Draft | undefined {
    const size = sizeOf(node.type.shape);
    const isWhole = (id: NodeId): boolean => sizeOf(this.#graph.get(id)!.type.shape) === size;
    const shares = ({ members, reads: others }: Draft): boolean =>
      [...reads].some((id) => members.includes(id) || (others.has(id) && isWhole(id)));
    let tried = 0;
    for (const draft of this.#drafts.toReversed()) {
      if (draft.shape !== shape || draft.members.length >= membersMax || !shares(draft)) continue;
      if (tried++ === triedMax) return undefined;
      if (!this.#waitsFor(draft, reads) && this.#fits([...draft.members, node.id])) return draft;
    }
    return undefined;
  }

  /** Whether something that is read, but not of the draft, comes from the draft. */
  #waitsFor(draft: Draft, reads: ReadonlySet<NodeId>): boolean {
    const seen = new Set<Draft>();
    const open = [...reads].flatMap((id) => this.#draftOf.get(id) ?? []).filter((d) => d !== draft);
    for (const next of open) {
      if (next === draft) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      for (const id of next.reads) {
        const from = this.#draftOf.get(id);
        if (from !== undefined) open.push(from);
      }
    }
    return false;
  }

  /** Members read each other only element by element. */
  #fits(members: readonly NodeId[]): boolean {
    const roots = members.flatMap((id) => nestRoots(this.#graph.get(id)!, this.#graph));
    const made = nestOf(this.#graph, this.#roots, roots);
    return !("needs" in made) && !loadsOf(made).some(({ node }) => members.includes(node));
  }
}

/** Arrays in memory that computing a node reads. */
function readsOf(node: ArrayNode, graph: ReadonlyMap<NodeId, ArrayNode>, roots: ReadonlySet<NodeId>): Set<NodeId> {
  const reads = new Set<NodeId>();
  const seen = new Set<NodeId>();
  const visit = (id: NodeId): void => {
    if (seen.has(id)) return;
    seen.add(id);
    if (roots.has(id)) reads.add(id);
    else for (const from of graph.get(id)!.inputs) visit(from);
  };
  for (const id of node.inputs) visit(id);
  return reads;
}

/** Each after what it reads; else as they came. */
function ordered(drafts: readonly Draft[], draftOf: ReadonlyMap<NodeId, Draft>): readonly Draft[] {
  const done = new Set<Draft>();
  const result: Draft[] = [];
  const visit = (draft: Draft): void => {
    if (done.has(draft)) return;
    done.add(draft);
    for (const id of draft.reads) {
      const from = draftOf.get(id);
      if (from !== undefined && from !== draft) visit(from);
    }
    result.push(draft);
  };
  drafts.forEach(visit);
  return result;
}
