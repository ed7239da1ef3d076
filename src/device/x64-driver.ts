/**
 * The launch loop in machine code: what every thread of a native device runs.
 *
 * Thread 0 is the caller; the others wait on `epoch`. All of them walk the launch records (`device.ts`), claiming chunks of
 * items from each record's counter. Waiting spins for a bounded time and then sleeps in a futex, so that threads do not
 * starve the JavaScript that shares their cores.
 */
import { Assembler, type Condition, type Label, type Memory, reg } from "../compile/render/x64-assembler.ts";
import { record } from "./device.ts";

/** Byte offsets in the control block; contended words have cache lines of their own. */
export const control = {
  epoch: 0,
  arrived: 64,
  generation: 128,
  barrierSleepers: 192,
  records: 256,
  count: 264,
  threads: 272,
  exit: 276,
  epochSleepers: 320,
  nextThread: 384,
  /** Changes when a record that someone sleeps for is done. */
  events: 448,
  eventSleepers: 452,
  /** One address a thread. */
  scratch: 512,
  bytes: 4096,
} as const;

/**
 * A timed loop writes the processor's time stamps of each record: where a thread comes to it, runs out of its items, and
 * leaves it. The word before a thread's scratch points at where its next three go.
 */
export const stamps = { begin: 0, worked: 8, end: 16, stride: 24, cursor: -8 } as const;

/** What stands before a thread's scratch beside the cursor: which thread it is, from 1 on, and how often it waited. */
export const own = { thread: -16, waits: -24 } as const;

export const threadsMax = (control.bytes - control.scratch) / 8;

/** Spins before sleeping: some 30 µs between records, where work is about to come, and 50 µs between steps. */
const spins = { barrier: 2000, event: 2000, epoch: 3000 };
/** Looks with the processor given away in between: some 0.2 µs each where nobody else wants it. */
const yields = 400;
const schedYield = 24;
const futex = { call: 202, wait: 128, wake: 129 };
const saved = [reg.rbx, reg.rbp, reg.r12, reg.r13, reg.r14, reg.r15];
const ctl = (offset: number): Memory => ({ base: reg.rbx, offset });

/** `run(control)`: publishes the list, works on it, returns when all threads are done. */
export function runCode(timed = false): Uint8Array {
  return routine((a) => {
    announce(a);
    a.mov(reg.r15, ctl(control.scratch));
    a.storeImmediate32({ base: reg.r15, offset: own.thread }, 1);
    walk(a, timed);
  });
}

/** `stop(control)`: wakes the threads so that they see `exit`. */
export const stopCode = (): Uint8Array => routine(announce);

/** `worker(control)`: the entry of each further thread. */
export function workerCode(timed = false): Uint8Array {
  return routine((a) => {
    a.movImmediate(reg.rax, 1);
    a.fetchAdd32(ctl(control.nextThread), reg.rax);
    a.mov(reg.r15, { base: reg.rbx, index: reg.rax, scale: 8, offset: control.scratch + 8 });
    a.immediate(0, reg.rax, 2);
    a.store32({ base: reg.r15, offset: own.thread }, reg.rax);
    const last: Memory = { base: reg.rsp, offset: 0 };
    a.storeImmediate32(last, 0);
    const top = a.here();
    const out = a.label();
    a.mov32(reg.rbp, last);
    waitWhileEqual(a, control.epoch, control.epochSleepers, spins.epoch);
    a.mov32(reg.rax, ctl(control.epoch));
    a.store32(last, reg.rax);
    a.immediate(7, ctl(control.exit), 0, 0);
    a.jumpIf("ne", out);
    walk(a, timed);
    a.jump(top);
    a.bind(out);
  });
}

/** Saves registers, puts the argument in rbx, leaves 8 bytes of stack, keeps the stack aligned. */
function routine(write: (a: Assembler) => void): Uint8Array {
  const a = new Assembler(false);
  for (const r of saved) a.push(r);
  a.immediate(5, reg.rsp, 8);
  a.mov(reg.rbx, reg.rdi);
  write(a);
  a.immediate(0, reg.rsp, 8);
  for (const r of saved.toReversed()) a.pop(r);
  a.xor32(reg.rax, reg.rax);
  a.ret();
  return a.code();
}

function announce(a: Assembler): void {
  const done = a.label();
  a.movImmediate(reg.rax, 1);
  a.fetchAdd32(ctl(control.epoch), reg.rax);
  a.immediate(7, ctl(control.epochSleepers), 0, 0);
  a.jumpIf("e", done);
  wake(a, control.epoch);
  a.bind(done);
}

function wake(a: Assembler, offset: number): void {
  a.movImmediate(reg.rax, futex.call);
  a.lea(reg.rdi, ctl(offset));
  a.movImmediate(reg.rsi, futex.wake);
  a.movImmediate(reg.rdx, 0x7fffffff);
  a.syscall();
}

/**
 * Looks, and goes to `done` on the condition; falls through when it has looked often. Between the last looks it lets others
 * have the processor: waking a thread that sleeps takes longer than most calls, and then the others have gone to sleep at the
 * next one, so that a list in which one thread once came late would stay slow to its end.
 */
function lookFor(a: Assembler, spinsMax: number, look: () => void, condition: Condition, done: Label): void {
  a.movImmediate(reg.rcx, spinsMax);
  const spin = a.here();
  look();
  a.jumpIf(condition, done);
  a.pause();
  a.decrement(reg.rcx);
  a.jumpIf("ne", spin);
  a.movImmediate(reg.r8, yields);
  const again = a.here();
  a.movImmediate(reg.rax, schedYield);
  a.syscall();
  look();
  a.jumpIf(condition, done);
  a.decrement(reg.r8);
  a.jumpIf("ne", again);
}

/** Returns once the word at `offset` differs from ebp. The sleeper counts itself before the kernel compares again. */
function waitWhileEqual(a: Assembler, offset: number, sleepers: number, spinsMax: number): void {
  const done = a.label();
  lookFor(a, spinsMax, () => a.cmp32(reg.rbp, ctl(offset)), "ne", done);
  const sleep = a.here();
  a.movImmediate(reg.rax, 1);
  a.fetchAdd32(ctl(sleepers), reg.rax);
  a.movImmediate(reg.rax, futex.call);
  a.lea(reg.rdi, ctl(offset));
  a.movImmediate(reg.rsi, futex.wait);
  a.mov(reg.rdx, reg.rbp);
  a.xor32(reg.r10, reg.r10);
  a.syscall();
  a.movImmediate(reg.rax, -1);
  a.fetchAdd32(ctl(sleepers), reg.rax);
  a.cmp32(reg.rbp, ctl(offset));
  a.jumpIf("e", sleep);
  a.bind(done);
}

/** All threads wait for the last; the generation is read before arriving, so a fast successor cannot be missed. */
function barrier(a: Assembler): void {
  const wait = a.label();
  const done = a.label();
  countWait(a);
  a.mov32(reg.rbp, ctl(control.generation));
  a.movImmediate(reg.rax, 1);
  a.fetchAdd32(ctl(control.arrived), reg.rax);
  a.immediate(0, reg.rax, 1, 0);
  a.cmp32(reg.rax, ctl(control.threads));
  a.jumpIf("ne", wait);
  a.storeImmediate32(ctl(control.arrived), 0);
  a.movImmediate(reg.rax, 1);
  a.fetchAdd32(ctl(control.generation), reg.rax);
  a.immediate(7, ctl(control.barrierSleepers), 0, 0);
  a.jumpIf("e", done);
  wake(a, control.generation);
  a.jump(done);
  a.bind(wait);
  waitWhileEqual(a, control.generation, control.barrierSleepers, spins.barrier);
  a.bind(done);
}

const countWait = (a: Assembler): void => a.immediate(0, { base: reg.r15, offset: own.waits }, 1);

/** Stores the time stamp counter, in cycles since the processor started, in the given place of this thread's stamps. */
function stamp(a: Assembler, place: number): void {
  a.readTimeStamp();
  a.shiftImmediate("shl", reg.rdx, 32);
  a.add(reg.rax, reg.rdx);
  a.mov(reg.rcx, { base: reg.r15, offset: stamps.cursor });
  a.store({ base: reg.rcx, offset: place }, reg.rax);
}

const of = (offset: number): Memory => ({ base: reg.r12, offset });

/** r12 the record, r13 how many are left, r15 this thread's scratch; r14 minus the items that this thread has done of the record. */
function walk(a: Assembler, timed: boolean): void {
  const finished = a.label();
  const passed = a.label();
  const next = a.label();
  const whole = a.label();
  const spent = a.label();
  const shared = a.label();
  a.mov(reg.r12, ctl(control.records));
  a.mov(reg.r13, ctl(control.count));
  const top = a.here();
  a.test(reg.r13, reg.r13);
  a.jumpIf("e", finished);
  if (timed) stamp(a, stamps.begin);
  enter(a, passed);
  if (timed) stamp(a, stamps.begin);
  a.xor32(reg.r14, reg.r14);
  a.immediate(7, of(record.share), 0, 0);
  a.jumpIf("ne", shared);
  const claim = a.here();
  a.mov32(reg.rsi, of(record.chunk));
  a.mov(reg.rdx, reg.rsi);
  a.fetchAdd32(of(record.counter), reg.rsi);
  a.mov32(reg.rcx, of(record.items));
  a.cmp(reg.rsi, reg.rcx);
  a.jumpIf("ge", spent);
  a.add(reg.rdx, reg.rsi);
  a.cmp(reg.rdx, reg.rcx);
  a.jumpIf("le", whole);
  a.mov(reg.rdx, reg.rcx);
  a.bind(whole);
  work(a);
  a.jump(claim);
  a.bind(shared);
  workShares(a, spent);
  a.bind(spent);
  signal(a, passed);
  a.bind(passed);
  if (timed) stamp(a, stamps.worked);
  a.immediate(7, of(record.barrier), 0, 0);
  a.jumpIf("e", next);
  barrier(a);
  a.bind(next);
  if (timed) {
    stamp(a, stamps.end);
    a.immediate(0, { base: reg.r15, offset: stamps.cursor }, stamps.stride);
  }
  a.immediate(0, reg.r12, record.stride);
  a.decrement(reg.r13);
  a.jump(top);
  a.bind(finished);
  barrier(a);
}

/** Calls the kernel for the items from rsi to before rdx. */
function work(a: Assembler): void {
  a.add(reg.r14, reg.rsi);
  a.sub(reg.r14, reg.rdx);
  a.mov(reg.rdi, of(record.args));
  a.mov(reg.rcx, reg.r15);
  a.mov(reg.rax, of(record.kernel));
  a.call(reg.rax);
}

/** All shares of a record, this thread's first, until nothing is left to claim; then to `spent`. rbp counts the shares that are. */
function workShares(a: Assembler, spent: Label): void {
  const empty = a.label();
  a.xor32(reg.rbp, reg.rbp);
  const claim = a.here();
  a.cmp32(reg.rbp, ctl(control.threads));
  a.jumpIf("ge", spent);
  // rax: whose share it is, threads in a ring.
  a.mov32(reg.rax, { base: reg.r15, offset: own.thread });
  a.lea(reg.rax, { base: reg.rax, index: reg.rbp, scale: 1, offset: -1 });
  a.mov32(reg.rcx, ctl(control.threads));
  a.mov(reg.rdx, reg.rax);
  a.sub(reg.rdx, reg.rcx);
  a.cmp(reg.rax, reg.rcx);
  a.cmov("ge", reg.rax, reg.rdx);
  a.lea(reg.rdi, { base: reg.r12, index: reg.rax, scale: 4, offset: record.claimed });
  // rax: its first item; rcx: how many it has.
  a.mov32(reg.rcx, of(record.share));
  a.imul(reg.rax, reg.rcx);
  a.mov32(reg.rdx, of(record.counter));
  a.add(reg.rax, reg.rdx);
  a.mov32(reg.rdx, of(record.items));
  a.sub(reg.rdx, reg.rax);
  a.cmp(reg.rdx, reg.rcx);
  a.cmov("l", reg.rcx, reg.rdx);
  // What is left may be less by the time it is claimed: what is claimed behind the end is nobody's.
  a.mov32(reg.rsi, { base: reg.rdi, offset: 0 });
  a.mov(reg.rdx, reg.rcx);
  a.sub(reg.rdx, reg.rsi);
  a.jumpIf("le", empty);
  a.shiftImmediate("shr", reg.rdx, 1);
  a.mov32(reg.rsi, of(record.chunk));
  a.cmp(reg.rdx, reg.rsi);
  a.cmov("l", reg.rdx, reg.rsi);
  a.mov(reg.rsi, reg.rdx);
  a.fetchAdd32({ base: reg.rdi, offset: 0 }, reg.rsi);
  a.cmp(reg.rsi, reg.rcx);
  a.jumpIf("ge", claim);
  a.add(reg.rdx, reg.rsi);
  a.cmp(reg.rdx, reg.rcx);
  a.cmov("g", reg.rdx, reg.rcx);
  a.add(reg.rsi, reg.rax);
  a.add(reg.rdx, reg.rax);
  work(a);
  a.jump(claim);
  a.bind(empty);
  a.immediate(0, reg.rbp, 1);
  a.jump(claim);
}

/** Goes to `passed` where this thread has nothing to do; else on, when the records that this one waits for are done. */
function enter(a: Assembler, passed: Label): void {
  const mine = a.label();
  const ready = a.label();
  const awake = a.label();
  a.mov32(reg.rax, of(record.thread));
  a.test(reg.rax, reg.rax);
  a.jumpIf("e", mine);
  a.cmp32(reg.rax, { base: reg.r15, offset: own.thread });
  a.jumpIf("ne", passed);
  a.bind(mine);
  a.mov(reg.rbp, of(record.waits));
  a.test(reg.rbp, reg.rbp);
  a.jumpIf("e", ready);
  a.mov32(reg.rax, of(record.counter));
  a.cmp32(reg.rax, of(record.items));
  a.jumpIf("ge", passed);
  const each = a.here();
  a.mov(reg.rax, { base: reg.rbp, offset: 0 });
  a.test(reg.rax, reg.rax);
  a.jumpIf("e", ready);
  a.immediate(0, reg.rbp, 8);
  a.lea(reg.r14, { base: reg.r12, index: reg.rax, scale: 1, offset: record.remaining });
  countWait(a);
  const remaining: Memory = { base: reg.r14, offset: 0 };
  lookFor(a, spins.event, () => a.immediate(7, remaining, 0, 0), "e", each);
  // The sleeper counts itself before it looks again, so that whoever finishes after that look sees it.
  const sleep = a.here();
  a.movImmediate(reg.rax, 1);
  a.fetchAdd32(ctl(control.eventSleepers), reg.rax);
  a.mov32(reg.rdx, ctl(control.events));
  a.immediate(7, remaining, 0, 0);
  a.jumpIf("e", awake);
  a.movImmediate(reg.rax, futex.call);
  a.lea(reg.rdi, ctl(control.events));
  a.movImmediate(reg.rsi, futex.wait);
  a.xor32(reg.r10, reg.r10);
  a.syscall();
  a.bind(awake);
  a.movImmediate(reg.rax, -1);
  a.fetchAdd32(ctl(control.eventSleepers), reg.rax);
  a.immediate(7, remaining, 0, 0);
  a.jumpIf("ne", sleep);
  a.jump(each);
  a.bind(ready);
}

/**
 * Counts what this thread did as done, and wakes who sleeps for the record if that was the last of it; goes to `passed`. Once
 * for all its chunks: other threads look at the word, and each look takes its line away.
 */
function signal(a: Assembler, passed: Label): void {
  a.immediate(7, of(record.signals), 0, 0);
  a.jumpIf("e", passed);
  a.test(reg.r14, reg.r14);
  a.jumpIf("e", passed);
  a.mov(reg.rax, reg.r14);
  a.fetchAdd32(of(record.remaining), reg.rax);
  a.add(reg.rax, reg.r14);
  a.jumpIf("ne", passed);
  a.immediate(7, ctl(control.eventSleepers), 0, 0);
  a.jumpIf("e", passed);
  a.movImmediate(reg.rax, 1);
  a.fetchAdd32(ctl(control.events), reg.rax);
  wake(a, control.events);
}
