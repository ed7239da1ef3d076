/**
 * Maximum weight matching in a general graph (Edmonds 1965), dense and O(n³) in practice: what Muri groups jobs with.
 *
 * Primal-dual. Every vertex has a dual, every blossom (odd cycle shrunk into one node) has one too; an edge whose slack is 0 is tight.
 * A stage grows alternating trees over tight edges from all unmatched vertices at once, and ends with an augmenting path; when no
 * path can be found before an unmatched vertex' dual is 0, the matching is of maximum weight. Weights are rounded to integers, so
 * that slack is exact: no tolerance decides whether an edge is tight.
 */
import { assert } from "../core/errors.ts";

/** Weights are multiples of `max weight / 2^26`: finer than any measurement, and sums stay exact. */
const resolution = 2 ** 26;

const free = 0;
/** At an even distance from the root of its tree: may be joined to others. */
const outer = 1;
const inner = 2;

/** An edge from a vertex inside of one node to a vertex inside of another. */
type Edge = readonly [from: number, to: number];

/** A step toward the root of a tree: from an outer node over a matched edge to an inner one, from there to an outer one. */
interface Rung {
  readonly inner: number;
  readonly outer: number;
  readonly matched: Edge;
  readonly entry: Edge;
}

/**
 * @param weights `[n, n]`, symmetric, row-major; 0 or less where there is no edge
 * @returns for each vertex its partner, or -1
 */
export function maximumWeightMatching(weights: ArrayLike<number>, n: number): Int32Array {
  assert(weights.length === n * n, () => `${weights.length} weights of a graph of ${n} vertices`);
  let largest = 0;
  for (let i = 0; i < weights.length; i++) largest = Math.max(largest, weights[i] as number);
  const doubled = new Float64Array(n * n);
  // An even number of units, so that half of a slack between two outer vertices is an integer.
  if (largest > 0) {
    for (let i = 0; i < doubled.length; i++) {
      doubled[i] = 2 * Math.round((Math.max(0, weights[i] as number) / largest) * resolution);
    }
  }
  return new Matching(doubled, n).solve();
}

class Matching {
  readonly #n: number;
  readonly #w: Float64Array;
  readonly #mate: Int32Array;
  /** Duals of vertices, then of blossoms. */
  readonly #dual: Float64Array;
  /** The outermost node a vertex is in. */
  readonly #top: Int32Array;
  /** Of vertices and blossoms: the blossom directly around it, or -1. */
  readonly #around: Int32Array;
  readonly #base: Int32Array;
  readonly #label: Uint8Array;
  /** By which edge an inner node was reached: from an outer vertex to a vertex inside of it. */
  readonly #entry: (Edge | undefined)[];
  /** The outer vertex of another node with the least slack to this one. */
  readonly #near: Int32Array;
  readonly #children: number[][] = [];
  /** `links[b][i]` joins child `i` of blossom `b` to the next one. */
  readonly #links: Edge[][] = [];
  readonly #spare: number[] = [];
  /** Blossoms that are outermost now. */
  readonly #blossoms = new Set<number>();
  #queue: number[] = [];

  constructor(w: Float64Array, n: number) {
    this.#n = n;
    this.#w = w;
    const nodes = 2 * n;
    this.#mate = new Int32Array(n).fill(-1);
    this.#dual = new Float64Array(nodes);
    this.#top = Int32Array.from({ length: n }, (_, v) => v);
    this.#around = new Int32Array(nodes).fill(-1);
    this.#base = Int32Array.from({ length: nodes }, (_, v) => v);
    this.#label = new Uint8Array(nodes);
    this.#entry = new Array(nodes).fill(undefined);
    this.#near = new Int32Array(n).fill(-1);
    for (let b = nodes - 1; b >= n; b--) this.#spare.push(b);
    const largest = w.reduce((a, b) => Math.max(a, b), 0);
    this.#dual.fill(largest / 2, 0, n);
  }

  solve(): Int32Array {
    while (this.#stage());
    return this.#mate;
  }

  #slack(u: number, v: number): number {
    return this.#dual[u]! + this.#dual[v]! - this.#w[u * this.#n + v]!;
  }

  #edge(u: number, v: number): boolean {
    return this.#w[u * this.#n + v]! > 0;
  }

  /** Whether the matching has grown by one edge. */
  #stage(): boolean {
    this.#label.fill(free);
    this.#near.fill(-1);
    this.#queue = [];
    let roots = 0;
    for (const node of this.#nodes()) {
      if (this.#mate[this.#base[node]!] !== -1) continue;
      this.#becomeOuter(node);
      roots++;
    }
    if (roots === 0) return false;
    for (;;) {
      for (let i = 0; i < this.#queue.length; i++) if (this.#scan(this.#queue[i]!)) return true;
      this.#queue = [];
      const by = this.#step();
      if (by === undefined) return false;
      this.#shift(by);
      for (const node of this.#nodes()) {
        const edge = this.#nearest(node);
        if (edge !== undefined && this.#slack(edge[0], edge[1]) === 0 && this.#tight(edge[0], edge[1])) return true;
      }
      for (const node of this.#nodes()) {
        if (node >= this.#n && this.#label[node] === inner && this.#dual[node] === 0) this.#expand(node);
      }
    }
  }

  /** Outermost nodes: vertices, then blossoms. */
  #nodes(): number[] {
    const nodes: number[] = [];
    for (let v = 0; v < this.#n; v++) if (this.#top[v] === v) nodes.push(v);
    return [...nodes, ...[...this.#blossoms].sort((a, b) => a - b)];
  }

  #becomeOuter(node: number): void {
    this.#label[node] = outer;
    for (const v of this.#leaves(node)) {
      this.#near[v] = -1;
      this.#queue.push(v);
    }
  }

  /** Of the edges from outer vertices elsewhere to a node that is free or outer, the one with the least slack. */
  #nearest(node: number): Edge | undefined {
    if (this.#top[node < this.#n ? node : this.#base[node]!] !== node || this.#label[node] === inner) return undefined;
    let best: Edge | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const v of node < this.#n ? [node] : this.#leaves(node)) {
      const near = this.#near[v]!;
      if (near === -1 || this.#top[near] === node) continue;
      const slack = this.#slack(near, v);
      if (slack >= least) continue;
      least = slack;
      best = [near, v];
    }
    return best;
  }

  /** Looks for the nearest outer vertex of each vertex in a node, after the node has changed. */
  #seek(node: number): void {
    for (const v of this.#leaves(node)) {
      this.#near[v] = -1;
      for (let u = 0; u < this.#n; u++) {
        if (!this.#edge(u, v) || this.#top[u] === node || this.#label[this.#top[u]!] !== outer) continue;
        const near = this.#near[v]!;
        if (near === -1 || this.#slack(u, v) < this.#slack(near, v)) this.#near[v] = u;
      }
    }
  }

  /** Vertices in a node. */
  #leaves(node: number): number[] {
    if (node < this.#n) return [node];
    const out: number[] = [];
    const open = [node];
    for (let i = 0; i < open.length; i++) {
      const at = open[i]!;
      if (at < this.#n) out.push(at);
      else open.push(...this.#kids(at));
    }
    return out;
  }

  #kids(b: number): number[] {
    return this.#children[b - this.#n] as number[];
  }

  #joints(b: number): Edge[] {
    return this.#links[b - this.#n] as Edge[];
  }

  /** Looks along all edges of an outer vertex; true when one of them has led to an augmenting path. */
  #scan(x: number): boolean {
    const n = this.#n;
    for (let y = 0; y < n; y++) {
      if (!this.#edge(x, y) || this.#top[y] === this.#top[x]) continue;
      const slack = this.#slack(x, y);
      if (slack === 0 && this.#label[this.#top[y]!] !== inner) {
        if (this.#tight(x, y)) return true;
        continue;
      }
      const near = this.#near[y]!;
      if (near === -1 || this.#top[near] === this.#top[y] || slack < this.#slack(near, y)) this.#near[y] = x;
    }
    return false;
  }

  /** What a tight edge from an outer vertex allows: the tree grows, an odd cycle shrinks, or two trees meet (true). */
  #tight(x: number, y: number): boolean {
    const to = this.#top[y] as number;
    if (this.#label[to] === free) {
      this.#label[to] = inner;
      this.#entry[to] = [x, y];
      const mate = this.#mate[this.#base[to] as number] as number;
      this.#becomeOuter(this.#top[mate]!);
      return false;
    }
    const meeting = this.#meeting(this.#top[x] as number, to);
    if (meeting !== undefined) {
      this.#shrink(meeting, x, y);
      return false;
    }
    this.#augment(x, y);
    this.#augment(y, x);
    return true;
  }

  /** From an outer node to the next one toward the root, with the inner node between; undefined at a root. */
  #up(node: number): Rung | undefined {
    const base = this.#base[node] as number;
    const mate = this.#mate[base] as number;
    if (mate === -1) return undefined;
    const between = this.#top[mate] as number;
    const entry = this.#entry[between] as Edge;
    return { inner: between, outer: this.#top[entry[0]] as number, matched: [base, mate], entry };
  }

  /** The first outer node that is on the way to the root from both; undefined where the roots differ. */
  #meeting(a: number, b: number): number | undefined {
    const seen = new Set<number>();
    for (let at: number | undefined = a; at !== undefined; at = this.#up(at)?.outer) seen.add(at);
    for (let at: number | undefined = b; at !== undefined; at = this.#up(at)?.outer) if (seen.has(at)) return at;
    return undefined;
  }

  /** Makes a blossom of the cycle that the tight edge (x, y) closes through `base`. */
  #shrink(base: number, x: number, y: number): void {
    const b = this.#spare.pop();
    assert(b !== undefined, () => "more blossoms than a graph can have");
    const kids: number[] = [];
    const joints: Edge[] = [];
    const wereInner: number[] = [];
    for (let at = this.#top[x] as number; at !== base; ) {
      const up = this.#up(at) as Rung;
      kids.push(at, up.inner);
      wereInner.push(up.inner);
      joints.push([up.matched[1], up.matched[0]], up.entry);
      at = up.outer;
    }
    kids.push(base);
    kids.reverse();
    joints.reverse();
    joints.push([x, y]);
    for (let at = this.#top[y] as number; at !== base; ) {
      const up = this.#up(at) as Rung;
      kids.push(at, up.inner);
      wereInner.push(up.inner);
      joints.push(up.matched, [up.entry[1], up.entry[0]]);
      at = up.outer;
    }
    this.#children[b - this.#n] = kids;
    this.#links[b - this.#n] = joints;
    this.#dual[b] = 0;
    this.#base[b] = this.#base[base] as number;
    this.#around[b] = -1;
    for (const kid of kids) {
      this.#around[kid] = b;
      this.#blossoms.delete(kid);
    }
    this.#blossoms.add(b);
    for (const v of this.#leaves(b)) this.#top[v] = b;
    this.#label[b] = outer;
    for (const node of wereInner) this.#queue.push(...this.#leaves(node));
    this.#seek(b);
  }

  /** The least change of duals that makes an edge tight or empties a blossom; undefined when the matching is the best. */
  #step(): number | undefined {
    let zero = Number.POSITIVE_INFINITY;
    for (let v = 0; v < this.#n; v++) if (this.#label[this.#top[v]!] === outer) zero = Math.min(zero, this.#dual[v]!);
    let least = Number.POSITIVE_INFINITY;
    for (let v = 0; v < this.#n; v++) {
      const near = this.#near[v]!;
      const label = this.#label[this.#top[v]!];
      if (near === -1 || label === inner || this.#top[near] === this.#top[v]) continue;
      least = Math.min(least, this.#slack(near, v) / (label === outer ? 2 : 1));
    }
    for (const b of this.#blossoms) if (this.#label[b] === inner) least = Math.min(least, this.#dual[b]! / 2);
    return zero <= least ? undefined : least;
  }

  #shift(by: number): void {
    if (by === 0) return;
    for (let v = 0; v < this.#n; v++) {
      const label = this.#label[this.#top[v] as number];
      if (label === outer) this.#dual[v]! -= by;
      else if (label === inner) this.#dual[v]! += by;
    }
    for (const b of this.#blossoms) {
      if (this.#label[b] === outer) this.#dual[b]! += 2 * by;
      else if (this.#label[b] === inner) this.#dual[b]! -= 2 * by;
    }
  }

  /** Opens an inner blossom whose dual is 0; its children between entry and base stay in the tree. */
  #expand(b: number): void {
    const kids = this.#kids(b);
    const joints = this.#joints(b);
    for (const kid of kids) {
      this.#around[kid] = -1;
      this.#label[kid] = free;
      if (kid >= this.#n) this.#blossoms.add(kid);
      for (const v of this.#leaves(kid)) this.#top[v] = kid;
    }
    this.#blossoms.delete(b);
    const entry = this.#entry[b] as Edge;
    const size = kids.length;
    let at = kids.indexOf(this.#top[entry[1]] as number);
    const step = at % 2 === 1 ? 1 : -1;
    let reached = entry;
    for (;;) {
      const kid = kids[at] as number;
      this.#label[kid] = inner;
      this.#entry[kid] = reached;
      if (at === 0) break;
      const next = (at + step + size) % size;
      const after = (next + step + size) % size;
      this.#becomeOuter(kids[next] as number);
      const joint = joints[step === 1 ? next : after] as Edge;
      reached = step === 1 ? joint : [joint[1], joint[0]];
      at = after;
    }
    for (const kid of kids) if (this.#label[kid] === free) this.#seek(kid);
    this.#label[b] = free;
    this.#spare.push(b);
  }

  /** Turns round the path from outer vertex `x` to its root; `x` itself is matched to `y`, which is not done here. */
  #augment(x: number, y: number): void {
    let vertex = x;
    let partner = y;
    for (;;) {
      const node = this.#top[vertex] as number;
      const up = this.#up(node);
      this.#rebase(node, vertex);
      this.#mate[vertex] = partner;
      if (up === undefined) return;
      this.#rebase(up.inner, up.entry[1]);
      this.#mate[up.entry[1]] = up.entry[0];
      vertex = up.entry[0];
      partner = up.entry[1];
    }
  }

  /** Matches inside of a blossom so that `vertex` is the one left over for an edge to the outside. */
  #rebase(node: number, vertex: number): void {
    if (node < this.#n) return;
    const kids = this.#kids(node);
    const joints = this.#joints(node);
    let child = vertex;
    while (this.#around[child] !== node) child = this.#around[child] as number;
    this.#rebase(child, vertex);
    const from = kids.indexOf(child);
    const size = kids.length;
    const step = from % 2 === 1 ? 1 : -1;
    for (let at = from; at !== 0; ) {
      const one = (at + step + size) % size;
      const two = (one + step + size) % size;
      const joint = joints[step === 1 ? one : two] as Edge;
      const [p, q] = step === 1 ? joint : ([joint[1], joint[0]] as const);
      this.#rebase(kids[one] as number, p);
      this.#rebase(kids[two] as number, q);
      this.#mate[p] = q;
      this.#mate[q] = p;
      at = two;
    }
    this.#children[node - this.#n] = [...kids.slice(from), ...kids.slice(0, from)];
    this.#links[node - this.#n] = [...joints.slice(from), ...joints.slice(0, from)];
    this.#base[node] = vertex;
  }
}
