/** The losses of a training as a drawing (SVG), which a browser or an editor shows: every step faintly, their mean, what was held out. */

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

const [width, height] = [720, 360];
const margin = { left: 56, right: 16, top: 28, bottom: 36 };

/** Losses that are not finite are left out. */
export function lossSvg(title: string, trained: readonly LossPoint[], heldOut: readonly LossPoint[]): string {
  const all = [...trained, ...heldOut].filter(({ loss }) => Number.isFinite(loss));
  const last = Math.max(1, ...all.map(({ step }) => step));
  const [least, most] = [Math.min(...all.map((p) => p.loss)), Math.max(...all.map((p) => p.loss))];
  const [low, high] = all.length === 0 ? [0, 1] : [least, most > least ? most : least + 1];
  const x = (step: number): string => (margin.left + (step / last) * (width - margin.left - margin.right)).toFixed(1);
  const y = (loss: number): string =>
    (margin.top + ((high - loss) / (high - low)) * (height - margin.top - margin.bottom)).toFixed(1);
  const line = (points: readonly LossPoint[], style: string): string =>
    `<polyline fill="none" ${style} points="${points.map((p) => `${x(p.step)},${y(p.loss)}`).join(" ")}"/>`;
  const ticks = Array.from({ length: 5 }, (_, i) => low + ((high - low) * i) / 4);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(title)}: loss by step</title>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    `<text x="${margin.left}" y="18">${escaped(title)}: loss by step; blue in training, red held out</text>`,
    ...ticks.map(
      (loss) =>
        `<path stroke="#ddd" d="M${x(0)} ${y(loss)}H${x(last)}"/><text x="${margin.left - 6}" y="${y(loss)}" ` +
        `text-anchor="end" dominant-baseline="middle">${loss.toFixed(2)}</text>`,
    ),
    `<text x="${x(0)}" y="${height - 12}">0</text>`,
    `<text x="${x(last)}" y="${height - 12}" text-anchor="end">${last}</text>`,
    line(thinned(trained), 'stroke="#bcd4ee"'),
    line(thinned(smoothed(trained)), 'stroke="#1f6fb4" stroke-width="1.5"'),
    line(heldOut, 'stroke="#c0392b" stroke-width="1.5"'),
    ...heldOut.map((p) => `<circle cx="${x(p.step)}" cy="${y(p.loss)}" r="2.5" fill="#c0392b"/>`),
    "</svg>\n",
  ].join("\n");
}

/** Exponential means, without the bias of their beginning. */
function smoothed(points: readonly LossPoint[]): LossPoint[] {
  const keep = 0.95;
  let [sum, weight] = [0, 0];
  return points.map(({ step, loss }) => {
    [sum, weight] = [keep * sum + (1 - keep) * loss, keep * weight + (1 - keep)];
    return { step, loss: sum / weight };
  });
}

/** At most about two points for each unit of the width. */
function thinned(points: readonly LossPoint[]): readonly LossPoint[] {
  const every = Math.ceil(points.length / (2 * width));
  return every <= 1 ? points : points.filter((_, i) => i % every === 0 || i === points.length - 1);
}

const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[c]!);
