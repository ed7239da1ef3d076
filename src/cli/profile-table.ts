/** A profile as text: a table by kernel, and what its first line means in words. */

import type { Limits } from "../device/limits.ts";
import { against, type KernelProfile } from "../device/profile.ts";

export interface Profiled {
  readonly title: string;
  /** Whether what threads wait for each other is told apart: there are several, and each writes down when it has no more to do. */
  readonly seesWaiting: boolean;
  readonly tokens: number;
  readonly kernels: readonly KernelProfile[];
  /** Of the calls of one step; and of a step as its caller sees it. */
  readonly seconds: number;
  readonly wallSeconds: number;
}

const giga = (n: number): string => (n / 1e9).toFixed(n < 1e10 ? 2 : 1);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export function limitsLine({ bytesPerSecond, operationsPerSecond }: Limits): string {
  const { f32, bf16, int8 } = operationsPerSecond;
  const peaks = `fp32 ${giga(f32)} GF/s, BF16 ${giga(bf16)} GF/s, int8 ${giga(int8)} GOP/s`;
  return `limits measured now: reads ${giga(bytesPerSecond)} GB/s, ${peaks}`;
}

/** Rows of a table under headings, numbers to the right. */
export function profileTable({ kernels, seesWaiting }: Profiled, limits: Limits | undefined): string {
  const heads = ["kernel", "calls", "share", "ms", "waiting", "GB/s", "of limit", "G(FL)OP/s", "of limit"];
  const rows = kernels.map((k) => {
    const reached = limits && against(k, limits);
    const counts = k.operations > 0;
    return [
      k.kernel,
      String(k.calls),
      percent(k.share),
      (k.seconds * 1e3).toFixed(3),
      seesWaiting ? percent(k.waiting) : "",
      giga(k.bytes / k.seconds),
      reached ? reached.memory.toFixed(2) : "",
      counts ? `${giga(k.operations / k.seconds)} ${k.arithmetic}` : "",
      counts && reached ? reached.arithmetic.toFixed(2) : "",
    ];
  });
  const widths = heads.map((_, i) => Math.max(...[heads, ...rows].map((row) => row[i]!.length)));
  const line = (row: readonly string[]): string =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join("  ");
  return [heads, ...rows].map((row) => line(row).trimEnd()).join("\n");
}

/** How long a step takes, what most of it is, and what would make that faster. */
export function inWords(profiled: Profiled, limits: Limits | undefined): string {
  const { kernels, tokens, seconds, wallSeconds, title, seesWaiting } = profiled;
  const top = kernels[0]!;
  const rate = (tokens / wallSeconds).toFixed(1);
  const waiting = kernels.reduce((n, k) => n + k.waiting * k.share, 0);
  const calls = kernels.reduce((n, k) => n + k.calls, 0);
  const took = `${calls} calls take ${(seconds * 1e3).toFixed(2)} ms`;
  // Where calls are timed one by one, each also waits until all threads have come.
  const part = seconds <= wallSeconds ? `${took} of it` : `timed one by one, ${took}`;
  const whole = `${title}: ${(wallSeconds * 1e3).toFixed(2)} ms a step, ${rate} tokens/s; ${part}.`;
  const most = `${percent(top.share)} is ${top.kernel} (${top.calls} calls), ${(top.bytes / 1e6).toFixed(1)} MB and ${(top.operations / 1e6).toFixed(1)} M operations`;
  const idle = `Threads wait for each other ${percent(waiting)} of the time${waiting > 0.4 ? ": the calls between are short, or other programs have the processor" : ""}.`;
  const bound = limits === undefined ? `${most}.` : `${most}: ${boundInWords(top, limits)}`;
  return [whole, bound, ...(seesWaiting ? [idle] : [])].join("\n");
}

function boundInWords(top: KernelProfile, limits: Limits): string {
  const { memory, arithmetic, bound } = against(top, limits);
  switch (bound) {
    case "memory":
      if (memory > 1.05) return `${memory.toFixed(2)} of the memory limit, so much of it comes from the caches.`;
      return `${memory.toFixed(2)} of the memory limit. Only fewer bytes make it faster.`;
    case "arithmetic":
      return `${arithmetic.toFixed(2)} of the ${top.arithmetic} limit. Only fewer operations, or cheaper ones, make it faster.`;
    case "neither": {
      const reached = `${memory.toFixed(2)} of the memory limit and ${arithmetic.toFixed(2)} of the ${top.arithmetic} limit`;
      const each = `${((top.seconds / top.calls) * 1e6).toFixed(1)} µs a call`;
      const why = top.waiting > 0.25 ? `threads wait ${percent(top.waiting)} of the time` : "the kernel itself is slow";
      return `it reaches only ${reached}, ${each}; ${why}.`;
    }
  }
}
