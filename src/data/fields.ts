/** What records and batches are made of: typed arrays by name. A batch has each field of its records, one after the other. */
import { UserError } from "../core/errors.ts";

export type FieldArray = Int32Array | Float32Array | Uint8Array;
export type Fields = Readonly<Record<string, FieldArray>>;

/** Which record a function is applied to. What it draws at random is a function of these, so any thread draws the same. */
export interface RecordContext {
  readonly index: number;
  readonly epoch: number;
  readonly seed: number;
}

export type RecordMap = (fields: Fields, context: RecordContext) => Fields;

/** What a module of functions exports: they are made anew in every thread, from a configuration that can be cloned. */
export interface RecordModule {
  /** Its own `import.meta.url`: by which a thread finds it. */
  readonly url: string;
  createMaps(configuration: unknown): Readonly<Record<string, RecordMap>>;
}

export function applyMaps(maps: readonly RecordMap[], fields: Fields, context: RecordContext): Fields {
  return maps.reduce((made, map) => map(made, context), fields);
}

/** Throws a `UserError` where records differ in their fields or lengths. */
export function collate(records: readonly Fields[]): Fields {
  const [first] = records;
  if (records.length === 1) return first!;
  return Object.fromEntries(Object.entries(first!).map(([name, one]) => [name, joined(name, one, records)]));
}

function joined(name: string, one: FieldArray, records: readonly Fields[]): FieldArray {
  const out = new (one.constructor as Int32ArrayConstructor)(one.length * records.length) as FieldArray;
  for (const [i, record] of records.entries()) {
    const part = record[name];
    if (part?.length !== one.length) {
      throw new UserError(
        `Joining ${records.length} records: ${name} has ${one.length} elements in the first and ${part?.length ?? "none"} in record ${i}.`,
        "The pipeline's functions must give arrays of one length: pad or cut them.",
      );
    }
    out.set(part, i * one.length);
  }
  return out;
}

export const bytesOf = (fields: Fields): number =>
  Object.values(fields).reduce((n, { byteLength }) => n + byteLength, 0);
