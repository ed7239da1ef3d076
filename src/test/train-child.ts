/**
 * A process that trains a small decoder by compiled kernels and is killed: `node train-child.js FOLDER STEPS KILL`. It ends itself
 * with SIGKILL at moment number KILL within writes of checkpoints (0 is never), prints "ready" when it begins to train, and, where
 * it comes to the end, all its state as one digest.
 */
import { createHash } from "node:crypto";
import { draw } from "../core/random.ts";
import { openDevice } from "../device/open.ts";
import { WallClock } from "../time/wall-clock.ts";
import { Checkpoints } from "../train/checkpoint.ts";
import { deviceMachine } from "../train/device-machine.ts";
import { train } from "../train/engine.ts";
import { type Files, machineFiles } from "../train/files.ts";
import { configOf } from "../train/model/shape.ts";
import { openModelStep, type TokenBatch } from "../train/model-step.ts";

const [folder, steps, kill] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])];
let events = 0;
const event = (): void => {
  if (++events === kill) process.kill(process.pid, "SIGKILL");
};

/** Writes in small parts, with an event between any two things that a write does. */
const files: Files = {
  ...machineFiles,
  async open(path, flags) {
    event();
    const file = await machineFiles.open(path, flags);
    return {
      write(bytes) {
        event();
        return file.write(bytes.subarray(0, 2048));
      },
      read: (...where) => file.read(...where),
      stat: () => file.stat(),
      sync() {
        event();
        return file.sync();
      },
      close() {
        event();
        return file.close();
      },
    };
  },
  rename(from, to) {
    event();
    return machineFiles.rename(from, to);
  },
  unlink(path) {
    event();
    return machineFiles.unlink(path);
  },
};

const [batch, length, vocabulary] = [2, 8, 16];

/** Sequences in which a token is most often followed by the next one; each batch a function of its position. */
function batchAt(position: number): TokenBatch {
  const at = (i: number): number => Math.floor((draw(3, position, i >> 3) + (i % length) / vocabulary) * vocabulary);
  const tokens = Int32Array.from({ length: batch * length }, (_, i) => at(i) % vocabulary);
  return { tokens, targets: tokens.map((t) => (t + 1) % vocabulary), weights: new Float32Array(tokens.length).fill(1) };
}

function openBatches(start: number) {
  let position = start;
  return {
    get position() {
      return position;
    },
    next: async (): Promise<readonly TokenBatch[]> => [batchAt(position++)],
    close: async (): Promise<void> => {},
  };
}

const device = await openDevice(undefined, { threads: 1, scratchBytes: 1 << 20 });
const size = { layers: 1, width: 16, heads: 1, kvHeads: 1, feedForward: 32, vocabulary, context: length };
const step = await openModelStep(deviceMachine(device), {
  config: configOf({ ...size, normEpsilon: 1e-5, ropeBase: 10000, tied: true }),
  ...{ batch, length, accumulate: 1, bf16: false, seed: 5 },
  optimizer: { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.1, clip: 1 },
  schedule: { kind: "cosine", peak: 1e-2, last: 1e-3, warmup: 3, steps },
});
process.stdout.write("ready\n");
await train({
  step,
  open: async (position) => openBatches(position),
  steps,
  clock: new WallClock(),
  checkpoints: {
    store: new Checkpoints(folder, { keep: 2, identity: "decoder", warn: () => {}, files }),
    every: 3,
    resume: true,
  },
  observe: () => {},
});
const digest = createHash("sha256");
for (const { bytes } of step.state.values()) digest.update(bytes());
process.stdout.write(`${digest.digest("hex")}\n`);
await step.close();
await device.close();
