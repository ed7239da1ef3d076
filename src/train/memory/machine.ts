/** What the memory engine is given: something that runs units, copies and encodes; a device, or a model of one. */
import type { Seconds } from "../../time/clock.ts";
import type { Encoding, TensorId, UnitId } from "../memory.ts";

/** A copy that was begun; the machine knows it by this. */
export type Ticket = number;

/** Where a tensor lies in the arena. */
export type OffsetOf = (tensor: TensorId) => number;

export interface MemoryMachine {
  now(): Seconds;
  /** Returns when the unit has ended. */
  run(unit: UnitId, offsetOf: OffsetOf): void;
  /** Begins a copy between the arena and the host's copy of the tensor; those of one direction follow each other. */
  copy(direction: "out" | "in", tensor: TensorId, offset: number, bytes: number): Ticket;
  done(ticket: Ticket): boolean;
  /** Returns when the copy has ended. */
  wait(ticket: Ticket): void;
  /** Within the arena, to a lower place that may overlap. */
  move(from: number, to: number, bytes: number): void;
  /** How many bytes the tensor takes when encoded; it is looked at where that depends on its values. */
  encodedBytes(tensor: TensorId, as: Encoding, offset: number): number;
  encode(tensor: TensorId, as: Encoding, from: number, to: number): void;
  /** What else the unit reads is in place. */
  decode(tensor: TensorId, as: Encoding, from: number, to: number, offsetOf: OffsetOf): void;
}

/** Threads wake late: who waits sleeps until so long before the end, and looks at the clock from then on. */
export const awakeSeconds = 150e-6;
