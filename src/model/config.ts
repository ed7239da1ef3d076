/**
 * What a file says about a model, before an architecture has given it meaning.
 *
 * Both formats are read into `Hyperparameters`; an architecture's `configure` fills in what its files leave out
 * and makes the `ModelConfig` that everything else reads. `RopeScaling` is as published, `rope.ts` turns it into numbers.
 */
import { UserError } from "../core/errors.ts";

export type RopeScaling =
  | { readonly kind: "linear"; readonly factor: number }
  | {
      readonly kind: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalContext: number;
    }
  | {
      readonly kind: "yarn";
      readonly factor: number;
      readonly originalContext: number;
      readonly betaFast: number;
      readonly betaSlow: number;
      /** Magnitude of the rotated vectors; `undefined` follows the paper. */
      readonly magnitude: number | undefined;
    }
  /** GGUF stores llama3's rule evaluated: a divisor for each frequency. */
  | { readonly kind: "divisors"; readonly divisors: readonly number[] };

/** `undefined` where the file does not say. */
export interface Hyperparameters {
  /** Which file, for error messages. */
  readonly path: string;
  readonly architecture: string;
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number | undefined;
  readonly headWidth: number | undefined;
  readonly feedForward: number;
  readonly vocabulary: number;
  readonly context: number;
  readonly normEpsilon: number | undefined;
  readonly ropeBase: number | undefined;
  readonly ropeScaling: RopeScaling | undefined;
  /** Rope base of the layers with a sliding window. */
  readonly ropeBaseLocal: number | undefined;
  readonly window: number | undefined;
  /** Which layers have the window, where the file lists them. */
  readonly windowed: readonly boolean[] | undefined;
  /** Scores are divided by this number's square root. */
  readonly queryScalar: number | undefined;
  readonly tied: boolean;
}

/** Far above anything published: a damaged file must not cost memory. */
export const layersMax = 4096;

/** A whole number that a model needs and its file gives; throws a `UserError` that names the key and the value. */
export function positiveInteger(path: string, key: string, value: unknown, most = 2 ** 24): number {
  // Some GGUF files give one value a layer; Heddle's graphs have one width for all.
  const list = isNumberList(value) ? Array.from(value) : [value];
  const [first] = list;
  if (typeof first === "number" && Number.isInteger(first) && first > 0 && first <= most) {
    if (list.every((v) => v === first)) return first;
    throw new UserError(`Reading ${path}: ${key} differs from layer to layer, which is not supported.`);
  }
  const shown = value === undefined ? "missing" : JSON.stringify(value);
  throw new UserError(
    `Reading ${path}: ${key} is ${shown}, and must be a whole number from 1 to ${most}.`,
    "The file is damaged or of another kind: download it again.",
  );
}

function isNumberList(value: unknown): value is ArrayLike<number> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** A positive number, or `undefined` where the file does not give the key. */
export function optionalNumber(path: string, key: string, value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
  throw new UserError(
    `Reading ${path}: ${key} is ${typeof value === "number" ? value : JSON.stringify(value)}, and must be a positive number.`,
    "The file is damaged or of another kind: download it again.",
  );
}

/** A positive number without which the rest makes no sense. */
export function requiredNumber(path: string, key: string, value: unknown): number {
  const number = optionalNumber(path, key, value);
  if (number !== undefined) return number;
  throw new UserError(`Reading ${path}: ${key} is missing.`, "The file is incomplete: download it again.");
}
