/**
 * Refuses grammars that would leave a model stuck: parts that no text can end (a schema that contains itself always, as an
 * object whose required member is such an object), and places with more alternatives than a step can look at.
 */
import { UserError } from "../../core/errors.ts";
import type { Grammar } from "./grammar.ts";

/** Alternatives at one place; a step of a few milliseconds. */
const alternativesMax = 50_000;

export function checkGrammar(root: Grammar): void {
  const nodes = collect(root);
  const finite = fixpoint(nodes, canEnd);
  // A byte or a choice that allows nothing is harmless where another stands beside it: nothing is written before it.
  const stuck = nodes.find((node) => node.kind !== "byte" && node.kind !== "choice" && !finite.has(node));
  if (stuck !== undefined || !finite.has(root)) {
    throw new UserError(
      "Unsupported JSON schema: a part of it allows no value that ends, because it refers to itself without a way out.",
      "Make the member that refers back optional, or let it be null.",
    );
  }
  const empty = fixpoint(nodes, canBeEmpty);
  const known = new Map<Grammar, number>();
  const most = nodes.reduce((sum, node) => Math.max(sum, alternatives(node, empty, known)), 0);
  if (most > alternativesMax) {
    throw new UserError(
      `Unsupported JSON schema: about ${most} alternatives at one place; at most ${alternativesMax} are possible.`,
      "Make its enumerations, or the counts in its patterns, smaller.",
    );
  }
}

/** Parts before what contains them, as far as cycles let them. */
function collect(root: Grammar): Grammar[] {
  const seen = new Set<Grammar>([root]);
  for (const node of seen) for (const part of partsOf(node)) seen.add(part);
  return [...seen].reverse();
}

function partsOf(node: Grammar): readonly Grammar[] {
  switch (node.kind) {
    case "byte":
      return [];
    case "rule":
      return [node.resolve()];
    case "repeat":
      return [node.part];
    default:
      return node.parts;
  }
}

type Known = ReadonlySet<Grammar>;

/** The least set of nodes of which `holds` is true, given that set. */
function fixpoint(nodes: readonly Grammar[], holds: (node: Grammar, known: Known) => boolean): Known {
  const known = new Set<Grammar>();
  for (let before = -1; known.size > before; ) {
    before = known.size;
    for (const node of nodes) if (!known.has(node) && holds(node, known)) known.add(node);
  }
  return known;
}

function canEnd(node: Grammar, known: Known): boolean {
  switch (node.kind) {
    case "byte":
      return node.allowed.includes(1);
    case "sequence":
      return node.parts.every((part) => known.has(part));
    case "choice":
      return node.parts.some((part) => known.has(part));
    case "rule":
      return known.has(node.resolve());
    case "repeat":
      return known.has(node.part) || node.max === 0;
  }
}

function canBeEmpty(node: Grammar, known: Known): boolean {
  switch (node.kind) {
    case "byte":
      return false;
    case "sequence":
      return node.parts.every((part) => known.has(part));
    case "choice":
      return node.parts.some((part) => known.has(part));
    case "rule":
      return known.has(node.resolve());
    case "repeat":
      return node.min === 0 || known.has(node.part);
  }
}

/** At most so many stacks are looked at before a byte is read, where `node` is on top. */
function alternatives(node: Grammar, empty: Known, known: Map<Grammar, number>): number {
  const found = known.get(node);
  if (found !== undefined) return found;
  // A rule that begins with itself leads back to the same stack, which is looked at once.
  known.set(node, 0);
  let sum = 1;
  if (node.kind === "sequence") {
    for (const part of node.parts) {
      sum += alternatives(part, empty, known);
      if (!empty.has(part)) break;
    }
  } else if (node.kind === "repeat") {
    // What may be empty is passed over as often as it is counted; after the least count an endless one stays as it is.
    const counted = node.max === Number.POSITIVE_INFINITY ? node.min + 1 : node.max;
    sum += alternatives(node.part, empty, known) * (empty.has(node.part) ? counted : 1);
  } else {
    for (const part of partsOf(node)) sum += alternatives(part, empty, known);
  }
  known.set(node, sum);
  return sum;
}
