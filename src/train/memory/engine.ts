/**
 * The engine of memory: carries out a step under a plan, on whatever machine it is given.
 *
 *     script ─► fetch what is missing ─► place what is written ─► begin copies ─► run ─► release, send out, encode ─► next run
 *
 * It never takes more than the arena has. Where something does not fit, but would in one piece of what is free, it packs the
 * arena; else it waits for copies that are on their way out, then gives
 * up what was fetched ahead (the host still has it), then evicts as the plan says; else the step is out of memory.
 */
import { assert } from "../../core/errors.ts";
import type { MemoryPlan, MemoryView, StepRecord, TensorId } from "../memory.ts";
import { Arena } from "./arena.ts";
import { checkMemoryPlan } from "./check-plan.ts";
import type { MemoryMachine } from "./machine.ts";
import { type Fail, outOfMemory } from "./out-of-memory.ts";
import { liveTensors, nowhere, type Place } from "./place.ts";
import { Step } from "./step.ts";

export class MemoryEngine {
  readonly #view: MemoryView;
  readonly #machine: MemoryMachine;
  readonly #arena: Arena;
  readonly #places: Place[];
  readonly #fail: Fail;

  /**
   * Places what is there before a step, or has it where it lies in another engine between two steps. Throws `OutOfMemory` where
   * already that does not fit.
   */
  constructor(view: MemoryView, machine: MemoryMachine, fail: Fail = outOfMemory, as?: MemoryEngine) {
    this.#view = view;
    this.#machine = machine;
    this.#fail = fail;
    this.#arena = as === undefined ? new Arena(view.capacity) : as.#arena.copy();
    this.#places = as === undefined ? view.tensors.map(nowhere) : as.#places.map((place) => ({ ...place }));
    if (as !== undefined) return;
    for (const [id, { name, bytes, producer }] of view.tensors.entries()) {
      if (producer !== undefined) continue;
      const offset = this.#arena.alloc(bytes);
      const live = () => liveTensors(view, this.#places, () => undefined);
      if (offset === undefined) throw fail(() => ({ name, bytes, unit: "the step", live: live() }), this.#arena);
      this.#places[id]!.offset = offset;
    }
  }

  /** Another engine, between the same two steps. */
  twin(view: MemoryView, machine: MemoryMachine, fail: Fail = outOfMemory): MemoryEngine {
    return new MemoryEngine(view, machine, fail, this);
  }

  /** Where a tensor that outlasts steps lies: what is bound, and outputs. */
  offsetOf(tensor: TensorId): number {
    const { offset } = this.#places[tensor]!;
    assert(offset !== undefined, () => `${this.#view.tensors[tensor]!.name} is not in the arena`);
    return offset;
  }

  /** Throws `OutOfMemory` where the step does not fit; the engine is of no use then. `by` made the plan. */
  step(plan: MemoryPlan, by = "a policy"): StepRecord {
    checkMemoryPlan(this.#view, plan, by);
    for (const [id, { producer, output }] of this.#view.tensors.entries()) {
      // Outputs of the step before are the caller's until now.
      if (producer === undefined || !output || this.#places[id]!.offset === undefined) continue;
      this.#arena.free(this.#places[id]!.offset);
      this.#places[id] = nowhere();
    }
    this.#arena.resetPeak();
    return new Step(this.#view, this.#machine, this.#arena, this.#places, plan, this.#fail).run();
  }
}
