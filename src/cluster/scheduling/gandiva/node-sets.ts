/**
 * What Tiresias's simulator, and ElasticFlow's after it, run under the name of Gandiva: whole nodes in sets, each for gangs of one
 * size, which take turns on their set where they are too many. Each size is to have GPUs in proportion to what its jobs ask for.
 */

import { UserError } from "../../../core/errors.ts";
import type { ClusterView, Decision, Start } from "../../decision.ts";
import type { JobId } from "../../job.ts";
import type { NodeSpec, NodesView, Share } from "../../node.ts";
import type { Scheduling } from "../../scheduling.ts";

interface Gang {
  readonly id: JobId;
  readonly gpus: number;
  /** There was no set for it when it came. */
  late: boolean;
}

interface NodeSet {
  readonly nodes: readonly number[];
  /** Gangs that run at once: the first of `jobs`. */
  readonly capacity: number;
  jobs: Gang[];
  /** Gangs that were put here since the size was dealt anew; those that have ended count, too. */
  put: number;
}

interface Size {
  readonly gpus: number;
  /** The least full first, as far as anybody has looked. */
  sets: NodeSet[];
}

export function byNodeSets(quantum: number): Scheduling {
  const sizes: Size[] = [];
  const pending: Gang[] = [];
  let left = 0;
  return {
    decide(view) {
      const free = freeNodes(view.nodes, sizes, pending);
      const back = free.length > left;
      const released = conclude(view, sizes, free, view.now % quantum === 0) || back;
      const place = (gang: Gang): boolean => put(sizeOf(sizes, gang.gpus), gang, free, view.nodes.gpusMax);
      for (const { spec, gpus } of view.arrived) {
        // Who asks for none takes the place of one.
        const gang = { id: spec.id, gpus: Math.max(1, gpus), late: false };
        gang.late = !place(gang);
        if (gang.late) pending.push(gang);
      }
      // Who is behind one that finds room moves up, and is not looked at before the next time.
      for (let i = 0; released && i < pending.length; i++) if (place(pending[i]!)) pending.splice(i, 1);
      balance(sizes, free, view.nodes);
      left = free.length;
      const waits = sizes.some(({ sets }) => sets.some(({ jobs, capacity }) => jobs.length > capacity));
      const wake = waits ? { wake: quantum * (Math.floor(view.now / quantum) + 1) } : {};
      return { ...runs(view, sizes), ...wake };
    },
    turnsAwaited() {
      const behind = sizes.flatMap(({ sets }) => sets.flatMap(({ jobs, capacity }) => jobs.slice(capacity)));
      return behind.filter(({ late }) => !late).map(({ id }) => id);
    },
  };
}

function sizeOf(sizes: Size[], gpus: number): Size {
  const known = sizes.find((size) => size.gpus === gpus);
  if (known !== undefined) return known;
  const size: Size = { gpus, sets: [] };
  sizes.push(size);
  sizes.sort((a, b) => a.gpus - b.gpus);
  return size;
}

/** Those in no set. A set that has lost a node is dissolved, and its jobs wait. */
function freeNodes(nodes: NodesView, sizes: readonly Size[], pending: Gang[]): number[] {
  checkAlike(nodes.specs);
  const held = new Set<number>();
  for (const size of sizes) {
    const lost = size.sets.filter((set) => !set.nodes.every((node) => nodes.usable(node)));
    size.sets = size.sets.filter((set) => !lost.includes(set));
    pending.push(...lost.flatMap(({ jobs }) => jobs));
    for (const set of size.sets) for (const node of set.nodes) held.add(node);
  }
  return [...nodes.specs.keys()].filter((node) => nodes.usable(node) && !held.has(node));
}

function checkAlike(specs: readonly NodeSpec[]): void {
  const [first, ...others] = specs;
  const odd = others.find(({ gpus, type }) => gpus !== first!.gpus || type !== first!.type);
  if (odd === undefined) return;
  throw new UserError(
    `gandiva.sets=1 has sets of equal nodes; ${first!.id} has ${first!.gpus} ${first!.type}, ${odd.id} has ${odd.gpus} ${odd.type}.`,
    "Leave the option out, or give nodes of one kind.",
  );
}

/** Turns end, jobs have ended, empty sets are given up. Returns whether there were any. */
function conclude({ ended }: ClusterView, sizes: readonly Size[], free: number[], turn: boolean): boolean {
  const gone = new Set(ended.map(({ spec }) => spec.id));
  let released = false;
  for (const size of sizes) {
    for (const set of size.sets) {
      const ran = turn && set.jobs.length > set.capacity ? set.capacity : 0;
      set.jobs = [...set.jobs.slice(ran), ...set.jobs.slice(0, ran)].filter(({ id }) => !gone.has(id));
      if (set.jobs.length > 0) continue;
      free.push(...set.nodes);
      released = true;
    }
    size.sets = size.sets.filter(({ jobs }) => jobs.length > 0);
  }
  return released;
}

const leastFullFirst = (sets: NodeSet[]): NodeSet[] => sets.sort((a, b) => a.put - b.put);

function add(sets: NodeSet[], gang: Gang): void {
  sets[0]!.jobs.push(gang);
  sets[0]!.put++;
  leastFullFirst(sets);
}

/** Onto the first set while that keeps one place free, else onto a new one; where there is none, to take turns on the next. */
function put({ gpus, sets }: Size, gang: Gang, free: number[], perNode: number): boolean {
  const [first] = sets;
  if (first !== undefined && first.put + 1 < first.capacity) return join(sets, gang);
  if (first !== undefined) sets.push(sets.shift()!);
  const fresh = newSet(gpus, free, perNode);
  if (fresh === undefined) return sets.length > 0 && join(sets, gang);
  sets.unshift(fresh);
  return join(sets, gang);
}

/** The first set takes it, and comes after those that are as full. */
function join(sets: NodeSet[], gang: Gang): true {
  const set = sets.shift()!;
  sets.push(set);
  set.jobs.push(gang);
  set.put++;
  leastFullFirst(sets);
  return true;
}

function newSet(gpus: number, free: number[], perNode: number): NodeSet | undefined {
  const n = Math.ceil(gpus / perNode);
  if (n > free.length) return undefined;
  return { nodes: free.splice(0, n), capacity: Math.floor((n * perNode) / gpus), jobs: [], put: 0 };
}

/** Each size grows or shrinks to its part of all GPUs by what its jobs ask for, and to no more than that. */
function balance(sizes: readonly Size[], free: number[], nodes: NodesView): void {
  const perNode = nodes.gpusMax;
  const asked = sizes.map(({ gpus, sets }) => gpus * sets.reduce((n, { jobs }) => n + jobs.length, 0));
  const total = asked.reduce((a, b) => a + b, 0);
  const held = sizes.map(({ sets }) => perNode * sets.reduce((n, set) => n + set.nodes.length, 0));
  sizes.forEach((size, i) => {
    if (asked[i] === 0) return;
    const lacks = Math.min(asked[i]!, Math.floor((asked[i]! / total) * nodes.total())) - held[i]!;
    if (lacks > 0) grow(size, Math.ceil(lacks / size.gpus), free, perNode);
    if (lacks < 0) shrink(size, Math.ceil(-lacks / size.gpus), free);
  });
}

/** New sets stand empty, to be given up the next time, where nodes are enough and sets are of one: only else are jobs dealt anew. */
function grow({ gpus, sets }: Size, by: number, free: number[], perNode: number): void {
  let short = false;
  for (let i = 0; i < by; i++) {
    const fresh = newSet(gpus, free, perNode);
    short = fresh === undefined;
    if (fresh !== undefined) sets.push(fresh);
  }
  if (!short && gpus <= perNode) return;
  const gangs = sets.flatMap(({ jobs }) => jobs);
  for (const set of sets) [set.jobs, set.put] = [[], 0];
  for (const gang of gangs) add(sets, gang);
}

function shrink({ sets }: Size, by: number, free: number[]): void {
  const gone = sets.splice(0, Math.min(by, sets.length - 1));
  for (const { nodes } of gone) free.push(...nodes);
  for (const gang of gone.flatMap(({ jobs }) => jobs)) add(sets, gang);
}

/** From the sets to what must stop and start. */
function runs(view: ClusterView, sizes: readonly Size[]): Decision {
  const start: Start[] = [];
  const staying = new Set<JobId>();
  for (const { sets } of sizes) {
    for (const { jobs, capacity, nodes } of sets) {
      for (const { id } of jobs.slice(0, capacity)) {
        const { places, gpus: asked } = view.job(id);
        if (places.length > 0 && places.every(({ node }) => nodes.includes(node))) staying.add(id);
        else start.push({ job: id, on: sharesOf(nodes, asked, view.nodes.gpusMax) });
      }
    }
  }
  return { stop: [...view.running].map(({ spec }) => spec.id).filter((id) => !staying.has(id)), start };
}

const sharesOf = (nodes: readonly number[], gpus: number, perNode: number): Share[] =>
  nodes.map((node, i) => ({ node, gpus: Math.min(perNode, gpus - i * perNode) }));
