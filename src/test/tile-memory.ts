/** The memory that random tile programs work on: five regions to read, two counts, and an output of a slice an item. */
import { bitsFloat } from "../core/half.ts";
import type { Random } from "../core/random.ts";
import { below, between } from "./tile-scope.ts";

/** In the order of the parameters; the counts follow, then the output. */
export const regions = ["reals", "wholes", "words", "halves", "brains"] as const;
export type RegionName = (typeof regions)[number];

/** Programs address a region around its middle: indexes of ±4095, scaled by up to 8, and offsets of ±4096. */
export const regionBytes = 81920;
export const middle = 40960;

/** No number of the region is larger. Those of `wholes` are integers; none is infinite or NaN. */
export const bounds = { reals: 2 ** 20, wholes: 16, halves: 65504, brains: 2 ** 20 } as const;

/** The largest values of the two counts; the least are 0 and 1. */
export const countsMax = [7, 100] as const;

/** Of one item's output: stores along the way in the first half, variables at the end in the second. */
export const sliceBytes = 8192;

/** Zeros of both signs, subnormals and halfway cases are as common as the rest: that is where renderers differ. */
export function fill(region: RegionName, random: Random): Uint8Array {
  const view = new DataView(new ArrayBuffer(regionBytes));
  const wide = region === "halves" || region === "brains" ? 2 : 4;
  for (let i = 0; i < regionBytes; i += wide) {
    if (region === "reals") view.setFloat32(i, real(random), true);
    else if (region === "wholes") view.setFloat32(i, whole(random), true);
    else if (region === "words") view.setInt32(i, between(random, -(2 ** 31), 2 ** 31 - 1), true);
    else if (region === "halves") view.setUint16(i, half(random), true);
    else view.setUint16(i, brain(random), true);
  }
  return new Uint8Array(view.buffer);
}

const sign = (random: Random): number => (random() < 0.5 ? -1 : 1);

function real(random: Random): number {
  const kind = below(random, 6);
  if (kind === 0) return sign(random) * 0;
  if (kind === 1) return sign(random) * bitsFloat(between(random, 1, 0x7fffff));
  if (kind === 2) return sign(random) * (below(random, 100) + 0.5);
  const most = Math.log2(bounds.reals);
  return sign(random) * (0.5 + random() / 2) * 2 ** (random() * 2 * most - most);
}

const whole = (random: Random): number => sign(random) * below(random, bounds.wholes + 1);

function half(random: Random): number {
  const exponent = random() < 0.2 ? 0 : below(random, 31);
  return (below(random, 2) << 15) | (exponent << 10) | below(random, 1024);
}

/** Exponents below that of `bounds.brains`. */
function brain(random: Random): number {
  const exponent = random() < 0.2 ? 0 : between(random, 80, 146);
  return (below(random, 2) << 15) | (exponent << 7) | below(random, 128);
}
