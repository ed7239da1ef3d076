/** Training under a cap for real: on a device, with copies by other threads, to the bit of training with room for everything. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { openDevice } from "../../device/open.ts";
import { trainingGraph } from "../../sim/memory-graphs.ts";
import { fillInputs, floatsOf } from "../../sim/memory-machine.ts";
import type { StepRecord } from "../memory.ts";
import { OutOfMemory } from "./out-of-memory.ts";
import { type CappedOptions, openCapped } from "./session.ts";

const device = await openDevice(undefined, { threads: 1, scratchBytes: 1 << 20 });
after(() => device.close());

const copy = { bytesPerSecond: 4e9, latencySeconds: 0 };
const steps = 4;
const networks = {
  vgg: trainingGraph("vgg", { batch: 8, size: 16, width: 8, blocks: 4 }),
  resnet: trainingGraph("resnet", { batch: 8, size: 16, width: 8, blocks: 4 }),
  inception: trainingGraph("inception", { batch: 8, size: 16, width: 8, blocks: 3 }),
  transformer: trainingGraph("transformer", { batch: 4, size: 32, width: 32, blocks: 3 }),
};

interface Trained {
  readonly records: readonly StepRecord[];
  /** Bits of all parameters after the last step, and the losses. */
  readonly parameters: readonly Uint32Array[];
  readonly losses: readonly number[];
  readonly workspaceBytes: number;
}

async function train(network: keyof typeof networks, options: Omit<CappedOptions, "copy">): Promise<Trained> {
  const training = networks[network];
  const capped = await openCapped(device, training, { copy, ...options });
  try {
    fillInputs(capped, training);
    const [records, losses]: [StepRecord[], number[]] = [[], []];
    for (let step = 0; step < steps; step++) {
      records.push(capped.step());
      losses.push(floatsOf(capped, "loss")[0]!);
    }
    const parameters = Object.keys(training.donate).map(
      (name) => new Uint32Array(floatsOf(capped, name).slice().buffer),
    );
    return { records, losses, parameters, workspaceBytes: capped.workspaceBytes };
  } finally {
    await capped.close();
  }
}

interface Case {
  readonly remat?: string;
  readonly offload?: string;
  /** Of what everything takes. */
  readonly share: number;
}

const everywhere: readonly Case[] = [
  { offload: "on-demand", share: 0.7 },
  { offload: "capuchin", share: 0.7 },
  { offload: "swapadvisor", share: 0.7 },
  { remat: "superneurons", offload: "superneurons", share: 0.7 },
  // All of SuperNeurons: neither half alone is the paper's.
  { remat: "superneurons", offload: "superneurons", share: 0.5 },
];
const cases: Readonly<Record<keyof typeof networks, readonly Case[]>> = {
  vgg: [...everywhere, { offload: "vdnn", share: 0.75 }, { offload: "gist", share: 0.9 }],
  resnet: [
    ...everywhere,
    { offload: "vdnn", share: 0.6 },
    { remat: "sqrt-n", share: 0.8 },
    { remat: "superneurons", share: 0.9 },
  ],
  inception: [...everywhere, { offload: "vdnn", share: 0.85 }],
  transformer: [
    ...everywhere,
    { offload: "vdnn", share: 0.7 },
    { remat: "sqrt-n", share: 0.75 },
    { remat: "superneurons", share: 0.85 },
  ],
};

for (const network of Object.keys(cases) as (keyof typeof networks)[]) {
  test(`${network} trains under caps that it does not fit into, to the same bits`, async (context) => {
    const whole = await train(network, { capacity: 1 << 28 });
    assert.ok(whole.losses.every(Number.isFinite) && whole.losses.at(-1)! < whole.losses[0]!, `${whole.losses}`);
    const peak = whole.records[0]!.peakBytes + whole.workspaceBytes;
    for (const { share, ...policies } of cases[network]) {
      await context.test(`${JSON.stringify(policies)} with ${share}`, async () => {
        const capacity = Math.floor(share * peak);
        await assert.rejects(train(network, { capacity }), OutOfMemory);
        const { records, parameters, losses } = await train(network, { capacity, ...policies });
        assert.deepEqual(losses, whole.losses);
        assert.deepEqual(parameters, whole.parameters);
        for (const { peakBytes } of records) assert.ok(peakBytes <= capacity - whole.workspaceBytes);
        const last = records.at(-1)!;
        assert.ok(last.outBytes > 0 || last.recomputed > 0 || last.encoded.length > 0, "something was done");
      });
    }
  });
}

test("the simulator continues from where the step began, and decides what the engine decided", async () => {
  const training = networks.inception;
  const whole = await train("inception", { capacity: 1 << 28 });
  const capacity = Math.floor(0.7 * (whole.records[0]!.peakBytes + whole.workspaceBytes));
  const capped = await openCapped(device, training, { copy, capacity, offload: "on-demand" });
  try {
    fillInputs(capped, training);
    for (let step = 0; step < steps; step++) {
      const real = capped.step();
      const modelled = capped.predict()!;
      const decided = ({ evicted, outBytes, inBytes, packedBytes, peakBytes }: StepRecord) => {
        return { evicted, outBytes, inBytes, packedBytes, peakBytes };
      };
      assert.ok(real.evicted.length > 0);
      assert.deepEqual(decided(modelled), decided(real), `step ${step}`);
    }
    const unitSeconds = capped.view.units.map(() => 1);
    assert.ok(capped.predict({ unitSeconds })!.seconds > unitSeconds.length, "units take what is given");
  } finally {
    await capped.close();
  }
});

test("the simulator encodes what the engine encoded: what has too few zeros is left as it is", async () => {
  const training = networks.vgg;
  const capped = await openCapped(device, training, { copy, capacity: 1 << 28, offload: "gist" });
  try {
    fillInputs(capped, training);
    // Of what is positive all through a ReLU leaves everything.
    for (const { op } of training.graph.nodes) {
      if (op.kind === "input") floatsOf(capped, op.name).forEach((x, i, all) => void (all[i] = Math.abs(x)));
    }
    const real = capped.step();
    const encoded = ({ encoded }: StepRecord) => encoded.map(({ tensor }) => tensor);
    assert.deepEqual(encoded(capped.predict()!), encoded(real));
    assert.ok(real.encoded.length < real.plan.encodings.length, "one of them was left");
  } finally {
    await capped.close();
  }
});

test("digits that are lost change the losses, and training goes on", async () => {
  const whole = await train("vgg", { capacity: 1 << 28 });
  for (const [bits, within] of [
    [16, 0.01],
    [10, 0.1],
    [8, 0.2],
  ] as const) {
    const { losses } = await train("vgg", { capacity: 1 << 28, offload: "gist", offloadOptions: { bits } });
    assert.notDeepEqual(losses, whole.losses);
    for (const [i, loss] of losses.entries()) {
      assert.ok(
        Math.abs(loss - whole.losses[i]!) <= within * whole.losses[i]!,
        `${bits} bits: ${losses}, ${whole.losses}`,
      );
    }
  }
});
