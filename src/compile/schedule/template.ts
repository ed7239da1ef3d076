/**
 * A search over tiles: some knobs are varied, the others stand as a sketch has them. Draws, neighbours and crossings that are
 * valid and new.
 */
import type { Random } from "../../core/random.ts";
import type { LinearTile } from "./linear.ts";
import { type Knob, type KnobName, type Space, tileKey } from "./space.ts";

/** What a person who writes a template for a matrix product makes adjustable. */
export const templateKnobs: readonly KnobName[] = ["rows", "vectors", "stage", "prefetch", "nextPanel", "unroll"];

/** Of a draw that is to be valid; where none of so many is, the space has next to none left. */
const attemptsMax = 200;

export class Search {
  readonly #space: Space;
  readonly #knobs: readonly Knob[];
  readonly #seen: Set<string>;
  readonly #bases: readonly LinearTile[];

  /** `bases` fix the knobs that are not varied. */
  constructor(
    space: Space,
    names: readonly KnobName[],
    bases: readonly LinearTile[],
    seen: readonly { readonly tile: LinearTile }[],
  ) {
    this.#space = space;
    this.#knobs = names.map((name) => space.knob(name)).filter(({ values }) => values.length > 1);
    this.#bases = bases;
    this.#seen = new Set(seen.map(({ tile }) => tileKey(tile)));
  }

  isNew = (tile: LinearTile): boolean => !this.#seen.has(tileKey(tile));

  /** A valid tile, measured or not. */
  any(random: Random): LinearTile | undefined {
    for (let i = 0; i < attemptsMax; i++) {
      let tile = pick(this.#bases, random);
      for (const { name, values } of this.#knobs) tile = { ...tile, [name]: pick(values, random) };
      if (this.#space.valid(tile)) return tile;
    }
    return undefined;
  }

  /** Up to `count` valid tiles that differ from each other and from what was measured. */
  draw(random: Random, count: number): LinearTile[] {
    const drawn = new Map<string, LinearTile>();
    for (let i = 0; i < attemptsMax && drawn.size < count; i++) {
      const tile = this.any(random);
      if (tile !== undefined && this.isNew(tile)) drawn.set(tileKey(tile), tile);
    }
    return [...drawn.values()];
  }

  /** One knob another value, valid; the tile itself where none of a few tries is. */
  neighbour(tile: LinearTile, random: Random): LinearTile {
    for (let i = 0; i < 4 && this.#knobs.length > 0; i++) {
      const { name, values } = pick(this.#knobs, random);
      const other = { ...tile, [name]: pick(values, random) };
      if (this.#space.valid(other)) return other;
    }
    return tile;
  }

  /** Each knob from one of the two; the first where that is not valid. */
  cross(a: LinearTile, b: LinearTile, random: Random): LinearTile {
    const child = { ...a };
    for (const { name } of this.#knobs) if (random() < 0.5) Object.assign(child, { [name]: b[name] });
    return this.#space.valid(child) ? child : a;
  }
}

const pick = <T>(from: readonly T[], random: Random): T => from[Math.floor(random() * from.length)]!;

/** The template of a space: knobs beyond it stand as in the analytical choice. */
export function templateOf(space: Space, seen: readonly { readonly tile: LinearTile }[]): Search {
  return new Search(space, templateKnobs, [templateBase(space)], seen);
}

export function templateBase(space: Space): LinearTile {
  return { ...space.analytical, operand: "register", order: "tokens", tail: "halves" };
}
