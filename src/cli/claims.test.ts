import assert from "node:assert/strict";
import { test } from "node:test";
import { runHeddle } from "../test/heddle-process.ts";

test("check measures a claim, and says what was claimed", async () => {
  const { code, stdout } = await runHeddle(["check", "orca", "--json"]);
  assert.equal(code, 0);
  const [checked] = JSON.parse(stdout) as { id: string; what: string; measured: number; holds: boolean }[];
  assert.equal(checked!.id, "orca");
  assert.match(checked!.what, /latencyPassesMean at least 3× lower than static on varied \(machine\)/);
  assert.ok(checked!.holds && checked!.measured >= 3);
});

test("run takes a row, a title or an entry, plots it, and says whether the claim holds", async () => {
  for (const name of ["orca", "Orca", "serve/batching/orca"]) {
    const { code, stdout } = await runHeddle(["run", name]);
    assert.equal(code, 0);
    assert.match(stdout, /^orca +█+/m);
    assert.match(stdout, /the claim holds/);
  }
  const { stdout } = await runHeddle(["run", "static", "--json"]);
  assert.deepEqual(
    (JSON.parse(stdout) as { id: string }[]).map(({ id }) => id),
    ["static", "chunked-prefill", "orca"],
  );
});

test("a published system that is not here is named, with its paper", async () => {
  const { code, stderr } = await runHeddle(["run", "pipedream"]);
  assert.equal(code, 1);
  assert.match(stderr, /PipeDream \(SOSP'19.*not in Heddle yet/);
});
