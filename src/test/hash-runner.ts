/**
 * A `Runner` without a model: a cache block holds the tokens written to it, and the logits of a position are a hash of the
 * whole prefix as it is read back through the block table. So a block that is lost, shared too long, swapped or copied in the
 * wrong order changes the output, and reading a position that nobody wrote is an error, which a real model cannot notice.
 *
 * Four times in five the next token follows from the last one, so that look-ups and another hash runner often guess it.
 */
import { assert } from "../core/errors.ts";
import { draw } from "../core/random.ts";
import { maximaBlock, type Row, type Runner, type StepResult, type StepSequence } from "../model/runner.ts";

export interface HashRunnerOptions {
  readonly blocks: number;
  readonly blockSize: number;
  readonly vocabulary: number;
  readonly context: number;
  /** Runners of different seeds agree where the next token follows from the last. */
  readonly seed?: number;
  readonly tokensMax?: number;
  readonly sequencesMax?: number;
  /** Called before each step; what it throws, the step throws. */
  readonly before?: (sequences: readonly StepSequence[]) => void;
}

const unwritten = -1;

export const hashRunner = (options: HashRunnerOptions): Runner => new HashRunner(options);

class HashRunner implements Runner {
  readonly blockSize: number;
  readonly blocks: number;
  readonly vocabulary: number;
  readonly context: number;
  readonly tokensMax: number;
  readonly sequencesMax: number;
  readonly rowsMax: number;
  readonly blockBytes: number;
  readonly width = 4;
  readonly #seed: number;
  readonly #before: HashRunnerOptions["before"];
  readonly #cells: Int32Array;
  #stepping = false;

  constructor({
    blocks,
    blockSize,
    vocabulary,
    context,
    seed = 0,
    tokensMax = 64,
    sequencesMax = 16,
    before,
  }: HashRunnerOptions) {
    this.blocks = blocks;
    this.blockSize = blockSize;
    this.vocabulary = vocabulary;
    this.context = context;
    this.tokensMax = tokensMax;
    this.sequencesMax = sequencesMax;
    this.rowsMax = sequencesMax;
    this.blockBytes = 4 * blockSize;
    this.#seed = seed;
    this.#before = before;
    this.#cells = new Int32Array(blocks * blockSize).fill(unwritten);
  }

  #part(block: number): Uint8Array {
    return new Uint8Array(this.#cells.buffer, block * this.blockBytes, this.blockBytes);
  }

  #cell(table: ArrayLike<number>, position: number): number {
    const block = table[Math.floor(position / this.blockSize)];
    assert(block !== undefined && block < this.blocks, () => `position ${position} is beyond the block table`);
    return block * this.blockSize + (position % this.blockSize);
  }

  #rowsOf({ tokens, start, blocks: table, outputs, temperature = 1 }: StepSequence): Row[] {
    const rows: Row[] = [];
    let hash = this.#seed;
    for (let position = 0; position < start + tokens.length; position++) {
      const token = this.#cells[this.#cell(table, position)]!;
      assert(token !== unwritten, () => `position ${position} was read before it was written`);
      hash = Math.floor(draw(hash, token, position) * 2 ** 32);
      if (position >= start + tokens.length - outputs) rows.push(rowOf(hash, token, this.vocabulary, temperature));
    }
    return rows;
  }

  #check(sequences: readonly StepSequence[]): void {
    const total = sequences.reduce((n, s) => n + s.tokens.length, 0);
    const outputs = sequences.reduce((n, s) => n + s.outputs, 0);
    assert(total >= 1 && total <= this.tokensMax, () => `a step of ${total} tokens`);
    const most = Math.max(sequences.length, outputs);
    assert(most <= this.sequencesMax, () => `${sequences.length} sequences, ${outputs} rows`);
  }

  async step(sequences: readonly StepSequence[]): Promise<StepResult> {
    assert(!this.#stepping, () => "two steps overlap");
    this.#stepping = true;
    try {
      this.#before?.(sequences);
      this.#check(sequences);
      const written = new Set<number>();
      for (const s of sequences) {
        for (let i = 0; i < s.tokens.length; i++) {
          const at = this.#cell(s.blocks, s.start + i);
          assert(!written.has(at), () => `two sequences write the cell ${at} in one step`);
          written.add(at);
          this.#cells[at] = s.tokens[i]!;
        }
      }
      await new Promise((resolve) => setImmediate(resolve));
      return { rows: sequences.flatMap((s) => this.#rowsOf(s)) };
    } finally {
      this.#stepping = false;
    }
  }

  async embed(tokens: ArrayLike<number>, table: ArrayLike<number>): Promise<Float32Array> {
    assert(!this.#stepping, () => "an embedding overlaps a step");
    for (let i = 0; i < tokens.length; i++) this.#cells[this.#cell(table, i)] = tokens[i]!;
    await new Promise((resolve) => setImmediate(resolve));
    return Float32Array.from({ length: 4 }, (_, i) => draw(this.#seed, i, ...Array.from(tokens)));
  }

  copyBlock(from: number, to: number): void {
    this.#part(to).set(this.#part(from));
  }

  readBlock(block: number, into: Uint8Array): void {
    into.set(this.#part(block));
  }

  writeBlock(block: number, from: Uint8Array): void {
    this.#part(block).set(from);
  }

  async close(): Promise<void> {}
}

function rowOf(hash: number, last: number, vocabulary: number, temperature: number): Row {
  const logits = Float32Array.from({ length: vocabulary }, (_, token) => 2 * draw(hash, token));
  const rule = (last * 7 + 3) % vocabulary;
  const likely = draw(hash, vocabulary) < 0.8 ? rule : Math.floor(draw(hash, vocabulary, 1) * vocabulary);
  logits[likely] = logits[likely]! + 7;
  const runs = Array.from({ length: Math.ceil(vocabulary / maximaBlock) }, (_, run) =>
    logits.subarray(run * maximaBlock, (run + 1) * maximaBlock),
  );
  const maxima = Float32Array.from(runs, (run) => run.reduce((a, b) => Math.max(a, b)));
  const max = Math.max(...maxima);
  const sums = Float32Array.from(runs, (run) => run.reduce((n, x) => n + Math.exp((x - max) / temperature), 0));
  return { logits, maxima, sums };
}
