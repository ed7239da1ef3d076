/**
 * Attention over a cache in blocks of 16 positions.
 *
 *     item: token, key-value head (, share of its partitions) ──► partitions of 128 positions ──► combined in their order
 *
 * A block of keys is stored transposed, [C][16 positions], and of values as it comes, [16 positions][C]: scores keep one
 * position a lane, outputs one channel a lane, and neither is ever summed across lanes except the softmax's denominator,
 * whose lanes are absolute positions modulo 16. Partitions begin at absolute positions. So the result of a token is the same
 * bits whatever the chunk, the batch, the thread that computes it, or how many of them share it.
 *
 * Where a step has few tokens, each is cut into shares (Flash-Decoding, https://crfm.stanford.edu/2023/10/12/flashdecoding.html):
 * their partials go to memory, and a second kernel combines them.
 */
import { assert } from "../../core/errors.ts";
import { rowFloats } from "../layout.ts";
import type { Int, Target, TileProgram } from "../tile.ts";
import { at, TileBuilder } from "../tile-builder.ts";
import { type Combined, emitCombine, emitEmpty, emitFinish, factsBytes } from "./attention/combine.ts";
import {
  type AttentionShape,
  emitPartition,
  partial,
  partitionPositions,
  rowsMax,
  scoresBytes,
} from "./attention/partition.ts";
import { numberBytes, positionsPerBlock } from "./cache-store.ts";
import { emitRow, rowNames, rowScratch } from "./row-kernel.ts";
import type { RowProgram } from "./row-work.ts";

export { type AttentionShape, attentionMasks } from "./attention/partition.ts";

/** Steps of more tokens than this have enough items as they are. */
export const sharedTokensMax = 8;
const sharesPerThread = 8;

/** Into how many items the attention of a token and key-value head is cut, in a step of at most so many tokens. */
export const sharesOf = (tokensMax: number, threads: number): number =>
  threads === 1 || tokensMax > sharedTokensMax ? 1 : Math.max(1, Math.floor((sharesPerThread * threads) / tokensMax));

/** Bytes of scratch of a thread, beside those of the rows that follow. */
export const attentionScratch = (width: number): number =>
  scoresBytes + rowsMax * partial.bytes(width) + factsBytes(rowsMax);

/** Bytes of what shares leave for each other, for a context of that many positions. */
export const partialsBytes = ({ heads, width }: Pick<AttentionShape, "heads" | "width">, context: number): number =>
  Math.ceil(context / partitionPositions) * sharedTokensMax * heads * partial.bytes(width);

/** What both kernels of an attention know of an item. */
interface Item {
  readonly token: Int;
  /** Its key-value head, where there are several. */
  readonly head: Int | undefined;
  readonly position: Int;
  readonly first: Int;
  /** Its partitions. */
  readonly from: Int;
  readonly to: Int;
}

/** Where the results of a kernel go: `rows` read them as product 0, while they are in scratch. */
class Results {
  readonly #b: TileBuilder;
  readonly #shape: AttentionShape;
  readonly #rows: RowProgram | undefined;
  readonly #out: Int;
  readonly #params: readonly Int[];
  readonly #outs: readonly Int[];
  readonly #columns: { readonly count: number };
  /** Scratch that is not used by rows. */
  readonly scratch: Int;

  /** Takes its parameters. */
  constructor(b: TileBuilder, shape: AttentionShape, rows: RowProgram | undefined) {
    this.#b = b;
    this.#shape = shape;
    this.#rows = rows;
    this.#out = rows === undefined ? b.param() : b.scratch;
    this.#params = Array.from({ length: rows?.params ?? 0 }, () => b.param());
    this.#outs = (rows?.steps ?? []).flatMap((step) => (step.written ? [b.param()] : []));
    this.#columns = { count: (shape.heads / shape.kvHeads) * shape.width };
    const used = rows === undefined ? 0 : this.#columns.count * 4 + rowScratch(rows, b.target, this.#columns);
    this.scratch = used === 0 ? b.scratch : b.add(b.scratch, used);
  }

  /** Where an item's heads go, one behind the other. */
  at({ token, head }: Item): Int {
    return this.#rows === undefined ? headAt(this.#b, this.#shape, this.#out, token, head) : this.#out;
  }

  /** What follows the item's heads. */
  finish({ token, head }: Item): void {
    if (this.#rows === undefined) return;
    const b = this.#b;
    const { count } = this.#columns;
    const first = head === undefined ? b.int(0) : b.mul(head, count);
    const place = { item: token, params: this.#params, outs: this.#outs, products: [this.#out] };
    emitRow(b, this.#rows, { ...place, scratch: b.add(b.scratch, count * 4), columns: { count, first } });
  }
}

/** The queries, or results, of the heads of an item. */
function headAt(b: TileBuilder, shape: AttentionShape, rows: Int, token: Int, head: Int | undefined): Int {
  const { heads, kvHeads, width } = shape;
  const row = b.add(rows, b.mul(token, rowFloats(heads * width) * 4));
  return head === undefined ? row : b.add(row, b.mul(head, (heads / kvHeads) * width * 4));
}

function itemOf(b: TileBuilder, { kvHeads, window }: AttentionShape, item: Int, positions: Int): Item {
  const token = kvHeads === 1 ? item : b.div(item, kvHeads);
  const head = kvHeads === 1 ? undefined : b.rem(item, kvHeads);
  const position = b.loadInt(at(positions, 0, token, 4));
  const first = window === undefined ? b.int(0) : b.max(b.sub(position, window - 1), 0);
  const from = b.shr(first, Math.log2(partitionPositions));
  const to = b.add(b.shr(position, Math.log2(partitionPositions)), 1);
  return { token, head, position, first, from, to };
}

/** An item's heads, as many at a time as one pass over the cache serves: [first, how many]. */
function passesOf({ heads, kvHeads }: AttentionShape): readonly (readonly [number, number])[] {
  const perGroup = heads / kvHeads;
  const passes: (readonly [number, number])[] = [];
  for (let row = 0; row < perGroup; row += rowsMax) passes.push([row, Math.min(rowsMax, perGroup - row)]);
  return passes;
}

/** The partials of an item's partition 0, and how far apart its partitions are. */
function partialsAt(b: TileBuilder, { heads, kvHeads, width }: AttentionShape, partials: Int, { token, head }: Item) {
  const bytes = partial.bytes(width);
  const row = b.add(partials, b.mul(token, heads * bytes));
  const base = head === undefined ? row : b.add(row, b.mul(head, (heads / kvHeads) * bytes));
  return { base, stride: sharedTokensMax * heads * bytes };
}

const nameOf = ({ heads, kvHeads, width, window, cache }: AttentionShape, rows: RowProgram | undefined): string =>
  `${rows === undefined ? "" : `+${rowNames(rows)}`}-${heads}x${kvHeads}x${width}-${cache}${window === undefined ? "" : `-window${window}`}`;

/**
 * Parameters q, positions, tables (i32: block numbers), starts (i32 [T]: where a token's table begins), cacheK, cacheV, masks,
 * shares (a number), partials, out. An item is a share of a token and a key-value head. `masks` is `attentionMasks()` in memory.
 * With `rows`, which read the result as product 0, their parameters come in place of out: what follows is done to the heads of
 * an item while they are in scratch. Tokens whose partitions are several shares' are left to `lowerAttentionShares`.
 */
export function lowerAttention(target: Target, shape: AttentionShape, rows?: RowProgram): TileProgram {
  const { width } = shape;
  assert(width % 16 === 0, () => `heads of ${width}`);
  const b = new TileBuilder(target);
  const [q, positions, tables, starts, cacheK, cacheV] = [
    b.param(),
    b.param(),
    b.param(),
    b.param(),
    b.param(),
    b.param(),
  ];
  const [masks, shares, partials] = [b.param(), b.param(), b.param()];
  const results = new Results(b, shape, rows);
  const scores = results.scratch;
  const slot = b.add(scores, scoresBytes);
  const facts = b.add(slot, rowsMax * partial.bytes(width));
  b.for(b.begin, b.end, 1, (index) => {
    const item = itemOf(b, shape, b.div(index, shares), positions);
    const share = b.rem(index, shares);
    const { token, head, position, first } = item;
    const cacheOffset =
      head === undefined ? b.int(0) : b.mul(head, width * positionsPerBlock * numberBytes[shape.cache]);
    const view = {
      table: b.add(tables, b.shl(b.loadInt(at(starts, 0, token, 4)), 2)),
      keys: b.add(cacheK, cacheOffset),
      values: b.add(cacheV, cacheOffset),
      ...{ masks, position, first, scores, firstBlock: b.shr(first, 4), lastBlock: b.shr(position, 4) },
    };
    const part = partOf(b, item, shares, share);
    const memory = partialsAt(b, shape, partials, item);
    const base = b.int(slot);
    const stride = b.int(0);
    b.if(part.shared, "ne", 0, () => {
      b.assign(base, memory.base);
      b.assign(stride, b.int(memory.stride));
    });
    const queries = headAt(b, shape, q, token, head);
    const to = results.at(item);
    for (const [row, count] of passesOf(shape)) {
      const combined: Combined = { rows: count, width, out: b.add(to, row * width * 4), facts };
      const from = b.add(queries, row * width * 4);
      b.if(part.whole, "ne", 0, () => emitEmpty(b, combined));
      b.for(part.from, part.to, 1, (partition) => {
        const place = b.add(base, b.mul(partition, stride));
        b.if(part.shared, "ne", 0, () => b.add(place, row * partial.bytes(width), place));
        emitPartition(b, shape, view, partition, count, from, place);
        b.if(part.whole, "ne", 0, () => emitCombine(b, combined, place));
      });
      b.if(part.whole, "ne", 0, () => emitFinish(b, combined));
    }
    b.if(part.whole, "ne", 0, () => results.finish(item));
  });
  return b.finish(`attention${nameOf(shape, rows)}`);
}

/** The partitions of a share, whether they are all of them, and whether others have the rest. */
function partOf(b: TileBuilder, item: Item, shares: Int, share: Int) {
  const [from, to, whole, shared] = [b.int(item.from), b.int(item.to), b.int(1), b.int(0)];
  const count = b.sub(item.to, item.from);
  b.if(shares, "gt", 1, () => {
    b.if(
      count,
      "gt",
      1,
      () => {
        b.assign(to, b.add(item.from, b.div(b.mul(b.add(share, 1), count), shares)));
        b.assign(from, b.add(item.from, b.div(b.mul(share, count), shares)));
        b.assign(whole, b.int(0));
        b.assign(shared, b.int(1));
      },
      () =>
        b.if(share, "gt", 0, () => {
          b.assign(to, from);
          b.assign(whole, b.int(0));
        }),
    );
  });
  return { from, to, whole, shared };
}

/** Parameters positions, shares, partials, then as `lowerAttention`. An item is a token and a key-value head. */
export function lowerAttentionShares(target: Target, shape: AttentionShape, rows?: RowProgram): TileProgram {
  const b = new TileBuilder(target);
  const [positions, shares, partials] = [b.param(), b.param(), b.param()];
  const results = new Results(b, shape, rows);
  const { width } = shape;
  b.if(shares, "gt", 1, () =>
    b.for(b.begin, b.end, 1, (index) => {
      const item = itemOf(b, shape, index, positions);
      b.if(b.sub(item.to, item.from), "gt", 1, () => {
        const { base, stride } = partialsAt(b, shape, partials, item);
        const out = results.at(item);
        for (const [row, count] of passesOf(shape)) {
          const combined: Combined = { rows: count, width, out: b.add(out, row * width * 4), facts: results.scratch };
          emitEmpty(b, combined);
          b.for(item.from, item.to, 1, (partition) => {
            emitCombine(b, combined, b.add(b.add(base, row * partial.bytes(width)), b.mul(partition, stride)));
          });
          emitFinish(b, combined);
        }
        results.finish(item);
      });
    }),
  );
  return b.finish(`attention-shares${nameOf(shape, rows)}`);
}
