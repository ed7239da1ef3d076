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

/**
 * For each of some calls that run, in order, the earlier ones that it must follow. Whoever conflicts with an access that a
 * later one covers and writes is ordered by that one, and left out.
 */
export function dependencies(accesses: readonly (readonly Access[])[]): readonly (readonly number[])[] {
  const past: Access[] = [];
  const owners: number[] = [];
  return accesses.map((own, call) => {
    const found = new Set<number>();
    for (const a of own) {
      for (let i = past.length - 1; i >= 0; i--) {
        const o = past[i]!;
        if (!(a.written || o.written) || a.from >= o.to || o.from >= a.to) continue;
        found.add(owners[i]!);
        if (o.written && o.from <= a.from && o.to >= a.to) break;
      }
    }
    for (const a of own) {
      past.push(a);
      owners.push(call);
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
