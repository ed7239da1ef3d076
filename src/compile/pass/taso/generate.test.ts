/** The generator on small spaces, the prover, and the substitutions that were written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isExact } from "./exact.ts";
import { generate } from "./generate.ts";
import { ruleOf } from "./match.ts";
import { read, write } from "./notation.ts";
import { proves } from "./prove.ts";
import { spaces } from "./spaces.ts";
import { substitutions } from "./substitutions.ts";
import { verify } from "./verify.ts";

const merging = "3 variables: matmul 0 1; matmul 0 2 -> 3 4 => concat1 1 2; matmul 0 3; split1 4 -> 5 6";

test("from products, concatenation and split alone, merging of parallel products is found", () => {
  const found = generate([
    { operators: ["matmul", "concat1", "split1"], stepsMax: 3, variables: 3, cut: 0, most: {}, shared: true },
  ]);
  assert.ok(found.graphs > 100 && found.proved <= found.verified && found.verified <= found.candidates);
  assert.ok(found.general.map(write).includes(merging));
});

test("what was written is what the generator gives, for the spaces that are searched in a second", () => {
  const written = new Set(substitutions.map(write));
  const found = generate([spaces[2]!, spaces[3]!]).general.filter((s) => ruleOf(s) !== undefined);
  assert.ok(found.length >= 6);
  for (const s of found) assert.ok(written.has(write(s)), `${write(s)}: run node dist/house/write-substitutions.js`);
});

test("every written substitution holds on other random matrices of every fitting shape, and is proved", () => {
  assert.ok(substitutions.length >= 40);
  for (const s of substitutions) {
    assert.ok(verify(s, 99), write(s));
    assert.ok(proves(s), write(s));
    assert.deepEqual(read(write(s)), s);
  }
});

test("among them are ones that nobody writes by hand", () => {
  const lines = substitutions.map(write);
  // Sums of halves are halves of a sum over what is put together crosswise.
  assert.ok(lines.some((l) => l.startsWith("3 variables (cut: 2): split1 2; add") && l.includes("=> concat1")));
  assert.ok(lines.includes(merging));
});

test("what does not hold is refused by random matrices and not proved", () => {
  for (const line of [
    "2 variables: matmul 0 1 -> 2 => matmul 1 0 -> 2",
    "2 variables: add 0 1 -> 2 => mul 0 1 -> 2",
    "2 variables: concat1 0 1 -> 2 => concat1 1 0 -> 2",
    "2 variables: add 0 1; map 2 -> 3 => map 0; map 1; add 2 3 -> 4",
    "2 variables: matmul 0 1; map 2 -> 3 => map 0; matmul 2 1 -> 3",
    "3 variables: matmul 0 1; mul 2 3 -> 4 => mul 0 2; matmul 3 1 -> 4",
  ]) {
    const wrong = read(line);
    assert.ok(!verify(wrong), line);
    assert.ok(!proves(wrong), line);
  }
});

test("axioms: distribution, transposition, facing concatenations, splits", () => {
  for (const line of [
    "3 variables: add 0 1; matmul 3 2 -> 4 => matmul 0 2; matmul 1 2; add 3 4 -> 5",
    "2 variables: matmul 0 1; transpose 2 -> 3 => transpose 1; transpose 0; matmul 2 3 -> 4",
    "4 variables: concat1 0 1; concat0 2 3; matmul 4 5 -> 6 => matmul 0 2; matmul 1 3; add 4 5 -> 6",
    "2 variables: concat0 0 1; split0 2 -> 3 4 => map 0; map 1 -> 0 1",
    "1 variables: map 0; transpose 1 -> 2 => transpose 0; map 1 -> 2",
  ]) {
    assert.ok(proves(read(line)), line);
    assert.ok(verify(read(line)), line);
  }
});

test("exact are those that only move things", () => {
  assert.ok(isExact(read(merging)));
  assert.ok(!isExact(read("3 variables: add 0 1; add 2 3 -> 4 => add 0 2; add 1 3 -> 4")));
  assert.ok(
    !isExact(read("4 variables: concat1 0 1; concat0 2 3; matmul 4 5 -> 6 => matmul 0 2; matmul 1 3; add 4 5 -> 6")),
  );
});
