/**
 * Physical cells: trees of a machine's or a rack's GPUs, and buddy allocation over them. A free cell is the largest one that
 * is wholly free; a smaller one is made by splitting it, and buddies that are all free again become one.
 */
import { UserError } from "../../core/errors.ts";
import type { CellConfig, PhysicalCellSpec } from "./config.ts";
import type { VirtualCell } from "./virtual.ts";

export interface PhysicalCell {
  readonly type: string;
  /** Index of its top cell's type: cells of one chain may stand for one another. */
  readonly chain: string;
  readonly parent: PhysicalCell | undefined;
  readonly children: readonly PhysicalCell[];
  /** GPUs that it has; itself, where it is one. */
  readonly leaves: readonly PhysicalCell[];
  /** Of a node, and of what is inside one. */
  readonly node: string | undefined;
  /** Of a leaf: which GPU of its node. */
  readonly device: number | undefined;
  readonly pinned: string | undefined;
  /** Whose guaranteed cell it is. */
  bound: VirtualCell | undefined;
  /** In the lists of what can be given away whole. */
  free: boolean;
  /** Of a leaf: the job on it, and whether it is there by right. */
  user: { readonly job: string; readonly guaranteed: boolean } | undefined;
}

export interface Physical {
  readonly tops: readonly PhysicalCell[];
  readonly leaves: readonly PhysicalCell[];
  readonly pinned: ReadonlyMap<string, PhysicalCell>;
}

export function buildPhysical({ types, physical }: CellConfig): Physical {
  const leaves: PhysicalCell[] = [];
  const pinned = new Map<string, PhysicalCell>();
  const devices = new Map<string, number>();

  function build(
    spec: PhysicalCellSpec,
    typeName: string,
    parent: PhysicalCell | undefined,
    chain: string,
    node: string | undefined,
  ): PhysicalCell {
    const type = types.get(typeName);
    if (type === undefined) throw new UserError(`A physical cell is of the type ${typeName}, which is not defined.`);
    const name = type.isNode ? spec.cellAddress : node;
    if (type.isNode && name === undefined) throw new UserError(`A cell of the type ${typeName} has no cellAddress.`);
    const children: PhysicalCell[] = [];
    const below: PhysicalCell[] = [];
    const isLeaf = type.child === undefined;
    let device: number | undefined;
    if (isLeaf) {
      if (name === undefined) {
        throw new UserError(
          `A GPU of the type ${typeName}, of a ${chain}, is in no node.`,
          "One type of cell above it says isNodeLevel: true.",
        );
      }
      // Each node-level cell counts its own: one machine may have several, of other types of GPU.
      const kind = `${typeName} of ${name}`;
      const next = devices.get(kind) ?? 0;
      devices.set(kind, next + 1);
      device = spec.cellAddress === undefined ? next : Number(spec.cellAddress);
    }
    const cell: PhysicalCell = {
      ...{ type: typeName, chain, parent, children, leaves: below, node: name, device, pinned: spec.pinnedCellId },
      ...{ bound: undefined, free: false, user: undefined },
    };
    if (spec.pinnedCellId !== undefined) pinned.set(spec.pinnedCellId, cell);
    if (isLeaf) {
      leaves.push(cell);
      below.push(cell);
    } else {
      const given = spec.cellChildren ?? [];
      if (given.length > 0 && given.length !== type.children) {
        throw new UserError(`A ${typeName} has ${given.length} children; its type says ${type.children}.`);
      }
      for (let i = 0; i < type.children; i++) children.push(build(given[i] ?? {}, type.child!, cell, chain, name));
      for (const child of children) below.push(...child.leaves);
    }
    return cell;
  }

  const tops = physical.map((spec) => build(spec, spec.cellType ?? "", undefined, spec.cellType ?? "", undefined));
  for (const top of tops) top.free = true;
  return { tops, leaves, pinned };
}

function* within(cell: PhysicalCell): Generator<PhysicalCell> {
  yield cell;
  for (const child of cell.children) yield* within(child);
}

/** What taking a cell would cost others; the least is taken. `undefined` where it cannot be used now. */
export type Cost = (cell: PhysicalCell) => number | undefined;

/**
 * A free cell of the type, which is free no more (HiveD, Alg. 1): one that is whole already; else the smallest larger one is
 * split. Of several the cheapest, then the first. `relaxed`: a smaller free one was there, but cannot be used now.
 */
export function takeCell(
  tops: readonly PhysicalCell[],
  chain: string,
  type: string,
  cost: Cost,
): { readonly cell: PhysicalCell; readonly relaxed: boolean } | undefined {
  let lowest = Number.POSITIVE_INFINITY;
  let best: { readonly cell: PhysicalCell; readonly height: number; readonly cost: number } | undefined;
  for (const top of tops) {
    if (top.chain !== chain) continue;
    // A type is never below itself.
    for (const cell of top.type === type ? [top] : within(top)) {
      if (cell.type !== type) continue;
      const height = heightOfFree(cell);
      if (height === undefined) continue;
      lowest = Math.min(lowest, height);
      const price = cost(cell);
      if (price === undefined) continue;
      if (best === undefined || height < best.height || (height === best.height && price < best.cost)) {
        best = { cell, height, cost: price };
      }
    }
  }
  if (best === undefined) return undefined;
  carve(best.cell);
  return { cell: best.cell, relaxed: best.height > lowest };
}

/** How far above the cell the free cell is that it is part of; `undefined` where it is part of none. */
function heightOfFree(cell: PhysicalCell): number | undefined {
  let height = 0;
  for (let c: PhysicalCell | undefined = cell; c !== undefined; c = c.parent, height++) if (c.free) return height;
  return undefined;
}

/** Takes this very cell, splitting what it is part of. False where it is not free. */
export function carve(cell: PhysicalCell): boolean {
  if (cell.free) {
    cell.free = false;
    return true;
  }
  if (cell.parent === undefined || !carve(cell.parent)) return false;
  for (const sibling of cell.parent.children) sibling.free = sibling !== cell;
  return true;
}

/** Gives a cell back; buddies that are all free become their parent. */
export function giveCell(cell: PhysicalCell): void {
  cell.free = true;
  const { parent } = cell;
  if (parent === undefined || !parent.children.every((child) => child.free)) return;
  for (const child of parent.children) child.free = false;
  giveCell(parent);
}
