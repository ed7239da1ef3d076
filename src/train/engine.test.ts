/** The training loop: what it saves and when, how it stops, and that a killed process loses nothing. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { stream } from "../core/random.ts";
import { bigramStep, type Pairs, pairsFrom } from "../test/bigram-step.ts";
import { VirtualClock } from "../time/virtual-clock.ts";
import { Checkpoints } from "./checkpoint.ts";
import { type TrainEvent, type Training, train } from "./engine.ts";

function folderFor(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "heddle-train-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

const options = { keep: 2, identity: "bigram", warn: assert.fail };

function training(folder: string, steps: number, more: Partial<Training<Pairs>> = {}) {
  const step = bigramStep(0.5);
  const events: TrainEvent[] = [];
  const given: Training<Pairs> = {
    step,
    open: async (position) => pairsFrom(position),
    steps,
    clock: new VirtualClock(),
    checkpoints: { store: new Checkpoints(folder, options), every: 4, resume: true },
    observe: (event) => events.push(event),
    ...more,
  };
  return { given, events, step };
}

test("it learns, evaluates and saves when due and at the end, and keeps the last two checkpoints", async (t) => {
  const folder = folderFor(t);
  const { given, events } = training(folder, 10);
  const evaluate = { every: 5, run: async () => ({ heldOut: 1 }) };
  assert.equal((await train({ ...given, evaluate })).why, "done");
  const losses = events.flatMap((e) => (e.kind === "step" ? [e.metrics.loss] : []));
  assert.ok(losses.at(-1)! < losses[0]! - 0.5, `${losses}`);
  const told = events.filter((e) => e.kind !== "step").map((e) => `${e.kind} ${e.step}`);
  assert.deepEqual(told, ["saved 4", "evaluated 5", "saved 8", "evaluated 10", "saved 10"]);
  assert.deepEqual(readdirSync(folder).sort(), ["step-000000008.safetensors", "step-000000010.safetensors"]);
});

test("in two halves it ends with the same bits as in one, and data that end, end it", async (t) => {
  const whole = training(folderFor(t), 20);
  await train(whole.given);
  const folder = folderFor(t);
  const half = await train({ ...training(folder, 20).given, open: async (at) => pairsFrom(at, 7) });
  assert.deepEqual([half.why, half.step], ["ended", 7]);
  const rest = training(folder, 20);
  await train(rest.given);
  assert.deepEqual(rest.events[0], { kind: "resumed", step: 7 });
  assert.deepEqual(rest.step.table, whole.step.table);
});

test("asked to stop, it ends the step, saves, and goes on from there", async (t) => {
  const folder = folderFor(t);
  const stop = new AbortController();
  const { given } = training(folder, 20, { signal: stop.signal });
  const observe = (event: TrainEvent): void => void (event.step === 5 && stop.abort());
  assert.deepEqual(await train({ ...given, observe }), { why: "stopped", step: 5, seconds: 0 });
  assert.deepEqual(await new Checkpoints(folder, options).steps(), [5, 4]);
});

test("a loss that is not finite ends it: with the step, the batch, where that began, and what is kept", async (t) => {
  const folder = folderFor(t);
  const { given, step } = training(folder, 20);
  const run: typeof step.run = (pairs, number) => {
    if (number === 6) step.table[19] = Number.NaN;
    return step.run(pairs, number);
  };
  await assert.rejects(train({ ...given, step: { ...step, run } }), {
    name: "UserError",
    message:
      /step 6, batch 6: the loss is NaN\. First not finite: parameter table, element 19, is NaN\. .*step-000000004\.safetensors is kept/s,
  });
});

const child = fileURLToPath(new URL("../test/train-child.js", import.meta.url));

/** The digest of its state at the end; `undefined` where it was killed before. */
async function run(folder: string, kill: number, killAfterSeconds?: number): Promise<string | undefined> {
  const process = spawn(globalThis.process.execPath, [child, folder, "18", String(kill)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  process.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (killAfterSeconds !== undefined) setTimeout(() => process.kill("SIGKILL"), killAfterSeconds * 1e3);
  });
  const [code, signal] = await once(process, "close");
  if (signal === "SIGKILL") return undefined;
  assert.equal(code, 0);
  return output.replace("ready\n", "").trim();
}

test("killed at 50 random moments, half within writes, the compiled step ends with an uninterrupted run's bits", async (t) => {
  const seed = 7;
  const random = stream(seed);
  const expected = await run(folderFor(t), 0);
  assert.match(expected ?? "", /^[0-9a-f]{64}$/);
  let folder = folderFor(t);
  let kills = 0;
  while (kills < 50) {
    // Half by itself at an exact moment within a write; half from outside, whenever it comes.
    const own = kills % 2 === 0;
    const ended = own ? await run(folder, 1 + Math.floor(random() * 60)) : await run(folder, 0, random() * 0.03);
    if (ended === undefined) kills++;
    else {
      assert.equal(ended, expected, `seed ${seed}, after ${kills} kills`);
      folder = folderFor(t);
    }
  }
  assert.equal(await run(folder, 0), expected, `seed ${seed}, after ${kills} kills`);
});
