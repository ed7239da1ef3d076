/** Records of tuning on disk: `$HEDDLE_HOME/tuning/tiles.jsonl`, only ever appended to, and read by every load. */
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { cpus, homedir } from "node:os";
import { dirname, join } from "node:path";
import type { LinearSchedule } from "../compile/schedule/linear.ts";
import { readRecords, recordLine, schedulesOf, type TuningRecord } from "../compile/schedule/records.ts";
import { UserError } from "../core/errors.ts";
import type { Device } from "../device/device.ts";

export function recordsFile(): string {
  return join(process.env.HEDDLE_HOME || join(homedir(), ".cache", "heddle"), "tuning", "tiles.jsonl");
}

/** Names alone do not tell generations of server processors apart. */
export function processor(): string {
  const name = cpus()[0]?.model.trim() ?? "unknown";
  try {
    const text = readFileSync("/proc/cpuinfo", "utf8");
    const [, family] = /^cpu family\s*: (\d+)$/m.exec(text) ?? [];
    const [, model] = /^model\s*: (\d+)$/m.exec(text) ?? [];
    return family === undefined ? name : `${name}, family ${family} model ${model}`;
  } catch {
    return name;
  }
}

export function recordsFor(level: string): TuningRecord[] {
  try {
    return readRecords(readFileSync(recordsFile(), "utf8"), { level, cpu: processor() });
  } catch {
    return [];
  }
}

/** A line that a killed run cut off is ended first. */
export function appendRecords(records: readonly TuningRecord[]): void {
  const path = recordsFile();
  try {
    mkdirSync(dirname(path), { recursive: true });
    appendFileSync(path, `\n${records.map(recordLine).join("")}`);
  } catch (error) {
    throw new UserError(
      `What tuning finds is kept in ${path}; it cannot be written (${error instanceof Error ? error.message : error}).`,
      "Make the folder writable, or set HEDDLE_HOME to one that is.",
    );
  }
}

/** For `loadRunner`: what was found for the device's level on this processor. */
export const recordedSchedules = (
  device: Pick<Device, "level" | "target" | "threads">,
): ReadonlyMap<string, LinearSchedule> => schedulesOf(recordsFor(device.level), device);
