/**
 * `npm run bench -- NAME`: one JSON line for each row, with the terms it was measured on. `all` runs each bench in a process
 * of its own. Options: `--repeat N` (5), `--seed N`, `--threads 1,2`, `--level LEVEL`, `--quick`, `--markdown FILE` for a table.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { endOnFailedOutput, fail } from "../cli/terminal.ts";
import { UserError } from "../core/errors.ts";
import { levels } from "../device/open.ts";
import { type Bench, type Judged, judge, machineTerms, rounded, table } from "./terms.ts";

const benches: Readonly<Record<string, () => Promise<{ run(bench: Bench): Promise<void> }>>> = {
  limits: () => import("./limits.ts"),
  gemm: () => import("./gemm.ts"),
  conv: () => import("./conv.ts"),
  train: () => import("./train.ts"),
  gemv: () => import("./gemv.ts"),
  prefill: () => import("./prefill.ts"),
  decode: () => import("./decode.ts"),
  batched: () => import("./batched.ts"),
  memory: () => import("./memory.ts"),
  loader: () => import("./loader.ts"),
  serve: () => import("./serve.ts"),
  wasm: () => import("./wasm.ts"),
  load: () => import("./load.ts"),
  compile: () => import("./compile.ts"),
  dispatch: () => import("./dispatch.ts"),
  fidelity: () => import("./fidelity.ts"),
  "cluster-fidelity": () => import("./cluster-fidelity.ts"),
  "event-loop": () => import("./event-loop.ts"),
  throughput: () => import("./throughput.ts"),
  pollux: () => import("./pollux.ts"),
  cluster: () => import("./cluster.ts"),
  gavel: () => import("./gavel.ts"),
};
/** What another bench covers. */
const aliases = ["throughput"];

function whole(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new UserError(`--${name} is "${text}".`, "It must be a whole number from 1 on.");
}

function given() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      repeat: { type: "string" },
      seed: { type: "string", default: "1" },
      threads: { type: "string", default: "1,2" },
      level: { type: "string" },
      quick: { type: "boolean", default: false },
      markdown: { type: "string" },
    },
  });
  const level = levels.find((l) => l === values.level);
  if (values.level !== undefined && level === undefined) {
    throw new UserError(`There is no level "${values.level}".`, `There are: ${levels.join(", ")}.`);
  }
  return { ...values, level, name: positionals[0] ?? "" };
}

async function one(name: string, options: ReturnType<typeof given>): Promise<readonly Judged[]> {
  const found = Object.hasOwn(benches, name) ? benches[name] : undefined;
  if (found === undefined) {
    throw new UserError(`There is no bench "${name}".`, `There are: ${Object.keys(benches).join(", ")}, all.`);
  }
  const rows: Judged[] = [];
  const terms = machineTerms();
  const print = (fields: object): void => void process.stdout.write(`${JSON.stringify(fields)}\n`);
  await (await found()).run({
    repeat: options.repeat === undefined ? (options.quick ? 2 : 5) : whole("repeat", options.repeat),
    seed: whole("seed", options.seed),
    quick: options.quick,
    level: options.level,
    threads: options.threads.split(",").map((text) => whole("threads", text)),
    row(row) {
      const judged = judge(row, terms);
      rows.push(judged);
      print(rounded(judged));
    },
    note: (fields) => print({ ...fields, terms }),
  });
  return rows;
}

/** A bench that fails is named, and the others run. */
async function all(words: readonly string[]): Promise<readonly Judged[]> {
  const rows: Judged[] = [];
  for (const name of Object.keys(benches).filter((name) => !aliases.includes(name))) {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), name, ...words], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = once(child, "close");
    for await (const line of createInterface({ input: child.stdout })) {
      process.stdout.write(`${line}\n`);
      const row = JSON.parse(line);
      if ("ours" in row) rows.push(row);
    }
    const [code] = await ended;
    if (code !== 0) {
      process.stderr.write(`The bench ${name} failed.\n`);
      process.exitCode = 1;
    }
  }
  return rows;
}

endOnFailedOutput();
try {
  const options = given();
  const { name, markdown } = options;
  const rows = await (name === "all" ? all(wordsFor(options)) : one(name, options));
  if (markdown !== undefined) writeFileSync(markdown, `${table(rows)}\n`);
} catch (error) {
  fail(error);
}

function wordsFor({ repeat, seed, threads, level, quick }: ReturnType<typeof given>): string[] {
  const words = ["--threads", threads, "--seed", seed];
  if (repeat !== undefined) words.push("--repeat", repeat);
  if (level !== undefined) words.push("--level", level);
  if (quick) words.push("--quick");
  return words;
}
