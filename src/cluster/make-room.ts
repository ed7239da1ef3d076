/** Room for a gang where GPUs are free in several nodes, but not enough in any: the fewest small jobs move to other nodes. */
import type { Bins } from "./bins.ts";
import { allows, type NodesView, type Share } from "./node.ts";

/** Jobs on a set of GPUs. */
export interface Seat {
  on: readonly Share[];
}

/** Nodes that are tried for a gang, those with most free GPUs first: what makes room there moves least. */
const candidatesMax = 16;

/**
 * Places for `gpus` GPUs on one node, taken from the bins; the seats that had to move for it have their new places, and are held there.
 * `undefined`, and nothing has changed, where that cannot be done. `canMove`: whether a seat may stand on a node of that type.
 */
export function makeRoom<S extends Seat>(
  nodes: NodesView,
  bins: Bins,
  seats: readonly S[],
  gpus: number,
  types: readonly string[] | undefined,
  canMove: (seat: S, type: string) => boolean,
): { readonly on: readonly Share[]; readonly moved: readonly S[] } | undefined {
  for (const node of candidates(nodes, bins, gpus, types)) {
    const there: S[] = [];
    for (const seat of seats) if (seat.on.length === 1 && seat.on[0]!.node === node) there.push(seat);
    there.sort((a, b) => a.on[0]!.gpus - b.on[0]!.gpus);
    const moved: { readonly seat: S; readonly from: readonly Share[] }[] = [];
    for (const seat of there) {
      if (bins.free(node) >= gpus) break;
      const to = tightest(nodes, bins, seat.on[0]!.gpus, node, (type) => canMove(seat, type));
      if (to === undefined) continue;
      moved.push({ seat, from: seat.on });
      move(bins, seat, to);
    }
    const on = [{ node, gpus }];
    if (bins.hold(on)) return { on, moved: moved.map(({ seat }) => seat) };
    for (const { seat, from } of moved.reverse()) move(bins, seat, from);
  }
  return undefined;
}

/** As many as are tried, the emptiest first; of equals, the first. */
function candidates(
  nodes: NodesView,
  bins: Bins,
  gpus: number,
  types: readonly string[] | undefined,
): readonly number[] {
  const { specs } = nodes;
  const found: number[] = [];
  for (let node = 0; node < specs.length; node++) {
    if (nodes.usable(node) && specs[node]!.gpus >= gpus && allows(types, specs[node]!.type)) found.push(node);
  }
  return found.sort((a, b) => bins.free(b) - bins.free(a)).slice(0, candidatesMax);
}

/** The node with the fewest free GPUs that still has so many; the first of several. */
export function tightest(
  nodes: NodesView,
  bins: Bins,
  gpus: number,
  except: number,
  suits: (type: string) => boolean,
): readonly Share[] | undefined {
  let best: number | undefined;
  const { specs } = nodes;
  for (let node = 0; node < specs.length; node++) {
    if (node === except || bins.free(node) < gpus || !suits(specs[node]!.type)) continue;
    if (best === undefined || bins.free(node) < bins.free(best)) best = node;
  }
  return best === undefined ? undefined : [{ node: best, gpus }];
}

function move(bins: Bins, seat: Seat, to: readonly Share[]): void {
  bins.release(seat.on);
  bins.hold(to);
  seat.on = to;
}
