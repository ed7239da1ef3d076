/**
 * The modelled machine: units take the seconds that the view gives them, and each direction of the copy engine is a queue with a
 * latency and a bandwidth. The engine over it prices a plan in virtual time.
 */
import type { Seconds } from "../../time/clock.ts";
import type { Encoding, MemoryPlan, MemoryView, StepRecord, TensorId, UnitId } from "../memory.ts";
import { copySeconds } from "../memory.ts";
import { MemoryEngine } from "./engine.ts";
import type { MemoryMachine, Ticket } from "./machine.ts";

/** Reading and writing memory. */
const moveSecondsPerByte = 2e-10;

export class ModelledMachine implements MemoryMachine {
  readonly #view: MemoryView;
  #now: Seconds = 0;
  /** When the last copy of each direction ends. */
  readonly #free = { out: 0, in: 0 };
  readonly #ends: Seconds[] = [];

  constructor(view: MemoryView) {
    this.#view = view;
  }

  now(): Seconds {
    return this.#now;
  }

  run(unit: UnitId): void {
    this.#now += this.#view.units[unit]!.seconds;
  }

  copy(direction: "out" | "in", _tensor: TensorId, _offset: number, bytes: number): Ticket {
    const end = Math.max(this.#now, this.#free[direction]) + copySeconds(this.#view, bytes);
    this.#free[direction] = end;
    return this.#ends.push(end + (this.#view.copy.wakeSeconds ?? 0)) - 1;
  }

  done(ticket: Ticket): boolean {
    return this.#ends[ticket]! <= this.#now;
  }

  wait(ticket: Ticket): void {
    this.#now = Math.max(this.#now, this.#ends[ticket]!);
  }

  move(_from: number, _to: number, bytes: number): void {
    this.#now += bytes * moveSecondsPerByte;
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

/** What a step under the plan would do; `undefined` where it does not fit. */
export function price(view: MemoryView, plan: MemoryPlan): StepRecord | undefined {
  const unfit = new Error("the step does not fit");
  try {
    return new MemoryEngine(view, new ModelledMachine(view), () => unfit).step(plan);
  } catch (error) {
    if (error === unfit) return undefined;
    throw error;
  }
}
