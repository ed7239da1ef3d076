/**
 * What tuning found, as lines of JSON: every trial, and the tiles that were chosen in the end.
 *
 * A file is only ever appended to, by any number of runs. A line that cannot be read, of another version, level or processor,
 * or with a tile that is none, is passed over: records can be wrong, but they cannot break anything.
 */
import type { Target } from "../tile.ts";
import { scheduleOf } from "../tune.ts";
import type { Trial } from "../tuner.ts";
import { defaultSchedule, type LinearSchedule, type LinearTile, parseLinearKey, parseTile, tileFor } from "./linear.ts";

/** Grows when times of older kernels say nothing of those of today. */
const version = 1;

/** What the times of a record hold for. */
export interface Machine {
  readonly level: string;
  readonly cpu: string;
  readonly threads: number;
}

export interface TuningRecord extends Machine, Trial {
  /** `linearKey` of the product. */
  readonly kernel: string;
  /** Of calls of up to so many tokens; null: of all larger ones. */
  readonly until: number | null;
  /** Whether the search ended with this tile, measured once more. */
  readonly chosen: boolean;
}

export const recordLine = (record: TuningRecord): string => `${JSON.stringify({ version, ...record })}\n`;

/** Those of the machine's level and processor, oldest first. */
export function readRecords(text: string, { level, cpu }: Omit<Machine, "threads">): TuningRecord[] {
  return text.split("\n").flatMap((line) => {
    const record = parseRecord(line);
    return record?.level === level && record.cpu === cpu ? [record] : [];
  });
}

function parseRecord(line: string): TuningRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { version: of, level, cpu, threads, kernel, until, tile, relative, chosen } = value as Record<string, unknown>;
  const parsed = parseTile(tile);
  if (of !== version || parsed === undefined) return undefined;
  if (typeof level !== "string" || typeof cpu !== "string" || typeof chosen !== "boolean") return undefined;
  if (typeof threads !== "number" || typeof relative !== "number" || !(relative > 0)) return undefined;
  if (typeof kernel !== "string" || parseLinearKey(kernel) === undefined) return undefined;
  if (until !== null && !(typeof until === "number" && Number.isInteger(until) && until > 0)) return undefined;
  return { level, cpu, threads, kernel, until, tile: parsed, relative, chosen };
}

/** Calls that are tuned for by themselves: up to so many tokens, and the numbers of tokens that are measured for it. */
export const tokenClasses = [
  { until: 1, tokens: [1], name: "decode" },
  { until: 16, tokens: [2, 8, 16], name: "batched" },
  { until: Number.POSITIVE_INFINITY, tokens: [128], name: "prefill" },
] as const;

/** The last choice of each kernel and class of tokens, of runs with as many threads where there are such; else the analytical. */
export function schedulesOf(
  records: readonly TuningRecord[],
  { target, threads }: { readonly target: Target; readonly threads: number },
): Map<string, LinearSchedule> {
  const chosen = new Map<string, Map<number, LinearTile>>();
  const alike = (r: TuningRecord): number => Number(r.threads === threads);
  for (const { kernel, until, tile } of records.filter((r) => r.chosen).sort((a, b) => alike(a) - alike(b))) {
    const tiles = chosen.get(kernel) ?? new Map<number, LinearTile>();
    chosen.set(kernel, tiles.set(until ?? Number.POSITIVE_INFINITY, tile));
  }
  return new Map(
    [...chosen].map(([kernel, tiles]) => {
      const { format, ...shape } = parseLinearKey(kernel)!;
      const analytical = defaultSchedule(target, format, shape);
      const all = tokenClasses.map(({ until, tokens }) => {
        return { until, tile: tiles.get(until) ?? tileFor(analytical, tokens.at(-1)!) };
      });
      return [kernel, scheduleOf(all)] as const;
    }),
  );
}
