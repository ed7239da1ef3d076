/**
 * What runs for a job whose trace names no command: it counts steps, as a training run would, and computes nothing.
 *
 *     node cluster-worker.js WORK RATE      WORK units in all, RATE units a second
 *
 * Its folder (`HEDDLE_FOLDER`) holds `checkpoint.json`, replaced whole every few seconds and at SIGTERM, from which the next
 * attempt goes on; `attempt-N.json`, from when until when it counted, in milliseconds since 1970; `done`, which is made once, at the
 * end; and, should it ever meet another of its kind there, `overlap`.
 */
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const [work, rate] = [Number(process.argv[2]), Number(process.argv[3])];
const folder = process.env.HEDDLE_FOLDER ?? ".";
const attempt = process.env.HEDDLE_ATTEMPT ?? "0";
const checkpoint = join(folder, "checkpoint.json");
const lock = join(folder, "lock");
const done = join(folder, "done");

/** Seconds between checkpoints: what a kill can cost. */
const checkpointEvery = 5;
const units = readUnits();
const began = performance.now();
const unitsNow = (): number => Math.min(work, units + ((performance.now() - began) / 1e3) * rate);

function readUnits(): number {
  try {
    return JSON.parse(readFileSync(checkpoint, "utf8")).units;
  } catch {
    return 0;
  }
}

function writeDurably(path: string, text: string, flags: string): void {
  const file = openSync(path, flags);
  writeSync(file, text);
  fsyncSync(file);
  closeSync(file);
}

function save(saved: number): void {
  writeDurably(`${checkpoint}.new`, JSON.stringify({ units: saved, attempt: Number(attempt) }), "w");
  renameSync(`${checkpoint}.new`, checkpoint);
}

function note(ended?: number): void {
  const times = { began: performance.timeOrigin + began, ...(ended !== undefined && { ended }) };
  writeFileSync(join(folder, `attempt-${attempt}.json`), JSON.stringify(times));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Two attempts at once would both write the checkpoint: that is recorded, for whoever tests the scheduler. */
function lockFolder(): void {
  try {
    const other = Number(readFileSync(lock, "utf8"));
    if (isAlive(other)) writeFileSync(join(folder, "overlap"), `${attempt} beside process ${other}\n`, { flag: "a" });
  } catch {
    // Nobody was here, or the last one left well.
  }
  writeFileSync(lock, String(process.pid));
}

process.on("SIGTERM", () => {
  const ended = performance.timeOrigin + performance.now();
  save(unitsNow());
  note(ended);
  rmSync(lock, { force: true });
  process.exit(143);
});

lockFolder();
note();
if (units < work) {
  setInterval(() => save(unitsNow()), checkpointEvery * 1e3).unref();
  await new Promise((wake) => setTimeout(wake, ((work - units) / rate) * 1e3));
}
note(performance.timeOrigin + performance.now());
// An attempt that was told to leave at the last moment has saved all of its work, and made no record of that; one that was killed
// right after the record finds it, and makes no second.
try {
  writeDurably(done, `${attempt}\n`, "ax");
} catch (error) {
  if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
}
save(work);
rmSync(lock, { force: true });
