/**
 * Maximum weight matching in a general graph (Edmonds 1965; in O(n³) Gabow 1976, Galil 1986), dense: what Muri groups jobs with.
 *
 * Primal-dual. Every vertex has a dual, every blossom (odd cycle shrunk into one node) has one too; an edge whose slack is 0 is tight.
 * A stage grows alternating trees over tight edges from all unmatched vertices at once, and ends with an augmenting path; when no
 * path can be found before an unmatched vertex' dual is 0, the matching is of maximum weight.
 *
 * Where several matchings weigh the most, which one is found is part of the contract, since schedules hang on it:
 *
 * - trees are searched breadth first, roots and the ends of a vertex' edges in the order of their numbers;
 * - between two nodes there is one edge, the one with the least slack when the younger was shrunk, the first found of equals;
 * - the number of a dissolved blossom is given to the next, the lowest first;
 * - slack is a double: an edge is tight when rounding leaves 0 or less, and a dual within 1e-5 of the last step is taken for 0.
 *
 * That is what Muri's published simulator does: its groups are found again pair by pair.
 */
import { assert } from "../core/errors.ts";

const free = -1;
/** At an even distance from the root of its tree: may be joined to others. */
const outer = 0;
const inner = 1;
const none = -1;

/** How close a step comes to a dual to take it for all of it. */
const spent = 1e-5;

/** Steps in a row that make no edge tight, since rounding swallows part of them: eight were the most in 16,000 graphs of ties. */
const stepsInVain = 10_000;

/**
 * @param weights `[n, n]`, symmetric but for the last bits, row-major; 0 or less where there is no edge
 * @returns for each vertex its partner, or -1; its weight is within 1e-5 of the most
 */
export function maximumWeightMatching(weights: ArrayLike<number>, n: number): Int32Array {
  assert(weights.length === n * n, () => `${weights.length} weights of a graph of ${n} vertices`);
  return new Matching(weights instanceof Float64Array ? weights : Float64Array.from(weights), n).solve();
}

/** An odd cycle as one node, and its edges to all other nodes: `from` are vertices inside of it, `to` outside. */
interface Blossom {
  /** From the one that holds the base, around. */
  petals: number[];
  /** The petal that a vertex is in. */
  readonly petalOf: Int32Array;
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** Nodes are vertices, numbered from 0, and blossoms, numbered from `n`. */
class Matching {
  readonly #n: number;
  readonly #w: Float64Array;
  readonly #dual: Float64Array;
  /** The outermost node around a node; of a number that no blossom has: none. */
  readonly #top: Int32Array;
  readonly #label: Int8Array;
  /** Of a node, the vertex at the other end of its matched edge. */
  readonly #mate: Int32Array;
  /** The outer vertex elsewhere with the least slack to a node. */
  readonly #near: Int32Array;
  /** From which vertex an inner node was reached. */
  readonly #entry: Int32Array;
  readonly #passed: Int32Array;
  readonly #blossoms: Blossom[] = [];
  readonly #least: Float64Array;
  #passes = 0;
  /** Nodes, with numbers that are free now. */
  #size: number;
  #queue: number[] = [];

  constructor(w: Float64Array, n: number) {
    // Blossoms that are there at once have at least three parts each, and share none.
    const nodes = n + (n >> 1) + 1;
    this.#n = n;
    this.#w = w;
    this.#size = n;
    this.#dual = new Float64Array(nodes);
    this.#top = Int32Array.from({ length: nodes }, (_, v) => (v < n ? v : none));
    this.#label = new Int8Array(nodes);
    this.#mate = new Int32Array(nodes).fill(none);
    this.#near = new Int32Array(nodes);
    this.#entry = new Int32Array(nodes);
    this.#passed = new Int32Array(nodes);
    this.#least = new Float64Array(nodes);
    let largest = 0;
    for (let i = 0; i < w.length; i++) largest = Math.max(largest, w[i]!);
    this.#dual.fill(largest, 0, n);
  }

  solve(): Int32Array {
    while (this.#stage());
    const mates = this.#mate.slice(0, this.#n);
    // Rounding may leave the two ends of an edge of a blossom at odds.
    return mates.map((mate, v) => (mate !== none && mates[mate] === v ? mate : none));
  }

  /** Whether the matching has grown by one edge. */
  #stage(): boolean {
    this.#label.fill(free);
    this.#near.fill(none);
    this.#queue = [];
    for (let x = 0; x < this.#size; x++) {
      if (this.#top[x] === x && this.#mate[x] === none) {
        this.#label[x] = outer;
        this.#enqueue(x);
      }
    }
    if (this.#queue.length === 0) return false;
    for (let vain = 0; ; vain++) {
      for (let i = 0; i < this.#queue.length; i++) {
        vain = 0;
        if (this.#scan(this.#queue[i]!)) return true;
      }
      this.#queue = [];
      const by = this.#step();
      assert(vain < stepsInVain, () => `a matching of ${this.#n} vertices does not end: the last step was ${by}`);
      if (!this.#shift(by)) return false;
      for (let x = 0, last = this.#size; x < last; x++) {
        const near = this.#near[x]!;
        if (this.#top[x] !== x || near === none || this.#label[x] === inner || this.#top[near] === x) continue;
        if (this.#slack(near, x) <= 0 && this.#found(near, this.#end(x, near))) return true;
      }
      for (let b = this.#n, last = this.#size; b < last; b++) {
        if (this.#top[b] === b && this.#label[b] === inner && this.#dual[b]! <= 0) this.#expand(b);
      }
    }
  }

  /** Of the edge between two nodes: the vertex at the end of the first. */
  #end(x: number, y: number): number {
    return x < this.#n ? x : this.#blossoms[x - this.#n]!.from[y]!;
  }

  #slackOf(u: number, v: number): number {
    return this.#dual[u]! + this.#dual[v]! - this.#w[u * this.#n + v]! * 2;
  }

  /** Of the edge between a vertex and a node. */
  #slack(u: number, x: number): number {
    if (x < this.#n) return this.#slackOf(u, x);
    const { from, to } = this.#blossoms[x - this.#n]!;
    return this.#slackOf(to[u]!, from[u]!);
  }

  /** Vertices in a node, in the order in which they are met from outside to inside. */
  #leaves(x: number): readonly number[] {
    if (x < this.#n) return [x];
    const nodes = [x];
    for (let i = 0; i < nodes.length; i++) {
      const at = nodes[i]!;
      if (at >= this.#n) nodes.push(...this.#blossoms[at - this.#n]!.petals);
    }
    return nodes.filter((at) => at < this.#n);
  }

  #enqueue(x: number): void {
    for (const v of this.#leaves(x)) this.#queue.push(v);
  }

  /** Makes `around` the outermost node of `x` and of all in it. */
  #wrap(x: number, around: number): void {
    this.#top[x] = around;
    if (x >= this.#n) for (const petal of this.#blossoms[x - this.#n]!.petals) this.#wrap(petal, around);
  }

  /** Looks along all edges of an outer vertex; true when one of them has led to an augmenting path. */
  #scan(u: number): boolean {
    const n = this.#n;
    const row = u * n;
    const tops = this.#top;
    if (this.#label[tops[u]!] === inner) return false;
    for (let v = 0; v < n; v++) {
      const weight = this.#w[row + v]!;
      if (!(weight > 0) || tops[u] === tops[v]) continue;
      const x = tops[v]!;
      if (this.#label[x] === inner) continue;
      if (this.#dual[u]! + this.#dual[v]! - weight * 2 <= 0) {
        if (this.#found(u, v)) return true;
      } else this.#approach(u, x);
    }
    return false;
  }

  #approach(u: number, x: number): void {
    const near = this.#near[x]!;
    if (near === none || this.#slack(u, x) < this.#slack(near, x)) this.#near[x] = u;
  }

  /** Looks for the nearest outer vertex of a node anew. */
  #seek(x: number): void {
    this.#near[x] = none;
    const blossom = x < this.#n ? undefined : this.#blossoms[x - this.#n]!;
    for (let u = 0; u < this.#n; u++) {
      const top = this.#top[u]!;
      if (top === x || this.#label[top] !== outer) continue;
      const edge = blossom === undefined ? u * this.#n + x : blossom.to[u]! * this.#n + blossom.from[u]!;
      if (this.#w[edge]! > 0) this.#approach(u, x);
    }
  }

  /** What a tight edge from an outer vertex allows: the tree grows, an odd cycle shrinks, or two trees meet (true). */
  #found(from: number, to: number): boolean {
    const u = this.#top[from]!;
    const v = this.#top[to]!;
    if (this.#label[v] === free) {
      this.#label[v] = inner;
      this.#entry[v] = from;
      const next = this.#top[this.#mate[v]!]!;
      this.#label[next] = outer;
      this.#near[v] = none;
      this.#near[next] = none;
      this.#enqueue(next);
    } else if (this.#label[v] === outer) {
      const meeting = this.#meeting(u, v);
      if (meeting === none) {
        this.#augment(u, v);
        this.#augment(v, u);
        return true;
      }
      this.#shrink(u, meeting, v);
    }
    return false;
  }

  /** The outer node before this one on the way to the root; none at a root. */
  #up(x: number): number {
    const mate = this.#mate[x]!;
    return mate === none ? none : this.#top[this.#entry[this.#top[mate]!]!]!;
  }

  /** The first node that is on the way to the root from both; none where the roots differ. */
  #meeting(u: number, v: number): number {
    this.#passes++;
    for (let at = u; at !== none; at = this.#up(at)) this.#passed[at] = this.#passes;
    for (let at = v; at !== none; at = this.#up(at)) if (this.#passed[at] === this.#passes) return at;
    return none;
  }

  /** Makes a blossom of the cycle that a tight edge between `u` and `v` closes through `base`. */
  #shrink(u: number, base: number, v: number): void {
    let b = this.#n;
    while (b < this.#size && this.#top[b] !== none) b++;
    if (b === this.#size) this.#grow();
    const side = (from: number): number[] => {
      const nodes: number[] = [];
      for (let at = from; at !== base; at = this.#up(at)) {
        const between = this.#top[this.#mate[at]!]!;
        this.#enqueue(between);
        nodes.push(at, between);
      }
      return nodes;
    };
    const left = side(u).reverse();
    this.#blossoms[b - this.#n]!.petals = [base, ...left, ...side(v)];
    this.#dual[b] = 0;
    this.#label[b] = outer;
    this.#mate[b] = this.#mate[base]!;
    this.#wrap(b, b);
    this.#connect(b);
    this.#seek(b);
  }

  #grow(): void {
    const nodes = this.#top.length;
    assert(this.#size < nodes, () => "more blossoms than a graph can have");
    this.#size++;
    const [petalOf, from, to] = [this.#n, nodes, nodes].map((length) => new Int32Array(length));
    this.#blossoms.push({ petals: [], petalOf: petalOf!, from: from!, to: to! });
  }

  /** Chooses the edges of a new blossom: to each other node the one of its petals' with the least slack. */
  #connect(b: number): void {
    const n = this.#n;
    const { petals, petalOf, from, to } = this.#blossoms[b - n]!;
    const least = this.#least;
    least.fill(Number.NaN);
    for (const petal of petals) {
      for (const v of this.#leaves(petal)) petalOf[v] = petal;
      const row = petal < n ? undefined : this.#blossoms[petal - n]!;
      for (let x = 0; x < this.#size; x++) {
        if (this.#top[x] === none || this.#top[x] === b) continue;
        const start = row === undefined ? petal : row.from[x]!;
        const stop = row === undefined ? this.#end(x, petal) : row.to[x]!;
        const slack = this.#slackOf(start, stop);
        // The slack of what is no edge counts too, until there is one: the published program's way.
        if (!(Number.isNaN(least[x]!) || slack < least[x]! || this.#w[from[x]! * n + to[x]!]! <= 0)) continue;
        least[x] = slack;
        from[x] = start;
        to[x] = stop;
      }
    }
    for (let x = n; x < this.#size; x++) {
      if (this.#top[x] === none || this.#top[x] === b) continue;
      this.#blossoms[x - n]!.from[b] = to[x]!;
      this.#blossoms[x - n]!.to[b] = from[x]!;
    }
  }

  /** The least change of duals that makes an edge tight or empties a blossom. */
  #step(): number {
    let least = Number.POSITIVE_INFINITY;
    for (let b = this.#n; b < this.#size; b++) {
      if (this.#top[b] === b && this.#label[b] === inner) least = Math.min(least, this.#dual[b]! / 2);
    }
    for (let x = 0; x < this.#size; x++) {
      const near = this.#near[x]!;
      if (near === none || this.#top[x] !== x || this.#label[x] === inner) continue;
      const slack = this.#slack(near, x);
      least = Math.min(least, this.#label[x] === free ? slack : slack / 2);
    }
    return least;
  }

  /** False where a vertex that is unmatched would have nothing left: the matching is the best. */
  #shift(by: number): boolean {
    for (let v = 0; v < this.#n; v++) {
      const label = this.#label[this.#top[v]!]!;
      const dual = this.#dual[v]!;
      if (label === outer) {
        if (dual <= by || dual - by <= spent * Math.max(dual, by)) return false;
        this.#dual[v] = dual - by;
      } else if (label === inner) this.#dual[v] = dual + by;
    }
    for (let b = this.#n; b < this.#size; b++) {
      if (this.#top[b] !== b) continue;
      if (this.#label[b] === outer) this.#dual[b]! += by * 2;
      else if (this.#label[b] === inner) this.#dual[b]! -= by * 2;
    }
    return true;
  }

  /** Opens an inner blossom whose dual is 0; its petals between entry and base stay in the tree. */
  #expand(b: number): void {
    const { petals, petalOf, from } = this.#blossoms[b - this.#n]!;
    for (const petal of petals) this.#wrap(petal, petal);
    const entry = this.#entry[b]!;
    const entered = petalOf[from[entry]!]!;
    const at = this.#turn(b, entered);
    const turned = this.#blossoms[b - this.#n]!.petals;
    for (let i = 0; i < at; i += 2) {
      const petal = turned[i]!;
      const next = turned[i + 1]!;
      this.#entry[petal] = this.#end(next, petal);
      this.#label[petal] = inner;
      this.#label[next] = outer;
      this.#near[petal] = none;
      this.#seek(next);
      this.#enqueue(next);
    }
    this.#label[entered] = inner;
    this.#entry[entered] = entry;
    for (const petal of turned.slice(at + 1)) {
      this.#label[petal] = free;
      this.#seek(petal);
    }
    this.#top[b] = none;
  }

  /** Goes around a blossom the other way where its base is an odd number of petals from this one; tells that number. */
  #turn(b: number, petal: number): number {
    const blossom = this.#blossoms[b - this.#n]!;
    const at = blossom.petals.indexOf(petal);
    assert(at !== -1, () => `node ${petal} is not in blossom ${b}`);
    if (at % 2 === 0) return at;
    const [first, ...rest] = blossom.petals;
    blossom.petals = [first!, ...rest.reverse()];
    return blossom.petals.length - at;
  }

  /** Turns round the path from an outer node to its root, and matches it with `v`. */
  #augment(u: number, v: number): void {
    for (let at = u, to = v; ; ) {
      const mate = this.#mate[at]!;
      this.#match(at, to);
      if (mate === none) return;
      const between = this.#top[mate]!;
      const next = this.#top[this.#entry[between]!]!;
      this.#match(between, next);
      at = next;
      to = between;
    }
  }

  /** Matches `u` with `v` by the edge between them, and inside of `u` what that leaves over. */
  #match(u: number, v: number): void {
    this.#mate[u] = this.#end(v, u);
    if (u < this.#n) return;
    const blossom = this.#blossoms[u - this.#n]!;
    const petal = blossom.petalOf[this.#end(u, v)]!;
    const at = this.#turn(u, petal);
    const { petals } = blossom;
    for (let i = 0; i < at; i++) this.#match(petals[i]!, petals[i ^ 1]!);
    this.#match(petal, v);
    blossom.petals = [...petals.slice(at), ...petals.slice(0, at)];
  }
}
