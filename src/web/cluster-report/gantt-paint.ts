/**
 * Draws the Gantt chart. Rows that are high enough show each run on its GPUs; lower ones show how busy each node was, pixel by
 * pixel. What is narrower than a pixel and lies where something is drawn already is left out: a redraw costs what can be seen.
 */
import type { Report, ReportPolicy } from "../../cluster/report/columns.ts";
import { mark } from "../../cluster/report/words.ts";
import { manyColours, styleColour } from "./colours.ts";
import { firstAfter, type Pieces } from "./pieces.ts";
import type { View } from "./view.ts";

export type ColourBy = "tenant" | "class" | "job" | "gpus";

export interface Scene {
  readonly report: Report;
  readonly policy: ReportPolicy;
  readonly pieces: Pieces;
  readonly mask: Uint8Array;
  /** Node of each row: those that have GPUs. */
  readonly rows: Uint32Array;
  readonly view: View;
  readonly colourBy: ColourBy;
  readonly picked: number | undefined;
}

/** Below this many pixels a row is too low for runs of one GPU. */
export const denseBelow = 7;

export function colourIndex({ report: { jobs } }: Scene, by: ColourBy, job: number): number {
  if (by === "tenant") return jobs.tenant[job]!;
  if (by === "class") return jobs.class[job]!;
  return by === "gpus" ? Math.ceil(Math.log2(Math.max(1, jobs.gpus[job]!))) : job;
}

export function paint(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view } = scene;
  context.clearRect(0, 0, view.width, view.height);
  context.font = "11px system-ui, sans-serif";
  context.textBaseline = "middle";
  paintTimes(context, scene);
  context.save();
  context.beginPath();
  context.rect(view.gutter, view.head, view.plotWidth, view.plotHeight);
  context.clip();
  if (view.rowHeight < denseBelow) paintDense(context, scene);
  else paintRuns(context, scene);
  context.restore();
  paintNames(context, scene);
}

const steps = [0.001, 0.01, 0.1, 1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 43_200, 86_400, 7 * 86_400, 28 * 86_400];

/** Seconds between two marks of the axis: each has room for its words. */
export function timeStep(view: View): number {
  const most = Math.max(2, view.plotWidth / 90);
  return steps.find((step) => (view.to - view.from) / step <= most) ?? 364 * 86_400;
}

function paintTimes(context: CanvasRenderingContext2D, { view }: Scene): void {
  const step = timeStep(view);
  context.strokeStyle = styleColour("line");
  context.fillStyle = styleColour("soft");
  context.textAlign = "center";
  context.beginPath();
  for (let k = Math.ceil(view.from / step); k * step <= view.to; k++) {
    const x = Math.round(view.x(k * step)) + 0.5;
    context.moveTo(x, view.head - 4);
    context.lineTo(x, view.height);
    if (x > view.gutter + 12) context.fillText(mark(k * step, step), x, view.head / 2);
  }
  context.stroke();
}

function paintNames(context: CanvasRenderingContext2D, { report, rows, view }: Scene): void {
  context.fillStyle = styleColour("soft");
  context.textAlign = "right";
  const every = Math.max(1, Math.ceil(14 / view.rowHeight));
  for (let row = Math.floor(view.row); row < rows.length && view.y(row) < view.height; row++) {
    const y = view.y(row) + view.rowHeight / 2;
    if (row % every !== 0 || y < view.head) continue;
    const name = report.nodes[rows[row]!]!;
    context.fillText(name.length > 14 ? `…${name.slice(-13)}` : name, view.gutter - 8, y);
  }
}

function paintRuns(context: CanvasRenderingContext2D, scene: Scene): void {
  const { policy, pieces, view, rows, report } = scene;
  const background = styleColour("lane");
  const until = Math.min(rows.length, Math.ceil(view.row + view.plotHeight / view.rowHeight));
  const picked: [number, number, number, number][] = [];
  for (let row = Math.floor(view.row); row < until; row++) {
    const node = rows[row]!;
    const top = view.y(row) + 1;
    const lane = (view.rowHeight - 2) / report.nodeGpus[node]!;
    context.fillStyle = background;
    context.fillRect(view.gutter, top, view.plotWidth, view.rowHeight - 2);
    const drawnTo = new Float64Array(report.nodeGpus[node]!).fill(Number.NEGATIVE_INFINITY);
    for (let k = firstAfter(pieces, node, view.from); k < pieces.first[node + 1]!; k++) {
      const run = pieces.run[k]!;
      if (policy.runStart[run]! >= view.to) break;
      const [left, right] = [view.x(policy.runStart[run]!), view.x(policy.runEnd[run]!)];
      if (right < view.gutter) continue;
      const at = pieces.lane[k]!;
      if (right - drawnTo[at]! < 0.4) continue;
      drawnTo[at] = Math.max(right, left + 0.8);
      const job = policy.runJob[run]!;
      const [y, height] = [top + at * lane, Math.max(1, pieces.lanes[k]! * lane - (lane > 3 ? 1 : 0))];
      const width = Math.max(0.8, right - left - (right - left > 3 ? 0.6 : 0));
      context.fillStyle = fillOf(scene, job);
      context.globalAlpha = policy.runSharers[run]! > 1 ? 0.6 : 1;
      context.fillRect(left, y, width, height);
      if (job === scene.picked) picked.push([left, y, width, height]);
    }
  }
  context.globalAlpha = 1;
  outline(context, picked);
}

function fillOf(scene: Scene, job: number): string {
  if (scene.mask[job] === 0) return styleColour("faint");
  return manyColours(colourIndex(scene, scene.colourBy, job));
}

function outline(
  context: CanvasRenderingContext2D,
  boxes: readonly (readonly [number, number, number, number])[],
): void {
  context.strokeStyle = styleColour("ink");
  context.lineWidth = 2;
  for (const [x, y, width, height] of boxes) context.strokeRect(x - 1, y - 1, Math.max(3, width + 2), height + 2);
  context.lineWidth = 1;
}

/** Share of each node's GPUs in use by the jobs that count, a pixel at a time. */
function paintDense(context: CanvasRenderingContext2D, scene: Scene): void {
  const { view, rows, policy, pieces, mask, report } = scene;
  const [width, height] = [Math.ceil(view.plotWidth), Math.ceil(view.plotHeight)];
  const busy = new Float32Array(width * height);
  const there = new Float32Array(height);
  const until = Math.min(rows.length, Math.ceil(view.row + view.plotHeight / view.rowHeight));
  const perPixel = (view.to - view.from) / width;
  for (let row = Math.floor(view.row); row < until; row++) {
    const node = rows[row]!;
    const y = Math.min(height - 1, Math.max(0, Math.floor((row - view.row) * view.rowHeight)));
    there[y]! += report.nodeGpus[node]!;
    for (let k = firstAfter(pieces, node, view.from); k < pieces.first[node + 1]!; k++) {
      const run = pieces.run[k]!;
      if (policy.runStart[run]! >= view.to) break;
      if (mask[policy.runJob[run]!] === 0) continue;
      const [start, end] = [policy.runStart[run]! - view.from, policy.runEnd[run]! - view.from].map(
        (t) => t / perPixel,
      );
      addSpan(busy.subarray(y * width, (y + 1) * width), start!, end!, pieces.lanes[k]! / policy.runSharers[run]!);
    }
  }
  const colour = rgbOf(context, styleColour("busy"));
  const image = new ImageData(width, height);
  for (let y = 0, from = 0; y < height; y++) {
    // A row of several pixels is drawn from its first; a pixel of several rows holds their sum.
    if (there[y]! > 0) from = y;
    for (let x = 0; x < width; x++) {
      const share = Math.min(1, busy[from * width + x]! / there[from]!);
      const at = 4 * (y * width + x);
      image.data.set(colour, at);
      image.data[at + 3] = there[from]! > 0 ? 20 + 235 * share : 0;
    }
  }
  paintImage(context, image, view);
}

/** The canvas is scaled to the screen, and `putImageData` would not be. */
function paintImage(context: CanvasRenderingContext2D, image: ImageData, view: View): void {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d")!.putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, view.gutter, view.head, view.plotWidth, view.plotHeight);
}

function addSpan(line: Float32Array, start: number, end: number, height: number): void {
  const [from, to] = [Math.max(0, start), Math.min(line.length, end)];
  for (let x = Math.floor(from); x < to; x++) line[x]! += height * (Math.min(to, x + 1) - Math.max(from, x));
}

/** A colour of the style sheet as bytes. */
function rgbOf(context: CanvasRenderingContext2D, colour: string): Uint8ClampedArray {
  context.fillStyle = colour;
  const hex = String(context.fillStyle);
  return Uint8ClampedArray.of(...[1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)), 255);
}
