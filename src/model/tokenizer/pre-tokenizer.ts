/**
 * How byte-level BPE cuts text into words before it merges, by the name that GGUF gives (`tokenizer.ggml.pre`).
 *
 * The expressions are those that the models were published with. `\s` is written `\p{White_Space}`, because JavaScript's
 * own lacks U+0085 and has U+FEFF; case is folded by hand, for ASCII alone.
 */
import { UserError } from "../../core/errors.ts";

export interface PreTokenizer {
  /** Applied one after the other, each to the pieces that the one before left; a gap between matches is a piece too. */
  readonly patterns: readonly RegExp[];
  /** A word that is a token stays whole, even where merges do not lead to it. */
  readonly wholeWords: boolean;
  /** Whether the beginning of sequence comes first, where the file does not say. */
  readonly bos: boolean;
}

const s = "\\p{White_Space}";
const notS = "\\P{White_Space}";
const gpt2Words = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${s}\\p{L}\\p{N}]+|${s}+(?!${notS})`;
const contractions = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
const spaces = `${s}*[\\r\\n]+|${s}+(?!${notS})|${s}+`;

/** Llama 3's expression, which others took over with another number of digits a word. */
const cl100k = (digits: string): string =>
  `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^${s}\\p{L}\\p{N}]+[\\r\\n]*|${spaces}`;

/** The words of GPT-4o and Tekken: a word begins at a capital after small letters. */
const upper = "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}";
const lower = "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}";
const cased = (digits: string, ending: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?[${upper}]*[${lower}]+${ending}|[^\\r\\n\\p{L}\\p{N}]?[${upper}]+[${lower}]*${ending}|` +
  `${digits}| ?[^${s}\\p{L}\\p{N}]+[\\r\\n/]*|${spaces}`;

const deepseekV3 =
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" +
  spaces;

interface Family {
  readonly names: readonly string[];
  readonly patterns: readonly string[];
  readonly wholeWords?: true;
  readonly bos?: true;
}

const families: readonly Family[] = [
  {
    names: ["default"],
    patterns: ["[\\p{P}\\$\\+<=>\\^~\\|]+", gpt2Words, "\\p{N}+", "[0-9][0-9][0-9]"],
  },
  {
    names: ["llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral"],
    patterns: [cl100k("\\p{N}{1,3}")],
    wholeWords: true,
    bos: true,
  },
  { names: ["dbrx", "smaug-bpe"], patterns: [cl100k("\\p{N}{1,3}")] },
  { names: ["qwen2", "stablelm2", "deepseek-r1-qwen", "megrez"], patterns: [cl100k("\\p{N}")] },
  { names: ["gpt-2", "phi-2", "mpt", "olmo", "gigachat"], patterns: [gpt2Words] },
  { names: ["smollm", "starcoder", "refact", "command-r", "codeshell"], patterns: ["\\p{N}", gpt2Words] },
  { names: ["falcon"], patterns: ["[\\p{P}\\$\\+<=>\\^~\\|`]+", gpt2Words, "[0-9][0-9][0-9]"] },
  { names: ["tekken"], patterns: [cased("\\p{N}", "")], wholeWords: true, bos: true },
  { names: ["gpt-4o", "llama4"], patterns: [cased("\\p{N}{1,3}", `(?:${contractions})?`)] },
  {
    names: ["deepseek-coder"],
    patterns: ["[\\r\\n]", `${s}?\\p{L}+`, `${s}?\\p{P}+`, "[一-龥ࠀ-一가-퟿]+", "\\p{N}"],
  },
  { names: ["deepseek-v3"], patterns: ["\\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", deepseekV3] },
];

/** Throws a `UserError` for a name that is not known: another's words would give other tokens, and wrong answers. */
export function preTokenizer(name: string): PreTokenizer {
  const family = families.find(({ names }) => names.includes(name));
  if (family === undefined) {
    const known = families.flatMap(({ names }) => names).join(", ");
    throw new UserError(
      `Reading the tokenizer: tokenizer.ggml.pre is ${JSON.stringify(name)}, which is not known.`,
      `Known are ${known}. Take another model, or its safetensors with tokenizer.json.`,
    );
  }
  return {
    patterns: family.patterns.map((pattern) => new RegExp(pattern, "gu")),
    wholeWords: family.wholeWords ?? false,
    bos: family.bos ?? false,
  };
}

export function splitWords(text: string, patterns: readonly RegExp[]): string[] {
  let words = [text];
  for (const pattern of patterns) words = words.flatMap((word) => isolate(word, pattern));
  return words;
}

function isolate(text: string, pattern: RegExp): string[] {
  const out: string[] = [];
  let from = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (index > from) out.push(text.slice(from, index));
    if (match !== "") out.push(match);
    from = index + match.length;
  }
  if (from < text.length) out.push(text.slice(from));
  return out;
}
