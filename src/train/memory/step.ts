/** One step of the memory engine: a plan's script, run by run. */
import { assert } from "../../core/errors.ts";
import type { Seconds } from "../../time/clock.ts";
import type { Encoding, MemoryPlan, MemoryView, RunRecord, StepRecord, TensorId, UnitId } from "../memory.ts";
import { type Arena, aligned } from "./arena.ts";
import type { MemoryMachine, Ticket } from "./machine.ts";
import type { Fail, Shortage } from "./out-of-memory.ts";
import { liveTensors, nowhere, type Place } from "./place.ts";
import { type Script, type ScriptRun, scriptOf } from "./script.ts";

export class Step {
  readonly #view: MemoryView;
  readonly #machine: MemoryMachine;
  readonly #arena: Arena;
  readonly #places: Place[];
  readonly #plan: MemoryPlan;
  readonly #fail: Fail;
  readonly #script: Script;
  /** What is written over a tensor, in its place. */
  readonly #successor = new Map<TensorId, TensorId>();
  /** The run at hand, and what it holds. */
  #at = 0;
  readonly #locked = new Set<TensorId>();
  /** Asked for, but there was no room yet. */
  #wanted: TensorId[] = [];
  readonly #leaving = new Set<TensorId>();
  #late: { tensor: TensorId; seconds: Seconds }[] = [];
  readonly #counts = { stallSeconds: 0, outBytes: 0, inBytes: 0, codecSeconds: 0, packedBytes: 0 };
  readonly #evicted: TensorId[] = [];
  readonly #encoded: { tensor: TensorId; bytes: number }[] = [];

  constructor(view: MemoryView, machine: MemoryMachine, arena: Arena, places: Place[], plan: MemoryPlan, fail: Fail) {
    this.#fail = fail;
    this.#view = view;
    this.#machine = machine;
    this.#arena = arena;
    this.#places = places;
    this.#plan = plan;
    this.#script = scriptOf(view, plan);
    for (const [id, { replaces }] of view.tensors.entries()) {
      if (replaces !== undefined) this.#successor.set(replaces, id);
    }
  }

  run(): StepRecord {
    const from = this.#machine.now();
    const runs: RunRecord[] = [];
    let before = from;
    for (const [at, run] of this.#script.runs.entries()) {
      this.#at = at;
      this.#late = [];
      const joins = this.#prepare(run);
      const begin = this.#machine.now();
      this.#machine.run(run.unit, (t) => this.#offset(t));
      const end = this.#machine.now();
      runs.push({ unit: run.unit, again: run.again, begin, end, waited: begin - before, late: this.#late });
      before = end;
      this.#finish(run, joins);
    }
    this.#end();
    const again = runs.filter((r) => r.again);
    return {
      plan: this.#plan,
      runs,
      seconds: this.#machine.now() - from,
      peakBytes: this.#arena.peakBytes,
      ...this.#counts,
      recomputed: again.length,
      recomputeSeconds: again.reduce((sum, r) => sum + r.end - r.begin, 0),
      evicted: this.#evicted,
      encoded: this.#encoded,
    };
  }

  /** Everything that the unit touches is in place, and copies that begin with it have begun. Gives those to be waited for. */
  #prepare({ unit, ins, outs }: ScriptRun): readonly TensorId[] {
    const { reads, writes, workspaceBytes } = this.#view.units[unit]!;
    this.#locked.clear();
    for (const t of [...reads, ...writes]) this.#locked.add(t);
    // What is encoded may need the others to be decoded.
    const encoded = (t: TensorId): number => {
      const { encoded } = this.#places[t]!;
      return encoded === undefined ? 0 : encoded.as === "binary" ? 2 : 1;
    };
    for (const t of reads.toSorted((a, b) => encoded(a) - encoded(b))) this.#bring(t, unit);
    for (const t of writes) this.#place(t, unit);
    if (workspaceBytes > 0) {
      // The unit's own memory is its own for as long as it runs, and nothing is placed meanwhile: room is what counts.
      this.#arena.free(this.#alloc(workspaceBytes, unit, undefined));
    }
    for (const { tensor } of outs.filter((o) => o.begin === "with")) this.#send(tensor);
    for (const { tensor } of ins) this.#wanted.push(tensor);
    this.#fetchWanted();
    const joined = [...outs.filter((o) => o.begin === "with"), ...ins];
    return joined.filter((c) => c.join).map((c) => c.tensor);
  }

  #finish({ outs, encodings, frees }: ScriptRun, joins: readonly TensorId[]): void {
    this.#locked.clear();
    for (const t of frees) this.#release(t);
    for (const { tensor } of outs.filter((o) => o.begin === "after")) this.#send(tensor);
    for (const { tensor, as } of encodings) this.#encode(tensor, as);
    const after = outs.filter((o) => o.begin === "after" && o.join).map((o) => o.tensor);
    for (const t of [...joins, ...after]) {
      const { leaving, coming } = this.#places[t]!;
      if (leaving !== undefined) this.#stall(leaving);
      if (coming !== undefined) this.#arrive(t);
    }
    this.#settle();
  }

  /** What outlasts the step is in the arena, and nothing is under way. */
  #end(): void {
    this.#at = this.#script.runs.length;
    this.#locked.clear();
    for (const [id, { producer, output }] of this.#view.tensors.entries()) {
      if ((producer === undefined && !this.#successor.has(id)) || output) this.#bring(id, undefined);
    }
    for (const [old, id] of this.#successor) {
      // The host knows it by its name in this step.
      this.#places[old] = { ...this.#places[id]!, host: false };
      this.#places[id] = nowhere();
    }
  }

  #offset(t: TensorId): number {
    // What is being replaced lies where its successor will.
    const offset = this.#places[t]!.offset ?? this.#places[this.#successor.get(t) ?? t]!.offset;
    assert(offset !== undefined, () => `${this.#view.tensors[t]!.name} is not in the arena`);
    return offset;
  }

  #bytes(t: TensorId): number {
    const { bytes } = this.#view.tensors[t]!;
    return Math.max(bytes, this.#plan.sizes?.[t] ?? 0);
  }

  /** The tensor's values are in the arena. */
  #bring(t: TensorId, unit: UnitId | undefined): void {
    const place = this.#places[t]!;
    place.touched = this.#at;
    this.#locked.add(t);
    if (place.leaving !== undefined) {
      // It is wanted after all, and stays.
      place.leaving = undefined;
      this.#leaving.delete(t);
    }
    if (place.offset === undefined && place.encoded !== undefined) return this.#decode(t, unit);
    const began = this.#machine.now();
    if (place.offset === undefined) {
      assert(place.host, () => `${this.#view.tensors[t]!.name} is nowhere`);
      this.#fetch(t, this.#alloc(this.#bytes(t), unit, t));
    }
    if (place.coming === undefined) return;
    this.#arrive(t);
    const seconds = this.#machine.now() - began;
    if (seconds > 0) this.#late.push({ tensor: t, seconds });
  }

  /** Room for what a unit writes. */
  #place(t: TensorId, unit: UnitId): void {
    const place = this.#places[t]!;
    const { replaces } = this.#view.tensors[t]!;
    if (replaces !== undefined) {
      const offset = this.#offset(replaces);
      this.#places[replaces] = nowhere();
      Object.assign(place, nowhere(), { offset });
    } else if (place.offset === undefined) {
      // A unit that runs again writes what it wrote before: copies elsewhere stay good.
      place.offset = this.#alloc(this.#bytes(t), unit, t);
    }
    place.touched = this.#at;
  }

  #release(t: TensorId): void {
    const { offset, encoded, coming } = this.#places[t]!;
    const { leaving } = this.#places[t]!;
    for (const ticket of [coming, leaving]) if (ticket !== undefined) this.#stall(ticket);
    if (offset !== undefined) this.#arena.free(offset);
    if (encoded !== undefined) this.#arena.free(encoded.offset);
    this.#leaving.delete(t);
    this.#places[t] = nowhere();
  }

  #send(t: TensorId): void {
    const place = this.#places[t]!;
    if (place.offset === undefined || place.leaving !== undefined || place.coming !== undefined) return;
    if (place.host) {
      if (!this.#locked.has(t)) this.#vacate(t);
      return;
    }
    place.leaving = this.#machine.copy("out", t, place.offset, this.#view.tensors[t]!.bytes);
    this.#counts.outBytes += this.#view.tensors[t]!.bytes;
    this.#leaving.add(t);
  }

  #fetch(t: TensorId, offset: number): void {
    const place = this.#places[t]!;
    place.offset = offset;
    place.touched = this.#at;
    place.coming = this.#machine.copy("in", t, offset, this.#view.tensors[t]!.bytes);
    this.#counts.inBytes += this.#view.tensors[t]!.bytes;
  }

  #arrive(t: TensorId): void {
    this.#stall(this.#places[t]!.coming!);
    this.#places[t]!.coming = undefined;
  }

  #stall(ticket: Ticket): void {
    const began = this.#machine.now();
    this.#machine.wait(ticket);
    this.#counts.stallSeconds += this.#machine.now() - began;
  }

  /** In the order in which they were asked for: what does not fit yet waits, and what comes behind it too. */
  #fetchWanted(): void {
    while (this.#wanted.length > 0) {
      const t = this.#wanted[0]!;
      const place = this.#places[t]!;
      if (place.leaving !== undefined && !this.#locked.has(t)) {
        place.leaving = undefined;
        this.#leaving.delete(t);
      }
      if (place.offset === undefined && place.host) {
        this.#settle();
        const offset = this.#arena.alloc(this.#bytes(t));
        if (offset === undefined) return;
        this.#fetch(t, offset);
      }
      this.#wanted.shift();
    }
  }

  /** Releases what has left, and takes note of what has come. */
  #settle(): void {
    for (const t of this.#leaving) {
      if (!this.#machine.done(this.#places[t]!.leaving!)) continue;
      this.#places[t]!.host = true;
      if (!this.#locked.has(t)) this.#vacate(t);
    }
  }

  #vacate(t: TensorId): void {
    const place = this.#places[t]!;
    this.#arena.free(place.offset!);
    Object.assign(place, { offset: undefined, leaving: undefined });
    this.#leaving.delete(t);
  }

  #encode(t: TensorId, as: Encoding): void {
    const place = this.#places[t]!;
    const moving = place.leaving !== undefined || place.coming !== undefined;
    if (place.offset === undefined || moving || this.#nextUse(t) === undefined) return;
    const began = this.#machine.now();
    const bytes = this.#machine.encodedBytes(t, as, place.offset);
    if (bytes >= this.#bytes(t)) return;
    this.#locked.add(t);
    const to = this.#alloc(bytes, this.#script.runs[this.#at]!.unit, t);
    this.#machine.encode(t, as, place.offset, to);
    this.#counts.codecSeconds += this.#machine.now() - began;
    this.#locked.delete(t);
    this.#arena.free(place.offset);
    Object.assign(place, { offset: undefined, host: false, encoded: { offset: to, as } });
    this.#encoded.push({ tensor: t, bytes });
  }

  #decode(t: TensorId, unit: UnitId | undefined): void {
    const place = this.#places[t]!;
    const to = this.#alloc(this.#bytes(t), unit, t);
    // Making room may have moved it.
    const { offset, as } = place.encoded!;
    const began = this.#machine.now();
    this.#machine.decode(t, as, offset, to, (other) => this.#offset(other));
    this.#counts.codecSeconds += this.#machine.now() - began;
    place.offset = to;
    this.#arena.free(offset);
    place.encoded = undefined;
  }

  #nextUse(t: TensorId): number | undefined {
    return this.#script.readers[t]!.find((at) => at > this.#at);
  }

  #alloc(bytes: number, unit: UnitId | undefined, t: TensorId | undefined): number {
    for (;;) {
      this.#settle();
      const offset = this.#arena.alloc(bytes);
      if (offset !== undefined) return offset;
      if (this.#arena.capacity - this.#arena.usedBytes >= aligned(bytes)) this.#pack();
      else if (!this.#makeRoom()) throw this.#fail(() => this.#shortage(bytes, unit, t), this.#arena);
    }
  }

  #shortage(bytes: number, unit: UnitId | undefined, t: TensorId | undefined): Shortage {
    const nameOf = (id: UnitId): string => this.#view.units[id]!.name;
    const name = t === undefined ? "working memory" : this.#view.tensors[t]!.name;
    const live = liveTensors(this.#view, this.#places, (id) => {
      const next = this.#script.readers[id]!.find((at) => at >= this.#at);
      return next === undefined ? undefined : nameOf(this.#script.runs[next]!.unit);
    });
    const who = unit === undefined ? "the end of the step" : nameOf(unit);
    return { name, bytes, unit: who, live };
  }

  /** There is room, but in gaps that are too small: everything moves to the lower end, once no copy is under way. */
  #pack(): void {
    for (const [t, { coming }] of this.#places.entries()) if (coming !== undefined) this.#arrive(t);
    for (const t of this.#leaving) this.#stall(this.#places[t]!.leaving!);
    this.#settle();
    const places = new Map<number, number>();
    for (const { from, to, bytes } of this.#arena.pack()) {
      this.#machine.move(from, to, bytes);
      this.#counts.packedBytes += bytes;
      places.set(from, to);
    }
    for (const place of this.#places) {
      const { offset, encoded } = place;
      if (offset !== undefined) place.offset = places.get(offset) ?? offset;
      if (encoded !== undefined) place.encoded = { ...encoded, offset: places.get(encoded.offset) ?? encoded.offset };
    }
  }

  /** False where nothing can go. */
  #makeRoom(): boolean {
    for (const t of this.#leaving) {
      if (this.#locked.has(t)) continue;
      this.#stall(this.#places[t]!.leaving!);
      this.#settle();
      return true;
    }
    const t = this.#victim();
    if (t === undefined) return false;
    const place = this.#places[t]!;
    if (place.coming !== undefined) this.#arrive(t);
    if (place.host) {
      this.#vacate(t);
      return true;
    }
    this.#evicted.push(t);
    this.#send(t);
    this.#stall(place.leaving!);
    this.#settle();
    return true;
  }

  /** What goes next; without eviction only what the host has. */
  #victim(): TensorId | undefined {
    const { evict } = this.#plan;
    const next = (t: TensorId): number => this.#nextUse(t) ?? Number.POSITIVE_INFINITY;
    const rank = (t: TensorId): number => (evict === "least-recent" ? -this.#places[t]!.touched : next(t));
    let best: TensorId | undefined;
    for (const [t, { offset, host }] of this.#places.entries()) {
      if (offset === undefined || this.#locked.has(t) || (evict === undefined && !host)) continue;
      if (best === undefined || rank(t) > rank(best)) best = t;
    }
    return best;
  }
}
