/**
 * A runner whose generated code is checked: the first step of each class is computed on the reference level as well, from the
 * same cache, and must give the same bits. For finding a wrong kernel before a user does; it makes those steps slow.
 */
import { classOf } from "../compile/launch-view.ts";
import { assert } from "../core/errors.ts";
import type { Row, Runner, StepResult, StepSequence } from "./runner.ts";

/** `reference` is the same model on the reference level; it may have fewer blocks. Closing the result closes both. */
export function verified<R extends Runner>(runner: R, reference: Runner): R {
  const known = new Set<string>();
  const step = async (sequences: readonly StepSequence[]): Promise<StepResult> => {
    const tokens = sequences.reduce((n, s) => n + s.tokens.length, 0);
    const rows = sequences.reduce((n, s) => n + s.outputs, 0);
    const most = classOf({ tokens, rows });
    const key = `a step of ${most.tokens} tokens, ${most.rows} rows`;
    const blocks = [...new Set(sequences.flatMap((s) => blocksOf(s, runner.blockSize)))];
    // A step that the reference has no room for leaves its class unchecked, for a smaller one to come.
    if (known.has(key) || blocks.length > reference.blocks || tokens > reference.tokensMax)
      return runner.step(sequences);
    known.add(key);
    const bytes = new Uint8Array(runner.blockBytes);
    for (const [i, block] of blocks.entries()) {
      runner.readBlock(block, bytes);
      reference.writeBlock(i, bytes);
    }
    const moved = sequences.map((s) => ({ ...s, blocks: blocksOf(s, runner.blockSize).map((b) => blocks.indexOf(b)) }));
    const expected = await reference.step(moved);
    const given = await runner.step(sequences);
    for (const [i, row] of given.rows.entries()) compareRows(row, expected.rows[i]!, `${key}: row ${i}`);
    const expectedBytes = new Uint8Array(runner.blockBytes);
    for (const [i, block] of blocks.entries()) {
      runner.readBlock(block, bytes);
      reference.readBlock(i, expectedBytes);
      compare(new Uint32Array(bytes.buffer), new Uint32Array(expectedBytes.buffer), `${key}: cache block ${block}`);
    }
    return given;
  };
  const embed: Runner["embed"] = async (tokens, table) => {
    const count = Math.ceil(tokens.length / runner.blockSize);
    const key = `an embedding of ${classOf({ tokens: tokens.length, rows: 0 }).tokens} tokens`;
    if (known.has(key) || count > reference.blocks || tokens.length > reference.tokensMax)
      return runner.embed(tokens, table);
    known.add(key);
    const own = Array.from({ length: count }, (_, i) => i);
    const expected = await reference.embed(tokens, own);
    const given = await runner.embed(tokens, table);
    compare(bits(given), bits(expected), key);
    return given;
  };
  const close = async (): Promise<void> => {
    await runner.close();
    await reference.close();
  };
  // Methods of a class find their private fields only on the object itself.
  return new Proxy(runner, {
    get(target, name) {
      if (name === "step") return step;
      if (name === "embed") return embed;
      if (name === "close") return close;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

const blocksOf = ({ tokens, start, blocks }: StepSequence, blockSize: number): number[] =>
  Array.from(blocks).slice(0, Math.ceil((start + tokens.length) / blockSize));

function compareRows(given: Row, expected: Row, where: string): void {
  for (const part of ["logits", "maxima", "sums"] as const)
    compare(bits(given[part]), bits(expected[part]), `${where}, ${part}`);
}

const bits = (floats: Float32Array): Uint32Array => new Uint32Array(floats.buffer, floats.byteOffset, floats.length);

function compare(given: Uint32Array, expected: Uint32Array, where: string): void {
  const at = given.findIndex((x, i) => x !== expected[i]);
  const shown = (x: Uint32Array): string => `${new Float32Array(x.slice(at, at + 1).buffer)[0]}`;
  assert(
    at < 0,
    () => `generated code differs from the reference in ${where} at ${at}: ${shown(given)}, not ${shown(expected)}`,
  );
}
