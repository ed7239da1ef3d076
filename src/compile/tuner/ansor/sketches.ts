/** §4.1: a sketch is a tile's structure. Each rule looks at a sketch and gives what it may become; all orders are derived. */
import { panelRows } from "../../block-format.ts";
import type { LinearTile } from "../../schedule/linear.ts";
import type { Space } from "../../schedule/space.ts";
import { templateBase } from "../../schedule/template.ts";

interface Rule {
  readonly name: string;
  applies(space: Space, sketch: LinearTile): boolean;
  apply(sketch: LinearTile): LinearTile;
}

const rules: readonly Rule[] = [
  {
    name: "add a cache stage: unpack the panel once for all tokens",
    applies: ({ task }, { stage }) => stage === 0 && task.format.kind === "blocks",
    apply: (sketch) => ({ ...sketch, stage: 1 }),
  },
  {
    name: "inline the repeated activation into the products",
    applies: ({ task: { target, format } }, { operand }) =>
      operand === "register" && (format.kind === "f32" || target.dot4),
    apply: (sketch) => ({ ...sketch, operand: "memory" }),
  },
  {
    name: "reorder: part of the panel for all tokens, then the next part",
    applies: ({ task }, { order }) => order === "tokens" && task.target.lanes < panelRows && more(task.tokens),
    apply: (sketch) => ({ ...sketch, order: "columns" }),
  },
  {
    name: "reorder: all vectors of a block, then the next block",
    applies: ({ task: { target, format } }, { order, stage }) =>
      order === "tokens" && stage === 0 && format.kind === "blocks" && target.lanes < 16,
    apply: (sketch) => ({ ...sketch, order: "blocks" }),
  },
  {
    name: "split the tail exactly",
    applies: ({ task }, { tail }) => tail === "halves" && more(task.tokens),
    apply: (sketch) => ({ ...sketch, tail: "exact" }),
  },
  {
    name: "cut all tokens evenly",
    applies: ({ task }, { tail }) => tail === "halves" && more(task.tokens),
    apply: (sketch) => ({ ...sketch, tail: "even" }),
  },
];

const more = (tokens: readonly number[]): boolean => Math.max(...tokens) > 1;

export function sketchesOf(space: Space): LinearTile[] {
  const derived = [{ ...templateBase(space), stage: 0, prefetch: 0 } as LinearTile];
  for (const rule of rules) {
    derived.push(...derived.filter((sketch) => rule.applies(space, sketch)).map((sketch) => rule.apply(sketch)));
  }
  return derived;
}
