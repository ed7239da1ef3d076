import assert from "node:assert/strict";
import { test } from "node:test";
import { computeSeconds, syncSeconds, type ThroughputParameters } from "./goodput.ts";
import { fitThroughput, type Observation } from "./goodput-fit.ts";

const seen = (rows: readonly (readonly [number, number, number, number, number])[]): Observation[] =>
  rows.map(([nodes, gpus, localBatch, step, compute]) => ({ nodes, gpus, localBatch, step, compute }));

const close = (found: number, wanted: number, by: number): void =>
  assert.ok(Math.abs(found / wanted - 1) <= by, `${found}, not ${wanted}`);

const stepSeconds = (p: ThroughputParameters, nodes: number, gpus: number, batch: number): number =>
  (computeSeconds(p, batch) ** p.overlap + syncSeconds(p, nodes, gpus) ** p.overlap) ** (1 / p.overlap);

/** What the published agent (SciPy 1.10's L-BFGS-B, derivatives by autograd) makes of measured steps; columns in the order of the vector. */
const published: readonly (readonly [Observation[], readonly number[]])[] = [
  [
    seen([
      [1, 1, 128, 0.103115, 0.10259],
      [2, 2, 69, 0.112555, 0.0623508],
    ]),
    [0.01525, 0.0006826, 0.06018, 1e-8, 1e-8, 1e-8, 1.1396],
  ],
  [
    seen([
      [1, 1, 12, 0.921516, 0.90782],
      [2, 8, 12, 2.53895, 0.876107],
      [2, 2, 12, 1.48147, 0.861791],
    ]),
    [0.440953, 0.0378615, 0.86764, 0.196865, 1e-8, 1e-8, 1.33465],
  ],
  [
    seen([
      [1, 1, 20, 0.681204, 0.679673],
      [1, 3, 10, 0.590908, 0.514323],
      [3, 12, 10, 1.09268, 0.731987],
    ]),
    [0.50061, 0.00902973, 0.133665, 0.0419337, 3.148e-6, 1e-8, 1.07084],
  ],
  [
    seen([
      [1, 1, 8, 0.326148, 0.323658],
      [2, 2, 4, 0.763532, 0.246972],
      [1, 4, 8, 0.500925, 0.381963],
      [3, 12, 8, 1.1906, 0.373249],
      [2, 6, 8, 1.55767, 0.319867],
      [1, 3, 8, 0.437562, 0.34318],
    ]),
    [0.138604, 0.0260637, 0.638012, 0.0396756, 0.0858913, 0.0245136, 1],
  ],
];

test("where the published agent's fit ends, creases and all", () => {
  for (const [steps, wanted] of published) {
    const p = fitThroughput(steps);
    const [computeFixed, computePerExample, nodesFixed, nodesPerGpu, nodeFixed, nodePerGpu, overlap] = wanted;
    const theirs = { computeFixed, computePerExample, nodesFixed, nodesPerGpu, nodeFixed, nodePerGpu, overlap };
    for (const [nodes, gpus] of [
      [1, 1],
      [1, 2],
      [1, 4],
      [2, 8],
      [4, 16],
    ] as const) {
      const batch = steps[0]!.localBatch;
      close(stepSeconds(p, nodes, gpus, batch), stepSeconds(theirs as ThroughputParameters, nodes, gpus, batch), 0.005);
    }
  }
});

test("steps that follow the model are predicted where they were not seen", () => {
  const truth: ThroughputParameters = {
    ...{ computeFixed: 0.05, computePerExample: 0.002, nodesFixed: 0.08, nodesPerGpu: 0.001 },
    ...{ nodeFixed: 0.02, nodePerGpu: 0.001, overlap: 1.5 },
  };
  const shapes = [1, 2, 4].flatMap((gpus) => [16, 64, 128].map((batch) => [1, gpus, batch] as const));
  const wide = [2, 3, 4].flatMap((nodes) => [16, 64, 128].map((batch) => [nodes, 4 * nodes, batch] as const));
  const rows = [...shapes, ...wide].map(
    ([nodes, gpus, batch]) =>
      [nodes, gpus, batch, stepSeconds(truth, nodes, gpus, batch), computeSeconds(truth, batch)] as const,
  );
  const p = fitThroughput(seen(rows));
  close(stepSeconds(p, 8, 32, 100), stepSeconds(truth, 8, 32, 100), 0.05);
  close(stepSeconds(p, 2, 6, 32), stepSeconds(truth, 2, 6, 32), 0.05);
});
