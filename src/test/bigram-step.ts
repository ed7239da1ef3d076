/**
 * A step written by hand for tests of the training engine: a table of logits [V, V] for the next token, softmax, momentum. A step
 * takes microseconds, and any lost bit changes all that follow.
 */
import { draw } from "../core/random.ts";
import { firstNonFinite, type StateArray, type Step } from "../train/step.ts";

export const bigramTokens = 8;

/** Pairs of a token and the one after it. */
export type Pairs = readonly (readonly [number, number])[];

export interface BigramStep extends Step<Pairs> {
  readonly table: Float32Array;
}

const array = (values: Float32Array): StateArray => ({
  type: "F32",
  shape: [bigramTokens, bigramTokens],
  bytes: () => new Uint8Array(values.buffer),
});

export function bigramStep(learningRate: number): BigramStep {
  const size = bigramTokens * bigramTokens;
  const table = Float32Array.from({ length: size }, (_, i) => draw(1, i) - 0.5);
  const moment = new Float32Array(size);
  const gradientOf = (pairs: Pairs): { readonly loss: number; readonly gradient: Float32Array } => {
    const gradient = new Float32Array(size);
    let loss = 0;
    for (const [token, next] of pairs) {
      const row = table.subarray(token * bigramTokens, (token + 1) * bigramTokens);
      const sum = row.reduce((s, x) => s + Math.exp(x), 0);
      loss -= Math.log(Math.exp(row[next]!) / sum) / pairs.length;
      for (let j = 0; j < bigramTokens; j++) {
        gradient[token * bigramTokens + j]! += (Math.exp(row[j]!) / sum - (j === next ? 1 : 0)) / pairs.length;
      }
    }
    return { loss, gradient };
  };
  return {
    table,
    state: new Map([
      ["table", array(table)],
      ["table.moment", array(moment)],
    ]),
    async run(pairs, number) {
      const { loss, gradient } = gradientOf(pairs);
      const gradientNorm = Math.sqrt(gradient.reduce((s, g) => s + g * g, 0));
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) return { loss, gradientNorm };
      for (let i = 0; i < size; i++) {
        moment[i] = 0.9 * moment[i]! + gradient[i]! + 1e-3 * (draw(2, number, i) - 0.5);
        table[i]! -= learningRate * moment[i]!;
      }
      return { loss, gradientNorm };
    },
    evaluate: async (pairs) => gradientOf(pairs).loss,
    locate: async (pairs) =>
      firstNonFinite("parameter table", table) ?? firstNonFinite("gradient of table", gradientOf(pairs).gradient),
    close: async () => {},
  };
}

/** Pairs in which a token's follower is most often the next one; each batch a function of its position. */
export const pairsAt = (position: number): Pairs =>
  Array.from({ length: 16 }, (_, i) => {
    const token = Math.floor(draw(3, position, i) * bigramTokens);
    return [token, draw(4, position, i) < 0.9 ? (token + 1) % bigramTokens : Math.floor(draw(5, position, i) * 8)];
  });

export function pairsFrom(start: number, end = Number.POSITIVE_INFINITY) {
  let position = start;
  return {
    get position() {
      return position;
    },
    next: async (): Promise<Pairs | undefined> => (position < end ? pairsAt(position++) : undefined),
    close: async (): Promise<void> => {},
  };
}
