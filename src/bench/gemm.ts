/**
 * Matrix products against OpenBLAS (through numpy), torch as it is called, and oneDNN as torch's compiler calls it: square
 * ones, those of Gemma's layers, and an odd one; fp32, BF16, int8. The goals are those of the means.
 */
import { interleave, secondsOf } from "./interleave.ts";
import { type LimitSide, limitSide } from "./limits.ts";
import { ourMatmul } from "./our-matmul.ts";
import { type Peer, pythonPeer } from "./peers.ts";
import type { Bench } from "./terms.ts";

/** M, N, K */
type Shape = readonly [number, number, number];
type Kind = "fp32" | "bf16" | "int8";

const square = [512, 1024, 2048].map((n): Shape => [n, n, n]);
/** N, K of Gemma 3 270M: query, key and value, output, gate and up, down. */
const layers = [
  [1024, 640],
  [256, 640],
  [640, 1024],
  [2048, 640],
  [640, 2048],
] as const;
const real = [128, 512].flatMap((m) => layers.map(([n, k]): Shape => [m, n, k]));
const odd: readonly Shape[] = [[333, 777, 555]];
const shapes: Readonly<Record<Kind, readonly Shape[]>> = {
  fp32: [...square, ...real, ...odd],
  bf16: [...square, ...real, ...odd],
  int8: [...square, ...real, ...odd],
};
const quick: readonly Shape[] = [
  [512, 512, 512],
  [128, 256, 640],
];

const types = { fp32: "f32", bf16: "bf16", int8: "i8" } as const;
const peersOf: Readonly<Record<Kind, readonly string[]>> = {
  fp32: ["openblas", "torch", "onednn"],
  bf16: ["torch", "onednn"],
  int8: ["torch", "onednn"],
};
const goals = { fp32: { ratio: 1.05, share: 0.85 }, bf16: { ratio: 1, share: 0.7 }, int8: { ratio: 1, share: 0.7 } };

export async function run(bench: Bench): Promise<void> {
  for (const threads of bench.threads) {
    const peer = pythonPeer("gemm.py", threads);
    try {
      for (const kind of ["fp32", "bf16", "int8"] as const) {
        const limit = await limitSide(bench.level, threads, kind === "fp32" ? "f32" : kind);
        await compare(bench, { kind, all: bench.quick ? quick : shapes[kind], threads, peer, limit });
        await limit.close();
      }
    } finally {
      await peer?.close();
    }
  }
}

interface Case {
  readonly kind: Kind;
  readonly all: readonly Shape[];
  readonly threads: number;
  readonly peer: Peer | undefined;
  /** In `unitOf`. */
  readonly limit: LimitSide;
}

/** What the peer made ready: which of its ways was fastest, in which version, and whether it keeps packed weights. */
interface Ready {
  readonly peer: string;
  readonly how: string;
  readonly prepacked: boolean;
}

/** Which of our two sides a library is held against. */
const sideFor = ({ prepacked }: Ready): "prepacked" | "packing" => (prepacked ? "prepacked" : "packing");

/** Of all shapes, by library: our rates and theirs, and our shares of the limit. */
type Rates = Map<string, { readonly ours: number[]; readonly peer: number[]; readonly share: number[] }>;

async function compare(bench: Bench, one: Case): Promise<void> {
  const rates: Rates = new Map();
  for (const shape of one.all) await compareShape(bench, one, shape, rates);
  const { kind, threads } = one;
  const geometric = (all: readonly number[]): number =>
    Math.exp(all.reduce((sum, x) => sum + Math.log(x), 0) / all.length);
  for (const [library, both] of rates) {
    const [ours, peer, share] = [geometric(both.ours), geometric(both.peer), geometric(both.share)];
    const terms = { peer: library, shapes: one.all.length, ours: "geometric means of the rows above" };
    const unit = unitOf(kind);
    bench.row({
      name: `gemm ${kind}, mean`,
      threads,
      unit,
      ours,
      peer,
      limit: ours / share,
      share,
      goal: goals[kind],
      terms,
    });
  }
}

const unitOf = (kind: Kind): string => (kind === "int8" ? "GOP/s" : "GF/s");

async function compareShape(bench: Bench, one: Case, [m, n, k]: Shape, rates: Rates): Promise<void> {
  const { kind, threads, peer, limit } = one;
  const ours = await ourMatmul({ level: bench.level, threads, type: types[kind], m, n, k });
  const rate = (seconds: number): number => (2 * m * n * k) / seconds / 1e9;
  const ready = new Map<string, Ready>();
  const sides: Record<string, () => Promise<number>> = {
    packing: async () => rate((await secondsOf(ours.packAndRun)) / ours.products),
    prepacked: async () => rate((await secondsOf(ours.run)) / ours.products),
    limit: () => limit.measure(),
  };
  for (const library of peer === undefined ? [] : peersOf[kind]) {
    ready.set(library, await peer!.ask<Ready>({ prepare: { library, kind, m, n, k } }));
    sides[library] = async () => rate((await peer!.ask<{ readonly seconds: number }>({ time: library })).seconds);
  }
  const { medians, quotient, terms } = await interleave(bench.repeat, sides);
  const shared = { name: `gemm ${kind} ${m}×${n}×${k}`, threads, unit: unitOf(kind), limit: medians.limit };
  const inside = {
    ...terms,
    oursPacking: medians.packing,
    oursPrepacked: medians.prepacked,
    level: ours.level,
    productsInALaunch: ours.products,
  };
  if (ready.size === 0) bench.row({ ...shared, ours: medians.packing, terms: { ...inside, ours: "packing" } });
  for (const [library, its] of ready) {
    const [mine, theirs] = [medians[sideFor(its)]!, medians[library]!];
    const share = quotient(sideFor(its), "limit")!;
    bench.row({ ...shared, ours: mine, peer: theirs, share, terms: { ...inside, ours: sideFor(its), ...its } });
    const both = rates.get(library) ?? { ours: [], peer: [], share: [] };
    rates.set(library, { ours: [...both.ours, mine], peer: [...both.peer, theirs], share: [...both.share, share] });
  }
  await ours.close();
}
