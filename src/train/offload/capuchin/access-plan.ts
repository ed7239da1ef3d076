/** Gaps between two accesses of a tensor, what each would save and cost, and those that were chosen. */
import type { Seconds } from "../../../time/clock.ts";
import { lifetime, usage } from "../../memory/usage.ts";
import { copySeconds, type Drop, type TensorId, type UnitId } from "../../memory.ts";
import type { OffloadView } from "../../offload.ts";

/** A tensor between two units that touch it, one after the other. */
export interface Access {
  readonly tensor: TensorId;
  readonly from: UnitId;
  readonly to: UnitId;
}

interface Candidate extends Access {
  /** What is left of the gap beyond both copies: negative where computing would wait. */
  readonly freeSeconds: Seconds;
}

export class AccessPlan {
  readonly #view: OffloadView;
  readonly #seconds: readonly Seconds[];
  /** When each unit would begin if none waited. */
  readonly begins: readonly Seconds[];
  readonly #usage: number[];
  readonly #candidates = new Set<Candidate>();
  readonly swapped: Access[] = [];
  readonly #drops = new Map<TensorId, Drop>();

  constructor(view: OffloadView, seconds: readonly Seconds[]) {
    this.#view = view;
    this.#seconds = seconds;
    let now = 0;
    this.begins = seconds.map((s) => (now += s) - s);
    this.#usage = usage(view);
    for (const { tensor, after } of view.drops) this.#absent(tensor, after, this.#nextUse(tensor, after));
    const dropped = new Set(view.drops.map((d) => d.tensor));
    for (const [id, { producer, uses, bytes, replaces }] of view.tensors.entries()) {
      const touched = producer === undefined ? uses : [producer, ...uses];
      if (dropped.has(id) || replaces !== undefined) continue;
      for (let i = 1; i < touched.length; i++) {
        const [from, to] = [touched[i - 1]!, touched[i]!];
        if (to <= from + 1) continue;
        const gap = this.begins[to]! - this.#end(from);
        this.#candidates.add({ tensor: id, from, to, freeSeconds: gap - 2 * copySeconds(view, bytes) });
      }
    }
  }

  get drops(): readonly Drop[] {
    return [...this.#drops.values()];
  }

  get bytesMost(): number {
    return Math.max(...this.#usage);
  }

  /** The unit that runs at a time: a copy that should begin then begins with it. */
  unitAt(time: Seconds): UnitId {
    const after = this.begins.findIndex((begin) => begin > time);
    return after < 0 ? this.begins.length - 1 : Math.max(0, after - 1);
  }

  /** Chooses one more gap, that the worst unit lies in. False where none is left. */
  improve(): boolean {
    const worst = this.#usage.indexOf(this.bytesMost);
    const at = [...this.#candidates].filter((c) => c.from < worst && worst < c.to);
    const unseen = at.filter((c) => c.freeSeconds >= 0);
    // Section 4.4: the longest free time first; it is hidden whatever else is copied.
    if (unseen.length > 0) return this.#swap(unseen.reduce((a, b) => (b.freeSeconds > a.freeSeconds ? b : a)));
    let best: { readonly candidate: Candidate; readonly again: boolean; readonly rate: number } | undefined;
    for (const candidate of at) {
      const { bytes } = this.#view.tensors[candidate.tensor]!;
      const repeat = this.#repeatSeconds(candidate);
      const again = repeat !== undefined && repeat <= -candidate.freeSeconds;
      // Memory saved for each second lost.
      const rate = bytes / (again ? repeat : -candidate.freeSeconds);
      if (best === undefined || rate > best.rate) best = { candidate, again, rate };
    }
    if (best === undefined) return false;
    return best.again ? this.#repeat(best.candidate) : this.#swap(best.candidate);
  }

  #end(unit: UnitId): Seconds {
    return this.begins[unit]! + this.#seconds[unit]!;
  }

  #nextUse(tensor: TensorId, after: UnitId): UnitId {
    return this.#view.tensors[tensor]!.uses.find((u) => u > after) ?? this.#view.units.length;
  }

  /** Not held by units between these two. */
  #absent(tensor: TensorId, from: UnitId, to: UnitId): void {
    const [first, last] = lifetime(this.#view, tensor);
    for (let u = Math.max(first, from + 1); u < Math.min(to, last + 1); u++) {
      this.#usage[u]! -= this.#view.tensors[tensor]!.bytes;
    }
  }

  #swap(chosen: Candidate): boolean {
    const { tensor, from, to } = chosen;
    this.swapped.push({ tensor, from, to });
    this.#candidates.delete(chosen);
    // It still is there while it is copied.
    const copy = copySeconds(this.#view, this.#view.tensors[tensor]!.bytes);
    const gone = Math.min(this.unitAt(this.#end(from) + copy), to - 2);
    const back = Math.max(this.unitAt(this.begins[to]! - copy), gone + 2);
    this.#absent(tensor, Math.max(gone, from), back);
    return true;
  }

  #repeat(chosen: Candidate): boolean {
    for (const tensor of this.#chain(chosen)!) {
      const last = tensor === chosen.tensor ? chosen.from : lifetime(this.#view, tensor)[1];
      this.#drops.set(tensor, { tensor, after: last, stays: true });
    }
    for (const c of this.#candidates) if (this.#drops.has(c.tensor)) this.#candidates.delete(c);
    this.#absent(chosen.tensor, chosen.from, chosen.to);
    return true;
  }

  #repeatSeconds(candidate: Candidate): Seconds | undefined {
    const chain = this.#chain(candidate);
    if (chain === undefined) return undefined;
    const units = new Set(chain.map((t) => this.#view.tensors[t]!.producer!));
    return [...units].reduce((sum, u) => sum + this.#seconds[u]!, 0);
  }

  /** What must be computed again for the tensor, itself included; `undefined` where what that starts from is not there. */
  #chain({ tensor, from, to }: Access): readonly TensorId[] | undefined {
    const chain = new Set<TensorId>();
    const { producer, output } = this.#view.tensors[tensor]!;
    // It must have one gap only, in which the forward part ends.
    if (producer === undefined || output || from >= this.#view.turn || to < this.#view.turn) return undefined;
    if (this.swapped.some((s) => s.tensor === tensor)) return undefined;
    const follow = (t: TensorId): boolean => {
      if (chain.has(t)) return true;
      chain.add(t);
      const maker = this.#view.tensors[t]!.producer;
      if (maker === undefined) return false;
      return this.#view.units[maker]!.reads.every((r) => this.#there(r, to) || follow(r));
    };
    return follow(tensor) ? [...chain] : undefined;
  }

  /** Whether a tensor lies in memory at a unit anyway, or will have been computed again by then. */
  #there(tensor: TensorId, at: UnitId): boolean {
    if (this.#drops.has(tensor) || this.#view.drops.some((d) => d.tensor === tensor)) return false;
    if (this.swapped.some((s) => s.tensor === tensor && s.to > at)) return false;
    return this.#view.tensors[tensor]!.producer === undefined || lifetime(this.#view, tensor)[1] >= at;
  }
}
