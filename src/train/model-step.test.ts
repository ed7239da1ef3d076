/** The step that trains a decoder, by the meaning of its graphs: what it computes, that it learns, and that bad batches change nothing. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { draw } from "../core/random.ts";
import type { Level } from "../device/device.ts";
import { levels, openDevice } from "../device/open.ts";
import { loadRunner } from "../model/load.ts";
import { openCheckpoint } from "../model/open.ts";
import { bpeMetadata, learnBpe } from "../model/tokenizer/learn-bpe.ts";
import { oracleMachine } from "../test/oracle-machine.ts";
import { deviceMachine } from "./device-machine.ts";
import { trainedGguf } from "./export.ts";
import { machineFiles, writeWhole } from "./files.ts";
import { floats, integers, Regions } from "./machine.ts";
import { logitsGraph } from "./model/graphs.ts";
import { ropeTables } from "./model/served.ts";
import { configOf, type DecoderShape } from "./model/shape.ts";
import { type ModelStep, type ModelStepOptions, openModelStep, type TokenBatch, trainedGraph } from "./model-step.ts";

const shape: DecoderShape = {
  layers: 2,
  width: 32,
  heads: 2,
  kvHeads: 1,
  feedForward: 48,
  vocabulary: 270,
  context: 64,
  normEpsilon: 1e-5,
  ropeBase: 10000,
  tied: true,
};
const config = configOf(shape);
const options: ModelStepOptions = {
  config,
  batch: 2,
  length: 8,
  accumulate: 1,
  bf16: false,
  optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clip: 1 },
  schedule: { kind: "constant", peak: 1e-2, last: 0, warmup: 0, steps: 10 },
  seed: 5,
};

/** Sequences in which each token follows from the one before. */
function batchAt(position: number, { batch, length } = options): TokenBatch {
  const first = Array.from({ length: batch }, (_, row) => Math.floor(draw(9, position, row) * 20));
  const at = (offset: number) =>
    Int32Array.from(
      { length: batch * length },
      (_, i) => (first[Math.floor(i / length)]! + (i % length) + offset) % 20,
    );
  return { tokens: at(0), targets: at(1), weights: new Float32Array(batch * length).fill(1) };
}

test("it learns what follows, tied and untied, with operands of f32 and of bf16", async () => {
  for (const [tied, bf16] of [
    [true, false],
    [false, true],
  ] as const) {
    const step = await openModelStep(oracleMachine(), { ...options, bf16, config: configOf({ ...shape, tied }) });
    const losses: number[] = [];
    for (let number = 1; number <= 12; number++) losses.push((await step.run([batchAt(number)], number)).loss);
    assert.ok(Math.abs(losses[0]! - Math.log(270)) < 1, `${losses}`);
    assert.ok(losses.at(-1)! < 3, `${losses}`);
    await step.close();
  }
});

const low = { ...options, config: configOf({ ...shape, layers: 1 }) };
const onAll = { ...options, config: configOf({ ...shape, layers: 1, kvHeads: 2, tied: false }) };
const compiled: readonly (readonly [string, ModelStepOptions, readonly (Level | undefined)[]])[] = [
  ["on every level", onAll, levels],
  ["with operands of bf16", { ...low, bf16: true }, [undefined]],
  ["accumulating", { ...low, accumulate: 2 }, [undefined]],
];
for (const [how, given, on] of compiled) {
  test(`compiled, it computes what its graphs mean, ${how}, with equal bits whatever the threads`, async () => {
    const expected = await openModelStep(oracleMachine(), given);
    const losses = await trainedOn(expected, given.accumulate);
    for (const level of on) {
      const states: Buffer[] = [];
      for (const threads of level === undefined ? [1, 2] : [2]) {
        const device = await openDevice(level, { threads, scratchBytes: 1 << 22 }).catch(() => undefined);
        if (device === undefined) continue;
        const step = await openModelStep(deviceMachine(device), given);
        for (const [i, loss] of (await trainedOn(step, given.accumulate)).entries()) {
          assert.ok(Math.abs(loss - losses[i]!) < (given.bf16 ? 2e-2 : 2e-4), `${level}: ${loss}, not ${losses[i]}`);
        }
        states.push(Buffer.concat([...step.state.values()].map(({ bytes }) => bytes().slice())));
        await step.close();
        await device.close();
      }
      assert.ok(
        states.every((state) => state.equals(states[0]!)),
        level,
      );
    }
  });
}

async function trainedOn(step: ModelStep, accumulate: number): Promise<readonly number[]> {
  const losses: number[] = [];
  for (let number = 1; number <= 2; number++) {
    const batches = Array.from({ length: accumulate }, (_, i) => batchAt(number * accumulate + i));
    losses.push((await step.run(batches, number)).loss);
  }
  return losses;
}

test("two batches accumulated are one batch twice as large, also where they count differently", async () => {
  const [a, b] = [batchAt(1), batchAt(2)];
  b.weights.fill(0, 0, 5);
  const joined = (of: (batch: TokenBatch) => Int32Array | Float32Array) => [...of(a), ...of(b)];
  const both: TokenBatch = {
    tokens: Int32Array.from(joined((x) => x.tokens)),
    targets: Int32Array.from(joined((x) => x.targets)),
    weights: Float32Array.from(joined((x) => x.weights)),
  };
  const small = await openModelStep(oracleMachine(), { ...options, accumulate: 2 });
  const large = await openModelStep(oracleMachine(), { ...options, batch: 4 });
  const [one, other] = [await small.run([a, b], 1), await large.run([both], 1)];
  assert.ok(Math.abs(one.loss - other.loss) < 1e-5 && Math.abs(one.gradientNorm! - other.gradientNorm!) < 1e-4);
  for (const [i, { name, values }] of small.parameters().entries()) {
    const expected = large.parameters()[i]!.values;
    // Adam divides by the gradient's own size, so a rounding of a gradient near 0 is a whole step of 1e-2.
    const far = values.filter((x, at) => Math.abs(x - expected[at]!) > 1e-4).length;
    assert.ok(far <= values.length / 100, `${name}: ${far} of ${values.length}`);
  }
  assert.ok(Math.abs((await small.evaluate!([a, b])) - (await large.evaluate!([both]))) < 1e-3);
});

test("a step that is not finite changes no bit, and where that began is found", async () => {
  const step = await openModelStep(oracleMachine(), options);
  await step.run([batchAt(1)], 1);
  const before = [...step.state.values()].map(({ bytes }) => Buffer.from(bytes()));
  const bad = batchAt(2);
  bad.weights[3] = Number.POSITIVE_INFINITY;
  const metrics = await step.run([bad], 2);
  assert.ok(!Number.isFinite(metrics.loss));
  assert.deepEqual(
    [...step.state.values()].map(({ bytes }) => Buffer.from(bytes())),
    before,
  );
  assert.equal((await step.locate!([bad], 2))?.what, "loss");
  const gate = step.parameters().find(({ name }) => name === "layer.1.feedForward.gate")!;
  gate.values[7] = Number.NaN;
  assert.deepEqual(await step.locate!([batchAt(2)], 2), {
    what: "parameter layer.1.feedForward.gate",
    index: 7,
    value: Number.NaN,
  });
});

test("what is trained is what is served: logits of the graph and of the GGUF, within 1e-4", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "heddle-export-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const bpe = learnBpe(["the cat and the hat and that"], { vocabulary: 270, controls: ["<|end|>"], pre: "gpt-2" });
  while (bpe.pieces.length < 270) (bpe.pieces as string[]).splice(-1, 0, `unused${bpe.pieces.length}`);
  for (const kvHeads of [1, 2]) {
    const served = { ...shape, kvHeads, tied: kvHeads === 1 };
    const machine = oracleMachine();
    const step = await openModelStep(machine, { ...options, config: configOf(served) });
    for (let number = 1; number <= 3; number++) await step.run([batchAt(number)], number);
    const path = join(folder, `${kvHeads}.gguf`);
    const model = { name: "small", config: configOf(served), ropeBase: served.ropeBase, parameters: step.parameters() };
    await writeWhole(
      machineFiles,
      path,
      trainedGguf({ ...model, tokenizer: bpeMetadata(bpe, "<|end|>"), type: "F32" }),
    );

    const { tokens } = batchAt(7, { ...options, batch: 1 });
    const regions = new Regions(machine);
    const graphOfModel = await trainedGraph(configOf(served));
    const given = { ...options, model: graphOfModel, batch: 1, parameters: step.parameters() };
    for (const { name, values } of step.parameters())
      floats(regions.alloc(name, values.length), values.length).set(values);
    for (const [name, values] of Object.entries(ropeTables(configOf(served).ropes[0]!, 8))) {
      floats(regions.alloc(name, values.length), values.length).set(values);
    }
    integers(regions.alloc("tokens", 8), 8).set(tokens);
    const logits = floats(regions.alloc("logits", 8 * 270), 8 * 270);
    const { graph, inputs } = logitsGraph(given);
    await (await machine.open(graph, {})).run(regions.bindings([...inputs, "logits"]));

    const checkpoint = await openCheckpoint(path);
    const runner = await loadRunner(checkpoint, { exact: true, level: "reference", threads: 1, context: 64 });
    const { rows } = await runner.step([{ tokens: [...tokens], start: 0, blocks: [0], outputs: 8 }]);
    const scale = logits.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    for (const [i, row] of rows.entries()) {
      for (const [token, x] of row.logits.entries()) {
        const expected = logits[i * 270 + token]!;
        assert.ok(Math.abs(x - expected) < 1e-4 * scale, `position ${i}, token ${token}: ${x}, not ${expected}`);
      }
    }
    await runner.close();
    checkpoint.close();
    await step.close();
  }
});
