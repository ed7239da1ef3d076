/** From Gemma's graph to its machine code, in a fresh process each time, as at a load. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median } from "../core/statistics.ts";
import type { CompileSeconds } from "./compile-once.ts";
import { interleave } from "./interleave.ts";
import type { Bench } from "./terms.ts";

const program = fileURLToPath(new URL("./compile-once.js", import.meta.url));

export async function run(bench: Bench): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "heddle-bench-"));
  const parts: Record<"ours" | "cached", CompileSeconds[]> = { ours: [], cached: [] };
  const once = async (side: "ours" | "cached"): Promise<number> => {
    const words = [program, bench.level ?? "", ...(side === "cached" ? [folder] : [])];
    const { stdout } = await promisify(execFile)(process.execPath, words);
    const seconds = JSON.parse(stdout) as CompileSeconds;
    parts[side].push(seconds);
    return seconds.compile + seconds.install;
  };
  try {
    // The first fills the cache.
    await once("cached");
    parts.cached.length = 0;
    const { medians, terms } = await interleave(bench.repeat, {
      ours: () => once("ours"),
      cached: () => once("cached"),
    });
    for (const side of ["ours", "cached"] as const) {
      const of = (part: "compile" | "install" | "embed"): number | undefined => median(parts[side].map((p) => p[part]));
      const { kernels, level } = parts[side][0]!;
      const inside = { graphToKernels: of("compile"), toMachineCode: of("install"), kernels, level };
      const name = side === "ours" ? "compile" : "compile, from the cache on disk";
      const besides = side === "ours" ? { embeddingsBesides: of("embed") } : {};
      const all = { ...terms, ...inside, ...besides };
      bench.row({ name, unit: "s", ours: medians[side], goal: { most: 0.3 }, terms: all });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
