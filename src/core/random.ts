/**
 * Randomness that is a function of where it is used, never of when.
 *
 * A draw is `hash(seed, ...coordinates)`: recomputing a step, batching it differently or replaying it in simulation draws
 * the same number. A stream is the same hash over a counter.
 */

/** Uniform in [0, 1), 32 bits of it, from integer coordinates (each taken modulo 2^32). */
export function draw(...coordinates: readonly number[]): number {
  let h = 0x9e3779b9;
  for (const c of coordinates) {
    h = mix((h ^ (c >>> 0)) >>> 0);
    h = mix((h + Math.floor(c / 0x1_0000_0000)) >>> 0);
    h = (h + 0x9e3779b9) >>> 0;
  }
  return mix(h) / 0x1_0000_0000;
}

/** The 32-bit finaliser of MurmurHash3, a bijection with full avalanche. */
function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

export type Random = () => number;

/** A stream of draws: the same seed gives the same numbers on every machine. */
export function stream(...seed: readonly number[]): Random {
  let n = 0;
  return () => draw(...seed, n++);
}

/** The same with one mix a draw, for searches that draw millions: its period is 2^32. */
export function quickStream(...seed: readonly number[]): Random {
  let state = Math.floor(draw(...seed) * 0x1_0000_0000) | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    return mix(state) / 0x1_0000_0000;
  };
}

/** In place: every order is as likely. */
export function shuffle(items: { readonly length: number; [index: number]: number }, random: Random): void {
  for (let i = items.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    const item = items[i]!;
    items[i] = items[other]!;
    items[other] = item;
  }
}
