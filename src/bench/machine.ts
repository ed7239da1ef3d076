/** What else the machine did while something was measured: time stolen by its host, time used by other programs. */
import { readdirSync, readFileSync } from "node:fs";

interface Ticks {
  readonly total: number;
  readonly idle: number;
  readonly stolen: number;
  /** Of this process and of those that it started. */
  readonly own: number;
}

export interface Disturbance {
  /** Shares of all processors' time: given to other machines by the host, and used by other programs here. */
  readonly stolen: number;
  readonly others: number;
  /** Enough of either that the figures should be taken again: programs whose threads spin for each other suffer most. */
  readonly disturbed: boolean;
}

const undisturbedMost = 0.03;

export function disturbedBy(stolen: number, others: number): Disturbance {
  const share = (x: number): number => Number(x.toFixed(3));
  return { stolen: share(stolen), others: share(others), disturbed: stolen + others > undisturbedMost };
}

/** Begins to watch; the function returned gives what happened since. Nothing is known except on Linux. */
export function watch(): () => Disturbance | undefined {
  const before = ticks();
  return () => {
    const after = ticks();
    if (before === undefined || after === undefined) return undefined;
    const since = (of: (t: Ticks) => number): number => of(after) - of(before);
    const total = Math.max(
      1,
      since((t) => t.total),
    );
    const busy = total - since((t) => t.idle) - since((t) => t.stolen);
    const share = (count: number): number => Math.max(0, count / total);
    return disturbedBy(share(since((t) => t.stolen)), share(busy - since((t) => t.own)));
  };
}

function ticks(): Ticks | undefined {
  try {
    const [, ...fields] = readFileSync("/proc/stat", "utf8").split("\n")[0]!.trim().split(/\s+/);
    // user, nice, system, idle, iowait, irq, softirq, steal
    const counts = fields.slice(0, 8).map(Number);
    const total = counts.reduce((a, b) => a + b, 0);
    return { total, idle: counts[3]! + counts[4]!, stolen: counts[7]!, own: ownTicks(process.pid) };
  } catch {
    return undefined;
  }
}

/** Ticks of a process, of its children that have ended, and of those that live. */
function ownTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name may hold spaces; after it come the state and then numbers: utime, stime, cutime, cstime are 14 to 17.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const own = [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0);
    return own + childrenOf(pid).reduce((sum, child) => sum + ownTicks(child), 0);
  } catch {
    return 0;
  }
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) => {
    const text = readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ").map(Number);
  });
}

/** Bytes of the largest cache that a processor shares; 32 MiB where the machine does not say. */
export function lastCacheBytes(): number {
  const folder = "/sys/devices/system/cpu/cpu0/cache";
  const sizes: number[] = [];
  try {
    for (const index of readdirSync(folder).filter((name) => name.startsWith("index"))) {
      const text = readFileSync(`${folder}/${index}/size`, "utf8").trim();
      sizes.push(Number.parseInt(text, 10) * (text.endsWith("K") ? 1024 : text.endsWith("M") ? 1024 ** 2 : 1));
    }
  } catch {
    return 32 * 1024 ** 2;
  }
  return Math.max(...sizes, 1024 ** 2);
}
