/** Jobs that wait, in lines of those that are alike in what an index looks at, each in order: what all indexes of who waits are kept in. */
import { Heap } from "../core/heap.ts";
import { SortedList } from "../core/sorted-list.ts";
import type { JobId, JobView } from "./job.ts";

export interface InLine<Key> {
  readonly job: JobView;
  /** Of its line. */
  readonly line: Key;
}

/** Neither holds GPUs nor is about to: it could be started, though it may still be saving what it did. */
export const waits = ({ state, places }: JobView): boolean =>
  places.length === 0 && (state === "waiting" || state === "stopping");

export class JobLines<Key, Entry extends InLine<Key>> {
  readonly #compare: (a: Entry, b: Entry) => number;
  readonly #lines = new Map<Key, SortedList<Entry>>();
  readonly #entries = new Map<JobId, Entry>();

  /** `compare` tells any two entries of a line apart. */
  constructor(compare: (a: Entry, b: Entry) => number) {
    this.#compare = compare;
  }

  /** None is empty. */
  get lines(): ReadonlyMap<Key, SortedList<Entry>> {
    return this.#lines;
  }

  entries(): Iterable<Entry> {
    return this.#entries.values();
  }

  entry(id: JobId): Entry | undefined {
    return this.#entries.get(id);
  }

  /** In place of what the job had. */
  add(entry: Entry): void {
    const { id } = entry.job.spec;
    this.remove(id);
    this.#entries.set(id, entry);
    let line = this.#lines.get(entry.line);
    if (line === undefined) {
      line = new SortedList(this.#compare);
      this.#lines.set(entry.line, line);
    }
    line.add(entry);
  }

  /** Of a job without an entry: nothing. */
  remove(id: JobId): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    const line = this.#lines.get(entry.line)!;
    line.delete(entry);
    if (line.size === 0) this.#lines.delete(entry.line);
  }

  clear(): void {
    this.#lines.clear();
    this.#entries.clear();
  }
}

interface Front<Entry> {
  first: Entry;
  readonly rest: Iterator<Entry>;
}

/** Several lines at once, the first of all of them first; to be used while no line changes. */
export class LineFronts<Entry> {
  readonly #fronts: Heap<Front<Entry>>;
  readonly #isPassed: (entry: Entry) => boolean;

  constructor(compare: (a: Entry, b: Entry) => number, isPassed: (entry: Entry) => boolean = () => false) {
    this.#fronts = new Heap((a, b) => compare(a.first, b.first) < 0);
    this.#isPassed = isPassed;
  }

  open(line: Iterable<Entry>): void {
    const rest = line[Symbol.iterator]();
    const next = rest.next();
    if (next.done === true) return;
    const front = { first: next.value, rest };
    if (this.#isPassed(front.first)) this.#advance(front);
    else this.#fronts.push(front);
  }

  peek(): Entry | undefined {
    return this.#fronts.peek()?.first;
  }

  /** Past the first of all. */
  next(): void {
    const front = this.#fronts.pop();
    if (front !== undefined) this.#advance(front);
  }

  /** No more of the line whose first is the first of all. */
  close(): void {
    this.#fronts.pop();
  }

  #advance(front: Front<Entry>): void {
    const { rest } = front;
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      if (this.#isPassed(next.value)) continue;
      front.first = next.value;
      this.#fronts.push(front);
      return;
    }
  }
}
