/** Our listings against objdump's, for kernels of every kind on each level and for the launch loop: each line equal. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { renderX64, type X64Level, x64Targets } from "../compile/render/x64.ts";
import { listing } from "../compile/render/x64-listing.ts";
import { runCode, stopCode, workerCode } from "../device/x64-driver.ts";
import { compiledKernels } from "./compiled-kernels.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-listing-"));
after(() => rmSync(place, { recursive: true, force: true }));

interface Line {
  readonly address: number;
  readonly bytes: number;
  readonly text: string;
}

const ours = (code: Uint8Array): Line[] =>
  listing(code).map(({ address, bytes, mnemonic, operands }) => {
    return { address, bytes: bytes.length, text: `${mnemonic} ${operands}`.trim() };
  });

function objdumps(code: Uint8Array): Line[] {
  const path = join(place, "code.bin");
  writeFileSync(path, code);
  const how = ["-D", "-b", "binary", "-m", "i386:x86-64", "-M", "intel", "--insn-width=15", "-w"];
  const text = execFileSync("objdump", [...how, path], { encoding: "utf8", maxBuffer: 2 ** 28 });
  return text.split("\n").flatMap((line) => {
    const [address, bytes, shown] = line.split("\t");
    if (shown === undefined || !/^ *[0-9a-f]+:$/.test(address!)) return [];
    // It says where an instruction could have been VEX, and repeats displacements as comments.
    const bare = shown.replace("{evex} ", "").replace(/ +#.*/, "").replace(/ +/g, " ").trim();
    return [{ address: Number.parseInt(address!, 16), bytes: bytes!.trim().split(" ").length, text: bare }];
  });
}

const codes: (readonly [string, Uint8Array])[] = [
  ["run", runCode()],
  ["timed run", runCode(true)],
  ["worker", workerCode(true)],
  ["stop", stopCode()],
];
for (const level of Object.keys(x64Targets) as X64Level[]) {
  for (const fetchInto of [1, 2] as const) {
    for (const kernel of compiledKernels({ ...x64Targets[level], fetchInto }))
      codes.push([`${level}, fetching into ${fetchInto}, ${kernel.name}`, renderX64(kernel)]);
  }
}

test("the listing knows every instruction that a model needs, and covers each byte once", () => {
  for (const [name, code] of codes) {
    const lines = listing(code);
    const bytes = lines.flatMap((line) => [...line.bytes]);
    assert.deepEqual(Buffer.from(bytes), Buffer.from(code), name);
    assert.equal(lines.at(-1)!.mnemonic, "ret", name);
  }
});

// Binutils are no dependency of ours: where they are missing, the tests of single instructions stand alone.
const found = spawnSync("objdump", ["--version"]).status === 0 ? test : undefined;
found?.("objdump reads the same instructions", () => {
  for (const [name, code] of codes) {
    const [mine, theirs] = [ours(code), objdumps(code)];
    for (const [i, line] of theirs.entries()) assert.deepEqual(mine[i], line, `${name}, line ${i}`);
    assert.equal(mine.length, theirs.length, name);
  }
});
