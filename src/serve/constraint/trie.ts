/** A vocabulary as a trie of bytes in flat arrays: built once a tokenizer, walked once for each new state of a grammar. */
import type { Tokenizer } from "../../model/tokenizer.ts";

/** Nodes in depth-first order, without the root: where a node's byte is refused, the walk jumps to `after`. */
export interface Trie {
  readonly bytes: Uint8Array;
  readonly depths: Uint16Array;
  readonly after: Int32Array;
  /** Tokens that end at each node: `tokens[starts[n] … starts[n + 1])`. */
  readonly starts: Int32Array;
  readonly tokens: Int32Array;
}

/** Children as linked lists, in the order in which they came; node 0 is the root, and 0 is also "none". */
interface Links {
  count: number;
  readonly byte: Uint8Array;
  readonly parent: Int32Array;
  readonly child: Int32Array;
  readonly sibling: Int32Array;
  /** One more than the last token that ends at the node, and than the one before it of each token. */
  readonly token: Int32Array;
  readonly tokenBefore: Int32Array;
}

export function buildTrie(tokenizer: Tokenizer): Trie {
  const links = link(tokenizer);
  const count = links.count - 1;
  const trie = {
    bytes: new Uint8Array(count),
    depths: new Uint16Array(count),
    after: new Int32Array(count),
    starts: new Int32Array(count + 1),
    tokens: new Int32Array(tokenizer.vocabulary),
  };
  const placed = new Int32Array(links.count);
  let [at, written, depth] = [0, 0, 0];
  for (let node = links.child[0]!; node !== 0; ) {
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

function link(tokenizer: Tokenizer): Links {
  const { vocabulary } = tokenizer;
  const spelled = Array.from({ length: vocabulary }, (_, id) => tokenizer.bytes(id));
  const most = spelled.reduce((sum, bytes) => sum + bytes.length, 1);
  const links: Links = {
    count: 1,
    byte: new Uint8Array(most),
    parent: new Int32Array(most),
    child: new Int32Array(most),
    sibling: new Int32Array(most),
    token: new Int32Array(most),
    tokenBefore: new Int32Array(vocabulary),
  };
  for (const [id, bytes] of spelled.entries()) {
    if (bytes.length === 0) continue;
    let node = 0;
    for (let i = 0; i < bytes.length; i++) node = childOf(links, node, bytes[i]!);
    links.tokenBefore[id] = links.token[node]!;
    links.token[node] = id + 1;
  }
  return links;
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
