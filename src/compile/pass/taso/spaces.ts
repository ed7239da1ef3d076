/** The spaces in which substitutions are sought. */
import type { Space } from "./enumerate.ts";

/** Pairs of operators of every kind; triples of those that the IR has; and elementwise operators with the moves around them. */
export const spaces: readonly Space[] = [
  {
    operators: ["matmul", "add", "mul", "map", "transpose", "concat0", "concat1", "split0", "split1"],
    stepsMax: 2,
    variables: 5,
    cut: 2,
    most: {},
    shared: true,
  },
  {
    operators: ["matmul", "add", "mul", "map", "concat1", "split1"],
    stepsMax: 3,
    variables: 6,
    cut: 2,
    // Three of a kind only say again that the kind is associative.
    most: { add: 2, mul: 2, map: 2, concat1: 2 },
    shared: true,
  },
  ...(["add", "mul"] as const).map(
    (op): Space => ({
      operators: [op, "concat1", "split1"],
      stepsMax: 4,
      variables: 4,
      cut: 0,
      most: { [op]: 2, concat1: 2, split1: 1 },
      shared: false,
    }),
  ),
];
