/**
 * Plain characters: those that stand in a JSON string as they are, in well-formed UTF-8 (RFC 8259, §7; Unicode, table 3-7).
 * Most tokens consist of them, and inside a string without limits all such tokens are allowed.
 */
import type { ByteState } from "./grammar.ts";

/** What the bytes since the last whole character were: `whole` is none. */
const whole = 0;
/** For each phase, ranges of bytes, and the phase that they lead to. */
const phases: readonly (readonly (readonly [from: number, to: number, phase: number])[])[] = [
  [
    [0x20, 0x21, whole],
    [0x23, 0x5b, whole],
    [0x5d, 0x7f, whole],
    [0xc2, 0xdf, 1],
    [0xe0, 0xe0, 4],
    [0xe1, 0xec, 2],
    [0xed, 0xed, 5],
    [0xee, 0xef, 2],
    [0xf0, 0xf0, 6],
    [0xf1, 0xf3, 3],
    [0xf4, 0xf4, 7],
  ],
  [[0x80, 0xbf, whole]],
  [[0x80, 0xbf, 1]],
  [[0x80, 0xbf, 2]],
  [[0xa0, 0xbf, 1]],
  [[0x80, 0x9f, 1]],
  [[0x90, 0xbf, 2]],
  [[0x80, 0x8f, 2]],
];

/** True where the bytes are one plain character or more, all of them whole. */
export function isPlainText(bytes: Uint8Array): boolean {
  let phase: number | undefined = whole;
  for (const byte of bytes) {
    phase = phases[phase]!.find(([from, to]) => byte >= from && byte <= to)?.[2];
    if (phase === undefined) return false;
  }
  return bytes.length > 0 && phase === whole;
}

/** True where every plain character leads back to the state itself, as inside a string without limits. */
export function takesPlainText(state: ByteState): boolean {
  const seen = new Map<ByteState, Set<number>>();
  const takes = (from: ByteState, phase: number): boolean => {
    const known = seen.get(from) ?? new Set();
    if (known.has(phase)) return true;
    seen.set(from, known.add(phase));
    for (const [first, last, next] of phases[phase]!) {
      for (let byte = first; byte <= last; byte++) {
        const to = from.step(byte);
        if (to === undefined || !(next === whole ? to === state : takes(to, next))) return false;
      }
    }
    return true;
  };
  return takes(state, whole);
}
