/** Leaves for the tasks of one job that are close to one another (HiveD, §4.1): fewest machines first, then the smallest cells. */
import type { VirtualCell } from "./virtual.ts";

type IsIdle = (leaf: VirtualCell) => boolean;

/** So many idle leaves for each task, each task in one of the machines; `undefined` where they do not all fit. */
export function bestLeaves(
  machines: readonly VirtualCell[],
  tasks: readonly number[],
  idle: IsIdle,
): VirtualCell[] | undefined {
  const taken = new Set<VirtualCell>();
  const isFree: IsIdle = (leaf) => !taken.has(leaf) && idle(leaf);
  const chosen: VirtualCell[] = [];
  const used = new Set<VirtualCell>();
  for (const gpus of tasks.toSorted((a, b) => b - a)) {
    let best: { readonly machine: VirtualCell; readonly rank: number } | undefined;
    for (const machine of machines) {
      const free = countOf(machine, isFree);
      if (free < gpus) continue;
      // Where the job is already; then the fullest that has room.
      const rank = (used.has(machine) ? 0 : 1e6) + free;
      if (best === undefined || rank < best.rank) best = { machine, rank };
    }
    if (best === undefined) return undefined;
    used.add(best.machine);
    for (const leaf of leavesWithin(best.machine, gpus, isFree)) {
      taken.add(leaf);
      chosen.push(leaf);
    }
  }
  return chosen;
}

function countOf({ leaves }: VirtualCell, idle: IsIdle): number {
  let count = 0;
  for (let i = 0; i < leaves.length; i++) if (idle(leaves[i]!)) count++;
  return count;
}

/** From the smallest cell that has enough; of several, the one that is left with the fewest. */
function leavesWithin(cell: VirtualCell, gpus: number, idle: IsIdle): VirtualCell[] {
  let best: { readonly child: VirtualCell; readonly free: number } | undefined;
  for (const child of cell.children) {
    const free = countOf(child, idle);
    if (free >= gpus && (best === undefined || free < best.free)) best = { child, free };
  }
  if (best !== undefined && best.child.children.length > 0) return leavesWithin(best.child, gpus, idle);
  return (best?.child ?? cell).leaves.filter(idle).slice(0, gpus);
}
