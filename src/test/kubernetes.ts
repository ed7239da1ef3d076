/** A real API server for a test file: started with its store in a folder of its own, and ended with the tests. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { KubeConfig } from "@kubernetes/client-node";
import { freePorts } from "./free-ports.ts";

const scripts = fileURLToPath(new URL("../../bench/peers/kubernetes/", import.meta.url));
/** What `bench/peers/kubernetes/install.sh` filled. */
const programs = process.env.HEDDLE_KUBERNETES ?? fileURLToPath(new URL("../../.kubernetes", import.meta.url));
const isRequired = (process.env.HEDDLE_REQUIRE ?? "").split(",").includes("kubernetes");

/** Why tests on Kubernetes are left out, or false. */
export const kubernetesSkip: string | false =
  isRequired || existsSync(join(programs, "kube-apiserver"))
    ? false
    : `no API server in ${programs}: bench/peers/kubernetes/install.sh .kubernetes`;

export class TestKubernetes {
  readonly state = mkdtempSync(join(tmpdir(), "heddle-kubernetes-"));
  #port = 0;

  static async start(): Promise<TestKubernetes> {
    const made = new TestKubernetes();
    made.#port = await freePorts(3);
    made.up();
    return made;
  }

  get kubeconfig(): string {
    return join(this.state, "kubeconfig");
  }

  config(): KubeConfig {
    const config = new KubeConfig();
    config.loadFromFile(this.kubeconfig);
    return config;
  }

  /** Starts whichever of its two servers is down. */
  up(): void {
    const { status, stderr, stdout } = spawnSync(
      "bash",
      [join(scripts, "up.sh"), programs, this.state, String(this.#port)],
      { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
    );
    if (status !== 0) throw new Error(`the API server did not start: ${stdout}${stderr}`);
  }

  /** As if its machine had failed; what it stored is still there. */
  killServer(): void {
    process.kill(Number(readFileSync(join(this.state, "apiserver.pid"), "utf8")), "SIGKILL");
  }

  close(): void {
    spawnSync("bash", [join(scripts, "down.sh"), this.state]);
    rmSync(this.state, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
