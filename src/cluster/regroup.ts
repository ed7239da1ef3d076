/**
 * From groups of jobs that are to run, to what must stop and start: whoever stays with others on the same GPUs goes on, and the
 * whole cluster is packed anew only where the gangs do not fit beside what stays.
 */
import { Bins } from "./bins.ts";
import type { ClusterView, Decision, Start } from "./decision.ts";
import type { JobView } from "./job.ts";
import { type JobOrder, Kinds } from "./job-order.ts";
import { makeRoom } from "./make-room.ts";
import { allows, gpusIn, isSame, type Share } from "./node.ts";
import { claim, largestFirst, othersThan, regroupAlone } from "./regroup-alone.ts";

/** Jobs of one size that share the same GPUs; a job alone is a group of one. */
export type Group = readonly JobView[];

/** Where a group is to run, and who of it is there already. */
interface Site {
  readonly group: Group;
  on: readonly Share[];
  there: readonly JobView[];
  /** Any places will do that placement finds. */
  anywhere: boolean;
}

export interface Regrouping {
  /**
   * Where a gang finds no room beside those that stay, as few of them move as can, and who needs no places of anybody gets them from
   * placement. Otherwise everything is packed anew then, and places are always named.
   */
  readonly gently?: boolean;
}

/**
 * Runs these groups and nothing else, largest first where room is scarce. A group that fits nowhere is left out.
 * `strict` and `order` of the decision are not set.
 */
export function regroup(view: ClusterView, groups: readonly Group[], { gently = false }: Regrouping = {}): Decision {
  const sorted = largestFirst(groups, ([job]) => job!.gpus);
  const staying = new Set<JobView>();
  const start: Start[] = [];
  const anywhere: Site[] = [];
  for (const site of beside(view, sorted, gently) ?? anew(view, sorted)) {
    for (const job of site.there) staying.add(job);
    if (site.there.length === site.group.length) continue;
    // Named places are taken before placement looks for others.
    if (site.anywhere) anywhere.push(site);
    else startOthers(site, start);
  }
  for (const site of anywhere) startOthers(site, start);
  return { stop: othersThan(staying, view), start };
}

/** Of those that are not there yet, the first takes the places, unless somebody is, and the others go beside it. */
function startOthers({ group, on, there, anywhere }: Site, start: Start[]): void {
  let leader = group.find((job) => there.includes(job));
  for (const job of group) {
    if (there.includes(job)) continue;
    const id = job.spec.id;
    if (leader !== undefined) start.push({ job: id, beside: leader.spec.id });
    else start.push(anywhere ? { job: id } : { job: id, on });
    leader ??= job;
  }
}

/** Empties the cluster and fills it with the first jobs that fit, whoever must move or stop for it. */
export function refill(view: ClusterView, order: JobOrder): Decision {
  const chosen = firstThatFit(view, order);
  // Where just those are to run that do, each stays on the GPUs it has.
  if (chosen.length === view.runningCount && chosen.every(runsAlone)) return { stop: [], start: [], order };
  return { ...regroupAlone(view, chosen), order };
}

/** The jobs that fit into an empty cluster, tried in this order; with `untilFull`, nobody is tried when all GPUs are taken. */
export function firstThatFit({ nodes }: ClusterView, order: JobOrder, untilFull = false): readonly JobView[] {
  const bins = new Bins(nodes);
  const full = new Kinds();
  const chosen: JobView[] = [];
  let free = nodes.total();
  for (const job of order.without(full)) {
    const { gpus } = job;
    if (untilFull && free === 0) break;
    if (bins.fits(gpus, job.spec.types)) {
      free -= gpus;
      chosen.push(job);
    } else full.add(job);
  }
  return chosen;
}

const runsAlone = ({ places, gpus, beside }: JobView): boolean =>
  places.length > 0 && beside.length === 0 && gpusIn(places) === gpus;

/**
 * The groups that fit into an empty cluster, tried in this order; one that does not is passed over, and so are all of its kind: whoever
 * makes the groups may leave out what is `full`.
 */
export function fitting(view: ClusterView, groups: Iterable<Group>, full: Kinds = new Kinds()): readonly Group[] {
  const bins = new Bins(view.nodes);
  const chosen: Group[] = [];
  for (const group of groups) {
    const [job] = group;
    if (full.has(job!)) continue;
    if (bins.fits(job!.gpus, job!.spec.types)) chosen.push(group);
    else full.add(job!);
  }
  return chosen;
}

/** Leaves every group where most of it is; undefined where the others find no room then. */
function beside(view: ClusterView, groups: readonly Group[], gently: boolean): Site[] | undefined {
  const bins = new Bins(view.nodes);
  let claimed: Set<JobView> | undefined;
  const sites: Site[] = [];
  const homeless: Group[] = [];
  for (const group of groups) {
    const there = largestPart(view, group, claimed);
    const on = there[0]?.places;
    if (on === undefined || !bins.hold(on)) {
      homeless.push(group);
      continue;
    }
    claimed = claim(view, there[0]!, claimed);
    sites.push({ group, on, there, anywhere: false });
  }
  for (const group of homeless) {
    const { gpus, spec } = group[0]!;
    const on = bins.take(gpus, spec.types);
    if (on !== undefined) sites.push({ group, on, there: [], anywhere: gently });
    else if (!gently) return undefined;
    else {
      const made = makeRoom(view.nodes, bins, sites, gpus, spec.types, ({ group: [job] }, type) =>
        allows(job!.spec.types, type),
      );
      if (made === undefined) return undefined;
      for (const site of made.moved) [site.there, site.anywhere] = [[], false];
      sites.push({ group, on: made.on, there: [], anywhere: false });
    }
  }
  return sites;
}

/** Packs everything from an empty cluster; a group stays only where it happens to be put where it is. */
function anew(view: ClusterView, groups: readonly Group[]): Site[] {
  const bins = new Bins(view.nodes);
  let claimed: Set<JobView> | undefined;
  const sites: Site[] = [];
  for (const group of groups) {
    const on = bins.take(group[0]!.gpus, group[0]!.spec.types);
    if (on === undefined) continue;
    const there = largestPart(view, group, claimed).filter((job) => isSame(job.places, on));
    if (there.length > 0) claimed = claim(view, there[0]!, claimed);
    sites.push({ group, on, there, anywhere: false });
  }
  return sites;
}

/** The members that run together now on so many GPUs; the most of them, where parts of the group run in several places. */
function largestPart(view: ClusterView, group: Group, claimed: ReadonlySet<JobView> | undefined): readonly JobView[] {
  let best: readonly JobView[] = [];
  for (const job of group) {
    if (job.places.length === 0 || claimed?.has(job)) continue;
    if (gpusIn(job.places) !== job.gpus) continue;
    if (group.length === 1) return group;
    const here = new Set(together(view, job));
    const part = group.filter((other) => here.has(other));
    if (part.length > best.length) best = part;
  }
  return best;
}

const together = (view: ClusterView, job: JobView): readonly JobView[] => [
  job,
  ...job.beside.map((id) => view.job(id)),
];
