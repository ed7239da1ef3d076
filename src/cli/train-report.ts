/** What is seen of a training: a line that moves on a terminal, plain lines elsewhere; metrics as JSON lines; the loss as a drawing. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TrainEvent } from "../train/engine.ts";
import { type LossPoint, lossSvg } from "./loss-curve.ts";
import { say, sayOver } from "./terminal.ts";

export interface TrainReport {
  observe(event: TrainEvent): void;
  /** Writes the drawing, and what is left of the metrics. */
  end(): void;
  /** The last loss in training, and of what was held out. */
  readonly losses: { readonly trained: number | undefined; readonly heldOut: number | undefined };
}

export interface ReportOptions {
  readonly name: string;
  readonly folder: string;
  readonly steps: number;
  readonly tokensPerStep: number;
  /** Whether the last line of a terminal may be written over. */
  readonly live: boolean;
}

/** Seconds between two plain lines, between two of a terminal, and between two writes of the metrics. */
const plainSeconds = 10;
const liveSeconds = 0.1;
const metricsSeconds = 2;

export function trainReport(options: ReportOptions): TrainReport {
  return new Report(options);
}

class Report implements TrainReport {
  readonly #options: ReportOptions;
  readonly #path: string;
  readonly #trained: LossPoint[] = [];
  readonly #heldOut: LossPoint[] = [];
  readonly #recent: { readonly at: number; readonly loss: number }[] = [];
  #unwritten = "";
  #began = false;
  #said = Number.NEGATIVE_INFINITY;
  #written = 0;
  #warned = false;

  constructor(options: ReportOptions) {
    this.#options = options;
    this.#path = join(options.folder, "metrics.jsonl");
  }

  get losses() {
    return { trained: this.#trained.at(-1)?.loss, heldOut: this.#heldOut.at(-1)?.loss };
  }

  observe(event: TrainEvent): void {
    if (!this.#began) this.#begin(event.kind === "resumed" ? event.step : 0);
    if (event.kind === "resumed") say(`going on after step ${event.step}`);
    else if (event.kind === "step") this.#step(event);
    else if (event.kind === "evaluated") this.#evaluated(event);
    else this.#flush();
  }

  end(): void {
    if (!this.#began) return;
    if (this.#options.live) sayOver("");
    this.#flush();
    const { folder, name } = this.#options;
    const drawing = lossSvg(name, this.#trained, this.#heldOut);
    this.#tried(() => writeFileSync(join(folder, "loss.svg"), drawing));
  }

  /** What an earlier process wrote of steps that are trained again is left out. */
  #begin(step: number): void {
    this.#began = true;
    mkdirSync(this.#options.folder, { recursive: true });
    const kept = step === 0 ? [] : readMetrics(this.#path).filter((line) => line.step <= step);
    for (const line of kept) {
      if (line.loss !== undefined) this.#trained.push({ step: line.step, loss: line.loss });
      if (line.heldOut !== undefined) this.#heldOut.push({ step: line.step, loss: line.heldOut });
    }
    const text = kept.map((line) => `${JSON.stringify(line)}\n`).join("");
    this.#tried(() => writeFileSync(this.#path, text));
  }

  #step({ step, seconds, metrics }: Extract<TrainEvent, { kind: "step" }>): void {
    this.#trained.push({ step, loss: metrics.loss });
    this.#line({ step, seconds: Number(seconds.toFixed(3)), ...metrics });
    this.#recent.push({ at: seconds, loss: metrics.loss });
    if (this.#recent.length > 50) this.#recent.shift();
    const every = this.#options.live ? liveSeconds : plainSeconds;
    const last = step === this.#options.steps;
    if (seconds - this.#said < every && !last) return;
    this.#said = seconds;
    if (this.#options.live) sayOver(this.#text(step));
    else say(this.#text(step));
    if (seconds - this.#written > metricsSeconds) {
      this.#written = seconds;
      this.#flush();
    }
  }

  #text(step: number): string {
    const { steps, tokensPerStep } = this.#options;
    const [first, last] = [this.#recent[0]!, this.#recent.at(-1)!];
    const mean = this.#recent.reduce((sum, { loss }) => sum + loss, 0) / this.#recent.length;
    const each = (last.at - first.at) / Math.max(1, this.#recent.length - 1);
    const speed =
      each > 0 ? `, ${Math.round(tokensPerStep / each)} tokens/s, ${duration((steps - step) * each)} left` : "";
    return `step ${step} of ${steps}: loss ${mean.toFixed(4)}${speed}`;
  }

  #evaluated({ step, losses }: Extract<TrainEvent, { kind: "evaluated" }>): void {
    for (const [name, loss] of Object.entries(losses)) {
      if (name === "heldOut") this.#heldOut.push({ step, loss });
      if (this.#options.live) sayOver("");
      say(`step ${step}: ${name === "heldOut" ? "held-out" : name} loss ${loss.toFixed(4)}`);
    }
    this.#line({ step, ...losses });
  }

  #line(metrics: Readonly<Record<string, number | undefined>>): void {
    this.#unwritten += `${JSON.stringify(metrics)}\n`;
  }

  /** A disk that is full must not end a training for want of its metrics: they are kept, and written when there is room. */
  #flush(): void {
    const written = this.#tried(() => appendFileSync(this.#path, this.#unwritten));
    if (written) this.#unwritten = "";
  }

  #tried(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!this.#warned) say(`Metrics of ${this.#options.folder} cannot be written: ${(error as Error).message}`);
      this.#warned = true;
      return false;
    }
  }
}

interface MetricsLine {
  readonly step: number;
  readonly loss?: number;
  readonly heldOut?: number;
}

/** The lines of a file of metrics; the last may have been cut off when the process was killed. */
function readMetrics(path: string): readonly MetricsLine[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return [];
  }
  return text.split("\n").flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      const isLine = typeof value === "object" && value !== null && "step" in value && typeof value.step === "number";
      return isLine ? [value as MetricsLine] : [];
    } catch {
      return [];
    }
  });
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${Math.floor(whole / 60)} min` : `${(whole / 3600).toFixed(1)} h`;
}
