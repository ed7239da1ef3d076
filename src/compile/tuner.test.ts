import assert from "node:assert/strict";
import { test } from "node:test";
import { x64Targets } from "./render/x64.ts";
import { defaultSchedule, tileFor } from "./schedule/linear.ts";
import { Space, tileKey } from "./schedule/space.ts";
import { chosenTiles, scheduleOf, tune } from "./tune.ts";
import { type Trial, type Tuner, type TuningView, tuners } from "./tuner.ts";

const target = x64Targets["x64-avx512"];
const tasksOf = () =>
  [
    [16, 3],
    [1, 1],
  ].map(([tokens, times]) => ({
    space: new Space({ format: { kind: "blocks", type: "Q8_0" }, n: 64, k: 64, target, tokens: [tokens!] }),
    times: times!,
  }));

/** Sums in registers make a tile fast; the analytical choice takes a second. */
const bench = {
  measure: async (_task: number, _analytical: unknown, tiles: readonly { rows: number; vectors: number }[]) => ({
    analytical: 1,
    tiles: tiles.map(({ rows, vectors }) => 2 / (rows * vectors)),
  }),
};

for (const id of tuners.ids()) {
  test(`${id}: keeps to the contract, the same every time, and chooses valid tiles`, async () => {
    const run = async (): Promise<string[]> => {
      const seen: string[] = [];
      const tuner = frozen(await tuners.create(id));
      const view = await tune(id, tuner, tasksOf(), bench, {
        trials: 60,
        seed: 7,
        onTrials: (task, trials) => seen.push(...trials.map(({ tile }) => `${task} ${tileKey(tile)}`)),
      });
      const chosen = chosenTiles(tuner, view);
      // A tile for more tokens than a task has is no other tile there.
      for (const tile of chosen)
        assert.ok(
          view.tasks.some(({ space }) => space.valid(tile)),
          tileKey(tile),
        );
      return [...seen, ...chosen.map(tileKey)];
    };
    const first = await run();
    assert.deepEqual(await run(), first);
  });

  test(`${id}: a search that was interrupted goes on where it was`, async () => {
    const tuner = await tuners.create(id);
    const half = await tune(id, tuner, tasksOf(), bench, { trials: 24, seed: 7 });
    const known = half.tasks.map(({ trials }) => trials);
    const rest = await tune(id, tuner, tasksOf(), bench, { trials: 24, seed: 7, known });
    const keys = rest.tasks.flatMap(({ trials }, i) => trials.map(({ tile }) => `${i} ${tileKey(tile)}`));
    assert.equal(new Set(keys).size, keys.length);
    for (const [i, { trials }] of rest.tasks.entries()) assert.deepEqual(trials.slice(0, known[i]!.length), known[i]);
  });
}

/** Views are frozen before a tuner sees them. */
function frozen(tuner: Tuner): Tuner {
  const freeze = (view: TuningView): TuningView => {
    for (const task of view.tasks) Object.freeze(task.trials);
    return Object.freeze({ ...view, tasks: Object.freeze(view.tasks.map((task) => Object.freeze({ ...task }))) });
  };
  const { choose } = tuner;
  return {
    propose: (view) => tuner.propose(freeze(view)),
    ...(choose !== undefined && { choose: (view: TuningView) => choose(freeze(view)) }),
  };
}

test("a wrong proposal is an error that names the tuner", async () => {
  const tile = tasksOf()[0]!.space.analytical;
  const wrong: readonly [readonly { task: number; tile: typeof tile }[], RegExp][] = [
    [[{ task: 9, tile }], /lazy proposes task 9 of 2/],
    [[{ task: 0, tile: { ...tile, rows: 40 } }], /lazy proposes 40×.* not valid/],
    [
      [
        { task: 0, tile },
        { task: 0, tile },
      ],
      /lazy proposes .* again/,
    ],
  ];
  for (const [proposals, message] of wrong) {
    const propose = () => proposals;
    await assert.rejects(tune("lazy", { propose }, tasksOf(), bench, { trials: 9, seed: 1 }), message);
  }
});

test("without a better trial the analytical choice stays", async () => {
  const [task] = tasksOf();
  const trials: Trial[] = [{ tile: { ...task!.space.analytical, unroll: 2 }, relative: 1.2 }];
  const view = { tasks: [{ ...task!, seconds: 1, trials }], trialsLeft: 0, seed: 1 };
  assert.deepEqual(chosenTiles({ propose: () => [] }, view), [task!.space.analytical]);
});

test("tiles for ranges of tokens become cases, equal neighbours one", () => {
  const { rest: a } = defaultSchedule(target, { kind: "f32" }, { n: 32, k: 32 });
  const b = { ...a, rows: 2 };
  const schedule = scheduleOf([
    { until: Number.POSITIVE_INFINITY, tile: a },
    { until: 1, tile: b },
    { until: 16, tile: a },
  ]);
  assert.deepEqual(schedule, { cases: [{ until: 1, tile: b }], rest: a });
  assert.deepEqual(
    [1, 2, 400].map((n) => tileFor(schedule, n)),
    [b, a, a],
  );
});
