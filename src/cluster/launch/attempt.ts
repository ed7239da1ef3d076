/**
 * One run of a job, as files that outlive the scheduler: who began it, and how it ended.
 *
 *     script ──► claim-N (made once, by whoever comes first) ──► the job's command ──► exit-N (its exit code)
 *
 * Whatever starts a run starts this script. A run that is started twice, because the scheduler was killed before it could write
 * down that it had, claims once and leaves the second time. A run whose node was given up for lost ends itself when a later
 * attempt claims, and that one waits until it must have: no two attempts compute at once. One that finds that the last has done the
 * job after all does nothing.
 */
import { createHash } from "node:crypto";
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { JobId } from "../job.ts";
import type { Run } from "../launcher.ts";
import { gpusIn, type NodeSpec } from "../node.ts";

/** Exit code of a script that found its attempt claimed: by `sysexits.h` a temporary failure, and never a job's own. */
export const claimedCode = 75;

/** Of one that could not write its claim (an input or output error there): without it, the job would run and nobody know it. */
const unwritableCode = 74;

/** What programs end with that were told to leave by SIGINT or SIGTERM, and those too that saved their state first. */
const leftCodes = [130, 143];

/** Above it, exit codes say which signal a process ended by. */
const signalCodes = 128;

/** Seconds between two looks of a run for an attempt that has replaced it. */
const fenceSeconds = 2;

/**
 * POSIX shell: `sh -c SCRIPT heddle FOLDER ATTEMPT COMMAND…`. SIGTERM goes to the whole group, or to the shell alone, which hands it
 * on where HEDDLE_HAND_ON is set (a container's first process) or where it came before the command was there: what is to become the
 * command is still a copy of the shell, which takes a signal and forgets it. The shell outlives it to write the exit code, and waits for
 * room where the disk is full: an empty file would say that all is well. Files come into being whole, by link and by rename.
 */
export const attemptScript = `
folder=$1 attempt=$2
shift 2
child= asked= begun=
trap 'asked=1; if [ -n "$begun" ] && [ -n "$HEDDLE_HAND_ON" ]; then kill -TERM $child 2> /dev/null; fi' TERM INT
born() { shift 19; echo "$1"; }
if read -r stat 2> /dev/null < /proc/$$/stat; then birth=$(born \${stat##*) }); else birth=0; fi
if ! echo "$$ $birth $(uname -n) \${SLURM_JOB_ID:-}" > "$folder/.claim-$attempt.$$"; then
  rm -f "$folder/.claim-$attempt.$$"
  exit ${unwritableCode}
fi
if ! ln "$folder/.claim-$attempt.$$" "$folder/claim-$attempt" 2> /dev/null; then
  rm -f "$folder/.claim-$attempt.$$"
  exit ${claimedCode}
fi
rm -f "$folder/.claim-$attempt.$$"
before=$((attempt - 1))
if [ -e "$folder/claim-$before" ] && [ ! -e "$folder/exit-$before" ]; then sleep ${2 * fenceSeconds + 1}; fi
if [ "$(cat "$folder/exit-$before" 2> /dev/null)" = 0 ]; then set -- true; fi
(
  trap '' TERM INT
  while sleep ${fenceSeconds}; do
    if [ -e "$folder/claim-$((attempt + 1))" ]; then kill -KILL 0; fi
  done
) > /dev/null 2>&1 &
fence=$!
"$@" &
child=$!
looks=0
while [ $looks -lt 200 ]; do
  looks=$((looks + 1))
  cmp -s /proc/$$/cmdline /proc/$child/cmdline 2> /dev/null
  case $? in 1 | 2) break ;; esac
  sleep 0.01
done
begun=1
if [ -n "$asked" ]; then kill -TERM $child 2> /dev/null; fi
wait $child
code=$?
while kill -0 $child 2> /dev/null; do
  wait $child
  code=$?
done
kill -KILL $fence 2> /dev/null
until echo $code > "$folder/.exit-$attempt"; do sleep 1; done
sync "$folder/.exit-$attempt" 2> /dev/null
mv "$folder/.exit-$attempt" "$folder/exit-$attempt"
exit $code
`;

/** Of a file's name, with room for what is put before and behind it: no file system takes more than 255 bytes. */
const nameMost = 200;

/** Names of jobs come from traces: as a file's name each has but letters, digits, `.`, `_` and `-`, and is still unique. */
export function fileName(job: JobId): string {
  const name = job.replace(/[^A-Za-z0-9._-]|^\./g, (c) => `%${c.codePointAt(0)!.toString(16)}`);
  if (name.length <= nameMost) return name;
  return `${name.slice(0, nameMost - 65)}-${createHash("sha256").update(job).digest("hex")}`;
}

export const jobFolder = (folder: string, job: JobId): string => join(folder, "jobs", fileName(job));

export function makeJobFolder(folder: string, job: JobId): string {
  const path = jobFolder(folder, job);
  mkdirSync(path, { recursive: true });
  return path;
}

export interface Claim {
  /** Of the script, whose group all of the job's processes are in; 0 where the attempt was revoked before it began. */
  readonly pid: number;
  /** When the kernel began it, in its own count: a number that another process gets later has another birth. */
  readonly birth: number;
  readonly host: string;
  /** The number that the cluster's own scheduler gave it; empty where there is none. */
  readonly clusterId: string;
}

export function readClaim(folder: string, attempt: number): Claim | undefined {
  const text = readIfThere(join(folder, `claim-${attempt}`));
  if (text === undefined) return undefined;
  const [pid = "0", birth = "0", host = "", clusterId = ""] = text.trim().split(" ");
  return { pid: Number(pid), birth: Number(birth), host, clusterId };
}

/** The job's exit code, once there is one. */
export function readExit(folder: string, attempt: number): number | undefined {
  const text = readIfThere(join(folder, `exit-${attempt}`));
  return text === undefined ? undefined : Number(text);
}

/** Writes down how a run ended whose script can no longer do it; only for who knows that all of its processes are gone. */
export function recordExit(folder: string, attempt: number, code: number): void {
  writeFileSync(join(folder, `.exit-${attempt}`), `${code}\n`);
  renameSync(join(folder, `.exit-${attempt}`), join(folder, `exit-${attempt}`));
}

/** The last lines of what the run printed, for an error's message. */
export function lastWords(folder: string, attempt: number): string {
  const text = readIfThere(join(folder, `attempt-${attempt}.log`)) ?? "";
  return text.trimEnd().split("\n").slice(-3).join("\n").slice(-400);
}

/** Takes the attempt's claim, so that a script which has not begun yet never will. False where it has begun. */
export function revoke(folder: string, attempt: number): boolean {
  const own = join(folder, `.revoke-${attempt}`);
  writeFileSync(own, "0 0 revoked\n");
  try {
    linkSync(own, join(folder, `claim-${attempt}`));
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    unlinkSync(own);
  }
}

/** Attempts of a job that were ever claimed, ascending. */
export function claimedAttempts(folder: string): number[] {
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder).flatMap((name) => /^claim-(\d+)$/.exec(name)?.[1] ?? []);
  return found.map(Number).sort((a, b) => a - b);
}

/** What a run's end means; `stopAsked` where this scheduler had told it to leave, perhaps by force in the end. */
export function endOf(code: number, stopAsked: boolean): "finished" | "stopped" | "failed" {
  if (code === 0) return "finished";
  return leftCodes.includes(code) || (stopAsked && code > signalCodes) ? "stopped" : "failed";
}

/** What a job may read of where and how it runs. */
export function environmentOf(run: Run, nodes: readonly NodeSpec[], folder: string): Record<string, string> {
  const { job, attempt, places } = run;
  const devices = places.length === 1 ? places[0]!.devices : undefined;
  return {
    HEDDLE_JOB: job.id,
    HEDDLE_ATTEMPT: String(attempt),
    HEDDLE_FOLDER: folder,
    HEDDLE_GPUS: String(gpusIn(places)),
    HEDDLE_PLACES: places.map(({ node, gpus }) => `${nodes[node]!.id}:${gpus}`).join(","),
    ...(devices !== undefined && { CUDA_VISIBLE_DEVICES: devices.join(",") }),
  };
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
