/** Plots of text: bars for a terminal of any width. */

export interface Bar {
  readonly name: string;
  readonly value: number;
}

const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/** One line a bar, the longest as long as there is room for, to an eighth of a character. */
export function plotBars(bars: readonly Bar[], width: number): string {
  const names = Math.max(...bars.map(({ name }) => name.length));
  const figures = bars.map(({ value }) => figure(value));
  const room = Math.max(8, width - names - Math.max(...figures.map((f) => f.length)) - 4);
  const most = Math.max(...bars.map(({ value }) => value));
  return bars
    .map(({ name, value }, i) => {
      const units = most > 0 ? Math.round((Math.max(0, value) / most) * room * 8) : 0;
      const bar = "█".repeat(units >> 3) + eighths[units & 7]!;
      return `${name.padEnd(names)}  ${bar} ${figures[i]!}`;
    })
    .join("\n");
}

const heights = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const rowsOfPlot = 6;

/** A curve that falls, from its first value to its last: one column for each value, or for the last of several. */
export function plotFalling(values: readonly number[], width: number): string {
  const room = Math.max(1, Math.min(values.length, width - 14));
  const columns = Array.from({ length: room }, (_, i) => values[Math.ceil(((i + 1) * values.length) / room) - 1]!);
  const [most, least] = [Math.max(...values), Math.min(...values)];
  const scale = most > least ? (rowsOfPlot * 8 - 1) / (most - least) : 0;
  const lines = Array.from({ length: rowsOfPlot }, (_, row) => {
    const floor = (rowsOfPlot - 1 - row) * 8;
    const cells = columns.map((v) => heights[Math.max(0, Math.min(8, 1 + Math.round((v - least) * scale) - floor))]!);
    const label = row === 0 ? most.toFixed(3) : row === rowsOfPlot - 1 ? least.toFixed(3) : "";
    return `${label.padStart(6)} │${cells.join("")}`.trimEnd();
  });
  return [...lines, `${" ".repeat(6)} └${"─".repeat(room)} ${values.length}`].join("\n");
}

/** Four digits that matter, without an exponent where one can be avoided. */
export function figure(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return Math.abs(value) >= 1e-4 && Math.abs(value) < 1e9
    ? String(Number(value.toPrecision(4)))
    : value.toExponential(3);
}
