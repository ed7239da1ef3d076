/** How a matrix product is scheduled: what may be chosen without changing a bit of its result. */
import { blockFormats } from "../block-format.ts";
import type { WeightFormat } from "../layout.ts";
import type { Target } from "../tile.ts";

export interface LinearSchedule {
  /** For up to `until` tokens: tiles of `rows` tokens × `vectors` vectors of output rows over packed codes. */
  readonly direct: { readonly until: number; readonly rows: number; readonly vectors: number };
  /** For more: the same over codes that were unpacked first where `stage` is 1. Float weights always run so. */
  readonly tile: { readonly rows: number; readonly vectors: number; readonly stage: 0 | 1 };
  /** Bytes ahead of the codes being read that are fetched into the cache; 0 leaves it to the hardware. */
  readonly prefetch: number;
}

/** The analytical choice: as many sums as registers hold, beside what a step of the inner loop needs. */
export function defaultSchedule(
  target: Target,
  format: WeightFormat,
  _shape: { readonly n: number; readonly k: number },
): LinearSchedule {
  if (target.lanes === 16) {
    if (format.kind !== "blocks") return { ...none, tile: { rows: 12, vectors: 2, stage: 0 }, prefetch: 0 };
    const bytes = blockFormats[format.type].words === 8;
    const direct = { until: 4, rows: 4, vectors: 2 };
    return {
      direct,
      tile: { rows: 5, vectors: 2, stage: bytes ? 0 : 1 },
      prefetch: bytes ? 0 : 8192,
    };
  }
  if (format.kind !== "blocks") return { ...none, tile: { rows: 4, vectors: 2, stage: 0 }, prefetch: 0 };
  const direct = { until: 2, rows: 1, vectors: 1 };
  return { direct, tile: { rows: 4, vectors: 1, stage: 1 }, prefetch: 0 };
}

const none = { direct: { until: 0, rows: 1, vectors: 1 } };
