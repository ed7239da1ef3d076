/** Events as Chrome (about:tracing) and Perfetto (ui.perfetto.dev) read them: the "JSON object format" of traces. */
import type { Seconds } from "./clock.ts";

/** Something that lasted. Each process holds threads, each thread is a track. */
export interface TraceSpan {
  readonly process: string;
  readonly thread: number;
  readonly name: string;
  readonly from: Seconds;
  readonly to: Seconds;
  /** Shown when the span is clicked. */
  readonly facts?: Readonly<Record<string, number | string>>;
}

interface TraceEvent {
  readonly ph: "X" | "M";
  readonly name: string;
  readonly pid: number;
  readonly tid?: number;
  /** Microseconds. */
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, number | string>>;
}

export function chromeTrace(spans: readonly TraceSpan[]): { readonly traceEvents: readonly TraceEvent[] } {
  const processes = [...new Set(spans.map((s) => s.process))];
  const pid = (process: string): number => processes.indexOf(process) + 1;
  const names = processes.map((name): TraceEvent => {
    return { ph: "M", name: "process_name", pid: pid(name), args: { name } };
  });
  const tracks = [...new Map(spans.map((s) => [`${s.process} ${s.thread}`, s])).values()].map((s): TraceEvent => {
    const args = { name: `thread ${s.thread}` };
    return { ph: "M", name: "thread_name", pid: pid(s.process), tid: s.thread, args };
  });
  const lasting = spans.map(({ process, thread, name, from, to, facts }): TraceEvent => {
    const when = { ts: from * 1e6, dur: (to - from) * 1e6 };
    return { ph: "X", name, pid: pid(process), tid: thread, ...when, ...(facts && { args: facts }) };
  });
  return { traceEvents: [...names, ...tracks, ...lasting] };
}
