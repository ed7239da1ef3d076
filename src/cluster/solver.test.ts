import assert from "node:assert/strict";
import { test } from "node:test";
import { stream } from "../core/random.ts";
import { centre } from "./central-path.ts";
import { LinearProgram } from "./linear-program.ts";
import { loadSolver, solve } from "./solver.ts";

await loadSolver();

/** Two things to make of two resources: 3 of the first and 1.5 of the second earn 21. */
function workshop(integer: boolean): LinearProgram {
  const program = new LinearProgram("maximise");
  const a = program.variable({ cost: 5, integer });
  const b = program.variable({ cost: 4, integer });
  program.atMost(24, [
    [a, 6],
    [b, 4],
  ]);
  program.atMost(6, [
    [a, 1],
    [b, 2],
  ]);
  return program;
}

/** Shares of two types of GPU for jobs that differ: the least relative throughput is to be largest. */
function sharing(jobs: number, seed: number): LinearProgram {
  const random = stream(7, seed);
  const program = new LinearProgram("maximise");
  const shares = Array.from({ length: jobs }, () => [program.variable(), program.variable()] as const);
  const least = program.variable({ cost: 1, min: Number.NEGATIVE_INFINITY });
  for (const k of [0, 1] as const)
    program.atMost(
      1 + jobs / 4,
      shares.map((pair) => [pair[k], 1]),
    );
  for (const [fast, slow] of shares) {
    program.atMost(1, [
      [fast, 1],
      [slow, 1],
    ]);
    program.atLeast(0, [
      [fast, 1 + random()],
      [slow, 0.1 + random()],
      [least, -1],
    ]);
  }
  return program;
}

/** Classes of jobs that are alike, written once each, or every job by itself. */
function classes(sizes: readonly number[], seed: number, whole: boolean): LinearProgram {
  const random = stream(8, seed);
  const program = new LinearProgram("maximise");
  const least = program.variable({ cost: 1, min: Number.NEGATIVE_INFINITY });
  const rows: [number, number][][] = [[], []];
  for (const size of sizes) {
    const gpus = 1 + Math.floor(3 * random());
    const rates = [1 + random(), 0.1 + random()];
    const bonus = random() / 10;
    const copies = whole ? 1 : size;
    for (let i = 0; i < (whole ? size : 1); i++) {
      const pair = rows.map(() => program.variable({ cost: bonus, copies }));
      for (const [k, row] of rows.entries()) row.push([pair[k]!, gpus]);
      program.atMost(
        1,
        pair.map((j) => [j, 1]),
        copies,
      );
      program.atLeast(0, [...pair.map((j, k) => [j, gpus * rates[k]!] as const), [least, -1]], copies);
    }
  }
  const total = sizes.reduce((a, b) => a + b, 0);
  for (const row of rows) program.atMost(0.3 + total / 3, row);
  return program;
}

test("a program with copies has the optimum, and on the central path the values, of the one that is written out", () => {
  for (let seed = 0; seed < 12; seed++) {
    const random = stream(9, seed);
    const sizes = Array.from({ length: 2 + (seed % 4) }, () => 1 + Math.floor(8 * random()));
    const [few, all] = [classes(sizes, seed, false), classes(sizes, seed, true)];
    const [best, same] = [solve(few)!.objective, solve(all)!.objective];
    assert.ok(Math.abs(best - same) < 1e-7 * Math.abs(same), `seed ${seed}: ${best}, ${same}`);
    const [short, long] = [centre(few)!, centre(all)!];
    let at = 1;
    for (const [c, size] of sizes.entries()) {
      for (let i = 0; i < size; i++, at += 2) {
        for (const k of [0, 1]) {
          const [mine, its] = [short[1 + 2 * c + k]!, long[at + k]!];
          assert.ok(Math.abs(mine - its) < 1e-6, `seed ${seed}, class ${c} on ${k}: ${mine}, ${its}`);
        }
      }
    }
  }
});

test("a linear program and the same in whole numbers", () => {
  const fractions = solve(workshop(false));
  assert.ok(Math.abs(fractions!.objective - 21) < 1e-9);
  assert.deepEqual(
    [...fractions!.values].map((x) => Math.round(x * 1e6) / 1e6),
    [3, 1.5],
  );
  const whole = solve(workshop(true));
  assert.ok(Math.abs(whole!.objective - 20) < 1e-9 && whole!.proved);
});

test("what cannot be satisfied is undefined, for both solvers; what has no bound is a bug, or has no centre", () => {
  const program = new LinearProgram("minimise");
  const x = program.variable();
  program.atMost(1, [[x, 1]]);
  program.atLeast(2, [[x, 1]]);
  assert.equal(solve(program), undefined);
  assert.equal(centre(program), undefined);
  const open = new LinearProgram("maximise");
  open.variable({ cost: 1 });
  open.atLeast(0, [[0, 1]]);
  assert.throws(() => solve(open), /without bound/);
  assert.equal(centre(open), undefined);
});

test("hundreds of programs after one another, in the same memory and with the same answers", () => {
  const first = solve(workshop(true))!.values;
  for (let i = 0; i < 300; i++) solve(sharing(6, i));
  assert.deepEqual(solve(workshop(true))!.values, first);
});

test("the central path ends at the same optimum, and treats equal variables alike to the last bit", () => {
  for (const jobs of [3, 12, 60]) {
    const program = sharing(jobs, jobs);
    const best = solve(program)!.objective;
    const least = centre(program)!.at(-1)!;
    assert.ok(Math.abs(least - best) < 1e-6 * best, `${jobs} jobs: ${least}, ${best}`);
  }
  const alike = new LinearProgram("maximise");
  const shares = Array.from({ length: 12 }, () => alike.variable({ cost: 1, max: 1 }));
  alike.atMost(
    5,
    shares.map((j) => [j, 1]),
  );
  const values = [...centre(alike)!];
  assert.ok(
    values.every((value) => value === values[0] && Math.abs(value - 5 / 12) < 1e-6),
    String(values),
  );
});
