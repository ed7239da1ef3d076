/** `npm run index`: writes each slot's `x.index.ts` from the files of its folder. A new slot starts with an empty one. */
import { readFileSync, writeFileSync } from "node:fs";
import { findSlots, indexFile, indexText } from "./slots.ts";
import { readSources } from "./sources.ts";

for (const slot of findSlots(readSources())) {
  const file = indexFile(slot);
  const text = indexText(slot);
  if (readFileSync(file, "utf8") === text) continue;
  writeFileSync(file, text);
  console.log(`${slot.path}.index.ts: ${slot.ids.join(", ")}`);
}
