/**
 * Two kinds of failure, kept apart.
 *
 * A `UserError` is the caller's to fix: it says what was asked, what is wrong with the values given, and what to
 * do next; the command line prints it without a stack and exits 1. A failed `assert` is ours: a bug, so it crashes.
 */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly hint: string | undefined;

  constructor(message: string, hint?: string) {
    super(hint === undefined ? message : `${message}\n  ${hint}`);
    this.hint = hint;
  }
}

/** The message is a function, so that a passing check in a hot loop formats nothing. */
export function assert(condition: boolean, message: () => string): asserts condition {
  if (!condition) bug(message());
}

/** What a failed `assert` throws, for checks that run so often that even a function for the message is too much. */
export function bug(message: string): never {
  throw new Error(`bug: ${message}`);
}

/** The name nearest to `wrong`, if one is near enough to be a typing error. */
export function nearest(wrong: string, names: readonly string[]): string | undefined {
  if (wrong === "") return undefined;
  const longer = names.find((name) => name.startsWith(wrong));
  if (longer !== undefined) return longer;
  const ranked = names.map((name) => ({ name, edits: editDistance(wrong, name) })).sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  return best !== undefined && best.edits <= Math.max(2, wrong.length / 3) && best.edits < wrong.length
    ? best.name
    : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitute = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitute, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
