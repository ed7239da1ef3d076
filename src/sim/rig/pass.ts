/** The rig of passes: graphs compiled with an entry, counted where they run for real, or priced on two virtual units. */
import { launches } from "../../compile/launch.ts";
import { launchCalls } from "../../compile/launch-view.ts";
import type { WeightFormat } from "../../compile/layout.ts";
import { optionalPasses } from "../../compile/pass.ts";
import type { Claim } from "../../core/entry.ts";
import { assert, UserError } from "../../core/errors.ts";
import { openDevice } from "../../device/open.ts";
import { referenceTarget } from "../../device/reference.ts";
import { GraphBuilder, type Value } from "../../graph/builder.ts";
import type { Graph } from "../../graph/ir.ts";
import { compileWith, runGraph } from "../graph-run.ts";
import { decoderGraph } from "../launch-graphs.ts";
import { simulateLaunch } from "../launch-simulation.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

interface Workload {
  readonly format: WeightFormat;
  graph(): Graph;
}

/** What blocks of a network have in common: x [T, 256], the normed x, and matrices by name. */
function blocks(
  count: number,
  block: (g: GraphBuilder, x: Value, h: Value, matrix: (name: string) => Value) => Value,
): Graph {
  const [g, width] = [new GraphBuilder(), 256];
  let x = g.embed(g.tokens(), g.weight("table", [64, width]));
  for (let i = 0; i < count; i++) {
    const h = g.rmsNorm(x, g.weight(`${i}.norm`, [width]), 1e-6);
    x = block(g, x, h, (name) => g.weight(`${i}.${name}`, [width, width]));
  }
  return g.finish({ y: g.gather(x, g.rows()) });
}

/** Three functions of three products of the same x, summed. */
export const parallelProducts = (): Graph =>
  blocks(3, (g, x, h, w) => {
    const path = (name: string): Value => g.relu(g.linear(h, w(name)));
    return g.add(x, g.linear(g.add(g.add(path("a"), path("b")), path("c")), w("out")));
  });

/** Three sums, each of a product of h and of one of another value: all merge, but not by steps that each gain. */
export const threeSums = (): Graph =>
  blocks(3, (g, x, h, w) => {
    const s = g.silu(h);
    const path = (name: string): Value => g.add(g.linear(h, w(`${name}.h`)), g.linear(s, w(`${name}.s`)));
    return g.add(x, g.mul(g.mul(path("a"), path("b")), path("c")));
  });

const workloads: Readonly<Record<string, Workload>> = {
  "parallel-products": { format: { kind: "f32" }, graph: parallelProducts },
  "three-sums": { format: { kind: "f32" }, graph: threeSums },
  decoder: { format: { kind: "blocks", type: "Q8_0" }, graph: () => decoderGraph(6) },
};

async function measure(id: string, where: Claim["where"], on: string, given: Given): Promise<Metrics> {
  const workload = Object.hasOwn(workloads, on) ? workloads[on] : undefined;
  if (workload === undefined) {
    throw new UserError(`There is no graph "${on}" to rewrite.`, `There are: ${Object.keys(workloads).join(", ")}.`);
  }
  const pass = await optionalPasses.create(id, given);
  const graph = workload.graph();
  const { program, weightBytes } = compileWith(graph, pass, workload.format, referenceTarget);
  const counted = { calls: program.calls.length, barriers: program.calls.filter((c) => c.barrier).length };
  if (where === "machine") {
    if (graph.outputs.y === undefined) throw new UserError(`${on} is only priced: it has no output y to compare.`);
    await compareWithCaptured(id, given, graph);
    return counted;
  }
  const policy = await launches.create("conflict-barrier");
  const { calls } = launchCalls(program, { tokens: 1, rows: 1 }, 2, weightBytes);
  const { seconds } = simulateLaunch({ calls, threads: 2 }, policy.plan({ calls, threads: 2 }));
  return { ...counted, microseconds: 1e6 * seconds };
}

/** What was rewritten must give every bit of what was captured. */
async function compareWithCaptured(id: string, given: Given, graph: Graph): Promise<void> {
  const device = await openDevice(undefined, { threads: 2, scratchBytes: 1 << 16 });
  const outputOf = async (entry: string, options: Given): Promise<Float32Array> => {
    const pass = await optionalPasses.create(entry, options);
    return runGraph(device, graph, compileWith(graph, pass, { kind: "f32" }, device.target));
  };
  try {
    const [expected, actual] = [await outputOf("none", {}), await outputOf(id, given)];
    const same = expected.every((x, i) => Object.is(x, actual[i]) && Number.isFinite(x));
    assert(same && expected.some((x) => x !== 0), () => `pass ${id} changes results`);
  } finally {
    await device.close();
  }
}

export const passRigs: readonly Rig[] = [
  {
    slot: optionalPasses,
    workload: "parallel-products",
    measure: async (id, where, on = "parallel-products", given = {}) => measure(id, where, on, given),
  },
];
