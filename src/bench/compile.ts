/** From Gemma's graph to its machine code, in a fresh process each time, as at a load. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { median } from "../core/statistics.ts";
import type { CompileSeconds } from "./compile-once.ts";
import { interleave } from "./interleave.ts";
import type { Bench } from "./terms.ts";

const program = fileURLToPath(new URL("./compile-once.js", import.meta.url));

export async function run(bench: Bench): Promise<void> {
  const parts: CompileSeconds[] = [];
  const ours = async (): Promise<number> => {
    const words = bench.level === undefined ? [] : [bench.level];
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...words]);
    parts.push(JSON.parse(stdout) as CompileSeconds);
    const { compile, install } = parts.at(-1)!;
    return compile + install;
  };
  const { medians, terms } = await interleave(bench.repeat, { ours });
  const of = (part: "compile" | "install" | "embed"): number | undefined => median(parts.map((p) => p[part]));
  const inside = {
    graphToKernels: of("compile"),
    render: of("install"),
    embeddingsBesides: of("embed"),
    kernels: parts[0]?.kernels,
  };
  const { level } = parts[0]!;
  bench.row({ name: "compile", unit: "s", ...medians, goal: { most: 0.3 }, terms: { ...terms, ...inside, level } });
}
