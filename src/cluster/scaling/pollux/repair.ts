/** What makes a row of a drawn matrix one that can be carried out; rows are `width` cells from `start`. */
import type { Random } from "../../../core/random.ts";

/** On a node that an earlier job over several nodes has and another wants, nothing is left for that one, nor for who follows. */
export function separate(cells: Uint8Array, start: number, spread: Uint16Array): void {
  for (let i = 0; i < spread.length; i++) {
    if (cells[start + i]! > 0 && ++spread[i]! > 1) cells[start + i] = 0;
  }
}

/** What is more than the job may have goes from nodes in any order. */
export function limit(cells: Uint8Array, start: number, width: number, gpusMax: number, random: Random): void {
  let sum = 0;
  for (let i = start; i < start + width; i++) sum += cells[i]!;
  while (sum > gpusMax) {
    const i = start + Math.floor(random() * width);
    const cut = Math.min(cells[i]!, sum - gpusMax);
    cells[i]! -= cut;
    sum -= cut;
  }
}
