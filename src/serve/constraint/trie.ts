/**
 * A vocabulary as a trie of bytes in flat arrays: built once a tokenizer, walked once for each new state of a grammar.
 *
 * Building it for a quarter of a million tokens takes far longer than clients of other requests should wait, so it is built in
 * slices of bounded work.
 */
import type { Tokenizer } from "../../model/tokenizer.ts";
import { isPlainText } from "./plain-text.ts";

/** Nodes in depth-first order, without the root: where a node's byte is refused, the walk jumps to `after`. */
export interface Trie {
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly after: Int32Array;
  /** Tokens that end at each node: `tokens[starts[n] … starts[n + 1])`. */
  readonly starts: Int32Array;
  readonly tokens: Int32Array;
}

/** Tokens read, or nodes placed, in one slice: about a millisecond. */
export const sliceSize = 1024;

/**
 * All tokens, in two tries: those of whole plain characters, which text inside a JSON string takes as they are, and the rest.
 */
export interface VocabularyTries {
  /** One flag a token, [V]: it is in `plain`. */
  readonly isPlain: Uint8Array;
  readonly plain: Trie;
  readonly rest: Trie;
}

/** Children as linked lists, in the order in which they came; node 0 is the root, and 0 is also "none". */
interface Links {
  count: number;
  tokens: number;
  readonly byte: Uint8Array;
  readonly parent: Int32Array;
  readonly child: Int32Array;
  readonly sibling: Int32Array;
  /** One more than the last token that ends at the node, and than the one before it of each token. */
  readonly token: Int32Array;
  readonly tokenBefore: Int32Array;
}

/** Yields after each slice. */
export function* buildTries(tokenizer: Tokenizer): Generator<void, VocabularyTries> {
  const { vocabulary } = tokenizer;
  const isPlain = new Uint8Array(vocabulary);
  const sizes: [rest: number, plain: number] = [1, 1];
  for (let id = 0; id < vocabulary; id++) {
    if (id % sliceSize === sliceSize - 1) yield;
    const bytes = tokenizer.bytes(id);
    const plain = isPlainText(bytes) ? 1 : 0;
    isPlain[id] = plain;
    sizes[plain] += bytes.length;
  }
  yield;
  const [rest, plain] = sizes.map((size) => emptyLinks(size, vocabulary)) as [Links, Links];
  for (let id = 0; id < vocabulary; id++) {
    if (id % sliceSize === sliceSize - 1) yield;
    insert(isPlain[id] === 1 ? plain : rest, id, tokenizer.bytes(id));
  }
  yield;
  return { isPlain, plain: yield* flatten(plain), rest: yield* flatten(rest) };
}

function* flatten(links: Links): Generator<void, Trie> {
  const count = links.count - 1;
  const trie = {
    bytes: new Uint8Array(count),
    depths: new Uint16Array(count),
    after: new Int32Array(count),
    starts: new Int32Array(count + 1),
    tokens: new Int32Array(links.tokens),
  };
  const placed = new Int32Array(links.count);
  let [at, written, depth] = [0, 0, 0];
  for (let node = links.child[0]!; node !== 0; ) {
    if (at % sliceSize === sliceSize - 1) yield;
    placed[node] = at;
    trie.bytes[at] = links.byte[node]!;
    trie.depths[at] = depth;
    trie.starts[at++] = written;
    for (let t = links.token[node]!; t !== 0; t = links.tokenBefore[t - 1]!) trie.tokens[written++] = t - 1;
    if (links.child[node] !== 0) {
      node = links.child[node]!;
      depth++;
      continue;
    }
    while (node !== 0 && links.sibling[node] === 0) {
      trie.after[placed[node]!] = at;
      node = links.parent[node]!;
      depth--;
    }
    if (node === 0) break;
    trie.after[placed[node]!] = at;
    node = links.sibling[node]!;
  }
  trie.starts[count] = written;
  return trie;
}

/** With room for `size` nodes. */
function emptyLinks(size: number, vocabulary: number): Links {
  return {
    count: 1,
    tokens: 0,
    byte: new Uint8Array(size),
    parent: new Int32Array(size),
    child: new Int32Array(size),
    sibling: new Int32Array(size),
    token: new Int32Array(size),
    tokenBefore: new Int32Array(vocabulary),
  };
}

function insert(links: Links, id: number, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  let node = 0;
  for (let i = 0; i < bytes.length; i++) node = childOf(links, node, bytes[i]!);
  links.tokenBefore[id] = links.token[node]!;
  links.token[node] = id + 1;
  links.tokens++;
}

function childOf(links: Links, node: number, byte: number): number {
  let last = 0;
  for (let child = links.child[node]!; child !== 0; child = links.sibling[child]!) {
    if (links.byte[child] === byte) return child;
    last = child;
  }
  const made = links.count++;
  links.byte[made] = byte;
  links.parent[made] = node;
  if (last === 0) links.child[node] = made;
  else links.sibling[last] = made;
  return made;
}
