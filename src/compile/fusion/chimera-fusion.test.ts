/** The chains that are fused, and the model that decides it, held against a cache that is simulated. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { graphOf, groupsOf } from "../../test/fusion-case.ts";
import { simulatedBytes } from "../../test/tile-cache.ts";
import { bestChain, type ChainSizes, chainOrders, heldBytes, movedBytes } from "../chain-movement.ts";
import { fusions } from "../fusion.ts";

const bytes = { a: 4, b: 4, c: 4, d: 4, e: 4 };

/** A gated chain: width → hidden → width. */
const chain = (hidden: number) =>
  graphOf((g, x) => {
    const [a, b] = [g.linear(x, g.weight("a", [hidden, 64])), g.linear(x, g.weight("b", [hidden, 64]))];
    return { y: g.linear(g.mul(g.gelu(a), b), g.weight("c", [64, hidden])) };
  });

test("a narrow chain is fused for many tokens, and left apart for few", async () => {
  const many = await fusions.create("chimera-fusion", { tokens: 512 });
  assert.deepEqual(groupsOf(chain(128), many), ["embed", "linear+linear+gelu+mul+linear"]);
  // Weights that do not fit would be read once a block: more than what is between costs.
  assert.equal(groupsOf(chain(4096), many).length, 6);
});

test("what is between products and read elsewhere keeps them apart", async () => {
  const many = await fusions.create("chimera-fusion", { tokens: 512 });
  const graph = graphOf((g, x) => {
    const between = g.gelu(g.linear(x, g.weight("a", [128, 64])));
    return { y: g.linear(between, g.weight("c", [64, 128])), between };
  });
  assert.deepEqual(groupsOf(graph, many), ["embed", "linear", "gelu", "linear"]);
});

const shapes: readonly ChainSizes[] = [
  { m: 512, k: 64, l: 512, n: 64 },
  { m: 256, k: 128, l: 1024, n: 64 },
  { m: 1024, k: 32, l: 128, n: 32 },
];

test("the model ranks orders and sizes of blocks as a cache does", () => {
  let [same, pairs] = [0, 0];
  for (const sizes of shapes) {
    const found = [32, 64, 128].flatMap((m) =>
      [32, 64, 128].flatMap((l) =>
        chainOrders.map((order) => {
          const tiles = { m, k: 32, l, n: 32 };
          const moved = simulatedBytes(order, sizes, tiles, bytes, heldBytes(tiles, bytes));
          return { predicted: movedBytes(order, sizes, tiles, bytes), moved };
        }),
      ),
    );
    for (const [i, x] of found.entries()) {
      for (const y of found.slice(0, i)) {
        if (x.predicted === y.predicted || x.moved === y.moved) continue;
        pairs++;
        if (x.predicted < y.predicted === x.moved < y.moved) same++;
      }
    }
    const least = Math.min(...found.map(({ predicted }) => predicted));
    const best = found.find(({ predicted }) => predicted === least)!;
    assert.equal(best.moved, Math.min(...found.map(({ moved }) => moved)));
  }
  assert.ok(pairs > 100 && same / pairs > 0.95, `${same} of ${pairs}`);
});

test("counted by hand: A and E once, B and D once a block of M; all once where a loop has one block", () => {
  const sizes = { m: 64, k: 8, l: 16, n: 4 };
  const streamed = movedBytes(["m", "l", "k", "n"], sizes, { m: 16, k: 8, l: 4, n: 4 }, bytes);
  assert.equal(streamed, 4 * (64 * 8 + 4 * 8 * 16 + 4 * 16 * 4 + 64 * 4));
  const whole = movedBytes(["m", "l", "k", "n"], sizes, { m: 16, k: 8, l: 16, n: 4 }, bytes);
  assert.equal(whole, 4 * (64 * 8 + 8 * 16 + 16 * 4 + 64 * 4));
});

test("of the blocks that fit, those that move least", () => {
  const sizes = { m: 64, k: 8, l: 16, n: 4 };
  const candidates = { m: [16, 64], k: [8], l: [16], n: [4] };
  const small = bestChain(sizes, bytes, heldBytes({ m: 16, k: 8, l: 16, n: 4 }, bytes), candidates);
  assert.equal(small?.tiles.m, 16);
  assert.equal(bestChain(sizes, bytes, 64, candidates), undefined);
});
