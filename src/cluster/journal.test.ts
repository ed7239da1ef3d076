import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type JournalHeader, type JournalLine, openJournal } from "./journal.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-journal-"));
after(() => rmSync(folder, { recursive: true }));

const begin = (): JournalHeader => ({
  ...{ kind: "journal", version: 1, id: "i", on: "local", timeScale: 1, epoch: 0 },
  setup: { kind: "header", policy: "fifo", slots: {}, options: {}, nodes: [] },
});
const tick = (n: number): JournalLine => ({ kind: "tick", n, at: n / 2 });
const never = (): JournalHeader => assert.fail("it was begun already");

test("what was written is there again, and what is written then comes after it", () => {
  const path = join(folder, "whole.jsonl");
  const first = openJournal(path, begin);
  first.append([tick(0), tick(1)]);
  first.close();
  const second = openJournal(path, never);
  assert.deepEqual([second.header, second.past], [begin(), [tick(0), tick(1)]]);
  second.append([tick(2)]);
  second.close();
  assert.deepEqual(openJournal(path, never).past, [tick(0), tick(1), tick(2)]);
});

test("wherever the last write was torn, whole lines are kept, and the next is whole too", () => {
  const path = join(folder, "torn.jsonl");
  const journal = openJournal(path, begin);
  journal.append([tick(0), tick(1)]);
  journal.close();
  const text = readFileSync(path, "utf8");
  // Every place in the last lines, some in the first.
  for (let length = 0; length <= text.length; length += length < text.indexOf("\n") - 2 ? 9 : 1) {
    writeFileSync(path, text.slice(0, length));
    const kept = Math.max(0, text.slice(0, length).split("\n").length - 2);
    const again = openJournal(path, begin);
    assert.deepEqual(again.past, [tick(0), tick(1)].slice(0, kept), `cut at ${length}`);
    again.append([tick(9)]);
    again.close();
    assert.deepEqual(openJournal(path, never).past.at(-1), tick(9), `cut at ${length}`);
  }
});

test("a line that is broken in the middle is named; what is no journal is refused", () => {
  const path = join(folder, "broken.jsonl");
  const journal = openJournal(path, begin);
  journal.append([tick(0)]);
  appendFileSync(path, '{"kind": "tick", "n"\n');
  journal.append([tick(1)]);
  journal.close();
  assert.throws(
    () => openJournal(path, never),
    /broken\.jsonl:3 is not JSON: {"kind": "tick", "n"\n.*lost or run twice/,
  );
  writeFileSync(path, '{"version": 9}\n');
  assert.throws(() => openJournal(path, never), /is not a journal of this version/);
});
