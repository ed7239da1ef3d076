/**
 * Convolutions of a ResNet-14 (16-32-64 channels on 32×32, batch 64) and their two gradients, fp32, against torch; pooling of
 * its first images against what memory allows.
 */
import { type ConvOp, lowerConv2d } from "../compile/lower/conv.ts";
import type { Lowered } from "../compile/lower/lowered.ts";
import { lowerPool2d, lowerPool2dInput } from "../compile/lower/pool.ts";
import type { Target } from "../compile/tile.ts";
import { openDevice } from "../device/open.ts";
import { type ArrayType, type Pooling, sizeOf } from "../graph/array.ts";
import { interleave, secondsOf } from "./interleave.ts";
import { prepare } from "./launches.ts";
import { limitsOn } from "./limits.ts";
import { floatsOf, noise } from "./matrices.ts";
import { type Peer, pythonPeer } from "./peers.ts";
import type { Bench } from "./terms.ts";

interface Layer {
  readonly extent: number;
  readonly inputs: number;
  readonly outputs: number;
  readonly size: number;
  readonly stride: number;
}

const layer = (extent: number, inputs: number, outputs: number, size: number, stride: number): Layer => ({
  ...{ extent, inputs, outputs, size, stride },
});
const layers = [
  layer(32, 3, 16, 3, 1),
  layer(32, 16, 16, 3, 1),
  layer(32, 16, 32, 3, 2),
  layer(32, 16, 32, 1, 2),
  layer(16, 32, 32, 3, 1),
  layer(16, 32, 64, 3, 2),
  layer(16, 32, 64, 1, 2),
  layer(8, 64, 64, 3, 1),
];
const kinds = ["conv2d", "conv2dInput", "conv2dWeight"] as const;
const images = 64;

export async function run(bench: Bench): Promise<void> {
  for (const threads of bench.threads) {
    const limits = limitsOn(bench.level, threads);
    const peer = pythonPeer("conv.py", threads);
    try {
      for (const one of bench.quick ? layers.slice(-1) : layers) {
        const { operationsPerSecond } = await limits();
        for (const kind of kinds) await compare(bench, one, kind, threads, peer, operationsPerSecond.f32 / 1e9);
      }
      await pooling(bench, threads, (await limits()).bytesPerSecond / 1e9);
    } finally {
      await peer?.close();
    }
  }
}

async function compare(
  bench: Bench,
  { extent, inputs, outputs, size, stride }: Layer,
  kind: ConvOp["kind"],
  threads: number,
  peer: Peer | undefined,
  limit: number,
): Promise<void> {
  const low = (size - 1) >> 1;
  const across = Math.floor((extent + 2 * low - size) / stride) + 1;
  const f32 = (...shape: readonly number[]): ArrayType => ({ dtype: "f32", shape });
  const [x, w, y] = [
    f32(images, extent, extent, inputs),
    f32(size, size, inputs, outputs),
    f32(images, across, across, outputs),
  ];
  const types = { conv2d: [x, w, y], conv2dInput: [y, w, x], conv2dWeight: [x, y, w] } as const;
  const op: ConvOp = { kind, strides: [stride, stride], padding: [low, low, low, low], dilations: [1, 1], groups: 1 };
  const [a, second, output] = types[kind];
  const ours = await prepared(bench, threads, types[kind], (target) => lowerConv2d(target, op, [a, second], output));
  const operations = 2 * images * across * across * size * size * inputs * outputs;
  const rate = (seconds: number): number => operations / seconds / 1e9;
  const wanted = { kind, images, extent, inputs, outputs, size, stride };
  const its = await peer?.ask<{ readonly peer: string; readonly how: string }>({ prepare: wanted });
  const { medians, terms } = await interleave(bench.repeat, {
    ours: async () => rate(await secondsOf(ours.run)),
    peer: async () => peer && rate((await peer.ask<{ readonly seconds: number }>({ time: true })).seconds),
  });
  const name = `${kind} ${size}×${size}/${stride}, ${inputs} → ${outputs}, ${images}×${extent}×${extent}`;
  bench.row({ name, threads, unit: "GF/s", ...medians, limit, terms: { ...terms, ...its, level: ours.level } });
  await ours.close();
}

/** Bytes of operands and results, each once, by second. */
async function pooling(bench: Bench, threads: number, limit: number): Promise<void> {
  const [x, y]: ArrayType[] = [32, 16].map((extent) => ({ dtype: "f32", shape: [images, extent, extent, 16] }));
  const op: Pooling = { fn: "max", size: [2, 2], strides: [2, 2], padding: [0, 0, 0, 0] };
  const cases = {
    pool2d: await prepared(bench, threads, [x!, y!], (target) => lowerPool2d(target, op, [x!], y!)),
    pool2dInput: await prepared(bench, threads, [x!, y!, y!, x!], (target) =>
      lowerPool2dInput(target, op, [x!, y!, y!], x!),
    ),
  };
  for (const [kind, { run, level, bytes, close }] of Object.entries(cases)) {
    const { medians, terms } = await interleave(bench.repeat, {
      ours: async () => bytes / (await secondsOf(run)) / 1e9,
    });
    const name = `${kind} max 2×2/2, 16, ${images}×32×32`;
    bench.row({ name, threads, unit: "GB/s", ...medians, limit, terms: { ...terms, level } });
    await close();
  }
}

/** An operation over noise, ready to run; `types` are those of its inputs, then its output's. */
async function prepared(
  { level }: Bench,
  threads: number,
  types: readonly ArrayType[],
  lower: (target: Target) => Lowered,
) {
  const device = await openDevice(level, { threads, scratchBytes: 1 << 20 });
  const { calls, temporaries } = lower(device.target);
  const sizes = types.map(({ shape }) => 4 * sizeOf(shape));
  const places = [...sizes, ...temporaries].map((bytes) => device.alloc(bytes));
  for (const [i, place] of places.slice(0, types.length - 1).entries()) floatsOf(place).set(noise(sizes[i]! / 4, i));
  const launches = calls.map(({ program, items, args }) => ({ program, items, args: args.map((n) => places[n]!) }));
  const { run } = prepare(device, launches);
  return {
    level: device.level,
    bytes: sizes.reduce((sum, n) => sum + n, 0),
    run,
    async close() {
      await device.close();
      for (const place of places) device.free(place);
    },
  };
}
