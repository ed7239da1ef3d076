/** What the machine takes beside units and the rate of copies, measured before it is used: the simulator is given the same. */
import { median } from "../../core/statistics.ts";
import type { Region } from "../../device/device.ts";
import type { Seconds } from "../../time/clock.ts";
import type { CopyRate, MachineCosts, Wake } from "../memory.ts";
import type { CopyEngine } from "./copy-engine.ts";
import { now } from "./copy-ring.ts";

const rounds = 9;
/** So long nothing is asked before a copy: threads go to sleep. */
const pauses: readonly Seconds[] = [0, 100e-6, 300e-6, 1e-3];
const blockBytes = 256 << 10;
const longSeconds = 0.4e-3;

export type Waiting = Pick<MachineCosts, "wakes" | "lateSeconds">;

/** Nothing lies in the arena yet. */
export function measuredCosts(copies: CopyEngine, arena: Region, rate: CopyRate): MachineCosts {
  const waiting = Array.from({ length: rounds }, () => waitingCosts(copies, rate, arena.bytes));
  return { ...medianOf(waiting), ...movingCosts(copies, arena), slowdown: 0 };
}

/** One round: the first `most` bytes of the memories are copied out, at most. */
export function waitingCosts(copies: CopyEngine, rate: CopyRate, most: number): Waiting {
  const copied = (bytes: number): { readonly asked: Seconds; readonly took: Seconds } => {
    const began = now();
    const ticket = copies.copy("out", 0, 0, bytes);
    const asked = now() - began;
    copies.wait(ticket);
    return { asked, took: Math.max(0, now() - began - rate.latencySeconds) };
  };
  const long = Math.min(most, Math.ceil(longSeconds * rate.bytesPerSecond));
  const lateSeconds = Math.max(0, copied(long).took - long / rate.bytesPerSecond);
  const wakes = pauses.map((idleSeconds): Wake => {
    // Computing goes on meanwhile: this thread does not sleep.
    for (const until = now() + idleSeconds; now() < until; );
    const { asked, took } = copied(64);
    return { idleSeconds, askSeconds: asked, startSeconds: took };
  });
  return { lateSeconds, wakes };
}

/** Of several rounds. */
export function medianOf(all: readonly Waiting[]): Waiting {
  const middle = (of: (w: Waiting) => Seconds): Seconds => median(all.map(of)) ?? 0;
  return {
    lateSeconds: middle((w) => w.lateSeconds),
    wakes: pauses.map((idleSeconds, i) => ({
      idleSeconds,
      askSeconds: middle((w) => w.wakes[i]!.askSeconds),
      startSeconds: middle((w) => w.wakes[i]!.startSeconds),
    })),
  };
}

type Moving = Pick<MachineCosts, "moveSeconds" | "moveSecondsPerByte" | "touchSecondsPerByte">;

function movingCosts(copies: CopyEngine, { buffer, offset, bytes }: Region): Moving {
  // Pages that were never written are all the same one.
  const all = new Uint8Array(buffer, offset, bytes).fill(1);
  const block = Math.min(blockBytes, Math.floor(bytes / 4));
  const blocks = Math.floor(bytes / block) - 1;
  const move = (to: number, from: number, size: number, times: number): Seconds => {
    const began = now();
    for (let i = 0; i < times; i++) all.copyWithin(to + i * size, from + i * size, from + (i + 1) * size);
    return now() - began;
  };
  const large = [0, 1, 2].map(() => move(0, block, block, blocks) / (blocks * block));
  const small = [0, 1, 2].map(() => move(0, 64, 64, blocks) / blocks);
  /** Of moving a block to one or from one that a copy in the direction has just touched, or none: others were touched since. */
  const touch = (direction: "out" | "in" | undefined): Seconds => {
    if (direction !== undefined) copies.wait(copies.copy(direction, 0, 0, block));
    else move(block, 2 * block, block, Math.min(blocks - 1, 8));
    return direction === "out" ? move(0, block, block, 1) : move(block, 0, block, 1);
  };
  const touches = (direction?: "out" | "in"): Seconds =>
    median(Array.from({ length: rounds }, () => touch(direction)))!;
  const own = touches();
  const touchSecondsPerByte = Math.max(0, ((touches("out") + touches("in")) / 2 - own) / block);
  all.fill(0);
  return { moveSeconds: median(small)!, moveSecondsPerByte: median(large)!, touchSecondsPerByte };
}
