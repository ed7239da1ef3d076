/** Figures of a report in words. */

const units = [
  { size: 86_400, letter: "d" },
  { size: 3600, letter: "h" },
  { size: 60, letter: "m" },
] as const;

/** `2d 3h`, `4h 5m`, `6m 7s`, `8.25s`: the two largest units. An en dash for what is not known. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 0) return `−${duration(-seconds)}`;
  if (seconds < 59.995) return `${Number(seconds.toPrecision(3))}s`;
  const whole = Math.round(seconds);
  const [index, unit] = [...units.entries()].find(([, { size }]) => whole >= size)!;
  const next = units[index + 1] ?? { size: 1, letter: "s" };
  const first = Math.floor(whole / unit.size);
  const second = Math.floor((whole - first * unit.size) / next.size);
  return second === 0 ? `${first}${unit.letter}` : `${first}${unit.letter} ${second}${next.letter}`;
}

/** Digits in groups of three. */
export const count = (value: number): string => value.toLocaleString("en-US");

export const percent = (share: number): string => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "–");

/** `1.32×`; three digits that matter where it is large. */
export const times = (ratio: number): string =>
  Number.isFinite(ratio) ? `${ratio < 10 ? ratio.toFixed(2) : Number(ratio.toPrecision(3))}×` : "–";

export const plainNumber = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : "–");
