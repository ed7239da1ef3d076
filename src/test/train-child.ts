/**
 * A process that trains and is killed: `node train-child.js FOLDER STEPS KILL`. It ends itself with SIGKILL at its event number
 * KILL (a step, or a moment within the write of a checkpoint; 0 is never), prints "ready" when it begins, and, where it comes to
 * the end, its parameters as hexadecimal digits.
 */

import { WallClock } from "../time/wall-clock.ts";
import { Checkpoints } from "../train/checkpoint.ts";
import { train } from "../train/engine.ts";
import { type Files, machineFiles } from "../train/files.ts";
import { bigramStep, pairsFrom } from "./bigram-step.ts";

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
        return file.write(bytes.subarray(0, 200));
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

const step = bigramStep(0.5);
process.stdout.write("ready\n");
await train({
  step,
  open: async (position) => pairsFrom(position),
  steps,
  clock: new WallClock(),
  checkpoints: {
    store: new Checkpoints(folder, { keep: 2, identity: "bigram", warn: () => {}, files }),
    every: 3,
    resume: true,
  },
  observe: event,
});
process.stdout.write(`${Buffer.from(step.table.buffer).toString("hex")}\n`);
