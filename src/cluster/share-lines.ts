/**
 * Who is furthest behind its share of one type of GPU, without looking at everybody.
 *
 * Units of the same size with the same share stand in one line. There those that have run since the last allocation come after those
 * that have not, and the latter never change places: a round sorts the former, and walks from the heads of the lines as far as there
 * are GPUs. So it costs O(lines + units that ran or run), however many wait behind them.
 */
import { Heap } from "../core/heap.ts";

export interface Standing {
  readonly gpus: number;
  /** In the order of arrival; no two have the same. */
  readonly order: number;
  /** Seconds by type since the last allocation, and half a round. */
  readonly received: readonly number[];
  /** Seconds by type that it should have received and did not. */
  readonly deficits: readonly number[];
  /** Has ended, or is no longer what stands here. */
  gone: boolean;
  /** Where it stands, by type: kept by the lines. */
  readonly stands: (Stand | undefined)[];
}

export interface Stand {
  readonly line: object;
  /** Since the last allocation. */
  ran: boolean;
}

interface Line<U extends Standing> {
  readonly share: number;
  readonly gpus: number;
  /** As allocated, in order; those that have run since or are gone are passed over. */
  readonly fresh: U[];
  /** Units before this one are no longer fresh. */
  head: number;
  ran: U[];
  sorted: boolean;
}

interface Cursor<U extends Standing> {
  readonly line: Line<U>;
  /** Past those that were seen. */
  fresh: number;
  ran: number;
  unit: U | undefined;
  priority: number;
}

export class ShareLines<U extends Standing> {
  readonly #type: number;
  readonly #lines = new Map<number, Map<number, Line<U>>>();

  constructor(type: number) {
    this.#type = type;
  }

  /** Units are added at an allocation, and then put in order. */
  add(unit: U, share: number): void {
    let bySize = this.#lines.get(unit.gpus);
    if (bySize === undefined) this.#lines.set(unit.gpus, (bySize = new Map()));
    let line = bySize.get(share);
    if (line === undefined) {
      line = { share, gpus: unit.gpus, fresh: [], head: 0, ran: [], sorted: true };
      bySize.set(share, line);
    }
    line.fresh.push(unit);
    unit.stands[this.#type] = { line, ran: false };
  }

  sort(): void {
    for (const line of this.#all()) line.fresh.sort((a, b) => this.#within(line, a, b));
  }

  /** It has received time on this type. */
  moved(unit: U): void {
    const stand = unit.stands[this.#type];
    if (stand === undefined) return;
    const line = stand.line as Line<U>;
    line.sorted = false;
    if (stand.ran) return;
    stand.ran = true;
    line.ran.push(unit);
  }

  /** Those furthest behind first; `take` answers whether it has room for more of that size. `workerTime` is all that was received. */
  walk(workerTime: number, take: (unit: U) => boolean): void {
    const before = (a: Cursor<U>, b: Cursor<U>): boolean => this.#before(a, b);
    const heap = new Heap<Cursor<U>>(before);
    for (const line of this.#all()) {
      this.#tidy(line);
      const cursor: Cursor<U> = { line, fresh: line.head, ran: 0, unit: undefined, priority: 0 };
      if (this.#advance(cursor, workerTime)) heap.push(cursor);
    }
    for (let cursor = heap.pop(); cursor !== undefined; cursor = heap.pop()) {
      const best = heap.peek();
      // A line is left where nothing of its size fits, and else walked for as long as it is the first.
      while (take(cursor.unit!) && this.#advance(cursor, workerTime)) {
        if (best === undefined || before(cursor, best)) continue;
        heap.push(cursor);
        break;
      }
    }
  }

  *#all(): Iterable<Line<U>> {
    for (const bySize of this.#lines.values()) yield* bySize.values();
  }

  #tidy(line: Line<U>): void {
    const { fresh } = line;
    while (line.head < fresh.length && this.#passed(fresh[line.head]!)) line.head++;
    if (line.sorted) return;
    line.ran = line.ran.filter((unit) => !unit.gone).sort((a, b) => this.#within(line, a, b));
    line.sorted = true;
  }

  #passed(unit: U): boolean {
    return unit.gone || unit.stands[this.#type]!.ran;
  }

  /** To the next unit of the line; false where there is none. */
  #advance(cursor: Cursor<U>, workerTime: number): boolean {
    const { line } = cursor;
    while (cursor.fresh < line.fresh.length && this.#passed(line.fresh[cursor.fresh]!)) cursor.fresh++;
    while (cursor.ran < line.ran.length && line.ran[cursor.ran]!.gone) cursor.ran++;
    const [a, b] = [line.fresh[cursor.fresh], line.ran[cursor.ran]];
    const first = b === undefined || (a !== undefined && this.#within(line, a, b) < 0);
    const unit = first ? a : b;
    if (unit === undefined) return false;
    if (first) cursor.fresh++;
    else cursor.ran++;
    const behind = unit.received[this.#type]! / workerTime;
    cursor.priority = behind > 0 ? line.share / behind : line.share * 1e9;
    cursor.unit = unit;
    return true;
  }

  /** Who has no share is as far behind as anybody else who has none. */
  #within({ share }: Line<U>, a: U, b: U): number {
    const k = this.#type;
    const time = share > 0 ? a.received[k]! - b.received[k]! : 0;
    return time || b.deficits[k]! - a.deficits[k]! || a.order - b.order;
  }

  #before(a: Cursor<U>, b: Cursor<U>): boolean {
    if (a.priority !== b.priority) return a.priority > b.priority;
    const deficit = b.unit!.deficits[this.#type]! - a.unit!.deficits[this.#type]!;
    if (deficit !== 0) return deficit < 0;
    return a.line.share !== b.line.share ? a.line.share > b.line.share : a.unit!.order < b.unit!.order;
  }
}
