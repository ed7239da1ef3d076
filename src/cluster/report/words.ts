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

/** A time on an axis whose marks lie `step` seconds apart: in the units that tell them apart, three at most. */
export function mark(seconds: number, step: number): string {
  if (step < 1) return `${Number(seconds.toPrecision(10))}s`;
  const parts: string[] = [];
  let rest = Math.round(seconds);
  for (const { size, letter } of [...units, { size: 1, letter: "s" }]) {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    if (whole > 0) parts.push(`${whole}${letter}`);
    if (step % size === 0) break;
  }
  return parts.length === 0 ? "0" : parts.slice(-3).join(" ");
}

/** Digits in groups of three. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** `1 GPU`, `2 GPUs`. */
export const gpusInWords = (gpus: number): string => `${count(gpus)} ${gpus === 1 ? "GPU" : "GPUs"}`;

/** `1 job`, `2,000 jobs`. */
export const jobsInWords = (jobs: number): string => `${count(jobs)} ${jobs === 1 ? "job" : "jobs"}`;

export const percent = (share: number): string => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : "–");

/** `1.32×`; three digits that matter where it is large. */
export const times = (ratio: number): string =>
  Number.isFinite(ratio) ? `${ratio < 10 ? ratio.toFixed(2) : Number(ratio.toPrecision(3))}×` : "–";

export const plainNumber = (value: number): string => (Number.isFinite(value) ? value.toFixed(2) : "–");
