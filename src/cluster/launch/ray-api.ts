/** The part of Ray's HTTP interface that Heddle uses: jobs, and nodes. Every call carries the token that Ray asks for. */
import { request as http } from "node:http";
import { request as https } from "node:https";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";

const jobSchema = z.object({
  submission_id: z.string().nullable(),
  status: z.enum(["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]),
  message: z.string().nullish(),
  metadata: z.record(z.string(), z.string()).nullish(),
});
export type RayJob = z.infer<typeof jobSchema>;

const nodeSchema = z.object({
  node_id: z.string(),
  node_name: z.string(),
  state: z.string(),
  resources_total: z.record(z.string(), z.number()).default({}),
});
export type RayNode = z.infer<typeof nodeSchema>;

const nodesSchema = z.object({ data: z.object({ result: z.object({ result: z.array(nodeSchema) }) }) });

export interface RaySubmission {
  readonly entrypoint: string;
  readonly submission_id: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly runtime_env: { readonly env_vars: Readonly<Record<string, string>> };
  readonly entrypoint_num_gpus: number;
  readonly entrypoint_num_cpus: number;
  readonly entrypoint_label_selector: Readonly<Record<string, string>>;
}

/** Milliseconds. */
const longestAnswer = 30_000;

/** What the server said no to, with its status. */
export class RayError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

export class RayApi {
  readonly #address: string;
  readonly #token: string | undefined;

  constructor(address: string, token: string | undefined) {
    this.#address = address.replace(/\/$/, "");
    this.#token = token;
  }

  async jobs(): Promise<RayJob[]> {
    return z.array(jobSchema).parse(await this.#call("GET", "/api/jobs/"));
  }

  async nodes(): Promise<RayNode[]> {
    const answer = await this.#call("GET", "/api/v0/nodes?detail=1&limit=10000");
    return nodesSchema.parse(answer).data.result.result;
  }

  async submit(submission: RaySubmission): Promise<void> {
    await this.#call("POST", "/api/jobs/", submission);
  }

  /** Asks it to leave: SIGTERM, and SIGKILL after the wait that the job was submitted with. */
  async stop(id: string): Promise<void> {
    await this.#call("POST", `/api/jobs/${encodeURIComponent(id)}/stop`);
  }

  /** Forgets a job that has ended. */
  async remove(id: string): Promise<void> {
    await this.#call("DELETE", `/api/jobs/${encodeURIComponent(id)}`);
  }

  async #call(method: string, path: string, body?: object): Promise<unknown> {
    const { status, text } = await this.#exchange(method, path, body);
    if (status === 401 || status === 403) {
      const refused = `Ray at ${this.#address} refuses the token (${status}).`;
      throw new UserError(refused, "Give Ray's own token: `--set token=…`, or RAY_AUTH_TOKEN.");
    }
    if (status < 200 || status > 299) throw new RayError(status, text.trim().split("\n").at(-1)!.slice(0, 300));
    try {
      return JSON.parse(text);
    } catch {
      throw new UserError(`${this.#address} is not Ray's dashboard: it answers "${text.slice(0, 60)}".`);
    }
  }

  /** By hand, since Ray refuses what has the headers that `fetch` adds: it takes them for a browser's. */
  #exchange(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
    const url = new URL(this.#address + path);
    const headers = {
      "content-type": "application/json",
      ...(this.#token !== undefined && { authorization: `Bearer ${this.#token}` }),
    };
    return new Promise((resolve, reject) => {
      const send = url.protocol === "https:" ? https : http;
      const request = send(url, { method, headers, timeout: longestAnswer }, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (part: string) => (text += part));
        response.on("end", () => resolve({ status: response.statusCode!, text }));
        response.on("error", reject);
      });
      request.on("timeout", () => request.destroy(new Error(`no answer in ${longestAnswer / 1000} s`)));
      request.on("error", reject);
      request.end(body === undefined ? undefined : JSON.stringify(body));
    });
  }
}
