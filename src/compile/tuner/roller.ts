/** Roller: a few tiles are built up aligned with the hardware, and only the most promising are measured. */
import type { LinearTile } from "../schedule/linear.ts";
import { roughCore, roughCycles } from "../schedule/rough-cycles.ts";
import type { Space } from "../schedule/space.ts";
import { templateBase } from "../schedule/template.ts";
import { innerSteps } from "../schedule/tile-work.ts";
import { tuner } from "../tuner.ts";

/** Distances of prefetching that are tried. */
const lines = [0, 4096] as const;

export default tuner({
  title: "Roller",
  paper: {
    title: "ROLLER: Fast and Efficient Tensor Compilation for Deep Learning",
    venue: "OSDI'22",
    url: "https://www.usenix.org/conference/osdi22/presentation/zhu",
  },
  rows: ["roller"],
  idea:
    "Scale a register tile up by whole vectors and tokens, each time where data is used again most, as long as registers " +
    "hold it and no more of the shape is padded than allowed; rank what came by on the way with a simple model; measure the top k.",
  differs: [
    "Two layers of memory are tiled, registers and the nearest cache; the paper also tiles a GPU's shared memory and its banks.",
    "Vectors and cache lines are aligned by the layout of weights, so alignment here is of the tile with tokens and panel.",
    "Prefetching is tried at one distance, and of the next panel: the model of the paper has no such choice.",
  ],
  options: {
    top: { default: 10, unit: "trials", min: 1, help: "Tiles measured of each product." },
    padding: {
      default: 0.34,
      unit: "",
      min: 0,
      help: "The share of a tile's tokens that may be missing in the last one.",
    },
    ranked: { default: 1, unit: "", min: 0, help: "0 measures what was built in the order in which it was." },
  },
  claim: { metric: "trialsToBest", better: "lower", than: "tvm", on: "products", factor: 4, where: "sim" },

  create({ top, padding, ranked }) {
    return {
      propose({ tasks, trialsLeft }) {
        const proposals = tasks.flatMap(({ space, trials }, task) => {
          if (trials.length > 0) return [];
          const built = construct(space, padding);
          const inOrder = ranked === 0 ? built : built.toSorted((a, b) => cost(space, a) - cost(space, b));
          return inOrder.slice(0, top).map((tile) => ({ task, tile }));
        });
        return proposals.slice(0, trialsLeft);
      },
    };
  },
});

/** §4.2, scale-up: from the least tile on, one step along the axis that gains the most reuse, until nothing fits. */
function construct(space: Space, padding: number): LinearTile[] {
  const built: LinearTile[] = [];
  for (const stage of space.knob("stage").values as readonly (0 | 1)[]) {
    const least = { ...templateBase(space), rows: 1, vectors: 1, unroll: 1, prefetch: 0, nextPanel: 0, stage } as const;
    let current: LinearTile | undefined = least;
    while (current !== undefined && space.valid(current)) {
      const tile: LinearTile = current;
      if (aligned(space, tile, padding)) built.push(...scaledOut(space, tile));
      const grown = [{ ...tile, vectors: tile.vectors * 2 }, nextRows(space, tile, padding)].filter(
        (next) => next !== undefined && space.valid(next),
      ) as LinearTile[];
      current = grown.sort((a, b) => reuse(b) - reuse(a))[0];
    }
  }
  return built;
}

/** Products for each vector that is loaded. */
const reuse = ({ rows, vectors }: LinearTile): number => (rows * vectors) / (rows + vectors);

function aligned({ task }: Space, { rows }: LinearTile, padding: number): boolean {
  const total = task.tokens.reduce((sum, tokens) => sum + tokens, 0);
  const padded = task.tokens.reduce((sum, tokens) => sum + Math.ceil(tokens / rows) * rows, 0);
  return (padded - total) / padded <= padding;
}

/** The next number of tokens that pads little. */
function nextRows(space: Space, tile: LinearTile, padding: number): LinearTile | undefined {
  for (const rows of space.knob("rows").values as readonly number[]) {
    const next = { ...tile, rows };
    if (rows > tile.rows && aligned(space, next, padding)) return next;
  }
  return undefined;
}

/** A register tile with what is tried beside it: distances of prefetching, and short loops unrolled. */
function scaledOut(space: Space, tile: LinearTile): LinearTile[] {
  const short = space.tileWork(tile).loops[0]!.counts.products < 8 && innerSteps(space.task, tile.stage) >= 4;
  const unroll = short ? 4 : 1;
  const next = { ...tile, prefetch: 0, nextPanel: 1, unroll } as const;
  return [...lines.map((prefetch) => ({ ...tile, prefetch, unroll })), next].filter((candidate) =>
    space.valid(candidate),
  );
}

/** §4.3: cycles of a panel, the slowest of units and memories, without anything measured. */
function cost(space: Space, tile: LinearTile): number {
  let cycles = 0;
  for (const tokens of space.task.tokens) {
    const panel = space.panelWork(tile, tokens);
    const near = panel.sourceBytes + tile.rows * panel.activationBytes <= roughCore.nearestBytes;
    const tiles = panel.tiles.reduce((sum, { times, work }) => {
      const read = near ? 0 : panel.sourceBytes / panel.parts / roughCore.middle;
      return sum + times * Math.max(roughCycles(work), read);
    }, 0);
    const staging = panel.unpacking === undefined ? 0 : roughCycles(panel.unpacking);
    // A stream without hints reaches two thirds of the memory's rate.
    const hinted = tile.prefetch > 0 || tile.nextPanel === 1;
    const stream = panel.panelBytes / (roughCore.memory * (hinted ? 1 : 0.67));
    cycles += Math.max(tiles + staging, stream);
  }
  return cycles;
}
