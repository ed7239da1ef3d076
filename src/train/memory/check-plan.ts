/** What a plan must keep, checked before it is carried out: the error names the policy. */
import { assert } from "../../core/errors.ts";
import type { MemoryPlan, MemoryView } from "../memory.ts";

export function checkMemoryPlan(view: MemoryView, plan: MemoryPlan, by: string): void {
  const { units, tensors } = view;
  const fail = (what: string): never => {
    throw new Error(`bug: the memory plan of ${by} is wrong: ${what}`);
  };
  const unit = (id: number, what: string): void => {
    if (units[id] === undefined) fail(`${what} names unit ${id} of ${units.length}`);
  };
  const tensor = (id: number, what: string): void => {
    if (tensors[id] === undefined) fail(`${what} names tensor ${id} of ${tensors.length}`);
  };
  checkOrder(view, plan.order ?? [...units.keys()], fail);
  const dropped = new Set<number>();
  for (const { tensor: t, after } of plan.drops) {
    tensor(t, "a drop");
    unit(after, "a drop");
    const { name, producer, output } = tensors[t]!;
    if (producer === undefined) fail(`${name} is dropped, but no unit makes it`);
    if (output) fail(`${name} is dropped, but it is an output of the step`);
    if (dropped.has(t)) fail(`${name} is dropped twice`);
    dropped.add(t);
  }
  for (const { tensor: t, at } of [...plan.outs, ...plan.ins]) {
    tensor(t, "a copy");
    unit(at, "a copy");
  }
  for (const { tensor: t, at, begin } of plan.outs) {
    if (begin === "with" && tensors[t]!.producer === at) fail(`${tensors[t]!.name} leaves while it is made`);
  }
  for (const { tensor: t, after } of plan.encodings) {
    tensor(t, "an encoding");
    unit(after, "an encoding");
    if (tensors[t]!.producer === undefined) fail(`${tensors[t]!.name} is encoded, but no unit makes it`);
  }
  for (const [t, bytes] of (plan.sizes ?? []).entries()) {
    if (tensors[t] !== undefined && bytes < tensors[t].bytes)
      fail(`${bytes} bytes are set aside for ${tensors[t].name}`);
  }
}

function checkOrder({ units, tensors }: MemoryView, order: readonly number[], fail: (what: string) => never): void {
  const place = new Map(order.map((u, at) => [u, at]));
  if (order.length !== units.length || place.size !== units.length) fail("its order is not of every unit once");
  for (const [u, { name, reads, writes }] of units.entries()) {
    const at = place.get(u);
    assert(at !== undefined, () => `unit ${u} has no place`);
    for (const t of reads) {
      const { producer } = tensors[t]!;
      if (producer !== undefined && place.get(producer)! >= at)
        fail(`${name} comes before ${tensors[t]!.name} is made`);
    }
    for (const t of writes) {
      const old = tensors[t]!.replaces;
      if (old === undefined) continue;
      const late = tensors[old]!.uses.find((use) => use !== u && place.get(use)! > at);
      if (late !== undefined) fail(`${name} writes over ${tensors[old]!.name} before ${units[late]!.name} reads it`);
    }
  }
}
