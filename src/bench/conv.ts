/** Convolutions of a ResNet-14 (16-32-64 channels on 32×32, batch 64) and their two gradients, fp32, against torch. */
import { type ConvOp, lowerConv2d } from "../compile/lower/conv.ts";
import { openDevice } from "../device/open.ts";
import type { ArrayType } from "../graph/array.ts";
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
  const ours = await ourConvolution(
    bench,
    threads,
    { kind, strides: [stride, stride], padding: [low, low, low, low], dilations: [1, 1], groups: 1 },
    types[kind],
  );
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

async function ourConvolution(
  { level }: Bench,
  threads: number,
  op: ConvOp,
  [a, second, output]: readonly [ArrayType, ArrayType, ArrayType],
) {
  const probe = await openDevice(level, { threads: 1, scratchBytes: 64 });
  const { calls, temporaries, scratchBytes } = lowerConv2d(probe.target, op, [a, second], output);
  await probe.close();
  const device = await openDevice(level, { threads, scratchBytes });
  const sizes = [a, second, output].map(({ shape }) => 4 * shape.reduce((n, d) => n * d, 1));
  const places = [...sizes, ...temporaries].map((bytes) => device.alloc(bytes));
  for (const [i, place] of places.slice(0, 2).entries()) floatsOf(place).set(noise(sizes[i]! / 4, i));
  const launches = calls.map(({ program, items, args }) => ({ program, items, args: args.map((n) => places[n]!) }));
  const { run } = prepare(device, launches);
  return {
    level: device.level,
    run,
    async close() {
      await device.close();
      for (const place of places) device.free(place);
    },
  };
}
