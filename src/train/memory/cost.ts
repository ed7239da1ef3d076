/** What units take, estimated: before anything was measured, and where nothing will be. */
import type { Seconds } from "../../time/clock.ts";
import { bytesOfNode, type Part } from "./partition.ts";
import { operationsOf, type TrainingGraph } from "./step-view.ts";

export interface UnitRates {
  readonly operationsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Of each unit, beside its work. */
  readonly callSeconds: Seconds;
}

export const modelledUnit =
  ({ graph }: TrainingGraph, rates: UnitRates) =>
  (part: Part): Seconds => {
    const bytes = [part.result, ...part.reads].reduce((sum, node) => sum + bytesOfNode(graph.nodes[node]!), 0);
    return rates.callSeconds + operationsOf(graph, part) / rates.operationsPerSecond + bytes / rates.bytesPerSecond;
  };
