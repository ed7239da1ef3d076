/**
 * Curves of all policies: distributions of JCT and of ρ, GPUs in use and jobs that wait over time; restarts as bars of text.
 *
 * Each has a table with some of its values beside it, for those who read instead of looking.
 */
import uPlot from "uplot";
import type { ReportPolicy } from "../../cluster/report/columns.ts";
import { busyOverTime, quantileOf, sortedValues, span, waitingOverTime } from "../../cluster/report/measure.ts";
import { count, duration, percent, plainNumber } from "../../cluster/report/words.ts";
import { dashes, policyColour, styleColour } from "./colours.ts";
import { byId, make } from "./elements.ts";
import type { State } from "./state.ts";

interface Drawing {
  /** Ascending; shared by the policies. */
  readonly x: Float64Array;
  readonly lines: readonly (readonly number[])[];
  readonly table: HTMLTableElement;
}

interface Figure {
  readonly id: string;
  readonly title: string;
  readonly xName: string;
  readonly log: boolean;
  readonly yMax?: number;
  writeX(x: number): string;
  writeY(y: number): string;
  writeAxis?(y: number): string;
  draw(state: State): Drawing;
}

const wholePercent = (share: number): string => `${Math.round(100 * share)} %`;
const bins = 480;
const quantiles = [0.1, 0.25, 0.5, 0.75, 0.9, 0.99];

const figures: readonly Figure[] = [
  {
    ...{ id: "jct", title: "JCT: share of jobs that took at most so long", xName: "JCT", log: true, yMax: 1 },
    ...{ writeX: duration, writeY: percent, writeAxis: wholePercent },
    draw: (state) => distribution(state, duration, ({ end }, job) => end[job]! - state.report.jobs.submit[job]!),
  },
  {
    ...{ id: "utilisation", title: "Utilisation: share of GPUs in use", xName: "time", log: false, yMax: 1 },
    ...{ writeX: duration, writeY: percent, writeAxis: wholePercent },
    draw: (state) => {
      const gpus = state.report.nodeGpus.reduce((a, b) => a + b, 0);
      return overTime(state, percent, (policy, from, to) =>
        busyOverTime(policy, state.mask, from, to, bins).values.map((busy) => busy / gpus),
      );
    },
  },
  {
    ...{ id: "queue", title: "Queue: jobs that wait", xName: "time", log: false },
    ...{ writeX: duration, writeY: (jobs) => count(Math.round(jobs * 10) / 10) },
    draw: (state) =>
      overTime(
        state,
        (jobs) => count(Math.round(jobs * 10) / 10),
        (policy, from, to) => waitingOverTime(state.report, policy, state.mask, from, to, bins).values,
      ),
  },
  {
    ...{ id: "rho", title: "Fairness: share of jobs with at most this ρ", xName: "ρ", log: true, yMax: 1 },
    ...{ writeX: plainNumber, writeY: percent, writeAxis: wholePercent },
    draw: (state) => distribution(state, plainNumber, ({ rho }, job) => rho[job]!),
  },
];

function distribution(
  state: State,
  write: (x: number) => string,
  value: (policy: ReportPolicy, job: number) => number,
): Drawing {
  const samples = state.report.policies.map((policy) => sortedValues(state.mask, (job) => value(policy, job)));
  const positive = samples.flatMap((sorted) => sorted.find((x) => x > 0) ?? []);
  const least = Math.min(...positive);
  const most = Math.max(...samples.map((sorted) => sorted.at(-1) ?? 0));
  const points = positive.length === 0 || most <= 0 ? 0 : 400;
  const x = Float64Array.from({ length: points }, (_, i) => least * (most / least) ** (i / (points - 1)));
  const lines = samples.map((sorted) => {
    let below = 0;
    return Array.from(x, (bound, i) => {
      const top = i === points - 1 ? Number.POSITIVE_INFINITY : bound;
      while (below < sorted.length && sorted[below]! <= top) below++;
      return below / sorted.length;
    });
  });
  const rows = samples.map((sorted) => quantiles.map((q) => write(quantileOf(sorted, q))));
  return {
    x,
    lines,
    table: table(
      state,
      quantiles.map((q) => `p${100 * q}`),
      rows,
    ),
  };
}

function overTime(
  state: State,
  write: (y: number) => string,
  curve: (policy: ReportPolicy, from: number, to: number) => Float64Array,
): Drawing {
  const spans = state.report.policies.map((policy) => span(state.report, policy, state.mask));
  const from = Math.min(...spans.map(([start]) => start));
  const to = Math.max(...spans.map(([, end]) => end).filter((end) => !Number.isNaN(end)));
  if (!(to > from)) return { x: new Float64Array(0), lines: [], table: table(state, [], []) };
  const x = Float64Array.from({ length: bins }, (_, i) => from + ((i + 0.5) * (to - from)) / bins);
  const lines = state.report.policies.map((policy) => Array.from(curve(policy, from, to)));
  const tenths = [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => Math.floor(share * bins));
  const rows = lines.map((line) => [...tenths.map((i) => write(line[i]!)), write(Math.max(...line))]);
  return { x, lines, table: table(state, [...tenths.map((i) => duration(x[i]!)), "most"], rows) };
}

function table(state: State, columns: readonly string[], rows: readonly (readonly string[])[]): HTMLTableElement {
  const head = make("tr", {}, make("th", { scope: "col", textContent: "policy" }));
  head.append(...columns.map((column) => make("th", { scope: "col", textContent: column })));
  const body = rows.map((cells, i) => {
    const name = make("th", { scope: "row", textContent: state.report.policies[i]!.name });
    return make("tr", {}, name, ...cells.map((cell) => make("td", { textContent: cell })));
  });
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}

/** Restarts of a job, in buckets. */
function restarts(state: State): HTMLTableElement {
  const bounds = [0, 1, 2, 5, 10, 100, Number.POSITIVE_INFINITY];
  const names = ["0", "1", "2", "3–5", "6–10", "11–100", "more", "in all"];
  const rows = state.report.policies.map((policy) => {
    const jobs = bounds.map(() => 0);
    let all = 0;
    for (let i = 0; i < state.mask.length; i++) {
      if (state.mask[i] === 0) continue;
      const n = policy.restarts[i]!;
      all += n;
      jobs[bounds.findIndex((bound) => n <= bound)]!++;
    }
    return [...jobs, all].map(count);
  });
  return table(state, names, rows);
}

export function addCharts(state: State): void {
  const host = byId("charts");
  const legend = make("ul", { id: "legend", ariaLabel: "Policies" });
  const places = figures.map(({ id, title }) => {
    const plot = make("div", { className: "plot" });
    const details = make("details", {}, make("summary", { textContent: "As a table" }));
    const figure = make("figure", { id: `chart-${id}` }, make("figcaption", { textContent: title }), plot, details);
    return { plot, details, figure };
  });
  const counted = make("figure", { id: "chart-restarts" });
  host.append(legend, ...places.map(({ figure }) => figure), counted);
  let plots: uPlot[] = [];
  const draw = (): void => {
    for (const plot of plots) plot.destroy();
    legend.replaceChildren(...state.report.policies.map(({ name }, i) => legendItem(name, i)));
    plots = figures.flatMap((figure, i) => {
      const { plot, details } = places[i]!;
      const drawing = figure.draw(state);
      details.lastElementChild!.replaceWith(details.firstElementChild!);
      details.append(make("div", { className: "wide" }, drawing.table));
      if (drawing.x.length === 0) {
        plot.replaceChildren(make("p", { className: "empty", textContent: "Nothing is known for these jobs." }));
        return [];
      }
      plot.replaceChildren();
      return [plotOf(figure, drawing, state, plot)];
    });
    const caption = make("figcaption", { textContent: "Restarts: jobs by how often they were started again" });
    counted.replaceChildren(caption, make("div", { className: "wide" }, restarts(state)));
  };
  state.on(["jobs", "scheme"], draw);
  draw();
  new ResizeObserver(() => {
    plots.forEach((plot) => {
      const width = plot.root.parentElement!.clientWidth;
      if (width > 0 && width !== plot.width) plot.setSize({ width, height: plot.height });
    });
  }).observe(host);
}

function legendItem(name: string, index: number): HTMLLIElement {
  const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  swatch.setAttribute("viewBox", "0 0 32 8");
  swatch.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", "M0 4H32");
  line.setAttribute("stroke", policyColour(index));
  line.setAttribute("stroke-width", "2.5");
  line.setAttribute("stroke-dasharray", dashes[index % dashes.length]!.join(" "));
  swatch.append(line);
  return make("li", {}, swatch as unknown as Node, name);
}

const timeSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200].concat(
  [1, 2, 5, 7, 14, 28, 56, 112, 365].map((days) => days * 86_400),
);
const timeMarks = [0.1, 1, 10, 60, 600, 3600, 6 * 3600, 86_400, 604_800, 30 * 86_400, 365 * 86_400];

function plotOf(figure: Figure, { x, lines }: Drawing, state: State, host: HTMLElement): uPlot {
  const ink = styleColour("soft");
  const axis = { stroke: ink, grid: { stroke: styleColour("line"), width: 1 }, ticks: { show: false } };
  const marks = figure.writeX === duration ? timeMarks : [0.01, 0.1, 0.25, 0.5, 1, 2, 4, 10, 100, 1000, 10_000];
  const options: uPlot.Options = {
    width: Math.max(240, host.clientWidth),
    height: 230,
    scales: {
      x: { time: false, distr: figure.log ? 3 : 1, range: (_, least, most) => [least, most] },
      y: { range: (_, __, most) => [0, figure.yMax ?? Math.max(1, most * 1.05)] },
    },
    series: [
      { label: figure.xName, value: (_, v) => (v == null ? "–" : figure.writeX(v)) },
      ...state.report.policies.map(({ name }, i) => ({
        label: name,
        stroke: policyColour(i),
        width: 2,
        dash: [...dashes[i % dashes.length]!],
        points: { show: false },
        value: (_: uPlot, v: number | null) => (v == null ? "–" : figure.writeY(v)),
      })),
    ],
    axes: [
      {
        ...axis,
        ...(figure.log
          ? {
              splits: (_, __, least, most) =>
                spaced(
                  marks.filter((mark) => mark >= least && mark <= most),
                  least,
                  most,
                ),
            }
          : { incrs: timeSteps, space: 80 }),
        // Of a logarithmic axis, uPlot would name powers of ten alone.
        filter: (_, splits) => splits,
        values: (_, splits) => splits.map((mark) => (mark == null ? "" : figure.writeX(mark))),
      },
      { ...axis, size: 62, values: (_, splits) => splits.map(figure.writeAxis ?? figure.writeY) },
    ],
    cursor: { drag: { x: !figure.log, y: false }, points: { size: 6 } },
    legend: { live: true },
  };
  return new uPlot(options, [x, ...lines] as uPlot.AlignedData, host);
}

/** Marks that lie far enough apart to be read. */
function spaced(marks: readonly number[], least: number, most: number): number[] {
  const kept: number[] = [];
  for (const mark of marks) {
    const last = kept.at(-1);
    if (last === undefined || Math.log(mark / last) / Math.log(most / least) > 0.09) kept.push(mark);
  }
  return kept;
}
