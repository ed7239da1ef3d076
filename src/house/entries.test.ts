import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import type { Entry } from "../core/entry.ts";
import { findSlots, indexText } from "./slots.ts";
import { readSources } from "./sources.ts";

const sources = readSources();
const slots = findSlots(sources);
/** Slots of techniques; the others' files declare themselves in another way. */
const techniques = slots.filter((slot) => !slot.ownIndexType);
const rows: readonly { readonly id: string }[] = JSON.parse(
  readFileSync(new URL("../../fixtures/systems.json", import.meta.url), "utf8"),
);

const entries = await Promise.all(
  techniques.flatMap((slot) =>
    slot.ids.map(async (id) => {
      const module: { readonly default: Entry<unknown> } = await import(`../${slot.path}/${id}.js`);
      return { slot, id, name: `${slot.path}/${id}`, entry: module.default };
    }),
  ),
);

test("there are slots and entries to check", () => {
  assert.ok(techniques.length > 0 && entries.length > techniques.length);
});

test("each x.index.ts is what `npm run index` writes", () => {
  for (const slot of slots) {
    assert.equal(sources.get(`${slot.path}.index.ts`)?.text, indexText(slot), `${slot.path}: run \`npm run index\``);
  }
});

test("no slot's folder has an id twice, and a row is implemented once in a slot", () => {
  for (const slot of techniques) {
    const claimed = entries.filter((e) => e.slot === slot).flatMap((e) => e.entry.rows);
    assert.deepEqual(claimed, [...new Set(claimed)], slot.path);
    assert.deepEqual(slot.ids, [...new Set(slot.ids)], slot.path);
  }
});

test("an id that is a row's is that of entries which implement the row, a part of it in each slot", () => {
  const ids = new Set(rows.map((row) => row.id));
  const named = entries.filter((e) => ids.has(e.id));
  for (const { name, id, entry } of named) assert.ok(entry.rows.includes(id), `${name} does not name the row ${id}`);
});

for (const { slot, id, name, entry } of entries) {
  test(`${name} says what it is, whence, how it differs, and what it buys`, () => {
    assert.match(id, /^[a-z0-9]+(-[a-z0-9]+)*$/);
    assert.ok(sources.has(`${name}.test.ts`), `${name}.test.ts is missing`);
    assert.ok(entry.title.length > 0 && entry.idea.length > 20, "title and idea");
    assert.ok(Array.isArray(entry.differs), "differs is left out");
    for (const row of entry.rows)
      assert.ok(
        rows.some((r) => r.id === row),
        `there is no row ${row}`,
      );
    for (const [option, { min, ...o }] of Object.entries(entry.options)) {
      assert.ok(o.default >= min && o.help.length > 0, `option ${option}`);
    }
    if (entry.claim === "baseline") return;
    assert.ok(entry.paper !== undefined, "only a baseline may lack a paper");
    assert.match(entry.paper.url, /^https:\/\//);
    assert.ok(slot.ids.includes(entry.claim.than) && entry.claim.than !== id, `its baseline ${entry.claim.than}`);
    assert.ok(entry.claim.factor > 0);
  });
}
