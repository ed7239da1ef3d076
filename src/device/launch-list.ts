/** Plans of a launch policy as records in device memory: one list for each class of steps, its counters set each step. */
import type { Launch, LaunchPlan } from "../compile/launch.ts";
import { checkPlan } from "../compile/launch-order.ts";
import { classOf, itemsOf, launchCalls, type StepSize } from "../compile/launch-view.ts";
import type { Program } from "../compile/schedule.ts";
import { assert } from "../core/errors.ts";
import { type Claims, chunksPerThread, evenClaims } from "./call-list.ts";
import { type Device, type Region, record } from "./device.ts";

/** A policy, and what to call it in errors. */
export interface NamedLaunch {
  readonly id: string;
  readonly policy: Launch;
}

/** What one native call runs: whole records of a list. */
export interface Segment {
  readonly records: Region;
  readonly count: number;
  /** Place in the list of the first. */
  readonly first: number;
}

export interface LaunchList {
  readonly plan: LaunchPlan;
  /** The program's call of each task. */
  readonly calls: readonly number[];
  readonly segments: readonly Segment[];
  /** Before each run; the step is of the list's class. */
  prepare(size: StepSize): void;
  /** How long it took when it last ran. */
  seconds?: number;
}

/** What a call's records say beside its items. */
interface Installed {
  readonly kernel: number;
  readonly args: number;
}

/** Lists of so many classes are kept. */
const listsMax = 32;

export class LaunchLists {
  readonly #device: Device;
  readonly #program: Program<unknown>;
  readonly #launch: NamedLaunch;
  readonly #installed: readonly Installed[];
  readonly #weightBytes: (name: string) => number;
  readonly #lists = new Map<string, { readonly region: Region; readonly list: LaunchList }>();

  /** `installed` are the handle and the parameters' address of each call of the program. */
  constructor(
    device: Device,
    program: Program<unknown>,
    launch: NamedLaunch,
    installed: readonly Installed[],
    weightBytes: (name: string) => number,
  ) {
    this.#device = device;
    this.#program = program;
    this.#launch = launch;
    this.#installed = installed;
    this.#weightBytes = weightBytes;
  }

  /** The list of the step's class, made where it is new; those not used for longest make room. */
  of(size: StepSize): LaunchList {
    const most = classOf(size);
    const key = `${most.tokens} ${most.rows}`;
    const found = this.#lists.get(key) ?? this.#make(most);
    this.#lists.delete(key);
    this.#lists.set(key, found);
    for (const [old, { region }] of this.#lists) {
      if (this.#lists.size <= listsMax) break;
      this.#device.free(region);
      this.#lists.delete(old);
    }
    return found.list;
  }

  close(): void {
    for (const { region } of this.#lists.values()) this.#device.free(region);
    this.#lists.clear();
  }

  #make(most: StepSize): { readonly region: Region; readonly list: LaunchList } {
    const { threads } = this.#device;
    const { calls, places } = launchCalls(this.#program, most, threads, this.#weightBytes);
    const plan = this.#launch.policy.plan({ calls, threads });
    checkPlan({ calls, threads }, plan, this.#launch.id);
    const region = this.#write(plan, places);
    const taskCalls = plan.map((task) => places[task.call]!);
    const seconds = plan.map(({ call, from, to }) => calls[call]!.seconds * (to - from));
    const list: LaunchList = {
      plan,
      calls: taskCalls,
      segments: segmentsOf(plan, region),
      prepare: this.#prepare(plan, taskCalls, seconds, region),
    };
    return { region, list };
  }

  /** All that is the same in each step: the records, and behind them what each waits for. */
  #write(plan: LaunchPlan, places: readonly number[]): Region {
    const waits = plan.reduce((n, { after }) => n + (after.length === 0 ? 0 : after.length + 1), 0);
    const region = this.#device.alloc(Math.max(1, plan.length * record.stride + waits * 8));
    const view = new DataView(region.buffer, region.offset, region.bytes);
    const awaited = new Set(plan.flatMap(({ after }) => after));
    let next = plan.length * record.stride;
    for (const [i, { call, thread, after, barrier }] of plan.entries()) {
      const at = i * record.stride;
      const { kernel, args } = this.#installed[places[call]!]!;
      view.setBigUint64(at + record.kernel, BigInt(kernel), true);
      view.setBigUint64(at + record.args, BigInt(args), true);
      view.setInt32(at + record.barrier, barrier ? 1 : 0, true);
      view.setInt32(at + record.thread, thread === undefined ? 0 : thread + 1, true);
      view.setInt32(at + record.signals, awaited.has(i) ? 1 : 0, true);
      if (after.length === 0) continue;
      view.setBigUint64(at + record.waits, BigInt(region.address + next), true);
      for (const earlier of after) {
        view.setBigInt64(next, BigInt((earlier - i) * record.stride), true);
        next += 8;
      }
      next += 8;
    }
    return region;
  }

  /** Steps of one size in a row get copies of the same words: a step that decodes has read all else out of the caches. */
  #prepare(
    plan: LaunchPlan,
    calls: readonly number[],
    seconds: readonly number[],
    region: Region,
  ): LaunchList["prepare"] {
    const words = new Int32Array(region.buffer, region.offset, (plan.length * record.stride) / 4);
    const { threads } = this.#device;
    let last: { readonly size: StepSize; readonly words: Int32Array } | undefined;
    return (size) => {
      if (last?.size.tokens === size.tokens && last.size.rows === size.rows) return words.set(last.words);
      for (let i = 0; i < plan.length; i++) {
        const { from, to, thread } = plan[i]!;
        const call = this.#program.calls[calls[i]!]!;
        const items = itemsOf(call, size, threads);
        const [begin, end] = [Math.round(from * items), Math.round(to * items)];
        assert(begin < end, () => `task ${i} of launch policy ${this.#launch.id} has none of ${items} items`);
        const at = (i * record.stride) / 4;
        const count = end - begin;
        const { chunk, share } = claimsOf(call.op, thread === undefined ? threads : 1, count, seconds[i]!);
        words[at + record.items / 4] = end;
        words[at + record.chunk / 4] = chunk;
        words[at + record.share / 4] = share;
        words.fill(0, at + record.claimed / 4, at + record.stride / 4);
        words[at + record.counter / 4] = begin;
        words[at + record.remaining / 4] = count;
      }
      last = { size, words: words.slice() };
    };
  }
}

/** Attention's items are of unequal length. */
function claimsOf(op: string, threads: number, items: number, seconds: number): Claims {
  if (op !== "attention" || threads === 1) return evenClaims(threads, items, seconds);
  return { share: 0, chunk: Math.ceil(items / (threads * chunksPerThread)) };
}

function segmentsOf(plan: LaunchPlan, region: Region): readonly Segment[] {
  const segments: Segment[] = [];
  let first = 0;
  for (const [i, { cut }] of plan.entries()) {
    if (!cut && i < plan.length - 1) continue;
    const skipped = first * record.stride;
    const { buffer } = region;
    const records = {
      address: region.address + skipped,
      bytes: region.bytes - skipped,
      buffer,
      offset: region.offset + skipped,
    };
    segments.push({ records, count: i + 1 - first, first });
    first = i + 1;
  }
  return segments;
}
