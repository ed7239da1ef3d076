/**
 * Launch: in which order the calls of a step run, which threads may take them, and where one waits for another.
 *
 * A policy answers a list of tasks, each a part of a call. Every thread walks the list in order, takes what it may of each
 * task, and leaves the rest to others; so a task that waits for tasks before it in the list always gets to run.
 */
import type { Entry, Options } from "../core/entry.ts";
import { slot } from "../core/slot.ts";
import { launchIndex } from "./launch.index.ts";

export interface LaunchCall {
  /** At most so many parts can be made of its items, so that none is empty. At least 1. */
  readonly parts: number;
  /** What one thread would take for all items: an estimate. */
  readonly seconds: number;
  /** Earlier calls that must be done before its first item. What these wait for in turn may be left out. */
  readonly after: readonly number[];
}

export interface LaunchView {
  readonly calls: readonly LaunchCall[];
  readonly threads: number;
}

export interface Task {
  readonly call: number;
  /** The part of the call's items, from 0 to 1. */
  readonly from: number;
  readonly to: number;
  /** The one thread that does it, from 0 on; any threads, chunk by chunk, where it is left out. */
  readonly thread?: number;
  /** Earlier tasks, by their place in the plan, that must be done before its first item. */
  readonly after: readonly number[];
  /** All threads wait for each other behind it. */
  readonly barrier: boolean;
  /** The native call ends behind it, and the next task begins another. */
  readonly cut: boolean;
}

/** Each part of each call once, each call after those that it must follow. */
export type LaunchPlan = readonly Task[];

/** Decides, and does nothing else: no clock, no randomness, no input or output. */
export interface Launch {
  plan(view: LaunchView): LaunchPlan;
}

export const launches = slot<Launch>("compile/launch", launchIndex);

/** Types an entry, and returns it unchanged. */
export const launch = <const O extends Options>(entry: Entry<Launch, O>): Entry<Launch, O> => entry;

/** What a synchronisation between two threads, taking a chunk, and a native call from JavaScript cost on the machine. */
export const launchSeconds = { event: 0.15e-6, claim: 0.02e-6, nativeCall: 20e-6 } as const;

/** The whole call, for any threads; nothing waits. */
export const wholeCall = (call: number): Task => ({ call, from: 0, to: 1, after: [], barrier: false, cut: false });
