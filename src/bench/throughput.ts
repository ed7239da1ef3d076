/** Prefill and decode, one after the other. */
import { run as decode } from "./decode.ts";
import { run as prefill } from "./prefill.ts";
import type { Bench } from "./terms.ts";

export async function run(bench: Bench): Promise<void> {
  await prefill(bench);
  await decode(bench);
}
