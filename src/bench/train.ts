/**
 * One optimizer step of whole models against PyTorch, the best of its eager and compiled ways in the same run: forward,
 * backward and update. The limit is the time of the products and convolutions alone at the machine's peak.
 */
import { device } from "../tensor/index.ts";
import { interleave, secondsOf } from "./interleave.ts";
import { limitsOn } from "./limits.ts";
import { type Peer, pythonPeer } from "./peers.ts";
import type { Bench } from "./terms.ts";
import { gpt, lstm, mlp, resnet, type Stepping } from "./train-models.ts";

interface Model {
  readonly name: string;
  /** As `train.py` calls it. */
  readonly peer: string;
  /** Steps of one `run`. */
  readonly steps: number;
  readonly type: "f32" | "bf16";
  readonly goal: number;
  readonly isQuick: boolean;
  make(): Stepping;
}

const large = { layers: 6, width: 384, heads: 6, context: 256, batch: 8, vocabulary: 4096 } as const;
const small = { layers: 2, width: 64, heads: 4, context: 64, batch: 4, vocabulary: 256 } as const;
const lengths = [7, 19, 33, 48];

const models: readonly Model[] = [
  { name: "GPT 13.9 M", peer: "gpt", steps: 1, type: "f32", goal: 1.2, isQuick: false, make: () => gpt(large) },
  {
    name: "GPT 13.9 M, BF16 autocast",
    peer: "gpt bf16",
    steps: 1,
    type: "bf16",
    goal: 1,
    isQuick: false,
    make: () => gpt({ ...large, bf16: true }),
  },
  { name: "GPT small", peer: "gpt small", steps: 1, type: "f32", goal: 2, isQuick: true, make: () => gpt(small) },
  { name: "MLP 784-256-10", peer: "mlp", steps: 1, type: "f32", goal: 1.2, isQuick: true, make: mlp },
  {
    name: "LSTM 32→64, lengths 7, 19, 33, 48",
    peer: "lstm",
    steps: lengths.length,
    type: "f32",
    goal: 1.5,
    isQuick: true,
    make: () => lstm(lengths),
  },
  { name: "ResNet-14", peer: "resnet", steps: 1, type: "f32", goal: 1, isQuick: false, make: () => resnet(64) },
];

export async function run(bench: Bench): Promise<void> {
  for (const threads of bench.threads) {
    const limits = limitsOn(bench.level, threads);
    const peer = pythonPeer("train.py", threads);
    await device({ threads, ...(bench.level === undefined ? {} : { level: bench.level }) });
    try {
      const { operationsPerSecond } = await limits();
      for (const model of models)
        if (model.isQuick || !bench.quick)
          await compare(bench, model, { threads, peer, peak: operationsPerSecond[model.type] });
    } finally {
      await peer?.close();
    }
  }
}

interface Where {
  readonly threads: number;
  readonly peer: Peer | undefined;
  /** Operations a second. */
  readonly peak: number;
}

async function compare(bench: Bench, model: Model, { threads, peer, peak }: Where): Promise<void> {
  const began = performance.now();
  const ours = model.make();
  ours.run();
  const compileSeconds = (performance.now() - began) / 1000;
  const ready = await peer?.ask<{ readonly peer: string; readonly how: string }>({ prepare: model.peer });
  const { medians, terms } = await interleave(bench.repeat, {
    ours: async () => (1000 * (await secondsOf(async () => ours.run(), 0.2))) / model.steps,
    peer: async () => {
      if (peer === undefined) return undefined;
      return (1000 * (await peer.ask<{ readonly seconds: number }>({ time: model.peer })).seconds) / model.steps;
    },
  });
  bench.row({
    name: `train ${model.name}`,
    threads,
    unit: "ms",
    ours: medians.ours,
    peer: medians.peer,
    limit: (1000 * ours.operations) / peak,
    goal: { ratio: model.goal },
    terms: { ...terms, ...ready, compileSeconds: Number(compileSeconds.toFixed(2)) },
  });
  ours.dispose();
}
