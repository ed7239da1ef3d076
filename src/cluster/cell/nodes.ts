/**
 * The nodes of a file of cells: machines with the GPUs in them, as far apart as the cells that they are in. A machine with GPUs of
 * several types is several nodes, one for each.
 */
import { UserError } from "../../core/errors.ts";
import type { NodeSpec } from "../node.ts";
import { Cells } from "./cells.ts";
import { type CellConfig, type CellFile, configOf, type PhysicalCellSpec } from "./config.ts";
import type { PhysicalCell } from "./physical.ts";

/** Throws a `UserError` where virtual clusters own more than there is, or a node is no node. */
export function nodesOfCells(asWritten: CellFile, path: string): NodeSpec[] {
  const { file, machines } = withNodesOfOneType(asWritten);
  // The quotas are checked here, before anything runs.
  const cells = cellsOf(file);
  const byNode = new Map<string, PhysicalCell[]>();
  for (const leaf of cells.leaves) {
    if (!Number.isInteger(leaf.device)) {
      throw new UserError(`${path}: the address of a ${leaf.type} of ${leaf.node} is not the number of a GPU.`);
    }
    byNode.set(leaf.node!, [...(byNode.get(leaf.node!) ?? []), leaf]);
  }
  if (byNode.size === 0) throw new UserError(`${path} has no physicalCells.`);
  const nodes = [...byNode].map(([id, leaves]): NodeSpec => {
    const machine = machines.get(id);
    const devices = new Set(leaves.map(({ device }) => device));
    const [first] = leaves as [PhysicalCell, ...PhysicalCell[]];
    if (devices.size < leaves.length) {
      throw new UserError(`${path}: two GPUs of ${id} have the same address.`);
    }
    return {
      ...{ id, type: first.type, gpus: leaves.length, topology: topologyOf(first, cells) },
      ...(machine !== undefined && { machine }),
    };
  });
  return [{ ...nodes[0]!, cells: file }, ...nodes.slice(1)];
}

const cellsOf = (file: CellFile): Cells => new Cells(configOf(file), { lazyPreemption: false, usable: () => true });

/** The file with an address for each type of a machine that has several, and which machine these addresses are of. */
function withNodesOfOneType(file: CellFile): {
  readonly file: CellFile;
  readonly machines: ReadonlyMap<string, string>;
} {
  const types = new Map<string, Set<string>>();
  for (const { node = "", type } of cellsOf(file).leaves) types.set(node, (types.get(node) ?? new Set()).add(type));
  const several = (address = ""): boolean => (types.get(address)?.size ?? 0) > 1;
  const { types: kinds } = configOf(file);
  const machines = new Map<string, string>();
  const renamed = (cell: PhysicalCellSpec, type: string | undefined): PhysicalCellSpec => {
    const { isNode = false, child } = kinds.get(type ?? "") ?? {};
    const { cellAddress: machine, cellChildren: children } = cell;
    if (isNode && several(machine)) {
      const cellAddress = `${machine}/${leafTypeOf(kinds, type!)}`;
      machines.set(cellAddress, machine!);
      return { ...cell, cellAddress };
    }
    return isNode ? cell : { ...cell, cellChildren: children?.map((inner) => renamed(inner, child)) };
  };
  const physicalCells = file.physicalCluster.physicalCells.map((cell) => renamed(cell, cell.cellType));
  return { file: { ...file, physicalCluster: { ...file.physicalCluster, physicalCells } }, machines };
}

function leafTypeOf(types: CellConfig["types"], from: string): string {
  let name = from;
  for (let below = types.get(name)?.child; below !== undefined; below = types.get(name)?.child) name = below;
  return name;
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
