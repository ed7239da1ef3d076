/** Slurm through its own commands, as each of its users has them: `sbatch`, `squeue`, `scancel`, `sinfo`. */
import { execFile } from "node:child_process";
import { assert, UserError } from "../../core/errors.ts";

export interface SlurmJob {
  readonly id: string;
  readonly name: string;
  /** As Slurm spells it: `PENDING`, `RUNNING`, `COMPLETING`, … */
  readonly state: string;
  readonly reason: string;
}

export interface SlurmNode {
  readonly id: string;
  readonly state: string;
  readonly type: string;
  readonly gpus: number;
  readonly cpus: number;
  readonly memoryBytes: number;
}

/** The controller did not answer: it may yet have done what it was asked to. */
export class Unanswered extends Error {}

/** Slurm will not do it, now or later. */
export class Refused extends Error {}

const silences =
  /unable to contact slurm|connection (refused|timed out|reset)|socket timed out|zero bytes|communication (connection )?fail|slurm(ctld)? .*not responding|temporarily|try again|slurm backup controller/i;

export class SlurmCommands {
  /** Gives the number of the new job. `script` begins with `#!` and holds its `#SBATCH` lines. */
  async submit(script: string): Promise<string> {
    const answer = await command("sbatch", ["--parsable"], script);
    return answer.trim().split(";")[0]!;
  }

  /** Jobs whose name begins with `prefix`, those that ended a few minutes ago included. */
  async jobs(prefix: string): Promise<SlurmJob[]> {
    const answer = await command("squeue", ["-h", "-a", "-t", "all", "-o", "%i|%T|%j|%r"]);
    return lines(answer).flatMap((line) => {
      const [id = "", state = "", name = "", reason = ""] = line.split("|");
      return name.startsWith(prefix) ? [{ id, name, state, reason }] : [];
    });
  }

  async nodes(): Promise<SlurmNode[]> {
    const answer = await command("sinfo", ["-h", "-N", "-o", "%N|%T|%G|%c|%m"]);
    const found = new Map<string, SlurmNode>();
    for (const line of lines(answer)) {
      const [id = "", state = "", gres = "", cpus = "0", megabytes = "0"] = line.split("|");
      const [, type = "gpu", gpus = "0"] = /gpu(?::([A-Za-z_][\w.-]*))?:(\d+)/.exec(gres) ?? [];
      const memoryBytes = Number.parseInt(megabytes, 10) * 2 ** 20;
      found.set(id, { id, state, type, gpus: Number(gpus), cpus: Number.parseInt(cpus, 10), memoryBytes });
    }
    return [...found.values()];
  }

  /** When the controller began, as it says it: another answer is another life of it. */
  async life(): Promise<string> {
    const answer = await command("scontrol", ["show", "config"]);
    return /^BOOT_TIME\s*=\s*(.*)$/m.exec(answer)?.[1]?.trim() ?? "";
  }

  /**
   * To all processes of the job. A job that has ended hears nothing, and that is no failure; nor does another that was given its number
   * by a controller that had forgotten it.
   */
  async signal(id: string, name: string, signal: "TERM" | "KILL"): Promise<void> {
    await command("scancel", ["--quiet", "--full", `--signal=${signal}`, `--name=${name}`, id]);
  }

  async cancel(id: string, name: string): Promise<void> {
    await command("scancel", ["--quiet", `--name=${name}`, id]);
  }
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

function command(name: string, words: readonly string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(name, words, { maxBuffer: 1 << 28, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      if ((error as NodeJS.ErrnoException).code === "ENOENT") {
        return reject(new UserError(`There is no Slurm here: the command ${name} is missing.`, installHint));
      }
      const said = stderr.trim() || error.message;
      if (/invalid job id|already complet/i.test(said)) return resolve("");
      reject(error.killed || silences.test(said) ? new Unanswered(said) : new Refused(said));
    });
    assert(child.stdin !== null, () => `${name} has no standard input`);
    // It may end before it has read its input; what it says then is in its exit code.
    child.stdin.on("error", () => {});
    child.stdin.end(input ?? "");
  });
}

const installHint = "Run this where Slurm's commands are (on Debian the package slurm-client), or choose another --on.";
