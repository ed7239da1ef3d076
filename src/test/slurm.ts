/** A Slurm for tests: the one that `SLURM_CONF` names, with 20 nodes of four GPUs, as `bench/peers/slurm.sh up FOLDER 20` starts it. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { until } from "./until.ts";

const answered = spawnSync("sinfo", ["-h", "-N", "-o", "%N"], { encoding: "utf8", timeout: 5000 });
const isRequired = (process.env.HEDDLE_REQUIRE ?? "").split(",").includes("slurm");
const isThere = answered.status === 0 && /^n19$/m.test(answered.stdout);

/** For `test(name, slurmOrSkip, …)`. Where HEDDLE_REQUIRE names slurm, as in continuous integration, nothing is skipped. */
export const slurmOrSkip = {
  skip: !isThere && !isRequired && "no Slurm answers here: bench/peers/slurm.sh up FOLDER 20 starts one",
  // Tests take turns.
  timeout: 900_000,
};

const setting = (name: string): string => {
  const all = execFileSync("scontrol", ["show", "config"], { encoding: "utf8" });
  return new RegExp(`^${name}\\s*=\\s*(.*)$`, "m").exec(all)![1]!.trim();
};

/** Ends a daemon, as its machine's failure would, and returns what starts it again. */
async function kill(
  pidFile: string,
  signal: NodeJS.Signals,
  again: readonly [string, readonly string[]],
): Promise<() => void> {
  const pid = Number(readFileSync(pidFile, "utf8"));
  process.kill(pid, signal);
  await until(
    () => !existsSync(`/proc/${pid}`),
    10,
    () => `end of process ${pid}`,
  );
  return () => void execFileSync(again[0], again[1], { stdio: "ignore" });
}

export const killNode = (node: string): Promise<() => void> =>
  kill(setting("SlurmdPidFile").replace("%n", node), "SIGKILL", ["slurmd", ["-N", node]]);

/** As its machine is restarted: it saves its state first. */
export const stopController = (): Promise<() => void> =>
  kill(setting("SlurmctldPidFile"), "SIGTERM", ["slurmctld", []]);

/** As its machine fails: it forgets the jobs of its last seconds, and gives their numbers again. */
export const killController = (): Promise<() => void> =>
  kill(setting("SlurmctldPidFile"), "SIGKILL", ["slurmctld", []]);

/** Nodes that Slurm has drained are used again. */
export function resumeNodes(): void {
  const drained = execFileSync("sinfo", ["-h", "-N", "-t", "drain", "-o", "%N"], { encoding: "utf8" }).split("\n");
  const names = drained.filter((name) => name !== "");
  if (names.length > 0) execFileSync("scontrol", ["update", `NodeName=${names.join(",")}`, "State=RESUME"]);
}

/** Jobs of this scheduler that Slurm knows, as "STATE NODES GRES". */
export const slurmJobs = (name: string): string[] =>
  execFileSync("squeue", ["-h", "-a", "-t", "all", "-o", "%j|%T %N %b"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => line.startsWith(name))
    .map((line) => line.split("|")[1]!);

/** Runs `body` while no other test uses this Slurm: some lose its nodes, others measure it. */
export async function aloneOnSlurm(body: () => Promise<void>): Promise<void> {
  // Where the lock lies is known without asking the controller, which whoever has its turn may have ended.
  const lock = join(dirname(process.env.SLURM_CONF ?? "/etc/slurm/slurm.conf"), "test.lock");
  await until(
    () => taken(lock),
    800,
    () => `turn on Slurm: ${lock} is there`,
  );
  try {
    await body();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** Makes the lock; one that a process has left that is no more is taken over. */
function taken(lock: string): boolean {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const holder = existsSync(lock) ? readFileSync(lock, "utf8") : "";
  if (holder !== "" && !existsSync(`/proc/${holder}`)) rmSync(lock, { force: true });
  return false;
}
