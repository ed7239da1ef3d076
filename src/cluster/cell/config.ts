/**
 * Cells as an administrator writes them (HiveD, §3): a hierarchy of cell types down to one GPU, the physical cells that there are,
 * and for each virtual cluster how many cells of which level it owns. The file has the form of HiveD's own.
 */
import { UserError } from "../../core/errors.ts";

export interface CellType {
  readonly name: string;
  /** Absent for a leaf: one GPU. */
  readonly child?: string;
  readonly children: number;
  /** Its GPUs are those of one machine. */
  readonly isNode: boolean;
}

export interface PhysicalCellSpec {
  readonly cellType?: string | undefined;
  /** Of a node: its name. Of a leaf: which GPU of the node. */
  readonly cellAddress?: string | undefined;
  readonly pinnedCellId?: string | undefined;
  readonly cellChildren?: readonly PhysicalCellSpec[] | undefined;
}

export interface Quota {
  /** From the type of a physical cell down to what is owned: ["4-NODE", "2-NODE", "NODE"]. */
  readonly path: readonly string[];
  readonly cells: number;
}

export interface VirtualCluster {
  readonly quotas: readonly Quota[];
  readonly pinned: readonly string[];
}

export interface CellConfig {
  readonly types: ReadonlyMap<string, CellType>;
  readonly physical: readonly PhysicalCellSpec[];
  readonly virtual: ReadonlyMap<string, VirtualCluster>;
}

/** What a file of HiveD's says, as plain data. */
export interface CellFile {
  readonly physicalCluster: {
    readonly cellTypes: Readonly<
      Record<
        string,
        { readonly childCellType: string; readonly childCellNumber: number; readonly isNodeLevel: boolean }
      >
    >;
    readonly physicalCells: readonly PhysicalCellSpec[];
  };
  readonly virtualClusters: Readonly<
    Record<
      string,
      {
        readonly virtualCells?:
          | readonly { readonly cellType: string; readonly cellNumber: number }[]
          | null
          | undefined;
        readonly pinnedCells?: readonly { readonly pinnedCellId: string }[] | null | undefined;
      }
    >
  >;
}

/** Throws a `UserError` where a type of cell is below itself. */
export function configOf({ physicalCluster, virtualClusters }: CellFile): CellConfig {
  const types = new Map<string, CellType>();
  for (const [type, { childCellType, childCellNumber, isNodeLevel }] of Object.entries(physicalCluster.cellTypes)) {
    types.set(type, { name: type, child: childCellType, children: childCellNumber, isNode: isNodeLevel });
  }
  for (const { child } of [...types.values()]) {
    if (!types.has(child!)) types.set(child!, { name: child!, children: 0, isNode: false });
  }
  for (const { name } of types.values()) checkDepth(types, name);
  const virtual = new Map<string, VirtualCluster>();
  for (const [tenant, { virtualCells, pinnedCells }] of Object.entries(virtualClusters)) {
    const quotas = (virtualCells ?? []).map(({ cellType, cellNumber }) => ({
      path: cellType.split("."),
      cells: cellNumber,
    }));
    virtual.set(tenant, { quotas, pinned: (pinnedCells ?? []).map(({ pinnedCellId }) => pinnedCellId) });
  }
  return { types, physical: physicalCluster.physicalCells, virtual };
}

/** Types form trees: from each one comes to a GPU. */
function checkDepth(types: ReadonlyMap<string, CellType>, from: string): void {
  let name: string | undefined = from;
  for (let depth = 0; name !== undefined; depth++) {
    if (depth > types.size) throw new UserError(`The cell type ${from} is among the cells below itself.`);
    name = types.get(name)?.child;
  }
}
