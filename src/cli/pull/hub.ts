/** The hub of Hugging Face, or whatever answers like it at HF_ENDPOINT: which file of a repository is meant, and its hash. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { UserError } from "../../core/errors.ts";
import { causeOf, checkStatus, download, sha256Of } from "./download.ts";
import { createProgress } from "./progress.ts";

export interface Hub {
  /** For example `https://huggingface.co`. */
  readonly endpoint: string;
  readonly token: string | undefined;
}

interface TreeFile {
  readonly path: string;
  readonly bytes: number;
  /** Absent for small files, which are no GGUF. */
  readonly sha256: string | undefined;
}

/** `org/repo`, `org/repo:Q8_0` or `org/repo:file.gguf` into the folder. Returns the path. */
export async function pullFromHub(hub: Hub, name: string, folder: string): Promise<string> {
  const [repository = "", wanted] = splitAt(name, ":");
  const file = chooseFile(await listFiles(hub, repository), repository, wanted);
  const path = join(folder, basename(file.path));
  if (existsSync(path)) {
    if (file.sha256 === undefined || (await sha256Of(path)) === file.sha256) return path;
    throw new UserError(
      `Pulling ${name}: ${path} exists, and is another file than the hub's.`,
      "Rename or delete it, and run the same command again.",
    );
  }
  const url = `${hub.endpoint}/${repository}/resolve/main/${file.path.split("/").map(encodeURIComponent).join("/")}`;
  const sha256 = file.sha256 === undefined ? {} : { sha256: file.sha256 };
  const progress = createProgress(basename(file.path));
  await download({ url, headers: headers(hub), path, bytes: file.bytes, ...sha256 }, progress);
  return path;
}

const headers = ({ token }: Hub): Record<string, string> =>
  token === undefined || token === "" ? {} : { authorization: `Bearer ${token}` };

async function listFiles(hub: Hub, repository: string): Promise<TreeFile[]> {
  const url = `${hub.endpoint}/api/models/${repository}/tree/main?recursive=1`;
  const response = await fetch(url, { headers: headers(hub) }).catch((error: Error) => {
    throw new UserError(`Fetching ${url}: ${causeOf(error)}.`, "Check the network, and HF_ENDPOINT if it is set.");
  });
  try {
    checkStatus(response, url);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Fetching ${url}: the server answered ${response.status}.`, "Try again later.");
  }
  const entries: unknown = await response.json().catch(() => undefined);
  if (!Array.isArray(entries)) {
    throw new UserError(`Fetching ${url}: the answer is not a list of files.`, "Check HF_ENDPOINT if it is set.");
  }
  return entries.flatMap(readFile);
}

function readFile(entry: unknown): TreeFile[] {
  const { type, path, size, lfs } = (entry ?? {}) as Readonly<Record<string, unknown>>;
  if (type !== "file" || typeof path !== "string" || typeof size !== "number") return [];
  const { oid, size: whole } = (lfs ?? {}) as Readonly<Record<string, unknown>>;
  const sha256 = typeof oid === "string" && /^[0-9a-f]{64}$/.test(oid) ? oid : undefined;
  return [{ path, bytes: typeof whole === "number" ? whole : size, sha256 }];
}

const preferred = ["Q4_K_M", "Q8_0"];

/** An exact file, else one with the quantisation in its name, else the preferred ones, else the only one. */
export function chooseFile(files: readonly TreeFile[], repository: string, wanted: string | undefined): TreeFile {
  const whole = files.filter(({ path }) => /\.gguf$/i.test(path) && !/mmproj|-\d{5}-of-\d{5}\./i.test(path));
  const named = (quant: string): TreeFile | undefined =>
    whole.find(({ path }) => basename(path).toLowerCase().includes(quant.toLowerCase()));
  const names = whole.map(({ path }) => path).join(", ");
  if (whole.length === 0) {
    throw new UserError(
      `Pulling ${repository}: it has no GGUF file in one piece (of ${files.length} files).`,
      "Choose a repository of GGUF files; their names often end in -GGUF.",
    );
  }
  if (wanted !== undefined) {
    const found = whole.find(({ path }) => path === wanted || basename(path) === wanted) ?? named(wanted);
    if (found !== undefined) return found;
    throw new UserError(`Pulling ${repository}:${wanted}: no GGUF file has that name.`, `There are: ${names}.`);
  }
  const found = preferred.map(named).find((file) => file !== undefined) ?? (whole.length === 1 ? whole[0] : undefined);
  if (found !== undefined) return found;
  throw new UserError(`Pulling ${repository}: which file is meant?`, `Say one of them after a colon: ${names}.`);
}

function splitAt(text: string, mark: string): [string, string | undefined] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}
