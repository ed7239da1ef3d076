/**
 * What a plan of tasks guarantees: which tasks are done before each begins. Everything that a waiting task is known to
 * wait for is known of those that wait for it, and of what follows it on a thread of its own.
 */
import { assert } from "../core/errors.ts";
import type { LaunchPlan, LaunchView, Task } from "./launch.ts";

/** For each of some things, which of those before it are done when it begins. */
export class Order {
  readonly #words: number;
  readonly #rows: Uint32Array;

  constructor(count: number) {
    this.#words = Math.ceil(count / 32);
    this.#rows = new Uint32Array(count * this.#words);
  }

  has(earlier: number, later: number): boolean {
    return ((this.#rows[later * this.#words + (earlier >> 5)]! >>> (earlier & 31)) & 1) === 1;
  }

  /** `later` begins when `earlier` is done, and so when all is done that was before that. */
  add(earlier: number, later: number): void {
    const [from, to] = [earlier * this.#words, later * this.#words];
    for (let i = 0; i <= earlier >> 5; i++) this.#rows[to + i]! |= this.#rows[from + i]!;
    this.#rows[to + (earlier >> 5)]! |= 1 << (earlier & 31);
  }

  /** `later` begins when all before `end` are done. */
  addAll(end: number, later: number): void {
    const row = this.#rows.subarray(later * this.#words);
    row.fill(0xffffffff, 0, end >> 5);
    if ((end & 31) !== 0) row[end >> 5]! |= 2 ** (end & 31) - 1;
  }
}

/** Extends an order by the tasks of a plan, one by one. */
export class PlanOrder {
  readonly order: Order;
  readonly #lastOf: (number | undefined)[];
  #fence = 0;
  #count = 0;

  constructor(tasks: number, threads: number) {
    this.order = new Order(tasks);
    this.#lastOf = new Array<number | undefined>(threads);
  }

  /** Whether `earlier` is done when the next task begins on `thread`, even if it waits for nothing. */
  implied(earlier: number, thread: number | undefined): boolean {
    if (earlier < this.#fence) return true;
    const last = thread === undefined ? undefined : this.#lastOf[thread];
    return last !== undefined && (last === earlier || this.order.has(earlier, last));
  }

  push({ thread, after, barrier, cut }: Pick<Task, "thread" | "after" | "barrier" | "cut">): void {
    const task = this.#count++;
    this.order.addAll(this.#fence, task);
    const last = thread === undefined ? undefined : this.#lastOf[thread];
    if (last !== undefined) this.order.add(last, task);
    for (const earlier of after) this.order.add(earlier, task);
    if (thread !== undefined) this.#lastOf[thread] = task;
    if (barrier || cut) this.#fence = task + 1;
  }
}

/** The same tasks without the waits that follow from others: the plan's order is as it was. */
export function withoutImplied(plan: LaunchPlan, threads: number): Task[] {
  const known = new PlanOrder(plan.length, threads);
  return plan.map((task) => {
    const needed: number[] = [];
    // The latest wait implies most of the others.
    for (const earlier of [...new Set(task.after)].sort((a, b) => b - a)) {
      if (known.implied(earlier, task.thread) || needed.some((n) => known.order.has(earlier, n))) continue;
      needed.push(earlier);
    }
    const kept = { ...task, after: needed };
    known.push(kept);
    return kept;
  });
}

/** Throws where a plan would not compute each item once, or one before what it needs. `policy` is named in the error. */
export function checkPlan({ calls, threads }: LaunchView, plan: LaunchPlan, policy: string): void {
  const parts = calls.map((): number[] => []);
  const known = new PlanOrder(plan.length, threads);
  for (const [i, task] of plan.entries()) {
    const own = parts[task.call];
    const bad = (what: string): string => `launch policy ${policy}: task ${i} ${what}`;
    assert(own !== undefined, () => bad(`is of call ${task.call} of ${calls.length}`));
    const { thread = 0, from, to } = task;
    assert(Number.isInteger(thread) && thread >= 0 && thread < threads, () => bad(`is for thread ${thread}`));
    const size = (to - from) * calls[task.call]!.parts;
    assert(size > 1 - 1e-6, () => bad(`is ${from} to ${to} of ${calls[task.call]!.parts} parts: it may be empty`));
    const before = own.length === 0 ? 0 : plan[own.at(-1)!]!.to;
    assert(from === before, () => bad(`begins at ${from} of call ${task.call}, not at ${before}`));
    for (const t of task.after) assert(t >= 0 && t < i, () => bad(`waits for task ${t}`));
    known.push(task);
    for (const call of calls[task.call]!.after) {
      const missing = parts[call]!.find((t) => !known.order.has(t, i));
      const done = plan[parts[call]!.at(-1) ?? -1]?.to === 1;
      assert(done && missing === undefined, () => bad(`of call ${task.call} may begin before call ${call} is done`));
    }
    own.push(i);
  }
  for (const [call, own] of parts.entries()) {
    const done = own.length === 0 ? 0 : plan[own.at(-1)!]!.to;
    assert(done === 1, () => `launch policy ${policy}: call ${call} is done up to ${done}`);
  }
}
