/** The nodes of a file of cells: machines with the GPUs in them, as far apart as the cells that they are in. */
import { UserError } from "../../core/errors.ts";
import type { NodeSpec } from "../node.ts";
import { Cells } from "./cells.ts";
import { type CellFile, configOf } from "./config.ts";
import type { PhysicalCell } from "./physical.ts";

/** Throws a `UserError` where virtual clusters own more than there is, or a node is no node. */
export function nodesOfCells(file: CellFile, path: string): NodeSpec[] {
  // The quotas are checked here, before anything runs.
  const cells = new Cells(configOf(file), { lazyPreemption: false, usable: () => true });
  const byNode = new Map<string, PhysicalCell[]>();
  for (const leaf of cells.leaves) {
    if (!Number.isInteger(leaf.device)) {
      throw new UserError(`${path}: the address of a ${leaf.type} of ${leaf.node} is not the number of a GPU.`);
    }
    byNode.set(leaf.node!, [...(byNode.get(leaf.node!) ?? []), leaf]);
  }
  if (byNode.size === 0) throw new UserError(`${path} has no physicalCells.`);
  const nodes = [...byNode].map(([id, leaves]): NodeSpec => {
    const kinds = [...new Set(leaves.map(({ type }) => type))];
    const devices = new Set(leaves.map(({ device }) => device));
    const [first] = leaves as [PhysicalCell, ...PhysicalCell[]];
    if (kinds.length > 1) {
      throw new UserError(
        `${path}: the GPUs of ${id} are of several types: ${kinds.join(", ")}.`,
        "A node has GPUs of one type here: give those of each an address of their own, as a node beside it.",
      );
    }
    if (devices.size < leaves.length) {
      throw new UserError(`${path}: two GPUs of ${id} have the same address.`);
    }
    return { id, type: first.type, gpus: leaves.length, topology: topologyOf(first, cells) };
  });
  return [{ ...nodes[0]!, cells: file }, ...nodes.slice(1)];
}

/** The cells around the node, from the outside in, each by its number among all of its kind. */
function topologyOf(leaf: PhysicalCell, cells: Cells): string[] {
  const around: string[] = [];
  for (let cell = leaf.parent; cell !== undefined; cell = cell.parent) {
    if (cell.node !== undefined) continue;
    const first = cell.leaves[0]!;
    around.unshift(`${cell.type}@${cells.leaves.indexOf(first)}`);
  }
  return around;
}
