/** A job among whom AFS deals GPUs: its speed by GPUs, and what that means for the pairs that it is compared in. */
import { throughputSizes } from "../../forecast.ts";
import type { JobView } from "../../job.ts";
import type { NodesView } from "../../node.ts";

type Points = readonly { readonly gpus: number; readonly rate: number }[];

/** Speeds of one job; they are kept while those that were measured stay the same. */
interface Speeds {
  readonly points: Points;
  /** By GPUs, from 0 on. */
  readonly speed: readonly number[];
  /** GPUs of which each raises the speed, from the first on. */
  readonly most: number;
}

const unmeasured: Speeds = { points: [], speed: [0], most: 0 };

function speedsOf(nodes: NodesView, job: JobView, known: Speeds): Speeds {
  const points = throughputSizes(nodes, job);
  if (equal(known.points, points)) return known;
  const least = points[0]!.gpus;
  const speed = Array.from({ length: points.at(-1)!.gpus + 1 }, (_, gpus) =>
    gpus < least ? (gpus / least) * points[0]!.rate : between(points, gpus),
  );
  let most = 0;
  while (most + 1 < speed.length && speed[most + 1]! - speed[most]! > 0) most++;
  return { points, speed, most };
}

const equal = (a: Points, b: Points): boolean =>
  a.length === b.length && a.every(({ gpus, rate }, i) => gpus === b[i]!.gpus && rate === b[i]!.rate);

/** Linear between measured sizes. */
function between(points: Points, gpus: number): number {
  const above = points.findIndex((point) => point.gpus >= gpus);
  const [high, low] = [points[above]!, points[Math.max(0, above - 1)]!];
  if (high.gpus === low.gpus) return high.rate;
  return low.rate + ((high.rate - low.rate) * (gpus - low.gpus)) / (high.gpus - low.gpus);
}

export class Sharer {
  readonly job: JobView;
  /** In the order in which jobs are compared. */
  place: number;
  /** Whether lengths are looked at. */
  readonly #known: boolean;
  #speeds: Speeds = unmeasured;
  /** Work left, or what takes its place where that is not known. */
  #left = 0;
  /** It cannot run on fewer. */
  least = 1;
  gpus = 0;
  /** Seconds until it would be done with what it has; on one GPU while it has none. */
  length = 0;
  /** What the next GPU gains, in parts of its speed with it and without it. */
  gainWith = 0;
  gainWithout = 0;

  /** To be looked at before it is dealt anything. */
  constructor(job: JobView, place: number, known: boolean) {
    this.job = job;
    this.place = place;
    this.#known = known;
  }

  /** The job as it is now, with nothing dealt to it. */
  look(nodes: NodesView): void {
    const { job } = this;
    const { outlook, spec } = job;
    this.#speeds = speedsOf(nodes, job, this.#speeds);
    this.least = outlook?.gpusMin ?? 1;
    const left = outlook === undefined ? spec.duration : outlook.total - outlook.done;
    this.#left = (this.#known ? left : undefined) ?? job.service;
    this.deal(0);
  }

  get most(): number {
    return this.#speeds.most;
  }

  deal(gpus: number): void {
    const { speed, most } = this.#speeds;
    this.gpus = gpus;
    this.length = this.#left / (speed[Math.max(1, gpus)] || 1);
    if (gpus >= most) return;
    const gain = speed[gpus + 1]! - speed[gpus]!;
    this.gainWith = gain / (speed[gpus]! + gain);
    this.gainWithout = gain / Math.max(speed[gpus]!, Number.MIN_VALUE);
  }
}

/** Whether the next GPU is worth more to `a` than to `b` (eq. 4). Of jobs without any the shorter comes first. */
export function beats(a: Sharer, b: Sharer): boolean {
  if (a.gpus === 0 && b.gpus === 0) return a.length < b.length;
  return a.length <= b.length ? b.gainWith <= a.gainWithout : a.gainWith > b.gainWithout;
}

/** What was dealt to jobs that cannot run on so few goes, whole, to the shortest of them. */
export function gather(dealt: readonly Sharer[]): void {
  const short = dealt.filter(({ gpus, least }) => gpus > 0 && gpus < least);
  if (short.length === 0) return;
  let free = short.reduce((sum, { gpus }) => sum + gpus, 0);
  for (const sharer of short.sort((a, b) => a.length - b.length || a.place - b.place)) {
    const gpus = sharer.least <= free ? sharer.least : 0;
    sharer.deal(gpus);
    free -= gpus;
  }
}
