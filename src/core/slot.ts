/**
 * A slot is a place where techniques are exchanged for one another: one contract, many entries.
 *
 * The contract is a file `x.ts`, its entries are the files of the folder `x/` beside it, and `x.index.ts` lists them as
 * a typed `Index`: a wrong entry does not compile, bundlers and browsers see every file, nothing scans folders.
 */
import type { Entry, Values } from "./entry.ts";
import { resolveOptions } from "./entry.ts";
import { nearest, UserError } from "./errors.ts";

/** Written by `npm run index`, held true by a house test. */
export type Index<T> = Readonly<Record<string, () => Promise<{ readonly default: Entry<T> }>>>;

export interface Slot<out T> {
  /** For example `serve/batching`. */
  readonly path: string;
  ids(): string[];
  load(id: string): Promise<Entry<T>>;
  /** Loads, prepares, checks the options, and creates. */
  create(id: string, given?: Readonly<Record<string, number>>): Promise<T>;
}

export function slot<T>(path: string, index: Index<T>): Slot<T> {
  const load = async (id: string): Promise<Entry<T>> => {
    const found = Object.hasOwn(index, id) ? index[id] : undefined;
    if (found !== undefined) return (await found()).default;
    const ids = Object.keys(index);
    const guess = nearest(id, ids);
    throw new UserError(
      `${path} has no entry "${id}".`,
      guess ? `Did you mean "${guess}"?` : `Its entries: ${ids.join(", ")}.`,
    );
  };
  return {
    path,
    ids: () => Object.keys(index).sort(),
    load,
    async create(id, given = {}) {
      const entry = await load(id);
      await entry.prepare?.();
      return entry.create(resolveOptions(id, entry.options, given) as Values<typeof entry.options>);
    },
  };
}
