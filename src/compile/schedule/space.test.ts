/** Every tile that a space calls valid computes the same bits as the analytical choice, on every level. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { stream } from "../../core/random.ts";
import { integer, matrix, rows } from "../../test/kernel-data.ts";
import { kernelOn, openLevels } from "../../test/kernel-rig.ts";
import { narrowKernel, quantizeKernel } from "../../test/row-kernels.ts";
import type { BlockType } from "../block-format.ts";
import { rowFloats, type WeightFormat, weightLayout } from "../layout.ts";
import { activationBytes, lowerLinear, tileHeights } from "../lower/linear.ts";
import { x64Targets } from "../render/x64.ts";
import { vectorsNeeded } from "../render/x64-registers.ts";
import { parseTile } from "./linear.ts";
import { Space } from "./space.ts";
import { Search, templateBase } from "./template.ts";
import { heightsFor, PanelCounter } from "./tile-work.ts";

const seed = Number(process.env.HEDDLE_SEED ?? 1);
const random = stream(seed);
const { devices } = await openLevels();
after(async () => {
  for (const device of devices) await device.close();
});

const blocks = (type: BlockType): WeightFormat => ({ kind: "blocks", type });
const formats: readonly WeightFormat[] = [
  { kind: "f32" },
  { kind: "bf16" },
  blocks("Q8_0"),
  blocks("Q5_0"),
  blocks("Q6_K"),
];
const every = ["rows", "vectors", "stage", "prefetch", "nextPanel", "unroll", "operand", "order", "tail"] as const;

for (const device of devices) {
  for (const format of formats) {
    test(`${Object.values(format).join(" ")} on ${device.level}: no valid tile changes a bit`, async () => {
      const { target } = device;
      const [n, k, tokens] = [70, 256, 11];
      const space = new Space({ format, n, k, target, tokens: [tokens] });
      const shape = { n, k, bias: false };
      const { packed } = matrix(random, format, n, k);
      const x = rows(random, tokens, k);
      const prepare = format.kind === "blocks" ? quantizeKernel : format.kind === "bf16" ? narrowKernel : undefined;
      let operand: Float32Array | Uint8Array = x;
      if (prepare !== undefined) {
        operand = new Uint8Array(tokens * activationBytes(format, k, target));
        await kernelOn(device, prepare(target, k)).run([x, operand], tokens);
      }
      const run = async (schedule?: Parameters<typeof lowerLinear>[3]): Promise<Float32Array> => {
        const out = new Float32Array(tokens * rowFloats(n)).fill(7);
        const program = lowerLinear(target, format, shape, schedule);
        assert.ok(vectorsNeeded(program) <= target.registers);
        await kernelOn(device, program).run([packed, operand, tokens, out], weightLayout(format, n, k).panels);
        return out;
      };
      const expected = await run();
      const search = new Search(space, every, [templateBase(space)], []);
      for (const tile of search.draw(random, device.level === "reference" ? 3 : 6)) {
        const got = await run({ cases: [], rest: tile });
        assert.deepEqual(got, expected, `${JSON.stringify(tile)} (HEDDLE_SEED=${seed})`);
        assert.deepEqual(parseTile(JSON.parse(JSON.stringify(tile))), tile);
      }
    });
  }
}

const target = x64Targets["x64-avx512"];

test("tiles that need too many registers, or are others in different words, are not valid", () => {
  const space = new Space({ format: blocks("Q8_0"), n: 64, k: 256, target, tokens: [16] });
  const tile = templateBase(space);
  assert.ok(space.valid({ ...tile, rows: 4, vectors: 2 }));
  assert.ok(!space.valid({ ...tile, rows: 16, vectors: 2 }), "32 sums beside what they are made of");
  assert.ok(!space.valid({ ...tile, vectors: 2, order: "columns" }), "both vectors at once have no order");
  assert.ok(!space.valid({ ...tile, rows: 2, tail: "exact" }), "halves are exact");
  assert.ok(!space.valid({ ...tile, prefetch: 100 }), "no such value");
});

test("counts are those of the arithmetic", () => {
  const [k, rowsOfTile] = [256, 3];
  const format = blocks("Q8_0");
  const space = new Space({ format, n: 64, k, target, tokens: [7] });
  const tile = { ...templateBase(space), rows: rowsOfTile, vectors: 2, nextPanel: 0 } as const;
  const products = new PanelCounter({ target, format, k }).panel(tile, 7).tiles.reduce((sum, { times, work }) => {
    return sum + times * work.loops.reduce((n, { turns, counts }) => n + turns * counts.products, 0);
  }, 0);
  // A dot for each four columns and an fma for each 32, of seven tokens and two vectors.
  assert.equal(products, 7 * 2 * (k / 4 + k / 32));
});

test("tokens are cut as the kernel cuts them", () => {
  const space = new Space({ format: blocks("Q8_0"), n: 64, k: 256, target, tokens: [16] });
  for (const tail of ["halves", "exact", "even"] as const) {
    for (let tokens = 1; tokens < 40; tokens++) {
      const tile = { ...templateBase(space), rows: integer(random, 1, 8), tail };
      const cut = heightsFor(tile, tokens);
      assert.equal(
        cut.reduce((n, { rows: height, times }) => n + height * times, 0),
        tokens,
      );
      for (const { rows: height } of cut) assert.ok(tileHeights(tile).includes(height));
      if (tail === "even") assert.ok(Math.max(...cut.map((c) => c.rows)) - Math.min(...cut.map((c) => c.rows)) <= 1);
    }
  }
});

test("a record that is no tile is not taken for one", () => {
  const space = new Space({ format: blocks("Q8_0"), n: 64, k: 256, target, tokens: [16] });
  const tile = templateBase(space);
  for (const wrong of [null, 3, {}, { ...tile, rows: 0 }, { ...tile, unroll: 1.5 }, { ...tile, tail: "none" }]) {
    assert.equal(parseTile(wrong), undefined, JSON.stringify(wrong));
  }
});
