/** Virtual cells: what a tenant owns, as if it had a cluster of its own; each is bound to physical ones only while it is used. */
import { UserError } from "../../core/errors.ts";
import type { CellConfig, CellType } from "./config.ts";
import type { PhysicalCell } from "./physical.ts";

export interface VirtualCell {
  readonly tenant: string;
  readonly type: string;
  readonly chain: string;
  readonly parent: VirtualCell | undefined;
  readonly children: readonly VirtualCell[];
  /** GPUs that it has; itself, where it is one. */
  readonly leaves: readonly VirtualCell[];
  /** It is this physical cell, always. */
  readonly pinned: string | undefined;
  bound: PhysicalCell | undefined;
  /** Of a leaf: the job that uses it. */
  user: { readonly job: string; readonly priority: number } | undefined;
}

function build(
  types: ReadonlyMap<string, CellType>,
  type: CellType,
  tenant: string,
  chain: string,
  pinned: string | undefined,
  parent?: VirtualCell,
): VirtualCell {
  const children: VirtualCell[] = [];
  const leaves: VirtualCell[] = [];
  const cell: VirtualCell = {
    ...{ tenant, type: type.name, chain, parent, children, leaves, pinned },
    ...{ bound: undefined, user: undefined },
  };
  for (let i = 0; i < type.children; i++) {
    children.push(build(types, types.get(type.child!)!, tenant, chain, pinned, cell));
  }
  if (children.length === 0) leaves.push(cell);
  for (const child of children) leaves.push(...child.leaves);
  return cell;
}

/** The cells that each tenant owns, by the roots that are bound and freed as a whole. */
export function buildVirtual(
  { types, virtual }: CellConfig,
  pinned: ReadonlyMap<string, PhysicalCell>,
): ReadonlyMap<string, readonly VirtualCell[]> {
  const owned = new Map<string, VirtualCell[]>();
  for (const [tenant, { quotas, pinned: ids }] of virtual) {
    const cells: VirtualCell[] = [];
    for (const { path, cells: count } of quotas) {
      const type = types.get(path.at(-1)!);
      if (type === undefined)
        throw new UserError(`${tenant} owns cells of the type ${path.join(".")}, which there is not.`);
      for (let i = 0; i < count; i++) cells.push(build(types, type, tenant, path[0]!, undefined));
    }
    for (const id of ids) {
      const cell = pinned.get(id);
      if (cell === undefined) throw new UserError(`${tenant} owns the pinned cell ${id}, which there is not.`);
      cells.push(build(types, types.get(cell.type)!, tenant, cell.chain, id));
    }
    owned.set(tenant, cells);
  }
  return owned;
}

/** Cells of one machine each, or parts of one: what a task must fit into. */
export function* machinesOf(cell: VirtualCell, types: ReadonlyMap<string, CellType>): Generator<VirtualCell> {
  const machines = isWithinMachine(cell, types);
  if (machines) yield cell;
  else for (const child of cell.children) yield* machinesOf(child, types);
}

/** No cell below it is a machine. */
function isWithinMachine(cell: VirtualCell, types: ReadonlyMap<string, CellType>): boolean {
  for (let type = types.get(cell.type)!; type.child !== undefined; ) {
    const below = types.get(type.child)!;
    if (below.isNode) return false;
    type = below;
  }
  return true;
}
