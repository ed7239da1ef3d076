/**
 * A dataflow graph and sessions: the step is written as a graph once, and each run fetches some of its values. The graph is pruned
 * to them, placed on devices and cut at their borders. Of synchronous workers a step waits for all but the spare ones.
 */
import { type Batch, type Captured, capture, type Model, type Named } from "../capture.ts";
import { tracing } from "../capture-control.ts";
import { trace } from "../compute.ts";
import type { Tensor } from "../tensor.ts";
import { valueAndGrad } from "../transform.ts";
import { Session } from "./tensorflow/session.ts";

interface Built {
  readonly session: Session;
  readonly fetches: readonly string[];
  readonly constants: readonly Tensor[];
}

function build(model: Model, parameters: Named, { arrays, counts }: Batch, devices: number): Built {
  const [names, more] = [Object.keys(parameters), Object.keys(arrays)];
  const { graph, captured } = trace([...Object.values(parameters), ...Object.values(arrays)], (values) => {
    const given = Object.fromEntries(names.map((name, i) => [name, values[i]!]));
    const inputs = Object.fromEntries(more.map((name, i) => [name, values[names.length + i]!]));
    const [[loss], gradients] = valueAndGrad(
      (p: Named) => [model(tracing, p, { arrays: inputs, counts }), undefined] as const,
    )(given);
    return [loss, ...names.map((name) => gradients[name]!)];
  });
  return { session: new Session(graph, devices), fetches: Object.keys(graph.outputs), constants: captured };
}

function captured(model: Model, devices: number): Captured {
  const graphs = new Map<string, Built>();
  return {
    records: 0,
    run(parameters, batch) {
      const inputs = [...Object.values(parameters), ...Object.values(batch.arrays)];
      const key = `${JSON.stringify(batch.counts)} ${inputs.map(({ signature }) => signature)}`;
      const built = graphs.get(key) ?? build(model, parameters, batch, devices);
      graphs.set(key, built);
      const feeds = new Map([...inputs, ...built.constants].map((t, i) => [`i${i}`, t]));
      const { results } = built.session.run(built.fetches, feeds);
      const [loss, ...gradients] = results;
      return { loss: loss!, gradients: Object.fromEntries(Object.keys(parameters).map((n, i) => [n, gradients[i]!])) };
    },
  };
}

export default capture({
  title: "TensorFlow",
  paper: {
    title: "TensorFlow: A System for Large-Scale Machine Learning",
    venue: "OSDI 2016",
    url: "https://www.usenix.org/conference/osdi16/technical-sessions/presentation/abadi",
  },
  rows: ["tensorflow"],
  idea: "Build the step as a dataflow graph, prune it to what a run fetches, place its nodes on devices and replace edges between them by Send and Recv; train synchronously with spare workers, and take the gradients of the first that are ready.",
  differs: [
    "Variables are fed and fetched: the trainer, not an Assign node, replaces them.",
    "Devices of a session share a process: a value that is sent is handed over.",
    "Loops are unrolled into the graph; loops in the graph are `dynamic-control-flow`.",
  ],
  options: {
    devices: { default: 2, unit: "devices", min: 1, help: "Devices that the graph is placed on." },
    spare: {
      default: 1,
      unit: "workers",
      min: 0,
      help: "Workers whose gradients a synchronous step does not wait for.",
    },
  },
  claim: { metric: "stepSeconds", better: "lower", than: "pytorch", on: "stragglers", factor: 1.5, where: "sim" },
  create: ({ devices, spare }) => ({
    quorum: (workers) => Math.max(1, workers - spare),
    capture: (model) => captured(model, devices),
  }),
});
