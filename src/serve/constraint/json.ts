/**
 * JSON as a grammar (RFC 8259), with white space bounded so that a model cannot write it for ever: after `:` and `,` at most
 * one space, or a new line with up to 20 of them. Numbers have at most 15 digits before and after the point, so that they
 * parse without loss, and exponents two.
 */
import { bytes, choice, type Grammar, literal, oneOf, optional, repeat, sequence } from "./grammar.ts";
import { codePoints, lastCodePoint } from "./utf8.ts";

export const space: Grammar = choice(sequence(), literal(" "), sequence(literal("\n"), repeat(literal(" "), 0, 20)));
const digit = bytes([0x30, 0x39]);
const hex = bytes([0x30, 0x39], [0x41, 0x46], [0x61, 0x66]);
/** A character of more than one byte. */
const multibyte: Grammar = codePoints([[0x80, lastCodePoint]]);

/** `\uXXXX` of a whole character: a high surrogate is followed by a low one. */
const unicodeEscape: Grammar = choice(
  sequence(bytes([0x30, 0x39], [0x41, 0x43], [0x45, 0x46], [0x61, 0x63], [0x65, 0x66]), hex, hex, hex),
  sequence(oneOf("dD"), bytes([0x30, 0x37]), hex, hex),
  sequence(oneOf("dD"), oneOf("89abAB"), hex, hex, literal("\\u"), oneOf("dD"), oneOf("cdefCDEF"), hex, hex),
);

/** One character of a string: one code point. */
export const character: Grammar = choice(
  bytes([0x20, 0x21], [0x23, 0x5b], [0x5d, 0x7f]),
  multibyte,
  sequence(literal("\\"), choice(oneOf('"\\/bfnrt'), sequence(literal("u"), unicodeEscape))),
);

export const quoted = (content: Grammar): Grammar => sequence(literal('"'), content, literal('"'));
export const string = (min = 0, max = Number.POSITIVE_INFINITY): Grammar => quoted(repeat(character, min, max));

const digits = repeat(digit, 1, 15);
export const integer: Grammar = sequence(
  optional(literal("-")),
  choice(literal("0"), sequence(bytes([0x31, 0x39]), repeat(digit, 0, 14))),
);
export const number: Grammar = sequence(
  integer,
  optional(sequence(literal("."), digits)),
  optional(sequence(oneOf("eE"), optional(oneOf("+-")), repeat(digit, 1, 2))),
);

export const list = (item: Grammar, min: number, max: number, first: readonly Grammar[] = []): Grammar =>
  sequence(literal("["), space, items(item, min, max, first), space, literal("]"));

const comma = sequence(literal(","), space);

function items(item: Grammar, min: number, max: number, first: readonly Grammar[]): Grammar {
  const fixed = first.flatMap((part, i) => (i === 0 ? [part] : [comma, part]));
  const [least, most] = [Math.max(0, min - first.length), max - first.length];
  if (most <= 0) return sequence(...fixed);
  if (first.length > 0) return sequence(...fixed, repeat(sequence(comma, item), least, most));
  const some = sequence(item, repeat(sequence(comma, item), Math.max(0, least - 1), most - 1));
  return least === 0 ? optional(some) : some;
}

export interface Member {
  readonly name: string;
  readonly value: Grammar;
  readonly required: boolean;
}

/** Members in the order given; those not required may be left out. */
export function object(members: readonly Member[]): Grammar {
  const memo = new Map<string, Grammar>();
  const from = (i: number, some: boolean): Grammar => {
    const member = members[i];
    if (member === undefined) return sequence();
    const key = `${i} ${some}`;
    const known = memo.get(key);
    if (known !== undefined) return known;
    const here = sequence(
      ...(some ? [comma] : []),
      pair(literal(JSON.stringify(member.name)), member.value),
      from(i + 1, true),
    );
    const made = member.required ? here : choice(here, from(i + 1, some));
    memo.set(key, made);
    return made;
  };
  return sequence(literal("{"), space, from(0, false), space, literal("}"));
}

const pair = (key: Grammar, value: Grammar): Grammar => sequence(key, literal(":"), space, value);

/** Any names, all values alike. */
export function dictionary(value: Grammar): Grammar {
  const one = pair(string(), value);
  const all = optional(sequence(one, repeat(sequence(comma, one), 0, Number.POSITIVE_INFINITY)));
  return sequence(literal("{"), space, all, space, literal("}"));
}

/** Any JSON value, to any depth. */
export const value: Grammar = choice(
  string(),
  number,
  literal("true"),
  literal("false"),
  literal("null"),
  { kind: "rule", resolve: () => anyObject },
  { kind: "rule", resolve: () => anyList },
);
export const anyObject: Grammar = dictionary(value);
const anyList: Grammar = list(value, 0, Number.POSITIVE_INFINITY);
