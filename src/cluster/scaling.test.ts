/**
 * Entries that name only who gets GPUs, against their rules as they are written down: every job ranked, every pair compared, every plan
 * made. Whole runs on small clusters that are asked for far more than they have, decision for decision.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { firstDifference } from "../sim/cluster/replay.ts";
import { simulateCluster } from "../sim/cluster/simulate.ts";
import { clusterWorkload } from "../sim/cluster/workload.ts";
import { jobSpec, nodeSpecs } from "../test/cluster-view.ts";
import { Arrivals } from "./arrivals.ts";
import { settle } from "./buddies.ts";
import type { ClusterView } from "./decision.ts";
import { Forecast, needOf, throughputSizes } from "./forecast.ts";
import type { JobSpec, JobView } from "./job.ts";
import type { LogLine } from "./log.ts";
import { gpusIn } from "./node.ts";
import { type ClusterPolicy, policyOf } from "./policy.ts";
import { type Scaling, type Size, scalings } from "./scaling.ts";

type Sizes = Map<string, Size>;

interface Ruled {
  readonly id: string;
  readonly deadlines: boolean;
  readonly options?: Readonly<Record<string, number>>;
  rule(): Scaling;
}

const all = (view: ClusterView): JobView[] => [...view.running, ...view.waiting];

/** Sizes with places, who has none given nothing. */
function placedOrNothing(view: ClusterView, wants: readonly { job: JobView; gpus: number }[]): Sizes {
  const some = wants.filter(({ gpus }) => gpus > 0);
  const places = settle(view.nodes, some);
  return new Map(
    wants.map(({ job: { spec }, gpus }) => {
      const on = places.get(spec.id);
      return [spec.id, on === undefined ? { gpus: 0 } : { gpus, on }];
    }),
  );
}

const earliestDeadline = (): Scaling => ({
  sizes(view) {
    const due = ({ spec }: JobView): number => spec.deadline ?? 2 ** 40 + spec.submit;
    let free = view.nodes.total();
    const wants = all(view)
      .sort((a, b) => due(a) - due(b))
      .map((job) => {
        const gpus = throughputSizes(view.nodes, job).findLast((size) => size.gpus <= free)?.gpus ?? 0;
        free -= gpus;
        return { job, gpus };
      });
    return placedOrNothing(view, wants);
  },
});

/** Every job by arrival gets its least, and then each GPU goes to whom it saves most. */
function optimus(): Scaling {
  const arrived: string[] = [];
  return {
    sizes(view) {
      arrived.push(...view.arrived.map(({ spec }) => spec.id));
      let free = view.nodes.total();
      const present = new Set(all(view));
      const jobs = arrived.map((id) => view.job(id)).filter((job) => present.has(job));
      const given = new Map<JobView, number>();
      for (const job of jobs) {
        const least = job.spec.range?.min ?? 1;
        given.set(job, least <= free ? least : 0);
        free -= given.get(job)!;
      }
      const saved = (job: JobView): number => {
        const [gpus, outlook] = [given.get(job)!, job.outlook!];
        if (gpus === 0 || gpus >= (job.spec.range?.max ?? job.spec.gpus)) return 0;
        const seconds = (n: number): number =>
          (outlook.total - outlook.done) / outlook.rate(n, Math.ceil(n / view.nodes.gpusMax), view.nodes.types[0]!);
        return seconds(gpus) - seconds(gpus + 1);
      };
      for (; free > 0; free--) {
        const best = jobs.reduce((a, b) => (saved(b) > saved(a) ? b : a), jobs[0]!);
        if (best === undefined || saved(best) <= 0) break;
        given.set(best, given.get(best)! + 1);
      }
      return new Map(jobs.map((job) => [job.spec.id, { gpus: given.get(job)! }]));
    },
  };
}

/** GPU by GPU, a walk over all jobs by arrival in which the winner of each pair goes on. */
const afs = (known: boolean) => (): Scaling => {
  const arrivals = new Arrivals();
  return { sizes: (view) => dealtByWalks(view, known, arrivals) };
};

function dealtByWalks(view: ClusterView, known: boolean, arrivals: Arrivals): Sizes {
  arrivals.see(view);
  const sharers = arrivals.present(view).map((job) => {
    const points = throughputSizes(view.nodes, job);
    const speed = (gpus: number): number => {
      const above = points.find((point) => point.gpus >= gpus)!;
      const below = points.findLast((point) => point.gpus < gpus);
      if (below === undefined && gpus < above.gpus) return (gpus / above.gpus) * above.rate;
      if (below === undefined || above.gpus === gpus) return above.rate;
      return below.rate + ((above.rate - below.rate) * (gpus - below.gpus)) / (above.gpus - below.gpus);
    };
    const left = known ? job.outlook!.total - job.outlook!.done : job.service;
    return { job, speed, left, most: points.at(-1)!.gpus, gpus: 0 };
  });
  type Sharer = (typeof sharers)[number];
  const gain = ({ speed, gpus }: Sharer): number => speed(gpus + 1) - speed(gpus);
  const length = ({ left, speed, gpus }: Sharer): number => left / (speed(Math.max(1, gpus)) || 1);
  const beats = (a: Sharer, b: Sharer): boolean => {
    if (a.gpus === 0 && b.gpus === 0) return length(a) < length(b);
    const [short, long] = length(a) <= length(b) ? [a, b] : [b, a];
    const speed = short.speed(short.gpus) || Number.MIN_VALUE;
    return gain(long) / (long.speed(long.gpus) + gain(long)) > gain(short) / speed ? a === long : a === short;
  };
  for (let free = view.nodes.total(); free > 0; free--) {
    let best: Sharer | undefined;
    for (const sharer of sharers) {
      if (sharer.gpus === sharer.most || gain(sharer) <= 0) continue;
      if (best === undefined || beats(sharer, best)) best = sharer;
    }
    if (best === undefined) break;
    best.gpus++;
  }
  return new Map(sharers.sort((a, b) => b.gpus - a.gpus).map(({ job, gpus }) => [job.spec.id, { gpus }]));
}

/** Without deadlines: everybody's plan is made, and the earliest piece of any that is not now is when to decide again. */
function elasticflow(): Scaling {
  let wake: number | undefined;
  return {
    sizes(view) {
      const fresh = new Set(view.arrived);
      const jobs = [...all(view).filter((job) => !fresh.has(job)), ...all(view).filter((job) => fresh.has(job))];
      const forecast = new Forecast(view.now, view.nodes.total());
      const plan = jobs.map((job) => {
        const need = needOf(view, job, 0);
        const pieces = forecast.minimumShare(need)!;
        forecast.take(pieces);
        return { job, need, gpus: pieces[0]!.from === view.now ? pieces[0]!.gpus : 0, pieces };
      });
      const starts = plan.flatMap(({ pieces }) => pieces.map(({ from }) => from)).filter((from) => from > view.now);
      wake = starts.length === 0 ? undefined : Math.max(view.now + 1, Math.min(...starts));
      let spare = view.nodes.total() - plan.reduce((sum, { gpus }) => sum + gpus, 0);
      for (;;) {
        const choices = plan.flatMap((one) => {
          const size = one.need.sizes.find(({ gpus }) => gpus > one.gpus);
          const now = one.need.sizes.find(({ gpus }) => gpus === one.gpus);
          if (size === undefined || now === undefined || size.gpus - one.gpus > spare) return [];
          const [before, after] = [now, size].map(({ gpus, rate }) => (gpus * one.need.work) / rate);
          return { one, size, saved: (before! - after!) / (size.gpus - one.gpus) };
        });
        const best = choices.reduce((a, b) => (b.saved > a.saved ? b : a), choices[0]!);
        if (best === undefined) break;
        spare -= best.size.gpus - best.one.gpus;
        best.one.gpus = best.size.gpus;
      }
      return placedOrNothing(
        view,
        plan.toSorted((a, b) => b.gpus - a.gpus),
      );
    },
    wake: () => wake,
  };
}

const ruled: readonly Ruled[] = [
  { id: "earliest-deadline", deadlines: true, rule: earliestDeadline },
  { id: "earliest-deadline", deadlines: false, rule: earliestDeadline },
  { id: "optimus", deadlines: false, rule: optimus },
  { id: "afs", deadlines: false, rule: afs(true) },
  { id: "afs", deadlines: false, options: { known: 0 }, rule: afs(false) },
  { id: "elasticflow", deadlines: false, rule: elasticflow },
];

/** Far more than the cluster has, of many sizes; some can have others than they ask for. */
function overload(seed: number, deadlines: boolean): JobSpec[] {
  const random = stream(0x5ca1e, seed);
  const sizes = [1, 1, 1, 2, 3, 4, 6, 8];
  return Array.from({ length: 60 }, (_, i) => {
    const submit = Math.floor(random() * 40) * 10;
    const gpus = sizes[Math.floor(random() * sizes.length)]!;
    const duration = 10 * Math.ceil(random() * 30);
    const range = { min: Math.max(1, gpus >> 1), max: Math.min(8, 2 * gpus) };
    return jobSpec(`j${i}`, {
      ...{ submit, gpus, duration },
      ...(random() < 0.5 && { range }),
      ...(deadlines && random() < 0.7 && { deadline: submit + 3 * duration * random() }),
    });
  });
}

/** Whole runs, in which a node is lost and comes back, and leaving takes a while. */
function runOf(jobs: readonly JobSpec[], seed: number, policy: ClusterPolicy): LogLine[] {
  const speed = (job: JobSpec, gpus: number): number => (gpus / job.gpus) ** (seed % 2 === 0 ? 1 : 0.8);
  return simulateCluster({
    ...{ jobs, nodes: nodeSpecs(2, 8), policy },
    steady: { speed, stopSeconds: 3, restartSeconds: 5 },
    events: [
      { kind: "node-lost", at: 300, node: 1 },
      { kind: "node-back", at: 500, node: 1 },
      { kind: "cancelled", at: 250, job: "j7" },
    ],
  });
}

for (const { id, deadlines, options = {}, rule } of ruled) {
  const what = [id, ...(deadlines ? ["with deadlines"] : []), ...Object.keys(options)].join(" ");
  test(`${what} decides as its rule does that looks at every job`, async () => {
    for (let seed = 0; seed < 8; seed++) {
      const jobs = overload(seed, deadlines);
      for (const scheduling of ["fifo", "las", "narrowest"]) {
        const policy = () => policyOf(`${id}+${scheduling}`, { [id]: options });
        const mine = runOf(jobs, seed, await policy());
        const plain = runOf(jobs, seed, { ...(await policy()), scaling: rule() });
        assert.ok(mine.length > 100);
        assert.equal(firstDifference(mine, plain), undefined, `seed ${seed}, ${scheduling}`);
      }
    }
  });
}

test("who was profiled on the GPUs that it asks for, and on no others, gets those or nothing", async () => {
  const { nodes, jobs, launcher } = clusterWorkload("interleaved");
  const gangs = jobs.slice(0, 24).map(({ range: _, deadline: __, ...job }) => job);
  const asked = new Map(gangs.map(({ id, gpus }) => [id, gpus]));
  for (const id of scalings.ids()) {
    const log = simulateCluster({ jobs: gangs, nodes, policy: await policyOf(id), launcher: launcher! });
    const ended = log.flatMap((line) => (line.kind === "event" && line.event.kind === "finished" ? [line] : []));
    assert.equal(ended.length, gangs.length, id);
    for (const { at, event } of ended) assert.ok(Number.isFinite(at), `${id}: ${JSON.stringify(event)}`);
    for (const line of log) {
      for (const { job, on } of line.kind === "decided" ? line.start : []) assert.equal(gpusIn(on), asked.get(job), id);
    }
  }
});

test("who asks for no GPUs has what it asks for, whoever deals them: it runs at once where nobody has to be let go first", async () => {
  const nodes = nodeSpecs(2, 4);
  const busy = Array.from({ length: 12 }, (_, i) => jobSpec(`busy ${i}`, { gpus: 4, duration: 50, submit: i }));
  const idle = [5, 20].map((submit) => jobSpec(`idle ${submit}`, { gpus: 0, duration: 10, submit }));
  for (const scaling of scalings.ids()) {
    for (const rest of ["", "+las", "+muri"]) {
      const log = simulateCluster({ jobs: [...busy, ...idle], nodes, policy: await policyOf(`${scaling}${rest}`) });
      const ended = new Map(
        log.flatMap((line) =>
          line.kind === "event" && line.event.kind === "finished" ? [[line.event.job, line.at] as const] : [],
        ),
      );
      assert.equal(ended.size, 14, `${scaling}${rest}`);
      if (rest === "") continue;
      for (const { id, submit } of idle) assert.equal(ended.get(id), submit + 10, `${scaling}${rest}: ${id}`);
    }
  }
});
