/** Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11): the reference of the op `random`. */

const multipliers = [0xd2511f53n, 0xcd9e8d57n] as const;
const weyl = [0x9e3779b9, 0xbb67ae85] as const;

export type Words = readonly [number, number, number, number];

/** The four words of one block. Everything is unsigned and 32 bits wide. */
export function philox(counter: Words, key: readonly [number, number]): Words {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const left = multipliers[0] * BigInt(a);
    const right = multipliers[1] * BigInt(c);
    a = (Number(right >> 32n) ^ b ^ k0) >>> 0;
    c = (Number(left >> 32n) ^ d ^ k1) >>> 0;
    b = Number(right & 0xffffffffn);
    d = Number(left & 0xffffffffn);
    k0 = (k0 + weyl[0]) >>> 0;
    k1 = (k1 + weyl[1]) >>> 0;
  }
  return [a, b, c, d];
}

/** Element `i` of the op `random`, whose docstring this follows. */
export function randomElement(
  fn: "uniform" | "normal",
  key: readonly [number, number],
  stream: number,
  i: number,
): number {
  const block = Math.floor(i / 64) * 16 + (i & 15);
  const words = philox([block, 0, stream >>> 0, 0], [key[0] >>> 0, key[1] >>> 0]);
  const word = (i >> 4) & 3;
  if (fn === "uniform") return (words[word]! >>> 8) * 2 ** -24;
  const [x, y] = word < 2 ? [words[0], words[1]] : [words[2], words[3]];
  const angle = (y >>> 8) * 2 ** -24 * 2 * Math.PI;
  const radius = Math.sqrt(-2 * Math.log(((x >>> 8) + 1) * 2 ** -24));
  return radius * (word % 2 === 0 ? Math.cos(angle) : Math.sin(angle));
}
