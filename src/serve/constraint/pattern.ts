/**
 * A useful part of regular expressions as a grammar of string content: literals, classes, groups, alternation, quantifiers,
 * `\d \w \s`, anchors at the ends. Without an anchor, anything may stand on that side, as JSON Schema has it. Characters are
 * code points, as with the flag `u` of JavaScript.
 */
import { UserError } from "../../core/errors.ts";
import { choice, type Grammar, literal, repeat, sequence } from "./grammar.ts";
import { character } from "./json.ts";
import { codePoints, complement, type Range, union } from "./utf8.ts";

export function patternGrammar(pattern: string, path: string): Grammar {
  return new Parser(pattern, path).parse();
}

const endless = Number.POSITIVE_INFINITY;
const any = repeat(character, 0, endless);

/** A character of the set as JSON writes it: quotes, backslashes and controls are escaped, in one spelling each. */
function written(set: readonly Range[]): Grammar {
  const escaped = escapes.filter((c) => set.some(([from, to]) => c >= from && c <= to));
  const plain = complement([...complement(set), ...escapes.map((c): Range => [c, c])]);
  const spelled = escaped.map((c) => literal(JSON.stringify(String.fromCharCode(c)).slice(1, -1)));
  return choice(codePoints(plain), ...spelled);
}
const escapes = [...Array.from({ length: 0x20 }, (_, c) => c), 0x22, 0x5c];

const one = (c: number): readonly Range[] => [[c, c]];
const digits: readonly Range[] = [[0x30, 0x39]];
const words: readonly Range[] = [...digits, [0x5f, 0x5f], [0x41, 0x5a], [0x61, 0x7a]];
/** White space and line ends of ECMA-262, 12.2 and 12.3. */
const spaces: readonly Range[] = [
  [9, 13],
  ...[0x20, 0xa0, 0x1680, 0x202f, 0x205f, 0x3000, 0xfeff].map((c): Range => [c, c]),
  [0x2000, 0x200a],
  [0x2028, 0x2029],
];
const lineEnds: readonly Range[] = [
  [10, 10],
  [13, 13],
  [0x2028, 0x2029],
];

class Parser {
  readonly #text: string;
  readonly #path: string;
  #at = 0;

  constructor(text: string, path: string) {
    this.#text = text;
    this.#path = path;
  }

  parse(): Grammar {
    const branches = this.#alternatives(true);
    if (this.#at < this.#text.length) this.#fail(`"${this.#text[this.#at]}" at ${this.#at}`);
    return branches;
  }

  #fail(what: string): never {
    throw new UserError(
      `Unsupported pattern ${JSON.stringify(this.#text)} at ${this.#path}: ${what}.`,
      "Use literals, classes, groups, alternation, quantifiers and anchors at the ends.",
    );
  }

  #alternatives(outermost: boolean): Grammar {
    const branches = [this.#branch(outermost)];
    while (this.#text[this.#at] === "|") {
      this.#at++;
      branches.push(this.#branch(outermost));
    }
    return choice(...branches);
  }

  #branch(outermost: boolean): Grammar {
    const parts: Grammar[] = [];
    let [open, close] = [outermost, outermost];
    if (outermost && this.#text[this.#at] === "^") {
      this.#at++;
      open = false;
    }
    while (this.#at < this.#text.length && !"|)".includes(this.#text[this.#at]!)) {
      const atEnd = this.#at + 1 === this.#text.length || this.#text[this.#at + 1] === "|";
      if (outermost && this.#text[this.#at] === "$" && atEnd) {
        this.#at++;
        close = false;
        break;
      }
      parts.push(this.#quantified(this.#atom()));
    }
    return sequence(...(open ? [any] : []), ...parts, ...(close ? [any] : []));
  }

  #quantified(part: Grammar): Grammar {
    const next = this.#text[this.#at];
    const counts = /^\{(\d+)(,(\d*))?\}/.exec(this.#text.slice(this.#at));
    let made = part;
    if (next === "*" || next === "+" || next === "?") {
      this.#at++;
      made = repeat(part, next === "+" ? 1 : 0, next === "?" ? 1 : endless);
    } else if (counts !== null) {
      this.#at += counts[0].length;
      const min = Number(counts[1]);
      const max = counts[2] === undefined ? min : counts[3] === "" ? endless : Number(counts[3]);
      if (max < min) this.#fail(`${counts[0]} counts backwards`);
      made = repeat(part, min, max);
    } else return part;
    if (this.#text[this.#at] === "?") this.#at++;
    return made;
  }

  #atom(): Grammar {
    const c = this.#text[this.#at++]!;
    if (c === "(") {
      if (this.#text[this.#at] === "?") {
        if (this.#text[this.#at + 1] !== ":") this.#fail("look-around and named groups");
        this.#at += 2;
      }
      const inner = this.#alternatives(false);
      if (this.#text[this.#at++] !== ")") this.#fail("a group that is not closed");
      return inner;
    }
    if (c === "[") return this.#class();
    if (c === ".") return written(complement(lineEnds));
    if (c === "\\") return written(this.#escape());
    if ("*+?{}^$".includes(c)) this.#fail(`"${c}" at ${this.#at - 1}`);
    return written(one(this.#whole()));
  }

  /** The code point whose first UTF-16 unit was just read. */
  #whole(): number {
    const point = this.#text.codePointAt(this.#at - 1)!;
    if (point > 0xffff) this.#at++;
    return point;
  }

  #escape(): readonly Range[] {
    const c = this.#text[this.#at++];
    if (c === undefined) this.#fail("a backslash at the end");
    const named = { d: digits, w: words, s: spaces }[c.toLowerCase()];
    if (named !== undefined) return c === c.toLowerCase() ? named : complement(named);
    const control = { n: 10, r: 13, t: 9, f: 12, v: 11 }[c];
    if (control !== undefined) return one(control);
    if (/[a-zA-Z0-9]/.test(c)) this.#fail(`\\${c}`);
    return one(c.charCodeAt(0));
  }

  #class(): Grammar {
    const negated = this.#text[this.#at] === "^";
    if (negated) this.#at++;
    if (this.#text[this.#at] === "]") this.#fail("an empty class");
    const set: Range[] = [];
    while (this.#text[this.#at] !== "]") {
      if (this.#at >= this.#text.length) this.#fail("a class that is not closed");
      const from = this.#member();
      if (this.#text[this.#at] !== "-" || this.#text[this.#at + 1] === "]" || !isOne(from)) {
        set.push(...from);
        continue;
      }
      this.#at++;
      const to = this.#member();
      if (!isOne(to) || to[0]![0] < from[0]![0]) this.#fail("a range");
      set.push([from[0]![0], to[0]![0]]);
    }
    this.#at++;
    return written(negated ? complement(set) : union(set));
  }

  #member(): readonly Range[] {
    return this.#text[this.#at++] === "\\" ? this.#escape() : one(this.#whole());
  }
}

const isOne = (set: readonly Range[]): boolean => set.length === 1 && set[0]![0] === set[0]![1];

const long = "(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])";
const short = "(0[469]|11)-(0[1-9]|[12][0-9]|30)";
const leap = "([0-9]{2}(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29";
const date = `([0-9]{4}-(${long}|${short}|02-(0[1-9]|1[0-9]|2[0-8]))|${leap})`;
const time = `([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])`;
const label = "[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?";
const octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";

/** Formats as patterns: each gives a part of what the format allows, and only that. */
export const formats: Readonly<Record<string, string>> = {
  date: `^${date}$`,
  time: `^${time}$`,
  "date-time": `^${date}T${time}$`,
  uuid: "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
  email: `^[a-zA-Z0-9_+-]+(\\.[a-zA-Z0-9_+-]+)*@(${label}\\.)+[a-zA-Z]{2,24}$`,
  ipv4: `^${octet}(\\.${octet}){3}$`,
};
