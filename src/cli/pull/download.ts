/**
 * One file over HTTP: resumed where it stopped, checked, and renamed into place only when it is whole.
 *
 *     GET (Range from what is there) ──► FILE.part, hashed as it comes ──► sha256 ──► FILE
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../../core/errors.ts";
import type { Progress } from "./progress.ts";

export interface Download {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly path: string;
  readonly bytes: number;
  /** In hexadecimal; without it only the length is checked. */
  readonly sha256?: string;
}

const attemptsMax = 5;

export async function download(file: Download, progress: Progress): Promise<void> {
  mkdirSync(dirname(file.path), { recursive: true });
  const part = `${file.path}.part`;
  for (let attempt = 1; sizeOf(part) !== file.bytes; attempt++) {
    if (sizeOf(part) > file.bytes) rmSync(part);
    const before = sizeOf(part);
    const failure = await fetchRest(file, part, progress).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (failure instanceof UserError) throw failure;
    if (failure === undefined && sizeOf(part) === file.bytes) break;
    // What brings something is worth repeating; only attempts in vain are counted.
    if (sizeOf(part) > before) attempt = 0;
    if (attempt < attemptsMax) await new Promise((resolve) => setTimeout(resolve, 200 * 2 ** attempt));
    else throw interrupted(file, sizeOf(part), failure);
  }
  progress.end();
  if (file.sha256 !== undefined) await checkSha256(part, file.sha256, file.url);
  renameSync(part, file.path);
}

function interrupted({ url, bytes }: Download, got: number, failure: unknown): UserError {
  const reason = failure instanceof Error ? causeOf(failure) : "the answer ended early";
  return new UserError(
    `Fetching ${url}: ${reason}, after ${got} of ${bytes} bytes.`,
    "Check the network and run the same command again: it goes on where it stopped.",
  );
}

/** What `fetch` says is "fetch failed"; why is in its cause. */
export function causeOf(error: Error): string {
  return error.cause instanceof Error && error.cause.message !== "" ? error.cause.message : error.message;
}

async function fetchRest({ url, headers, bytes }: Download, part: string, progress: Progress): Promise<void> {
  const from = sizeOf(part);
  const range: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
  const response = await fetch(url, { headers: { ...headers, ...range } });
  checkStatus(response, url);
  if (response.body === null) throw new Error("the answer is empty");
  // A server that ignores the range sends the file from its beginning.
  const start = response.status === 206 ? from : 0;
  const into = createWriteStream(part, { flags: start === 0 ? "w" : "a" });
  progress.begin(start, bytes);
  try {
    for await (const chunk of response.body) {
      if (!into.write(chunk)) await once(into, "drain");
      progress.add(chunk.byteLength);
    }
  } finally {
    await new Promise<void>((resolve, reject) => into.once("error", reject).end(() => resolve()));
  }
}

export function checkStatus({ ok, status, statusText }: Response, url: string): void {
  if (ok) return;
  const hints: Readonly<Record<number, string>> = {
    401: "The repository is private or gated: set HF_TOKEN to a token that may read it.",
    403: "The repository is gated: accept its terms on its page and set HF_TOKEN.",
    404: "Check the name of the repository and of the file; a private one needs HF_TOKEN.",
    429: "Too many requests: wait a little, or set HF_TOKEN.",
  };
  const problem = `Fetching ${url}: the server answered ${status} ${statusText}.`;
  if (status >= 500) throw new Error(`${status} ${statusText}`);
  throw new UserError(problem, hints[status] ?? "Check the name, and HF_ENDPOINT if it is set.");
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk);
  return hash.digest("hex");
}

/** Throws a `UserError`, and removes the file, where it is another one than promised. */
export async function checkSha256(path: string, sha256: string, source: string): Promise<void> {
  const found = await sha256Of(path);
  if (found === sha256) return;
  rmSync(path);
  throw new UserError(
    `What came from ${source} has the SHA-256 ${found}, and should have ${sha256}.`,
    "It was damaged on its way, and was deleted. Run the same command again.",
  );
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;
