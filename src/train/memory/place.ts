/** Where the values of a tensor are during a step. */
import type { Encoding, MemoryView, TensorId } from "../memory.ts";
import type { Ticket } from "./machine.ts";
import type { Live } from "./out-of-memory.ts";

export interface Place {
  offset: number | undefined;
  /** The host has a copy that is good. */
  host: boolean;
  leaving: Ticket | undefined;
  coming: Ticket | undefined;
  encoded: { readonly offset: number; readonly as: Encoding } | undefined;
  /** The last run that touched it. */
  touched: number;
}

export const nowhere = (): Place => ({
  offset: undefined,
  host: false,
  leaving: undefined,
  coming: undefined,
  encoded: undefined,
  touched: -1,
});

/** The largest first. */
export function liveTensors(
  { tensors, units }: MemoryView,
  places: readonly Place[],
  neededBy: (t: TensorId) => string | undefined,
): readonly Live[] {
  const live = [...places.keys()].filter((t) => places[t]!.offset !== undefined || places[t]!.encoded !== undefined);
  return live
    .map((t): Live => {
      const { name, bytes, producer } = tensors[t]!;
      return { name, bytes, madeBy: producer === undefined ? undefined : units[producer]!.name, neededBy: neededBy(t) };
    })
    .sort((a, b) => b.bytes - a.bytes);
}
