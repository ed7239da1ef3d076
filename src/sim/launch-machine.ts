/** The branchy program run for real under a launch policy: native calls and waits counted, results held against per-op's. */
import { launches } from "../compile/launch.ts";
import { assert } from "../core/errors.ts";
import { stream } from "../core/random.ts";
import type { Device, Region } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import { type Bindings, bind, type Session, withoutAttention } from "../device/session.ts";
import { branchyGraph, launchProgram } from "./launch-graphs.ts";
import type { Given } from "./rig.ts";
import type { Metrics } from "./serve-metrics.ts";

export interface BranchyShape {
  readonly cells: number;
  readonly blocks: number;
  readonly width: number;
}

/** A policy's session of the branchy program, with random weights that are the same for all. */
export interface Branchy {
  readonly session: Session;
  /** Of the program. */
  readonly calls: number;
  /** One step over one token; a copy of its output. */
  step(): Promise<Float32Array>;
  close(): void;
}

export async function openBranchy(
  device: Device,
  shape: BranchyShape,
  id: string,
  given: Given = {},
): Promise<Branchy> {
  const graph = branchyGraph(shape.cells, shape.blocks, shape.width);
  const { program, weightBytes } = launchProgram(graph, { kind: "f32" }, device.target, 1);
  const regions: Region[] = [];
  const alloc = (bytes: number): Region => {
    const region = device.alloc(bytes);
    regions.push(region);
    return region;
  };
  const random = stream(3);
  const weights = new Map<string, Region>();
  for (const { op } of graph.nodes) {
    if (op.kind !== "weight") continue;
    const region = alloc(weightBytes(op.name));
    floats(region).forEach((_, i, all) => {
      all[i] = (random() - 0.5) / 4;
    });
    weights.set(op.name, region);
  }
  const small = alloc(64);
  const bindings: Bindings = {
    ...withoutAttention(small),
    ...{ arena: alloc(program.arenaBytes), weights },
    inputs: { tokens: small, positions: small, rows: small, inverseTemperatures: small },
  };
  const session = bind(device, program, bindings, { id, policy: await launches.create(id, given) });
  return {
    session,
    calls: program.calls.length,
    async step() {
      await session.run(1, 1);
      return session.output("hidden", 0, shape.width).slice();
    },
    close() {
      session.close();
      for (const region of regions) device.free(region);
    },
  };
}

const floats = (r: Region): Float32Array => new Float32Array(r.buffer, r.offset, r.bytes / 4);

/** On two threads of the best level that this machine has. Waits are counted by machine code only. */
export async function runBranchy(id: string, given: Given, shape: BranchyShape): Promise<Metrics> {
  const device = await openDevice(undefined, { threads: 2, scratchBytes: 1 << 16 });
  let nativeCalls = 0;
  const counting: Device = {
    ...device,
    run(records, count) {
      nativeCalls++;
      return device.run(records, count);
    },
  };
  const outputOf = async (policy: string, options: Given): Promise<Float32Array> => {
    const branchy = await openBranchy(counting, shape, policy, options);
    try {
      return await branchy.step();
    } finally {
      branchy.close();
    }
  };
  try {
    const expected = await outputOf("per-op", {});
    const [before, waited] = [nativeCalls, device.waits?.() ?? 0];
    const actual = await outputOf(id, given);
    assert(
      expected.every((x, i) => Object.is(x, actual[i]) && Number.isFinite(x)),
      () => `launch policy ${id} changes results`,
    );
    const waits = device.waits === undefined ? {} : { waits: device.waits() - waited };
    return { nativeCalls: nativeCalls - before, ...waits };
  } finally {
    await device.close();
  }
}
