/**
 * What every published technique declares about itself.
 *
 * One file holds one entry, and the file's name is its id: `serve/batching/orca.ts` is listed, run and documented
 * as `orca`. The slot's index, written by `npm run index`, is the only other place that names it.
 */
import { nearest, UserError } from "./errors.ts";

export interface Paper {
  readonly title: string;
  readonly venue: string;
  readonly url: string;
}

/** One knob: shown by `heddle show`, set by `--id.name=value`, checked once, in `resolveOptions`. */
export interface Option {
  readonly default: number;
  readonly unit: string;
  readonly min: number;
  readonly help: string;
}

export type Options = Readonly<Record<string, Option>>;
export type Values<O extends Options> = { readonly [Name in keyof O]: number };

/**
 * What the paper says its idea buys, in a form that runs and can fail.
 *
 * With `better: "higher"`, the entry's metric divided by the baseline's must reach `factor`; with `"lower"`, the
 * baseline's divided by the entry's. `where` says what was measured: `machine` counts on real execution, `sim` is priced.
 */
export interface Claim {
  readonly metric: string;
  readonly better: "lower" | "higher";
  /** Id of another entry of the same slot. */
  readonly than: string;
  /** Name of a workload of the slot's rig. */
  readonly on: string;
  readonly factor: number;
  readonly where: "machine" | "sim";
}

export interface Entry<out T, O extends Options = Options> {
  /** The name as its authors spell it. */
  readonly title: string;
  /** A baseline may lack one. */
  readonly paper?: Paper;
  /** Row ids of `systems.tsv` that this entry implements. */
  readonly rows: readonly string[];
  /** The mechanism, in one sentence a reader could implement from. */
  readonly idea: string;
  /** Each departure from the paper, with the reason. Empty means none is known. */
  readonly differs: readonly string[];
  readonly options: O;
  readonly claim: Claim | "baseline";
  /** Awaited before the first `create` by whoever creates through the slot: what the entry needs and cannot load at once (a solver). */
  prepare?(): Promise<void>;
  create(options: Values<O>): T;
}

/** Fills in defaults and checks what was given. Throws a `UserError` for an unknown name or a value below its minimum. */
export function resolveOptions<O extends Options>(
  id: string,
  options: O,
  given: Readonly<Record<string, number>>,
): Values<O> {
  for (const name of Object.keys(given)) {
    if (name in options) continue;
    const guess = nearest(name, Object.keys(options));
    throw new UserError(
      `${id} has no option "${name}".`,
      guess ? `Did you mean "${guess}"?` : `Its options: ${Object.keys(options).join(", ") || "none"}.`,
    );
  }
  const values: Record<string, number> = {};
  for (const [name, option] of Object.entries(options)) {
    const value = given[name] ?? option.default;
    if (!(value >= option.min)) {
      throw new UserError(`${id}: ${name} is ${value} ${option.unit}, below its minimum of ${option.min}.`);
    }
    values[name] = value;
  }
  return values as Values<O>;
}
