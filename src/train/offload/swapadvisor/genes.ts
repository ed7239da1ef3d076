/** What SwapAdvisor's search varies, and how: orders that keep dependencies, and sizes that keep tensors apart. */
import { type Random, stream } from "../../../core/random.ts";
import type { MemoryView, UnitId } from "../../memory.ts";

export interface Genome {
  readonly order: readonly UnitId[];
  /** Bytes set aside for each tensor: equal for tensors of equal size. */
  readonly sizes: readonly number[];
}

export class Genes {
  readonly #view: MemoryView;
  readonly #random: Random;
  /** Units that must come before each. */
  readonly #before: readonly ReadonlySet<UnitId>[];
  /** Sizes that occur, ascending. */
  readonly #classes: readonly number[];

  constructor(view: MemoryView, seed: number) {
    this.#view = view;
    this.#random = stream(seed);
    this.#before = dependencies(view);
    this.#classes = [...new Set(view.tensors.map((t) => t.bytes))].sort((a, b) => a - b);
  }

  /** The order given, each size its own; and that, mutated. */
  first(count: number): readonly Genome[] {
    const given: Genome = { order: [...this.#view.units.keys()], sizes: this.#view.tensors.map((t) => t.bytes) };
    return Array.from({ length: count }, (_, i) => (i === 0 ? given : this.mutated(this.mutated(given))));
  }

  /** The better of two drawn. */
  pick<T extends { readonly seconds: number }>(all: readonly T[]): T {
    const [a, b] = [all[this.#below(all.length)]!, all[this.#below(all.length)]!];
    return a.seconds <= b.seconds ? a : b;
  }

  /** One parent's order up to a cut, then the rest as the other has it; sizes from either. */
  crossed(a: Genome, b: Genome): Genome {
    const cut = this.#below(a.order.length);
    const head = a.order.slice(0, cut);
    const taken = new Set(head);
    const order = [...head, ...b.order.filter((u) => !taken.has(u))];
    const split = this.#classes[this.#below(this.#classes.length)]!;
    const sizes = this.#view.tensors.map(({ bytes }, t) => (bytes < split ? a.sizes[t]! : b.sizes[t]!));
    return { order, sizes };
  }

  /** Some units move as far as their dependencies allow; perhaps one size joins the next, or its own again. */
  mutated(genome: Genome): Genome {
    const order = [...genome.order];
    const moves = 1 + this.#below(3);
    for (let i = 0; i < moves; i++) this.#move(order);
    if (this.#random() < 0.7) return { order, sizes: genome.sizes };
    const at = this.#below(this.#classes.length);
    const [bytes, larger] = [this.#classes[at]!, this.#classes[at + 1]];
    // A place much larger than what lies in it wastes more than gaps do.
    const joined = larger !== undefined && larger <= 1.5 * bytes && this.#random() < 0.5 ? larger : bytes;
    const sizes = genome.sizes.map((size, t) => (this.#view.tensors[t]!.bytes === bytes ? joined : size));
    return { order, sizes };
  }

  #move(order: UnitId[]): void {
    const at = this.#below(order.length);
    const unit = order[at]!;
    let [first, last] = [at, at];
    while (first > 0 && !this.#before[unit]!.has(order[first - 1]!)) first--;
    while (last < order.length - 1 && !this.#before[order[last + 1]!]!.has(unit)) last++;
    const to = first + this.#below(last - first + 1);
    order.splice(at, 1);
    order.splice(to, 0, unit);
  }

  #below(n: number): number {
    return Math.floor(this.#random() * n);
  }
}

/** What a unit reads must have been made, and what it writes over must have been read. */
function dependencies({ units, tensors }: MemoryView): readonly ReadonlySet<UnitId>[] {
  return units.map(({ reads, writes }, unit) => {
    const makers = reads.flatMap((t) => tensors[t]!.producer ?? []);
    const readers = writes.flatMap((t) => {
      const old = tensors[t]!.replaces;
      return old === undefined ? [] : tensors[old]!.uses.filter((u) => u !== unit);
    });
    return new Set([...makers, ...readers]);
  });
}
