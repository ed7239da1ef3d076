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

/** Four digits that matter, without an exponent where one can be avoided. */
export function figure(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return Math.abs(value) >= 1e-4 && Math.abs(value) < 1e9
    ? String(Number(value.toPrecision(4)))
    : value.toExponential(3);
}
