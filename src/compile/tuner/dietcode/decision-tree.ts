/** §4.4: from a number of tokens to a micro-kernel, by a tree of few thresholds. */

/** `cost(i, kernel)` is what shape `i`, in ascending order of tokens, costs with a kernel. Gives a kernel for each shape. */
export function dispatch(
  shapes: number,
  kernels: number,
  leavesMax: number,
  cost: (shape: number, kernel: number) => number,
): number[] {
  interface Leaf {
    readonly from: number;
    readonly to: number;
    readonly kernel: number;
    readonly cost: number;
  }
  // Sums up to each shape make the cost of any run of shapes one subtraction.
  const sums = Array.from({ length: kernels }, (_, kernel) => {
    const sum = [0];
    for (let shape = 0; shape < shapes; shape++) sum.push(sum[shape]! + cost(shape, kernel));
    return sum;
  });
  const leaf = (from: number, to: number): Leaf => {
    let best: Leaf = { from, to, kernel: 0, cost: Number.POSITIVE_INFINITY };
    for (const [kernel, sum] of sums.entries()) {
      const total = sum[to]! - sum[from]!;
      if (total < best.cost) best = { from, to, kernel, cost: total };
    }
    return best;
  };
  let leaves = [leaf(0, shapes)];
  while (leaves.length < leavesMax) {
    const splits = leaves.flatMap((one) =>
      Array.from({ length: one.to - one.from - 1 }, (_, i) => {
        const halves = [leaf(one.from, one.from + i + 1), leaf(one.from + i + 1, one.to)] as const;
        return { one, halves, gain: one.cost - halves[0].cost - halves[1].cost };
      }),
    );
    const best = splits.reduce<(typeof splits)[number] | undefined>(
      (a, b) => (a === undefined || b.gain > a.gain ? b : a),
      undefined,
    );
    if (best === undefined || best.gain <= 0) break;
    leaves = leaves.flatMap((one) => (one === best.one ? best.halves : [one]));
  }
  return leaves.sort((a, b) => a.from - b.from).flatMap(({ from, to, kernel }) => Array(to - from).fill(kernel));
}
