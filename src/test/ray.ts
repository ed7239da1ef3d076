/** A real Ray cluster of two nodes on this machine, with the token that its Jobs API asks for. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "./free-ports.ts";

/** A Python environment with `pip install "ray[default]"`. */
const environment = process.env.HEDDLE_RAY ?? fileURLToPath(new URL("../../.ray", import.meta.url));
const program = join(environment, "bin", "ray");
const isRequired = (process.env.HEDDLE_REQUIRE ?? "").split(",").includes("ray");

/** Why tests on Ray are left out, or false. */
export const raySkip: string | false =
  isRequired || existsSync(program)
    ? false
    : `no Ray in ${environment}: python3 -m venv .ray && .ray/bin/pip install "ray[default]"`;

export class TestRay {
  readonly token = randomBytes(16).toString("hex");
  readonly #folder = mkdtempSync(join(tmpdir(), "ray-"));
  readonly #nodes = new Map<string, ChildProcess>();
  #gcs = 0;
  #dashboard = 0;

  /** The head has no GPUs, and outlives the nodes that have. */
  static async start(names: readonly string[], gpus: number): Promise<TestRay> {
    const ray = new TestRay();
    ray.#gcs = await freePorts(2);
    ray.#dashboard = ray.#gcs + 1;
    ray.#begin("head", [
      ...["--head", `--port=${ray.#gcs}`, `--dashboard-port=${ray.#dashboard}`, "--num-gpus=0"],
      `--temp-dir=${ray.#folder}`,
    ]);
    await ray.#answers("/api/version");
    for (const name of names) await ray.join(name, gpus);
    return ray;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#dashboard}`;
  }

  async join(name: string, gpus: number): Promise<void> {
    this.#begin(name, [`--address=127.0.0.1:${this.#gcs}`, `--num-gpus=${gpus}`]);
    await this.#answers("/api/v0/nodes?detail=1", (text) => new RegExp(`"node_name": "${name}"`).test(text));
  }

  #begin(name: string, words: readonly string[]): void {
    const always = ["--num-cpus=8", "--object-store-memory=100000000", "--disable-usage-stats", "--block"];
    const child = spawn(program, ["start", `--node-name=${name}`, ...words, ...always], {
      detached: true,
      stdio: "ignore",
      env: { ...process.env, RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN: this.token, RAY_USAGE_STATS_ENABLED: "0" },
    });
    this.#nodes.set(name, child);
  }

  async #answers(path: string, isSo: (text: string) => boolean = () => true): Promise<void> {
    const end = performance.now() + 240_000;
    while (performance.now() < end) {
      const answer = await fetch(this.address + path, { headers: { authorization: `Bearer ${this.token}` } })
        .then((response) => (response.ok ? response.text() : undefined))
        .catch(() => undefined);
      if (answer !== undefined && isSo(answer)) return;
      await new Promise((wake) => setTimeout(wake, 200));
    }
    throw new Error(`Ray does not answer at ${this.address}${path}`);
  }

  /** The node dies with all that runs on it. */
  lose(name: string): void {
    const child = this.#nodes.get(name);
    this.#nodes.delete(name);
    if (child?.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }

  close(): void {
    for (const name of [...this.#nodes.keys()]) this.lose(name);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
