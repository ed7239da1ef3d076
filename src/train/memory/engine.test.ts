/** The engine over memory that is looked at: whatever the plan, each unit reads what it should. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../../core/random.ts";
import { CheckingMachine, plainNetwork, residualNetwork, runChecked, trainingStep } from "../../test/memory-view.ts";
import {
  type Drop,
  type Encode,
  forwardTensors,
  type In,
  keepAll,
  lastForward,
  type MemoryPlan,
  type Out,
} from "../memory.ts";
import { MemoryEngine } from "./engine.ts";
import { price } from "./modelled.ts";
import { OutOfMemory } from "./out-of-memory.ts";

const roomy = 8e6;

test("random plans change no value, with and without memory to spare", () => {
  const seed = 3;
  const random = stream(seed);
  const below = (n: number): number => Math.floor(random() * n);
  let fitted = 0;
  for (let run = 0; run < 120; run++) {
    const network = run % 2 === 0 ? plainNetwork : residualNetwork;
    const whole = network(3 + below(4), {
      capacity: roomy,
      copy: { bytesPerSecond: 10 ** (4 + 3 * random()), latencySeconds: 0 },
    });
    const expected = runChecked(whole, [keepAll, keepAll]).values;
    const peak = price(whole, keepAll)!.peakBytes;
    const view = { ...whole, capacity: run % 3 === 0 ? roomy : 64 * Math.floor((peak * (0.5 + random())) / 64) };
    const chosen = (share: number): number[] => forwardTensors(view).filter(() => random() < share);
    const drops = chosen(0.3).map(
      (tensor): Drop => ({ tensor, after: lastForward(view, tensor), stays: random() < 0.5 }),
    );
    const outs = chosen(0.4).map((tensor): Out => {
      const begin = random() < 0.5 && lastForward(view, tensor) !== view.tensors[tensor]!.producer ? "with" : "after";
      return {
        tensor,
        at: lastForward(view, tensor) + (begin === "after" ? below(3) : 0),
        begin,
        join: random() < 0.3,
      };
    });
    const ins = outs.map(
      ({ tensor, at }): In => ({ tensor, at: at + 1 + below(view.units.length - at - 1), join: random() < 0.3 }),
    );
    const encodings = chosen(0.2).map((tensor): Encode => ({ tensor, after: lastForward(view, tensor), as: "fp16" }));
    const evict = (["least-recent", "furthest", undefined] as const)[below(3)];
    const plan = { ...keepAll, drops, outs, ins, encodings, evict };
    try {
      const { values, records } = runChecked(view, [plan, plan]);
      assert.deepEqual(values, expected, `seed ${seed}, run ${run}`);
      for (const { peakBytes } of records) assert.ok(peakBytes <= view.capacity);
      fitted++;
    } catch (error) {
      if (!(error instanceof OutOfMemory)) throw error;
      assert.ok(view.capacity < roomy, `seed ${seed}, run ${run}: ${error.message}`);
    }
  }
  assert.ok(fitted > 60, `${fitted} fitted`);
});

test("a step that does not fit says what was live, who made it and who needs it", () => {
  const view = plainNetwork(4, { capacity: 300_032 });
  assert.throws(
    () => runChecked(view, [keepAll]),
    (error: unknown) => {
      assert.ok(error instanceof OutOfMemory);
      assert.match(
        error.message,
        /^Out of memory: act\d of 65536 bytes does not fit for act\d: of 300032 bytes \d+ are in use/,
      );
      assert.match(error.message, /65536 bytes: act0, made by act0, needed by/);
      assert.match(error.message, /data, there before the step, needed by/);
      assert.equal(error.shortage.live.reduce((sum, t) => sum + t.bytes, 0) + 65536 > view.capacity, true);
      return true;
    },
  );
});

test("copies overlap with computing, and one that is not done is waited for and counted", () => {
  const view = plainNetwork(4, { copy: { bytesPerSecond: 65536 / 0.05, latencySeconds: 0 } });
  const tensor = view.tensors.findIndex((t) => t.name === "conv0");
  const plan = (at: number) => ({
    ...keepAll,
    outs: [{ tensor, at: 1, begin: "after", join: false } as const],
    ins: [{ tensor, at, join: false }],
  });
  const use = view.tensors[tensor]!.uses.find((u) => u >= view.turn)!;
  const [kept, early, late] = [keepAll, plan(use - 2), plan(use - 1)].map((p) => price(view, p)!);
  assert.ok(Math.abs(early!.seconds - kept!.seconds) < 1e-9 && early!.stallSeconds === 0);
  assert.ok(early!.outBytes === 65536 && early!.inBytes === 65536);
  const gap = view.units[use - 1]!.seconds;
  const wait = Math.max(0, 0.05 - gap);
  assert.ok(Math.abs(late!.seconds - kept!.seconds - wait) < 1e-9, `${late!.seconds - kept!.seconds}`);
});

test("what is dropped is computed again once where it stays, and for each use where it does not", () => {
  const view = plainNetwork(6);
  const inner = forwardTensors(view).filter((t) => /[12]$/.test(view.tensors[t]!.name));
  const drops = (stays: boolean) => inner.map((tensor) => ({ tensor, after: lastForward(view, tensor), stays }));
  const [once, each] = [true, false].map((stays) => price(view, { ...keepAll, drops: drops(stays) })!);
  assert.equal(once!.recomputed, 4);
  assert.ok(each!.recomputed > once!.recomputed && each!.peakBytes <= once!.peakBytes);
  assert.ok(once!.peakBytes < price(view, keepAll)!.peakBytes);
});

test("plans that cannot be kept are refused with the policy's name", () => {
  const view = plainNetwork(2);
  const wrong = (plan: Partial<MemoryPlan>, message: RegExp): void => {
    const engine = new MemoryEngine(view, new CheckingMachine({ ...view, capacity: 8e6 }));
    assert.throws(() => engine.step({ ...keepAll, ...plan }, "bad"), { message });
  };
  const units = [...view.units.keys()];
  wrong({ order: units.toReversed() }, /memory plan of bad is wrong: conv0 comes before|comes before/);
  wrong({ order: units.slice(1) }, /not of every unit once/);
  wrong({ drops: [{ tensor: 0, after: 0, stays: true }] }, /data is dropped, but no unit makes it/);
  wrong({ sizes: view.tensors.map(() => 8) }, /8 bytes are set aside/);
  wrong({ ins: [{ tensor: 99, at: 0, join: false }] }, /names tensor 99/);
});

test("where what is free lies in pieces the arena is packed, and nothing is lost", () => {
  const sizes = [4, 8, 4, 8, 4, 20];
  const view = trainingStep(
    sizes.map((k, i) => ({
      name: `l${i}`,
      bytes: k * 8192,
      seconds: 0.1,
      kind: "other",
      from: i === 5 ? [0, 2, 4] : i === 0 ? [] : [0],
    })),
    { capacity: 8e6 },
  );
  const plan = { ...keepAll, outs: [1, 3].map((l) => ({ tensor: 1 + l, at: 4, begin: "after", join: true }) as const) };
  const { values, records } = runChecked(view, [keepAll]);
  const capped = { ...view, capacity: records[0]!.peakBytes - 16 * 8192 };
  const packed = runChecked(capped, [plan]);
  assert.deepEqual(packed.values, values);
  assert.ok(packed.records[0]!.packedBytes > 0);
});
