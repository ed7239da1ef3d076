/**
 * The modelled machine: units take the seconds that the view gives them, and each direction of the copy engine is a queue with a
 * latency and a bandwidth. The engine over it prices a plan in virtual time.
 */
import type { Seconds } from "../../time/clock.ts";
import type { Encoding, MachineCosts, MemoryPlan, MemoryView, StepRecord, TensorId, UnitId } from "../memory.ts";
import { copySeconds } from "../memory.ts";
import { MemoryEngine } from "./engine.ts";
import { awakeSeconds, type MemoryMachine, type Ticket } from "./machine.ts";

/** Where nothing was measured: memory is read and written, the rest takes no time. */
const unmeasured: MachineCosts = {
  wakes: [],
  lateSeconds: 0,
  moveSeconds: 0,
  moveSecondsPerByte: 2e-10,
  touchSecondsPerByte: 0,
  slowdown: 0,
};

export class ModelledMachine implements MemoryMachine {
  readonly #view: MemoryView;
  readonly #costs: MachineCosts;
  #now: Seconds = 0;
  /** When the last copy of each direction ends. */
  readonly #free = { out: 0, in: 0 };
  readonly #ends: Seconds[] = [];
  readonly #wall: (() => Seconds) | undefined;
  #left: Seconds;
  /** What the next unit takes more. */
  #cold: Seconds = 0;

  /** With a clock, what the engine over it takes between two calls counts as it is. */
  constructor(view: MemoryView, wall?: () => Seconds) {
    this.#view = view;
    this.#costs = view.costs ?? unmeasured;
    this.#wall = wall;
    this.#left = wall?.() ?? 0;
  }

  now(): Seconds {
    if (this.#wall !== undefined) {
      const seen = this.#wall();
      this.#now += seen - this.#left;
      this.#left = seen;
    }
    return this.#now;
  }

  /** A unit's work goes on slower until copies that are under way have ended: no other begins meanwhile. */
  run(unit: UnitId): void {
    let work = this.#view.units[unit]!.seconds + this.#cold;
    this.#cold = 0;
    const ends = Object.values(this.#free).filter((end) => end > this.now());
    for (const end of ends.sort((a, b) => a - b)) {
      const pace = 1 + this.#costs.slowdown * ends.filter((e) => e > this.#now).length;
      const seconds = Math.min(end - this.#now, work * pace);
      this.#now += seconds;
      work -= seconds / pace;
    }
    this.#now += work;
  }

  copy(direction: "out" | "in", _tensor: TensorId, _offset: number, bytes: number): Ticket {
    const now = this.now();
    const idle = now - this.#free[direction];
    // A thread that copies already is not woken.
    const wake = this.#costs.wakes.findLast((w) => w.idleSeconds <= idle);
    const end = Math.max(now, this.#free[direction]) + copySeconds(this.#view, bytes);
    this.#free[direction] = Math.max(end, now + (wake?.startSeconds ?? 0));
    this.#now += wake?.askSeconds ?? 0;
    this.#cold += bytes * this.#costs.touchSecondsPerByte;
    return this.#ends.push(this.#free[direction]) - 1;
  }

  done(ticket: Ticket): boolean {
    return this.#ends[ticket]! <= this.now();
  }

  wait(ticket: Ticket): void {
    const left = this.#ends[ticket]! - this.now();
    if (left > 0) this.#now += left + (left > awakeSeconds ? this.#costs.lateSeconds : 0);
  }

  move(_from: number, _to: number, bytes: number): void {
    this.#now += this.#costs.moveSeconds + bytes * this.#costs.moveSecondsPerByte;
  }

  encodedBytes(tensor: TensorId, as: Encoding): number {
    const { bytes, zeros } = this.#view.tensors[tensor]!;
    return modelledBytes(bytes, as, zeros ?? 0.5);
  }

  encode(tensor: TensorId): void {
    this.#now += this.#view.tensors[tensor]!.bytes * this.#view.codecSecondsPerByte;
  }

  decode(tensor: TensorId): void {
    this.encode(tensor);
  }
}

/** Of a tensor of f32: sparse rows have a byte and a value for each element that is not 0, and four bytes for each row of 256. */
export function modelledBytes(bytes: number, as: Encoding, zeros: number): number {
  const elements = bytes / 4;
  if (as === "csr") return Math.ceil(elements * (1 - zeros)) * 5 + 4 * (Math.ceil(elements / 256) + 1);
  const bits = { binary: 2, fp16: 16, fp10: 32 / 3, fp8: 8 }[as];
  return 4 * Math.ceil((elements * bits) / 32);
}

/** What a step under the plan would do, the first one or one that follows what `before` did; `undefined` where it does not fit. */
export function price(
  view: MemoryView,
  plan: MemoryPlan,
  before?: MemoryEngine,
  wall?: () => Seconds,
): StepRecord | undefined {
  const unfit = new Error("the step does not fit");
  const machine = new ModelledMachine(view, wall);
  try {
    return new MemoryEngine(view, machine, () => unfit, before).step(plan);
  } catch (error) {
    if (error === unfit) return undefined;
    throw error;
  }
}
