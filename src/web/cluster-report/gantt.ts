/**
 * The Gantt chart: nodes downwards, time to the right; dragged, turned with the wheel, or moved with keys. The canvas tells those who
 * cannot see it what is shown; a job that is picked is described in words beside it.
 */
import type { ReportPolicy } from "../../cluster/report/columns.ts";
import { count, duration, gpusInWords, mark } from "../../cluster/report/words.ts";
import { manyColours } from "./colours.ts";
import { button, byId, labelled, make, select } from "./elements.ts";
import { type ColourBy, colourIndex, denseBelow, paint, type Scene, timeStep } from "./gantt-paint.ts";
import { describe } from "./jobs.ts";
import { firstAfter, type Pieces, piecesOf } from "./pieces.ts";
import type { State } from "./state.ts";
import { View } from "./view.ts";

const keys =
  "Arrows move, + and − zoom time, < and > change the height of rows, 0 shows all, N and P go from run to run.";

export class Gantt {
  readonly #state: State;
  readonly #canvas = make("canvas", { id: "gantt-canvas", tabIndex: 0, data: { role: "application" } });
  readonly #tip = make("div", { className: "tip", hidden: true, ariaHidden: "true" });
  readonly #said = make("p", { id: "gantt-said", className: "said", ariaLive: "polite" });
  readonly #legend = make("ul", { className: "legend", ariaLabel: "Colours" });
  readonly #details = make("div", { id: "picked", ariaLive: "polite" });
  readonly #rows: Uint32Array;
  readonly #view: View;
  readonly #pieces = new Map<ReportPolicy, Pieces>();
  #colourBy: ColourBy;
  #due = false;

  constructor(state: State) {
    this.#state = state;
    const { report } = state;
    this.#rows = Uint32Array.from([...report.nodes.keys()].filter((node) => report.nodeGpus[node]! > 0));
    this.#view = new View(boundsOf(state, this.#rows.length));
    this.#colourBy = report.tenants.length > 1 ? "tenant" : report.classes.length > 1 ? "class" : "job";
    this.#build();
    this.#listen();
    state.on(["jobs", "policy", "scheme"], () => this.draw());
    state.on(["picked", "policy"], () => this.#describePicked());
  }

  #build(): void {
    const { report } = this.#state;
    const policies = report.policies.map(({ name }, i) => ({ value: String(i), text: name }));
    const policy = select("gantt-policy", policies, () => {
      this.#state.policyIndex = Number(policy.value);
      this.#state.changed("policy");
    });
    const bys = ["tenant", "class", "gpus", "job"].map((value) => ({
      value,
      text: value === "gpus" ? "size of gang" : value,
    }));
    const by = select("gantt-colour", bys, () => {
      this.#colourBy = by.value as ColourBy;
      this.draw();
    });
    by.value = this.#colourBy;
    const find = make("input", {
      id: "find-job",
      type: "search",
      placeholder: "name of a job",
      onchange: () => this.#find(find),
    });
    const act = (change: (view: View) => void) => (): void => {
      change(this.#view);
      this.draw();
    };
    const tools = make("div", { className: "tools" }, labelled("Policy", policy), labelled("Colour by", by));
    tools.append(
      labelled("Find", find),
      button(
        "+",
        "Zoom in",
        act((view) => view.zoomTime(0.5)),
      ),
      button(
        "−",
        "Zoom out",
        act((view) => view.zoomTime(2)),
      ),
      button(
        "↕",
        "Higher rows",
        act((view) => view.zoomRows(1.5)),
      ),
      button(
        "↨",
        "Lower rows",
        act((view) => view.zoomRows(1 / 1.5)),
      ),
      button(
        "All nodes",
        "Fit all nodes into the chart",
        act((view) => view.allNodes()),
      ),
      button(
        "Reset",
        "Show all of the time",
        act((view) => view.all()),
      ),
    );
    this.#canvas.setAttribute("aria-describedby", "gantt-keys gantt-said");
    this.#canvas.setAttribute("aria-label", "Gantt chart of nodes");
    const help = make("p", {
      id: "gantt-keys",
      className: "hint",
      textContent: `Drag to move, wheel to zoom. ${keys}`,
    });
    const frame = make("div", { className: "frame" }, this.#canvas, this.#tip);
    byId("gantt").append(tools, this.#legend, frame, this.#said, help, this.#details);
  }

  #listen(): void {
    const canvas = this.#canvas;
    new ResizeObserver(() => this.#resize()).observe(canvas.parentElement!);
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("pointermove", (event) => this.#hover(event));
    canvas.addEventListener("pointerleave", () => {
      this.#tip.hidden = true;
    });
    canvas.addEventListener("pointerdown", (event) => this.#drag(event));
  }

  #resize(): void {
    const { clientWidth: width } = this.#canvas.parentElement!;
    if (width === 0) return;
    const ratio = devicePixelRatio;
    const first = this.#view.width === 600 && this.#view.height === 400;
    const height = Math.round(Math.max(260, Math.min(innerHeight * 0.7, 26 + 40 * this.#rows.length)));
    Object.assign(this.#view, { width, height });
    Object.assign(this.#canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    this.#canvas.style.height = `${height}px`;
    this.#canvas.getContext("2d")!.setTransform(ratio, 0, 0, ratio, 0, 0);
    if (first) this.#view.all();
    else this.#view.keepWithin();
    this.draw();
  }

  /** At most once a frame, however many events ask. */
  draw(): void {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      const scene = this.#scene();
      paint(this.#canvas.getContext("2d")!, scene);
      this.#say(scene);
    });
  }

  #scene(): Scene {
    const { report, policy, mask, picked } = this.#state;
    let pieces = this.#pieces.get(policy);
    if (pieces === undefined) this.#pieces.set(policy, (pieces = piecesOf(report, policy)));
    return { report, policy, pieces, mask, picked, rows: this.#rows, view: this.#view, colourBy: this.#colourBy };
  }

  #say(scene: Scene): void {
    const { view, rows, policy } = scene;
    const first = Math.floor(view.row);
    const last = Math.min(rows.length, Math.ceil(view.row + view.plotHeight / view.rowHeight));
    const coarse =
      policy.coarseSeconds > 0 ? ` Runs less than ${duration(policy.coarseSeconds)} apart are drawn as one.` : "";
    const dense = view.rowHeight < denseBelow ? " Each line is a node; the darker, the busier." : "";
    const seconds = timeStep(view) < 60 ? 1 : 60;
    const seen = `${policy.name}: ${mark(view.from, seconds)} to ${mark(view.to, seconds)}, nodes ${count(first + 1)} to ${count(last)} of ${count(rows.length)}.`;
    const text = `${seen}${dense}${coarse}`;
    if (this.#said.textContent === text) return;
    this.#said.textContent = text;
    this.#legend.replaceChildren(...(dense === "" ? legendOf(scene) : []));
  }

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const factor = Math.exp(event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0016));
    if (event.shiftKey) this.#view.panPixels(event.deltaX + event.deltaY, 0);
    else if (event.ctrlKey || event.altKey || event.offsetX < this.#view.gutter)
      this.#view.zoomRows(1 / factor, event.offsetY);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.#view.panPixels(event.deltaX, 0);
    else this.#view.zoomTime(factor, Math.max(this.#view.gutter, event.offsetX));
    this.draw();
  }

  #key(event: KeyboardEvent): void {
    const view = this.#view;
    const moves: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => view.pan(-0.2, 0),
      ArrowRight: () => view.pan(0.2, 0),
      ArrowUp: () => view.pan(0, -0.3),
      ArrowDown: () => view.pan(0, 0.3),
      PageUp: () => view.pan(0, -1),
      PageDown: () => view.pan(0, 1),
      "+": () => view.zoomTime(0.6),
      "=": () => view.zoomTime(0.6),
      "-": () => view.zoomTime(1 / 0.6),
      ">": () => view.zoomRows(1.5),
      "<": () => view.zoomRows(1 / 1.5),
      "0": () => view.all(),
      Home: () => view.all(),
      n: () => this.#step(1),
      p: () => this.#step(-1),
    };
    const move = moves[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (move === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move();
    this.draw();
  }

  /** Picks the job of the next run in time, or the one before. */
  #step(by: number): void {
    const { policy, picked, mask } = this.#state;
    const runs = policy.runJob.length;
    const now = picked === undefined ? -1 : policy.runJob.indexOf(picked);
    const begin = now === -1 ? (by > 0 ? -1 : runs) : now;
    for (let run = begin + by; run >= 0 && run < runs; run += by) {
      const job = policy.runJob[run]!;
      if (job === picked || mask[job] === 0) continue;
      this.#state.pick(job);
      this.#bringIntoView(run);
      return;
    }
  }

  #bringIntoView(run: number): void {
    const { policy } = this.#state;
    const [start, end] = [policy.runStart[run]!, policy.runEnd[run]!];
    const row = this.#rows.indexOf(policy.shareNode[policy.first[run]!] ?? -1);
    const last = this.#view.row + this.#view.plotHeight / this.#view.rowHeight;
    if (start < this.#view.from || end > this.#view.to || row < this.#view.row || row >= last - 1) {
      this.#view.show(start, end, row);
    }
    this.draw();
  }

  /** Called by the table of jobs. */
  showJob(job: number): void {
    this.#state.pick(job);
    const run = this.#state.policy.runJob.indexOf(job);
    if (run !== -1) this.#bringIntoView(run);
  }

  #find(input: HTMLInputElement): void {
    const name = input.value.trim();
    if (name === "") return this.#state.pick(undefined);
    const { ids } = this.#state.report.jobs;
    const exact = ids.indexOf(name);
    const job = exact !== -1 ? exact : ids.findIndex((id) => id.includes(name));
    if (job !== -1) return this.showJob(job);
    this.#details.replaceChildren(make("p", { textContent: `There is no job ${name}.` }));
  }

  #jobAt(x: number, y: number): number | undefined {
    const scene = this.#scene();
    const { view, rows, pieces, policy, report } = scene;
    const place = view.rowAt(y);
    const row = Math.floor(place);
    if (x < view.gutter || y < view.head || row >= rows.length || view.rowHeight < denseBelow) return undefined;
    const node = rows[row]!;
    const lane = Math.floor((place - row) * report.nodeGpus[node]!);
    const slack = (view.to - view.from) / view.plotWidth;
    const time = view.time(x);
    for (let k = firstAfter(pieces, node, time - slack); k < pieces.first[node + 1]!; k++) {
      const run = pieces.run[k]!;
      if (policy.runStart[run]! > time + slack) break;
      const inside = lane >= pieces.lane[k]! && lane < pieces.lane[k]! + pieces.lanes[k]!;
      if (inside && policy.runEnd[run]! >= time - slack) return policy.runJob[run]!;
    }
    return undefined;
  }

  #hover(event: PointerEvent): void {
    if (event.buttons !== 0) return;
    const job = this.#jobAt(event.offsetX, event.offsetY);
    this.#tip.hidden = job === undefined;
    this.#canvas.classList.toggle("pointing", job !== undefined);
    if (job === undefined) return;
    const { report, policy } = this.#state;
    const { jobs } = report;
    const jct = policy.end[job]! - jobs.submit[job]!;
    this.#tip.textContent = `${jobs.ids[job]} · ${gpusInWords(jobs.gpus[job]!)} · ${report.tenants[jobs.tenant[job]!]} · JCT ${duration(jct)}`;
    const left = Math.min(event.offsetX + 12, this.#view.width - this.#tip.offsetWidth - 4);
    this.#tip.style.transform = `translate(${Math.max(0, left)}px, ${event.offsetY + 14}px)`;
  }

  #drag(down: PointerEvent): void {
    if (down.button !== 0) return;
    this.#canvas.setPointerCapture(down.pointerId);
    let [x, y, moved] = [down.clientX, down.clientY, 0];
    const move = (event: PointerEvent): void => {
      moved += Math.abs(event.clientX - x) + Math.abs(event.clientY - y);
      this.#view.panPixels(x - event.clientX, y - event.clientY);
      [x, y] = [event.clientX, event.clientY];
      this.#tip.hidden = true;
      this.draw();
    };
    const up = (event: PointerEvent): void => {
      this.#canvas.removeEventListener("pointermove", move);
      if (event.type === "pointerup" && moved < 5) {
        this.#state.pick(this.#jobAt(event.offsetX, event.offsetY));
        this.draw();
      }
    };
    this.#canvas.addEventListener("pointermove", move);
    this.#canvas.addEventListener("pointerup", up, { once: true });
    this.#canvas.addEventListener("pointercancel", up, { once: true });
  }

  #describePicked(): void {
    const { picked } = this.#state;
    this.#details.replaceChildren(...(picked === undefined ? [] : [describe(this.#state, picked)]));
    this.draw();
  }
}

function boundsOf({ report }: State, rows: number): { from: number; to: number; rows: number } {
  const from = report.jobs.submit.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  let to = from + 1;
  for (const { runEnd } of report.policies) for (const end of runEnd) if (end > to) to = end;
  return { from, to, rows: Math.max(1, rows) };
}

const legendMost = 10;

function legendOf(scene: Scene): HTMLLIElement[] {
  const { report, colourBy } = scene;
  if (colourBy === "job") return [];
  const jobsOf = new Map<number, number>();
  for (let job = 0; job < report.jobs.ids.length; job++) {
    const index = colourIndex(scene, colourBy, job);
    jobsOf.set(index, (jobsOf.get(index) ?? 0) + 1);
  }
  const most = [...jobsOf].sort((a, b) => b[1] - a[1]);
  const names = colourBy === "gpus" ? undefined : colourBy === "tenant" ? report.tenants : report.classes;
  const items = most.slice(0, legendMost).map(([index]) => {
    const swatch = make("i", {});
    swatch.style.background = manyColours(index);
    return make("li", {}, swatch, names === undefined ? sizeName(index) : names[index] || "(none)");
  });
  return most.length > legendMost
    ? [...items, make("li", { textContent: `and ${most.length - legendMost} more` })]
    : items;
}

const sizeName = (power: number): string => (power === 0 ? "1 GPU" : `up to ${2 ** power} GPUs`);
