/**
 * Finds tokens that are whole in the text whatever surrounds them: `<start_of_turn>`, runs of newlines.
 *
 * llama.cpp's order decides where they overlap: the longest token first, each from left to right in what longer ones left.
 */
export interface SpecialToken {
  readonly id: number;
  readonly text: string;
  /** Found only where the caller lets text name control tokens. */
  readonly control: boolean;
}

interface Node {
  readonly next: Map<number, Node>;
  /** Index in the order of search. */
  rank: number | undefined;
}

export class SpecialTokens {
  /** Longest first. */
  readonly #tokens: readonly SpecialToken[];
  #trie: Node | undefined;

  constructor(tokens: readonly SpecialToken[]) {
    const bytes = (token: SpecialToken): number => Buffer.byteLength(token.text);
    this.#tokens = tokens.filter((token) => token.text !== "").sort((a, b) => bytes(b) - bytes(a));
  }

  /** `text` as ids of special tokens and the strings between them, none of which is empty. */
  split(text: string, control: boolean): (number | string)[] {
    if (text === "") return [];
    let parts: (number | string)[] = [text];
    for (const rank of this.#present(text)) {
      const token = this.#tokens[rank]!;
      if (token.control && !control) continue;
      parts = parts.flatMap((part) => (typeof part === "string" ? cut(part, token) : part));
    }
    return parts;
  }

  /** Which tokens are anywhere in the text, in the order of search: there are thousands, and few are. */
  #present(text: string): number[] {
    this.#trie ??= this.#build();
    const ranks = new Set<number>();
    for (let i = 0; i < text.length; i++) {
      let node = this.#trie.next.get(text.charCodeAt(i));
      for (let j = i + 1; node !== undefined; j++) {
        if (node.rank !== undefined) ranks.add(node.rank);
        node = node.next.get(text.charCodeAt(j));
      }
    }
    return [...ranks].sort((a, b) => a - b);
  }

  #build(): Node {
    const root: Node = { next: new Map(), rank: undefined };
    for (const [rank, { text }] of this.#tokens.entries()) {
      let node = root;
      for (let i = 0; i < text.length; i++) {
        const code = text.charCodeAt(i);
        let next = node.next.get(code);
        if (next === undefined) node.next.set(code, (next = { next: new Map(), rank: undefined }));
        node = next;
      }
      node.rank ??= rank;
    }
    return root;
  }
}

function cut(text: string, token: SpecialToken): (number | string)[] {
  const parts: (number | string)[] = [];
  let from = 0;
  for (let at = text.indexOf(token.text); at !== -1; at = text.indexOf(token.text, from)) {
    if (at > from) parts.push(text.slice(from, at));
    parts.push(token.id);
    from = at + token.text.length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}
