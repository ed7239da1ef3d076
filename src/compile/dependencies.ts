/** Which calls must follow which: those that touch memory which an earlier one writes, or write what one reads. */
import type { Argument, Call } from "./lower.ts";

/** Bytes that a call reads or writes; what shares of attentions leave, and the parts of caches, lie behind the arena, a byte each. */
export interface Access {
  readonly from: number;
  readonly to: number;
  readonly written: boolean;
}

/** Of each call. `extents` are those of the buffers in the arena. */
export function accessesOf(
  calls: readonly Call[],
  extents: readonly { readonly from: number; readonly to: number }[],
  arenaBytes: number,
): readonly (readonly Access[])[] {
  const cacheAt = (a: Extract<Argument, { kind: "cache" }>): number =>
    arenaBytes + 1 + 2 * a.layer + (a.part === "keys" ? 0 : 1);
  return calls.map((call) =>
    call.args.flatMap((a) => {
      if (a.kind === "buffer") return [{ ...extents[a.id]!, written: a.written }];
      if (a.kind === "partials") return [{ from: arenaBytes, to: arenaBytes + 1, written: a.written }];
      if (a.kind !== "cache") return [];
      return [{ from: cacheAt(a), to: cacheAt(a) + 1, written: call.op === "cacheStore" }];
    }),
  );
}

/** Parts of the memory, each with a list of who touched it: what lies apart is not compared. */
const parts = 256;

/**
 * For each of some calls that run, in order, the earlier ones that it must follow. Whoever touched what a later one writes, all of
 * it, is ordered by that one, and left out.
 */
export function dependencies(accesses: readonly (readonly Access[])[]): readonly (readonly number[])[] {
  const end = accesses.reduce((most, own) => own.reduce((most, { to }) => Math.max(most, to), most), 1);
  const part = (place: number): number => Math.floor((place / end) * parts);
  const past = Array.from({ length: parts }, () => [] as (Access & { readonly call: number })[]);
  return accesses.map((own, call) => {
    const found = new Set<number>();
    for (const { from, to, written } of own) {
      for (let i = part(from); i <= part(to - 1); i++) {
        for (const o of past[i]!) if ((written || o.written) && from < o.to && o.from < to) found.add(o.call);
      }
    }
    for (const { from, to, written } of own) {
      const access = { from, to, written, call };
      for (let i = part(from); i <= part(to - 1); i++) {
        if (written) past[i] = past[i]!.filter((o) => o.call === call || o.from < from || o.to > to);
        past[i]!.push(access);
      }
    }
    return [...found].sort((x, y) => x - y);
  });
}

/** The calls behind which all threads must meet, if that is the only way to wait: the next one follows an open one. */
export function fences(after: readonly (readonly number[])[]): ReadonlySet<number> {
  const found = new Set<number>();
  let open = 0;
  for (const [call, earlier] of after.entries()) {
    if (!earlier.some((e) => e >= open)) continue;
    found.add(call - 1);
    open = call;
  }
  return found;
}
