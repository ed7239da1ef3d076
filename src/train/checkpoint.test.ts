/** Checkpoints: what is damaged is passed over, what is of another training is refused, and a full disk costs nothing. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { Checkpoints, type Progress } from "./checkpoint.ts";
import { type Files, machineFiles } from "./files.ts";
import type { StateArray } from "./step.ts";

function folderFor(t: { after(fn: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "heddle-checkpoint-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

function stateOf(value: number, names: readonly string[] = ["w", "w.m"]) {
  const arrays = names.map((name) => [name, new Float32Array(6).fill(value)] as const);
  const state = new Map<string, StateArray>(
    arrays.map(([name, values]) => [name, { type: "F32", shape: [2, 3], bytes: () => new Uint8Array(values.buffer) }]),
  );
  return { state, values: arrays[0]![1] };
}

const progress = (step: number): Progress => ({ step, position: 2 * step, seconds: 1.5, notes: { seed: "7" } });
const quiet = { keep: 3, identity: "a", warn: assert.fail };

async function saved(folder: string, steps: readonly number[]): Promise<Checkpoints> {
  const store = new Checkpoints(folder, quiet);
  for (const step of steps) await store.save(stateOf(step).state, progress(step));
  return store;
}

test("the newest is restored, bit for bit, with its progress; the last k are kept", async (t) => {
  const folder = folderFor(t);
  const store = await saved(folder, [1, 2, 3, 4]);
  assert.deepEqual(await store.steps(), [4, 3, 2]);
  const { state, values } = stateOf(0);
  assert.deepEqual(await store.restore(state), progress(4));
  assert.deepEqual(values, new Float32Array(6).fill(4));
  assert.equal(await new Checkpoints(join(folder, "none"), quiet).restore(state), undefined);
});

test("whatever bit is changed, wherever it is cut off: the one before it is taken, and that is said", async (t) => {
  const folder = folderFor(t);
  const store = await saved(folder, [1, 2]);
  const good = readFileSync(store.path(2));
  const seed = 3;
  const random = stream(seed);
  for (let run = 0; run < 300; run++) {
    const damaged = Buffer.from(good);
    const at = Math.floor(random() * good.length);
    const cut = run % 3 === 0;
    damaged[at]! ^= 1 << Math.floor(random() * 8);
    writeFileSync(store.path(2), cut ? good.subarray(0, at) : damaged);
    const lines: string[] = [];
    const { state, values } = stateOf(0);
    const warned = new Checkpoints(folder, { ...quiet, warn: (line) => lines.push(line) });
    const found = await warned.restore(state);
    // A bit of the header may mean nothing: blanks that pad it, for one.
    if (found?.step === 2) assert.deepEqual(values, new Float32Array(6).fill(2), `seed ${seed}, byte ${at}`);
    else {
      assert.deepEqual([found, lines.length], [progress(1), 1], `seed ${seed}, byte ${at}`);
      assert.match(lines[0]!, /step-000000002\.safetensors cannot be used \(.+\); going on from .*step-000000001/);
      assert.deepEqual(values, new Float32Array(6).fill(1));
    }
  }
});

test("where none can be used nothing is begun anew in silence", async (t) => {
  const folder = folderFor(t);
  const store = await saved(folder, [1]);
  writeFileSync(store.path(1), "");
  const warned = new Checkpoints(folder, { ...quiet, warn: () => {} });
  await assert.rejects(warned.restore(stateOf(0).state), /none of its 1 checkpoints can be used/);
});

test("a checkpoint of another recipe, or of a model of another shape, is refused by name", async (t) => {
  const folder = folderFor(t);
  await saved(folder, [1]);
  const other = new Checkpoints(folder, { ...quiet, identity: "b" });
  await assert.rejects(other.restore(stateOf(0).state), /it is of another recipe or of other data/);
  const same = new Checkpoints(folder, quiet);
  await assert.rejects(same.restore(stateOf(0, ["w"]).state), /it has "w.m", which the model has not/);
  await assert.rejects(same.restore(stateOf(0, ["w", "w.m", "v"]).state), /it has no "v"/);
});

test("a disk that fills up at any byte: the error says so, and what was kept is restored", async (t) => {
  const folder = folderFor(t);
  const store = await saved(folder, [1]);
  const { length } = readFileSync(store.path(1));
  for (let room = 0; room < length; room += 37) {
    let left = room;
    const files: Files = {
      ...machineFiles,
      async open(path, flags) {
        const file = await machineFiles.open(path, flags);
        if (flags === "r") return file;
        return {
          read: (...where) => file.read(...where),
          stat: () => file.stat(),
          sync: () => file.sync(),
          close: () => file.close(),
          async write(bytes) {
            if (left === 0) throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC" });
            const part = bytes.subarray(0, left);
            left -= part.length;
            return file.write(part);
          },
        };
      },
    };
    const full = new Checkpoints(folder, { ...quiet, files });
    await assert.rejects(full.save(stateOf(2).state, progress(2)), {
      name: "UserError",
      message: /Writing the checkpoint .*step-000000002\.safetensors: the disk is full.*checkpoints before it/s,
    });
    assert.deepEqual(readdirSync(folder), ["step-000000001.safetensors"]);
    assert.deepEqual(await full.restore(stateOf(0).state), progress(1));
  }
});
