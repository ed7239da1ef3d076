/** Runs the partitions of a graph: each in its order, as far as what it waits for has been sent. */
import { assert } from "../../../core/errors.ts";
import type { ArrayGraph, ArrayNode } from "../../../graph/array.ts";
import type { NodeId } from "../../../graph/ir.ts";
import { computeApart, nodeRecipe } from "../../compute.ts";
import type { Tensor } from "../../tensor.ts";
import { type Partition, partitioned, placed, pruned } from "./partition.ts";

/** What a device holds while a step runs. */
interface Worker {
  readonly partition: Partition;
  readonly values: Map<NodeId, Tensor>;
  next: number;
}

export interface SessionRun {
  readonly results: readonly Tensor[];
  /** Nodes that ran, and values that went from device to device. */
  readonly operations: number;
  readonly sent: number;
}

export class Session {
  readonly #graph: ArrayGraph;
  readonly #devices: number;
  readonly #plans = new Map<string, readonly Partition[]>();

  constructor(graph: ArrayGraph, devices: number) {
    this.#graph = graph;
    this.#devices = devices;
  }

  /** Computes `fetches`, and no more than they need, from inputs by name. */
  run(fetches: readonly string[], feeds: ReadonlyMap<string, Tensor>): SessionRun {
    const key = fetches.join();
    const plan = this.#plans.get(key) ?? this.#plan(fetches);
    this.#plans.set(key, plan);
    const workers = plan.map((partition): Worker => ({ partition, values: new Map(), next: 0 }));
    const rendezvous = new Map<string, Tensor>();
    let operations = 0;
    while (workers.some(({ partition, next }) => next < partition.steps.length)) {
      const before = workers.reduce((n, { next }) => n + next, 0);
      for (const worker of workers) operations += this.#advance(worker, rendezvous, feeds);
      assert(before < workers.reduce((n, { next }) => n + next, 0), () => "partitions wait for each other");
    }
    const results = fetches.map((name) => this.#found(workers, name));
    const kept = new Set([...results, ...feeds.values()]);
    for (const { values } of workers) {
      for (const t of values.values()) if (!kept.has(t)) t.dispose();
    }
    return { results, operations, sent: rendezvous.size };
  }

  #plan(fetches: readonly string[]): readonly Partition[] {
    const nodes = pruned(this.#graph, fetches);
    return partitioned(nodes, placed(nodes, this.#devices), this.#devices);
  }

  #found(workers: readonly Worker[], fetch: string): Tensor {
    const id = this.#graph.outputs[fetch]!;
    const holder = workers.find(({ values }) => values.has(id));
    assert(holder !== undefined, () => `${fetch} was not computed`);
    return holder.values.get(id)!;
  }

  /** As far as it goes now; gives how many operations ran. */
  #advance(worker: Worker, rendezvous: Map<string, Tensor>, feeds: ReadonlyMap<string, Tensor>): number {
    const { partition, values } = worker;
    let operations = 0;
    for (; worker.next < partition.steps.length; worker.next++) {
      const step = partition.steps[worker.next]!;
      if (step.kind === "send") rendezvous.set(step.key, values.get(step.id)!);
      else if (step.kind === "recv") {
        const arrived = rendezvous.get(step.key);
        if (arrived === undefined) return operations;
        values.set(step.id, arrived);
      } else if (step.kind === "op") operations += this.#operation(step.node, values, feeds);
    }
    return operations;
  }

  #operation(node: ArrayNode, values: Map<NodeId, Tensor>, feeds: ReadonlyMap<string, Tensor>): number {
    const { id, op, inputs } = node;
    if (op.kind === "input") {
      values.set(id, feeds.get(op.name)!);
      return 0;
    }
    const given = inputs.map((i) => values.get(i)!);
    values.set(id, computeApart(nodeRecipe("node", node), given)[0]!);
    return 1;
  }
}
