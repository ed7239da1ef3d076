/** The substitutions that TASO's authors published (`graph_subst.pb` of jiazhihao/TASO), read and checked by ours. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isExact } from "../compile/pass/taso/exact.ts";
import { ruleOf } from "../compile/pass/taso/match.ts";
import { write } from "../compile/pass/taso/notation.ts";
import { proves } from "../compile/pass/taso/prove.ts";
import { verify } from "../compile/pass/taso/verify.ts";
import { parseRules, translate } from "./taso-rules.ts";

const file = new URL("../../fixtures/taso/graph_subst.pb", import.meta.url);

test("of 133 published substitutions, 93 are without convolutions: all hold and are proved, 44 the IR can express", () => {
  const published = parseRules(readFileSync(file));
  const ours = published.flatMap((rule) => translate(rule) ?? []);
  for (const s of ours) {
    assert.ok(verify(s), write(s));
    assert.ok(proves(s), write(s));
  }
  const expressible = ours.filter((s) => ruleOf(s) !== undefined);
  const counts = [published.length, ours.length, expressible.length, expressible.filter(isExact).length];
  assert.deepEqual(counts, [133, 93, 44, 16]);
});

test("a damaged file is refused", () => {
  assert.throws(() => parseRules(Uint8Array.of(10, 3, 0x08, 0x92)), /the message ends/);
  assert.throws(() => parseRules(Uint8Array.of(0x0d, 0, 0, 0, 0)), /wire type 5/);
});
