/**
 * The rig of captures: small models train on the machine, and what is compiled, launched and kept is counted. `stragglers` is
 * synchronous training in virtual time, where each worker's step now and then takes four times as long.
 */
import type { Claim } from "../../core/entry.ts";
import { UserError } from "../../core/errors.ts";
import { stream } from "../../core/random.ts";
import { type Batch, captures, type Named } from "../../tensor/capture.ts";
import { context } from "../../tensor/context.ts";
import { openMachine } from "../../tensor/machine.ts";
import { type Machine, Runtime } from "../../tensor/runtime.ts";
import { noGrad, tidy } from "../../tensor/scope.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type CaptureModel, captureModels, noise } from "../capture-models.ts";
import type { Given, Rig } from "../rig.ts";
import type { Metrics } from "../serve-metrics.ts";

const workloads: Readonly<Record<string, { readonly of: CaptureModel; readonly steps: number }>> = {
  mlp: { of: captureModels.mlp, steps: 4 },
  cnn: { of: captureModels.cnn, steps: 2 },
  /** Four steps of an LSTM, each over sequences of another length. */
  lengths: { of: captureModels.lstm, steps: 4 },
};

interface Counts {
  programs: number;
  compiledNodes: number;
  launches: number;
}

/** A machine that counts what is compiled for it and what it runs. */
function counting(machine: Machine, counts: Counts): Machine {
  return {
    ...machine,
    open(graph, donate) {
      counts.programs++;
      counts.compiledNodes += graph.nodes.length;
      const session = machine.open(graph, donate);
      return {
        close: () => session.close(),
        run: (bindings) => session.run(bindings),
        runNow(bindings) {
          counts.launches++;
          session.runNow(bindings);
        },
      };
    },
  };
}

/** Trains by plain steps against the gradient; gives the losses and what was counted. */
export async function trainCaptured(
  id: string,
  { of: { model, parameters: shapes, batch }, steps }: { readonly of: CaptureModel; readonly steps: number },
  given: Given = {},
): Promise<{ readonly losses: readonly number[]; readonly metrics: Metrics }> {
  const counts: Counts = { programs: 0, compiledNodes: 0, launches: 0 };
  const before = context.runtime;
  const runtime = new Runtime(counting(openMachine(undefined, 1), counts));
  context.runtime = runtime;
  try {
    const captured = (await captures.create(id, given)).capture(model);
    let parameters: Named = Object.fromEntries(
      Object.entries(shapes).map(([name, shape], i) => [name, noise(i, shape, 0.5)]),
    );
    const losses: number[] = [];
    let launches = 0;
    for (let step = 0; step < steps; step++) {
      const data: Batch = batch(step);
      const began = counts.launches;
      const { loss, gradients } = await captured.run(parameters, data);
      launches = counts.launches - began;
      losses.push(loss.item());
      parameters = noGrad(() => stepped(parameters, gradients));
    }
    const { programs, compiledNodes } = counts;
    const bookkeeping = 1 + captured.records;
    return { losses, metrics: { programs, compiledNodes, launches, bookkeeping, loss: losses.at(-1)! } };
  } finally {
    context.runtime = before;
    await runtime.close();
  }
}

const stepped = (parameters: Named, gradients: Named): Named =>
  tidy(() =>
    Object.fromEntries(
      Object.entries(parameters).map(([name, p]): [string, Tensor] => [name, p.sub(gradients[name]!.mul(0.1))]),
    ),
  );

const cluster = { workers: 5, steps: 200, slow: 0.2, factor: 4 };

/** A step ends when as many workers as it waits for have their gradients. */
async function stragglers(id: string, given: Given): Promise<Metrics> {
  const wanted = (await captures.create(id, given)).quorum(cluster.workers);
  const random = stream(33);
  const seconds = Array.from({ length: cluster.steps }, () => {
    const each = Array.from({ length: cluster.workers }, () => {
      const own = 0.9 + 0.2 * random();
      return random() < cluster.slow ? own * cluster.factor : own;
    });
    return each.sort((a, b) => a - b)[wanted - 1]!;
  });
  const ordered = seconds.toSorted((a, b) => a - b);
  return { stepSeconds: ordered[ordered.length / 2]!, gradients: wanted };
}

const captureRig: Rig = {
  slot: captures,
  workload: "mlp",
  async measure(id, where: Claim["where"], on = "mlp", given = {}) {
    if (where === "sim") return stragglers(id, given);
    const workload = Object.hasOwn(workloads, on) ? workloads[on] : undefined;
    if (workload === undefined) {
      throw new UserError(`There is no model "${on}" to capture.`, `There are: ${Object.keys(workloads).join(", ")}.`);
    }
    return (await trainCaptured(id, workload, given)).metrics;
  },
};

export const captureRigs: readonly Rig[] = [captureRig];
