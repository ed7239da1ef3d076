/**
 * A useful part of regular expressions as a grammar of string content: literals, classes, groups, alternation, quantifiers,
 * `\d \w \s`, anchors at the ends. Without an anchor, anything may stand on that side, as JSON Schema has it. Matched are
 * characters of ASCII and, by `.` and negated classes, any others.
 */
import { UserError } from "../../core/errors.ts";
import { choice, type Grammar, literal, repeat, sequence } from "./grammar.ts";
import { character, multibyte, multibyteOfLine } from "./json.ts";

export function patternGrammar(pattern: string, path: string): Grammar {
  return new Parser(pattern, path).parse();
}

const endless = Number.POSITIVE_INFINITY;
const any = repeat(character, 0, endless);
const printable = (flags: Uint8Array): Grammar => {
  const parts: Grammar[] = [];
  const plain = flags.slice();
  for (const special of [0x22, 0x5c]) {
    if (flags[special] === 1) parts.push(literal(`\\${String.fromCharCode(special)}`));
    plain[special] = 0;
  }
  for (let c = 0; c < 0x20; c++) {
    if (flags[c] === 1) parts.push(literal(JSON.stringify(String.fromCharCode(c)).slice(1, -1)));
    plain[c] = 0;
  }
  return choice({ kind: "byte", allowed: plain }, ...parts);
};

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
    if (c === ".") return choice(printable(flagsOf((b) => b !== 10 && b !== 13)), multibyteOfLine);
    if (c === "\\") return printable(this.#escape());
    if ("*+?{}^$".includes(c)) this.#fail(`"${c}" at ${this.#at - 1}`);
    return c.charCodeAt(0) < 128 ? printable(flagsOf((b) => b === c.charCodeAt(0))) : this.#wide(c);
  }

  /** A character beyond ASCII, which may be two UTF-16 units. */
  #wide(first: string): Grammar {
    const whole = String.fromCodePoint(this.#text.codePointAt(this.#at - 1)!);
    this.#at += whole.length - first.length;
    return literal(whole);
  }

  #escape(): Uint8Array {
    const c = this.#text[this.#at++];
    if (c === undefined) this.#fail("a backslash at the end");
    const classes: Readonly<Record<string, (b: number) => boolean>> = { d: isDigit, w: isWord, s: isSpace };
    const test = classes[c.toLowerCase()];
    if (test !== undefined && c === c.toLowerCase()) return flagsOf(test);
    const control = { n: 10, r: 13, t: 9, f: 12, v: 11 }[c];
    if (control !== undefined) return flagsOf((b) => b === control);
    if (/[a-zA-Z0-9]/.test(c)) this.#fail(`\\${c}`);
    return flagsOf((b) => b === c.charCodeAt(0));
  }

  #class(): Grammar {
    const negated = this.#text[this.#at] === "^";
    if (negated) this.#at++;
    if (this.#text[this.#at] === "]") this.#fail("an empty class");
    const flags = new Uint8Array(128);
    while (this.#text[this.#at] !== "]") {
      if (this.#at >= this.#text.length) this.#fail("a class that is not closed");
      const from = this.#member();
      if (this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]" && typeof from === "number") {
        this.#at++;
        const to = this.#member();
        if (typeof to !== "number" || to < from) this.#fail("a range");
        flags.fill(1, from, to + 1);
      } else if (typeof from === "number") flags[from] = 1;
      else for (const [b, flag] of from.entries()) flags[b] = flags[b]! | flag;
    }
    this.#at++;
    if (!negated) return printable(flags);
    return choice(printable(flags.map((flag) => 1 - flag)), multibyte);
  }

  #member(): number | Uint8Array {
    const c = this.#text[this.#at++]!;
    if (c.charCodeAt(0) > 127) this.#fail("characters beyond ASCII in a class");
    if (c !== "\\") return c.charCodeAt(0);
    const flags = this.#escape();
    const only = flags.indexOf(1);
    return flags.lastIndexOf(1) === only ? only : flags;
  }
}

const flagsOf = (test: (byte: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 128 }, (_, b) => (test(b) ? 1 : 0));
const isDigit = (b: number): boolean => b >= 0x30 && b <= 0x39;
const isWord = (b: number): boolean => isDigit(b) || b === 0x5f || (b >= 0x41 && b <= 0x5a) || (b >= 0x61 && b <= 0x7a);
const isSpace = (b: number): boolean => b === 0x20 || (b >= 9 && b <= 13);

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
