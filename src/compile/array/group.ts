/**
 * Which arrays are computed together: elementwise arrays of one shape in one pass over memory, where one reads another or both
 * read the same, and the pass would not have to wait for itself.
 */
import { type ArrayNode, sizeOf } from "../../graph/array.ts";
import type { NodeId } from "../../graph/ir.ts";
import { isInlined, type Nest, nestOf } from "./nest.ts";
import { loadsOf } from "./order.ts";
import { nestRoots } from "./roots.ts";

/** Nodes whose arrays one kernel computes, or the calls of one operation; those that must be stored. */
export interface Group {
  readonly members: readonly NodeId[];
  stored: readonly NodeId[];
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

export function groupsOf(
  nodes: readonly ArrayNode[],
  roots: ReadonlySet<NodeId>,
  outputs: ReadonlySet<NodeId>,
  fused: boolean,
): readonly Group[] {
  const graph = new Map(nodes.map((node) => [node.id, node]));
  const drafts: Draft[] = [];
  const draftOf = new Map<NodeId, Draft>();
  for (const node of nodes) {
    if (!roots.has(node.id) || node.op.kind === "input") continue;
    const reads = readsOf(node, graph, roots);
    const shape = isInlined(node.op) && sizeOf(node.type.shape) > 0 ? `${node.type.shape}` : undefined;
    const home = fused && shape !== undefined ? joinable(node, reads, shape) : undefined;
    if (home !== undefined) {
      home.members.push(node.id);
      home.reads = new Set([...home.reads, ...reads].filter((id) => !home.members.includes(id)));
      draftOf.set(node.id, home);
      continue;
    }
    const draft = { members: [node.id], shape, reads };
    drafts.push(draft);
    draftOf.set(node.id, draft);
  }
  return ordered(drafts, draftOf).map(({ members }) => ({ members, stored: storedOf(members) }));

  function joinable(node: ArrayNode, reads: ReadonlySet<NodeId>, shape: string): Draft | undefined {
    const size = sizeOf(node.type.shape);
    const shares = (draft: Draft): boolean =>
      [...reads].some(
        (id) => draft.members.includes(id) || (draft.reads.has(id) && sizeOf(graph.get(id)!.type.shape) === size),
      );
    let tried = 0;
    for (const draft of drafts.toReversed()) {
      if (draft.shape !== shape || draft.members.length >= membersMax || !shares(draft)) continue;
      if (tried++ === triedMax) return undefined;
      if (!waitsFor(draft, reads) && fits([...draft.members, node.id])) return draft;
    }
    return undefined;
  }

  /** Whether something that is read, but not of the draft, comes from the draft. */
  function waitsFor(draft: Draft, reads: ReadonlySet<NodeId>): boolean {
    const seen = new Set<Draft>();
    const open = [...reads].flatMap((id) => draftOf.get(id) ?? []).filter((d) => d !== draft);
    for (const next of open) {
      if (next === draft) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      for (const id of next.reads) {
        const from = draftOf.get(id);
        if (from !== undefined) open.push(from);
      }
    }
    return false;
  }

  /** Members read each other only element by element. */
  function fits(members: readonly NodeId[]): boolean {
    const made = nestOf(
      graph,
      roots,
      members.flatMap((id) => nestRoots(graph.get(id)!, graph)),
    );
    if ("needs" in made) return false;
    return !loadsOf(made as Nest).some(({ node }) => members.includes(node));
  }

  function storedOf(members: readonly NodeId[]): readonly NodeId[] {
    if (members.length === 1) return members;
    const inside = new Set(members);
    return members.filter(
      (id) => outputs.has(id) || drafts.some((d) => !d.members.some((m) => inside.has(m)) && d.reads.has(id)),
    );
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
