/** Rotary embeddings as numbers: the frequencies of a base, and what each published scaling does to them. */
import { UserError } from "../core/errors.ts";
import type { Rope } from "../graph/ir.ts";
import type { RopeScaling } from "./config.ts";

/** The rope of heads `headWidth` wide with `base`, scaled. Throws a `UserError` where the scaling does not fit. */
export function makeRope(headWidth: number, base: number, scaling?: RopeScaling): Rope {
  const frequencies = Array.from({ length: headWidth / 2 }, (_, i) => base ** ((-2 * i) / headWidth));
  switch (scaling?.kind) {
    case undefined:
      return { frequencies, magnitude: 1 };
    case "linear":
      return { frequencies: frequencies.map((f) => f / scaling.factor), magnitude: 1 };
    case "divisors":
      return { frequencies: divide(frequencies, scaling.divisors), magnitude: 1 };
    case "llama3":
      return { frequencies: frequencies.map((f) => llama3(f, scaling)), magnitude: 1 };
    case "yarn":
      return yarn(headWidth, base, frequencies, scaling);
  }
}

function divide(frequencies: readonly number[], divisors: readonly number[]): number[] {
  if (divisors.length === frequencies.length) return frequencies.map((f, i) => f / divisors[i]!);
  throw new UserError(
    `The file has ${divisors.length} rope factors, and its heads have ${frequencies.length} frequencies.`,
    "The file is damaged or of another kind: download it again.",
  );
}

/** Llama 3.1: long waves are slowed by the factor, short ones kept, those between interpolated. */
function llama3(frequency: number, scaling: Extract<RopeScaling, { kind: "llama3" }>): number {
  const turns = (scaling.originalContext * frequency) / (2 * Math.PI);
  if (turns > scaling.highFrequencyFactor) return frequency;
  if (turns < scaling.lowFrequencyFactor) return frequency / scaling.factor;
  const keep = (turns - scaling.lowFrequencyFactor) / (scaling.highFrequencyFactor - scaling.lowFrequencyFactor);
  return (frequency / scaling.factor) * (1 - keep) + frequency * keep;
}

/** YaRN (arXiv 2309.00071), section 3.2: a ramp over the dimensions between `betaFast` and `betaSlow` turns. */
function yarn(
  headWidth: number,
  base: number,
  frequencies: readonly number[],
  scaling: Extract<RopeScaling, { kind: "yarn" }>,
): Rope {
  const dimension = (turns: number): number =>
    (headWidth * Math.log(scaling.originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const low = Math.max(0, Math.floor(dimension(scaling.betaFast)));
  const high = Math.min(headWidth - 1, Math.ceil(dimension(scaling.betaSlow)));
  const scaled = frequencies.map((f, i) => {
    const slowed = Math.min(1, Math.max(0, (i - low) / Math.max(0.001, high - low)));
    return f * (1 - slowed) + (f / scaling.factor) * slowed;
  });
  const magnitude = scaling.magnitude ?? (scaling.factor > 1 ? 0.1 * Math.log(scaling.factor) + 1 : 1);
  return { frequencies: scaled, magnitude };
}
