/**
 * A dataflow graph cut into the parts that devices run (§3.2.1, §4.2): pruned to what is fetched, each node placed, and each edge
 * between devices replaced by a Send and a Recv of one name.
 */
import type { ArrayGraph, ArrayNode } from "../../../graph/array.ts";
import type { NodeId } from "../../../graph/ir.ts";

export type Step =
  | { readonly kind: "op"; readonly node: ArrayNode }
  | { readonly kind: "send"; readonly id: NodeId; readonly key: string }
  | { readonly kind: "recv"; readonly id: NodeId; readonly key: string };

export interface Partition {
  readonly device: number;
  readonly steps: readonly Step[];
}

/** What the fetched need, in order. */
export function pruned({ nodes, outputs }: ArrayGraph, fetches: readonly string[]): readonly ArrayNode[] {
  const needed = new Set(fetches.map((name) => outputs[name]!));
  for (const { id, inputs } of nodes.toReversed()) if (needed.has(id)) for (const i of inputs) needed.add(i);
  return nodes.filter(({ id }) => needed.has(id));
}

/** Runs of as many nodes for each device; what is fed in lies where it is first read. */
export function placed(nodes: readonly ArrayNode[], devices: number): ReadonlyMap<NodeId, number> {
  const computed = nodes.filter(({ op }) => op.kind !== "input");
  const placement = new Map(computed.map(({ id }, i) => [id, Math.floor((i * devices) / computed.length)]));
  for (const { id, inputs } of nodes)
    for (const i of inputs) if (!placement.has(i)) placement.set(i, placement.get(id)!);
  return placement;
}

export function partitioned(
  nodes: readonly ArrayNode[],
  placement: ReadonlyMap<NodeId, number>,
  devices: number,
): readonly Partition[] {
  const steps = Array.from({ length: devices }, (): Step[] => []);
  const sent = new Set<string>();
  for (const node of nodes) {
    const device = placement.get(node.id) ?? 0;
    for (const id of node.inputs) {
      const from = placement.get(id)!;
      const key = `%${id}: ${from} to ${device}`;
      if (from === device || sent.has(key)) continue;
      sent.add(key);
      steps[from]!.push({ kind: "send", id, key });
      steps[device]!.push({ kind: "recv", id, key });
    }
    steps[device]!.push({ kind: "op", node });
  }
  return steps.map((list, device) => ({ device, steps: list }));
}
