/**
 * Step times between measured sizes of a job, by linear interpolation over (nodes, GPUs, local batch size).
 *
 * Measurements lie on a grid, so their Delaunay triangulation is not unique: each prism can be cut in six ways, and results
 * differ by percents. Where a record of the published simulator's cuts is there for just these points (`pollux-cells.json`, written
 * by `bench/peers/pollux-cells.py`), it is followed; otherwise times are interpolated along each axis in turn.
 */
import { inflateSync } from "node:zlib";
import { UserError } from "../../../core/errors.ts";

/** Seconds of a step with its synchronisation, and of that alone. */
export interface StepTime {
  readonly step: number;
  readonly sync: number;
}

export interface MeasuredPoint extends StepTime {
  readonly nodes: number;
  readonly gpus: number;
  readonly batch: number;
}

/** One application of the record: sixteen-bit words, deflated, in base64. */
export interface CutRecord {
  readonly points: number;
  readonly checksum: number;
  readonly corners: string;
  readonly runs: string;
}

type Interpolation = (nodes: number, gpus: number, batch: number) => StepTime | undefined;

const nodesFirst = 5;
const nodesLast = 16;
const outside = 0xffff;

export function interpolation(points: readonly MeasuredPoint[], record: CutRecord | undefined): Interpolation {
  if (record === undefined || record.points !== points.length || record.checksum !== checksumOf(points)) {
    return alongAxes(points);
  }
  return inCells(points, record);
}

const checksumOf = (points: readonly MeasuredPoint[]): number =>
  Math.trunc(points.reduce((sum, { nodes, gpus, batch }) => sum + nodes + 100 * gpus + 10007 * batch, 0));

const unpack = (base64: string): Uint16Array => {
  const bytes = inflateSync(Buffer.from(base64, "base64"));
  return new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
};

/** Runs of tetrahedra along the axis of batch sizes, for each number of nodes and GPUs (at most 4 a node). */
function inCells(points: readonly MeasuredPoint[], record: CutRecord): Interpolation {
  const corners = unpack(record.corners);
  const words = unpack(record.runs);
  const starts = new Map<number, number>();
  let at = 0;
  for (let nodes = nodesFirst; nodes <= nodesLast; nodes++) {
    for (let gpus = nodes; gpus <= 4 * nodes; gpus++) {
      starts.set(nodes * 128 + gpus, at);
      at += 1 + 2 * words[at]!;
    }
  }
  return (nodes, gpus, batch) => {
    const start = starts.get(Math.min(nodes, nodesLast) * 128 + gpus);
    if (start === undefined) return undefined;
    let cell = outside;
    for (let run = 0; run < words[start]!; run++) {
      if (words[start + 1 + 2 * run]! > batch) break;
      cell = words[start + 2 + 2 * run]!;
    }
    if (cell === outside) return undefined;
    const corner = (k: number): MeasuredPoint => points[corners[4 * cell + k]!]!;
    return within([corner(0), corner(1), corner(2), corner(3)], Math.min(nodes, nodesLast), gpus, batch);
  };
}

type Corners = readonly [MeasuredPoint, MeasuredPoint, MeasuredPoint, MeasuredPoint];

/** Barycentric interpolation, weights by Cramer's rule. */
function within([a, b, c, d]: Corners, nodes: number, gpus: number, batch: number): StepTime {
  const from = (p: MeasuredPoint): readonly [number, number, number] => [
    p.nodes - d.nodes,
    p.gpus - d.gpus,
    p.batch - d.batch,
  ];
  const x = [nodes - d.nodes, gpus - d.gpus, batch - d.batch] as const;
  const [u, v, w] = [from(a), from(b), from(c)];
  const volume = determinant(u, v, w);
  const wa = determinant(x, v, w) / volume;
  const wb = determinant(u, x, w) / volume;
  const wc = determinant(u, v, x) / volume;
  const wd = 1 - wa - wb - wc;
  return {
    step: wa * a.step + wb * b.step + wc * c.step + wd * d.step,
    sync: wa * a.sync + wb * b.sync + wc * c.sync + wd * d.sync,
  };
}

type Vector = readonly [number, number, number];

const determinant = ([a, b, c]: Vector, [d, e, f]: Vector, [g, h, i]: Vector): number =>
  a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);

/** Linear in batch size, then in GPUs, then in nodes at the same number of GPUs a node; clamped at the ends. */
function alongAxes(points: readonly MeasuredPoint[]): Interpolation {
  const lines = new Map<number, Map<number, MeasuredPoint[]>>();
  for (const point of points) {
    const plane = lines.get(point.nodes) ?? new Map<number, MeasuredPoint[]>();
    lines.set(point.nodes, plane);
    const line = plane.get(point.gpus) ?? [];
    plane.set(point.gpus, line);
    line.push(point);
  }
  const sorted = (keys: Iterable<number>): number[] => [...keys].sort((a, b) => a - b);
  const nodeCounts = sorted(lines.keys());
  return (nodes, gpus, batch) => {
    const inPlane = (n: number): StepTime => {
      const plane = lines.get(n)!;
      const at = (g: number): StepTime => {
        const line = plane.get(g)!.sort((p, q) => p.batch - q.batch);
        return between(
          line.map((p) => p.batch),
          batch,
          (b) => line.find((p) => p.batch === b)!,
        );
      };
      return between(sorted(plane.keys()), (gpus * n) / nodes, at);
    };
    return between(nodeCounts, nodes, inPlane);
  };
}

/** Linear between the two of `keys` (ascending) around `x`; the first or last beyond them. */
export function between(keys: readonly number[], x: number, at: (key: number) => StepTime): StepTime {
  const above = keys.findIndex((key) => key >= x);
  if (keys.length === 0) throw new UserError("A profile has no measurements.", "Give it at least one line.");
  if (above <= 0) return at(above === 0 ? keys[0]! : keys.at(-1)!);
  const [low, high] = [keys[above - 1]!, keys[above]!];
  const [a, b] = [at(low), at(high)];
  const line = (from: number, to: number): number => ((to - from) / (high - low)) * (x - low) + from;
  return { step: line(a.step, b.step), sync: line(a.sync, b.sync) };
}
