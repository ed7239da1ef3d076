/** The `Runner` of compiled programs: fills a step's inputs, runs it, and shows its output rows. */

import { rowFloats } from "../compile/layout.ts";
import { attentionMasks, partialsBytes } from "../compile/lower/attention.ts";
import { positionsPerBlock } from "../compile/lower/cache-store.ts";
import { wholeRuns } from "../compile/lower/statistics.ts";
import type { Program } from "../compile/schedule.ts";
import type { TileProgram } from "../compile/tile.ts";
import { assert } from "../core/errors.ts";
import type { Device, Region, Rendered, Span } from "../device/device.ts";
import type { NamedLaunch } from "../device/launch-list.ts";
import { type Bindings, bind, type Session } from "../device/session.ts";
import type { Rope } from "../graph/ir.ts";
import type { AdapterColumns, ModelConfig } from "./checkpoint.ts";
import { maximaBlock, type Row, type Runner, type StepResult, type StepSequence } from "./runner.ts";

export interface Weights {
  readonly byName: ReadonlyMap<string, Region>;
  /** What to free when they are no longer needed; matrices share large regions. */
  readonly owned: readonly Region[];
}

/** As compiled, or as it was kept on disk. */
export type AnyProgram = Program<TileProgram | Rendered>;

export interface RunnerParts {
  readonly device: Device;
  /** `embed` is made when it is first needed: most runners never embed. */
  readonly programs: { readonly step: AnyProgram; embed(): Promise<AnyProgram> };
  readonly launch: NamedLaunch;
  readonly weights: Weights;
  readonly config: ModelConfig;
  readonly context: number;
  readonly blocks: number;
  readonly blockBytes: number;
  readonly tokensMax: number;
  readonly rowsMax: number;
  readonly sequencesMax: number;
  readonly adapters: readonly AdapterColumns[];
}

interface RopeTable {
  readonly rope: Rope;
  readonly region: Region;
  /** Positions filled so far. */
  filled: number;
}

export class CompiledRunner implements Runner {
  readonly blockSize = positionsPerBlock;
  readonly blocks: number;
  readonly vocabulary: number;
  readonly width: number;
  readonly context: number;
  readonly tokensMax: number;
  readonly rowsMax: number;
  readonly sequencesMax: number;
  readonly blockBytes: number;
  readonly device: Device;
  readonly program: AnyProgram;
  readonly #weights: ReadonlyMap<string, Region>;
  readonly #headWidth: number;
  readonly #regions: Region[] = [];
  /** Keys and values of each layer, the parts of a block in the order that `readBlock` gives them. */
  readonly #caches: Region[] = [];
  readonly #ropes: RopeTable[] = [];
  readonly #inputs: Record<"tokens" | "positions" | "rows" | "slots" | "starts" | "tables", Int32Array>;
  readonly #inverseTemperatures: Float32Array;
  /** [tokensMax, rank], in rows as kernels read them: 1 in the columns of a token's adapter. */
  readonly #adapterMasks: { readonly values: Float32Array; readonly stride: number } | undefined;
  readonly #adapters: ReadonlyMap<string, AdapterColumns>;
  readonly #step: Session;
  readonly #bindings: Bindings;
  readonly #parts: Pick<RunnerParts, "programs" | "launch">;
  #embed: Session | undefined;
  #running = false;

  constructor(parts: RunnerParts) {
    const { device, config, blocks, blockBytes, tokensMax, rowsMax, sequencesMax, context } = parts;
    this.device = device;
    this.program = parts.programs.step;
    this.#weights = parts.weights.byName;
    this.blocks = blocks;
    this.blockBytes = blockBytes;
    this.vocabulary = config.vocabulary;
    this.width = config.width;
    this.context = context;
    this.tokensMax = tokensMax;
    this.rowsMax = rowsMax;
    this.sequencesMax = sequencesMax;
    this.#headWidth = config.headWidth;
    const words = (count: number): Region => this.#alloc(count * 4);
    const regions = {
      tokens: words(tokensMax),
      positions: words(tokensMax),
      rows: words(Math.max(rowsMax, tokensMax)),
      slots: words(tokensMax),
      starts: words(tokensMax),
      tables: words(sequencesMax * Math.ceil(context / positionsPerBlock)),
      inverseTemperatures: words(rowsMax),
      masks: words(attentionMasks().length),
      partials: this.#alloc(device.threads === 1 ? 64 : partialsOf(parts.programs.step, context)),
      arena: this.#alloc(parts.programs.step.arenaBytes),
      ...(config.adapterRank !== undefined && { adapters: words(tokensMax * rowFloats(config.adapterRank)) }),
    };
    this.#adapters = new Map(parts.adapters.map((adapter) => [adapter.name, adapter]));
    if (regions.adapters !== undefined) {
      this.#adapterMasks = { values: floats(regions.adapters), stride: rowFloats(config.adapterRank!) };
    }
    const layerBytes = (blocks * blockBytes) / (2 * config.layers);
    for (let i = 0; i < 2 * config.layers; i++) this.#caches.push(this.#alloc(layerBytes));
    floats(regions.masks).set(attentionMasks());
    this.#inputs = {
      tokens: ints(regions.tokens),
      positions: ints(regions.positions),
      rows: ints(regions.rows),
      slots: ints(regions.slots),
      starts: ints(regions.starts),
      tables: ints(regions.tables),
    };
    this.#inverseTemperatures = floats(regions.inverseTemperatures);
    this.#bindings = {
      ...regions,
      inputs: regions,
      weights: parts.weights.byName,
      rope: (rope: Rope) => this.#rope(rope).region,
      cache: (layer: number, part: "keys" | "values") => this.#caches[2 * layer + (part === "keys" ? 0 : 1)]!,
    };
    this.#regions.push(...parts.weights.owned);
    this.#parts = parts;
    this.#step = bind(device, parts.programs.step, this.#bindings, parts.launch);
  }

  weightBytes(name: string): number {
    const region = this.#weights.get(name);
    assert(region !== undefined, () => `weight ${name} is not loaded`);
    return region.bytes;
  }

  #alloc(bytes: number): Region {
    const region = this.device.alloc(Math.max(64, bytes));
    this.#regions.push(region);
    return region;
  }

  #rope(rope: Rope): RopeTable {
    const known = this.#ropes.find((t) => sameRope(t.rope, rope));
    if (known !== undefined) return known;
    const table = { rope, region: this.#alloc(this.context * 2 * this.#headWidth * 4), filled: 0 };
    this.#ropes.push(table);
    return table;
  }

  /** Tables are filled as far as sequences have come: memory of positions never used is never touched. */
  #fillRopes(positions: number): void {
    const width = this.#headWidth;
    for (const table of this.#ropes) {
      if (positions <= table.filled) continue;
      const out = floats(table.region);
      const until = Math.min(this.context, Math.max(positions, table.filled + 64));
      for (let p = table.filled; p < until; p++) {
        const at = p * 2 * width;
        for (const [i, frequency] of table.rope.frequencies.entries()) {
          const cos = Math.cos(p * frequency) * table.rope.magnitude;
          const sin = Math.sin(p * frequency) * table.rope.magnitude;
          out[at + i] = out[at + width / 2 + i] = cos;
          out[at + width + i] = -sin;
          out[at + width + width / 2 + i] = sin;
        }
      }
      table.filled = until;
    }
  }

  /** Lays out a step's inputs; gives the numbers of tokens and rows. */
  #prepare(sequences: readonly StepSequence[]): { readonly tokens: number; readonly rows: number } {
    const { tokens, positions, rows, slots, starts, tables } = this.#inputs;
    const total = sequences.reduce((n, s) => n + s.tokens.length, 0);
    const wanted = sequences.reduce((n, s) => n + s.outputs, 0);
    assert(total >= 1 && total <= this.tokensMax, () => `a step of ${total} tokens; at most ${this.tokensMax}`);
    assert(wanted <= rows.length, () => `a step of ${wanted} output rows; at most ${rows.length}`);
    assert(sequences.length <= this.sequencesMax, () => `a step of ${sequences.length} sequences`);
    let [t, row, table, last] = [0, 0, 0, 0];
    for (const s of sequences) {
      const end = s.start + s.tokens.length;
      const needed = Math.ceil(end / positionsPerBlock);
      assert(end <= this.context, () => `position ${end - 1} is beyond the context of ${this.context}`);
      assert(s.blocks.length >= needed, () => `${s.blocks.length} blocks for ${end} positions`);
      assert(s.outputs <= s.tokens.length, () => `${s.outputs} outputs of ${s.tokens.length} tokens`);
      for (let i = 0; i < needed; i++) {
        assert(s.blocks[i]! >= 0 && s.blocks[i]! < this.blocks, () => `block ${s.blocks[i]} of ${this.blocks}`);
        tables[table + i] = s.blocks[i]!;
      }
      for (let i = 0; i < s.tokens.length; i++, t++) {
        const position = s.start + i;
        assert(s.tokens[i]! >= 0 && s.tokens[i]! < this.vocabulary, () => `token ${s.tokens[i]}`);
        tokens[t] = s.tokens[i]!;
        positions[t] = position;
        slots[t] =
          s.blocks[Math.floor(position / positionsPerBlock)]! * positionsPerBlock + (position % positionsPerBlock);
        starts[t] = table;
      }
      for (let i = s.outputs; i > 0; i--, row++) {
        rows[row] = t - i;
        if (row < this.#inverseTemperatures.length) this.#inverseTemperatures[row] = 1 / (s.temperature || 1);
      }
      this.#maskAdapters(s, t - s.tokens.length, t);
      table += needed;
      last = Math.max(last, end);
    }
    this.#fillRopes(last);
    return { tokens: total, rows: wanted };
  }

  #maskAdapters({ adapter }: StepSequence, from: number, to: number): void {
    const columns = adapter === undefined ? undefined : this.#adapters.get(adapter);
    assert(adapter === undefined || columns !== undefined, () => `there is no adapter ${adapter}`);
    if (this.#adapterMasks === undefined) return;
    const { values, stride } = this.#adapterMasks;
    values.fill(0, from * stride, to * stride);
    if (columns === undefined) return;
    for (let t = from; t < to; t++) values.fill(1, t * stride + columns.from, t * stride + columns.to);
  }

  async step(sequences: readonly StepSequence[]): Promise<StepResult> {
    const { tokens, rows } = this.#prepare(sequences);
    assert(rows <= this.rowsMax, () => `a step of ${rows} output rows; at most ${this.rowsMax}`);
    await this.#exclusively(() => this.#step.run(tokens, rows));
    return { rows: Array.from({ length: rows }, (_, row) => this.#row(row)) };
  }

  async timedStep(sequences: readonly StepSequence[]): Promise<readonly Span[]> {
    const { tokens, rows } = this.#prepare(sequences);
    assert(rows <= this.rowsMax, () => `a step of ${rows} output rows; at most ${this.rowsMax}`);
    return this.#exclusively(() => this.#step.timedRun(tokens, rows));
  }

  async #exclusively<T>(run: () => Promise<T>): Promise<T> {
    assert(!this.#running, () => "steps of a runner must not overlap");
    this.#running = true;
    try {
      return await run();
    } finally {
      this.#running = false;
    }
  }

  #row(row: number): Row {
    const runs = Math.ceil(this.vocabulary / maximaBlock);
    const logits = this.#step.output("logits", row, this.vocabulary);
    const maxima = this.#step.output("maxima", row, runs);
    const sums = this.#step.output("sums", row, runs);
    if (wholeRuns(this.vocabulary) < runs) this.#finishLastRun(row, logits, maxima, sums);
    return { logits, maxima, sums };
  }

  /** Kernels reduce whole runs of 256; what is left of the vocabulary is reduced here. */
  #finishLastRun(row: number, logits: Float32Array, maxima: Float32Array, sums: Float32Array): void {
    const last = maxima.length - 1;
    const before = last === 0 ? Number.NEGATIVE_INFINITY : Math.max(...maxima.subarray(0, last));
    const tail = logits.subarray(last * maximaBlock);
    const inverse = this.#inverseTemperatures[row]!;
    maxima[last] = tail.reduce((m, x) => Math.max(m, x), Number.NEGATIVE_INFINITY);
    const max = Math.max(before, maxima[last]!);
    if (max > before) {
      const correction = Math.exp((before - max) * inverse);
      for (let i = 0; i < last; i++) sums[i] = sums[i]! * correction;
    }
    sums[last] = tail.reduce((n, x) => n + Math.exp((x - max) * inverse), 0);
  }

  async embed(tokens: ArrayLike<number>, blocks: ArrayLike<number>): Promise<Float32Array> {
    const session = (this.#embed ??= await this.#bindEmbed());
    const sum = new Float64Array(this.width);
    for (let start = 0; start < tokens.length; start += this.tokensMax) {
      const part = Array.from(tokens).slice(start, start + this.tokensMax);
      const { tokens: count, rows } = this.#prepare([{ tokens: part, start, blocks, outputs: part.length }]);
      await this.#exclusively(() => session.run(count, rows));
      for (let row = 0; row < rows; row++) {
        const hidden = session.output("hidden", row, this.width);
        for (let i = 0; i < this.width; i++) sum[i] = sum[i]! + hidden[i]!;
      }
    }
    return Float32Array.from(sum, (x) => x / tokens.length);
  }

  async #bindEmbed(): Promise<Session> {
    const program = await this.#parts.programs.embed();
    const bindings = { ...this.#bindings, arena: this.#alloc(program.arenaBytes) };
    return bind(this.device, program, bindings, this.#parts.launch);
  }

  copyBlock(from: number, to: number): void {
    for (const part of this.#partsOf()) part.bytes.copyWithin(to * part.size, from * part.size, (from + 1) * part.size);
  }

  readBlock(block: number, into: Uint8Array): void {
    for (const { bytes, size, at } of this.#partsOf()) into.set(bytes.subarray(block * size, (block + 1) * size), at);
  }

  writeBlock(block: number, from: Uint8Array): void {
    for (const { bytes, size, at } of this.#partsOf()) bytes.set(from.subarray(at, at + size), block * size);
  }

  #partsOf(): { readonly bytes: Uint8Array; readonly size: number; readonly at: number }[] {
    assert(!this.#running, () => "cache blocks were moved during a step");
    const size = this.blockBytes / this.#caches.length;
    return this.#caches.map((r, i) => ({ bytes: new Uint8Array(r.buffer, r.offset, r.bytes), size, at: i * size }));
  }

  async close(): Promise<void> {
    this.#step.close();
    this.#embed?.close();
    await this.device.close();
    for (const region of this.#regions.splice(0)) this.device.free(region);
  }
}

/** The most that an attention of the program leaves between its shares. */
const partialsOf = ({ caches }: AnyProgram, context: number): number =>
  caches.reduce((most, shape) => Math.max(most, partialsBytes(shape, context)), 64);

/** By content: a program from disk has copies. */
function sameRope(a: Rope, b: Rope): boolean {
  const same = a.magnitude === b.magnitude && a.frequencies.length === b.frequencies.length;
  return a === b || (same && a.frequencies.every((f, i) => f === b.frequencies[i]));
}

const ints = (r: Region): Int32Array => new Int32Array(r.buffer, r.offset, Math.floor(r.bytes / 4));
const floats = (r: Region): Float32Array => new Float32Array(r.buffer, r.offset, Math.floor(r.bytes / 4));
