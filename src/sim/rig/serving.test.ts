/** The claims of serving, each with its mechanism and without; and what the same entries are priced at in seconds. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Batching, grantWhole } from "../../serve/batching.ts";
import { blocksFor, type KvCache } from "../../serve/kv-cache.ts";
import type { Speculation } from "../../serve/speculation.ts";
import { type Policies, runOnMachine } from "../machine.ts";
import { firstDifference } from "../replay.ts";
import { rigOf } from "../rig.ts";
import { countedMetrics, type Metrics } from "../serve-metrics.ts";
import { workload } from "../workload.ts";
import { limits, measurePolicies, policiesWith } from "./serving.ts";

const known = new Map<string, Promise<Metrics>>();

/** An entry counted on the machine, once. */
function counted(path: string, id: string, on: string): Promise<Metrics> {
  const key = `${path}/${id} ${on}`;
  const metrics = known.get(key) ?? rigOf(path).measure(id, "machine", on);
  known.set(key, metrics);
  return metrics;
}

/** How many times better than the baseline of its claim an entry is, as it is or changed. */
async function factorOf(path: string, id: string, changed?: Policies): Promise<number> {
  const { claim } = await rigOf(path).slot.load(id);
  assert.ok(claim !== "baseline" && claim.where === "machine");
  const { metric, better, than, on } = claim;
  const mine = await (changed === undefined ? counted(path, id, on) : measurePolicies(changed, "machine", on));
  const ratio = (await counted(path, than, on))[metric]! / mine[metric]!;
  return better === "lower" ? ratio : 1 / ratio;
}

const claims = [
  ["serve/batching", "orca", 3],
  ["serve/batching", "chunked-prefill", 3],
  ["serve/kv-cache", "pagedattention", 2],
  ["serve/speculation", "speculative-decoding", 2],
] as const;

for (const [path, id, least] of claims) {
  test(`${path}/${id}: what the paper claims holds on the machine`, async () => {
    const factor = await factorOf(path, id);
    assert.ok(factor >= least, `${factor}`);
  });
}

test("Orca that admits nobody while a batch runs is no faster than static batching", async () => {
  const policies = await policiesWith("batching", "orca");
  const batching: Batching = {
    next: ({ running, waiting, limits: pass }) => grantWhole(running.length > 0 ? running : waiting, 16, pass),
  };
  const factor = await factorOf("serve/batching", "orca", { ...policies, batching });
  assert.ok(factor > 0.99 && factor < 1.01, `${factor}`);
});

test("at static batching's median latency Orca takes three times the load, and writes the same tokens", async () => {
  const load = workload("varied");
  const [orca, fixed] = [await policiesWith("batching", "orca"), await policiesWith("batching", "static")];
  const slow = await runOnMachine(fixed, limits, load);
  const fast = await runOnMachine(orca, limits, { ...load, secondsPerPass: 3 * load.secondsPerPass });
  const [theirs, ours] = [slow, fast].map(({ log, header }) => countedMetrics(log, header.blockSize));
  assert.ok(ours!.latencyPassesMedian! < theirs!.latencyPassesMedian!, `${ours!.latencyPassesMedian}`);
  assert.ok(ours!.requestsPer1000Passes! > 2.5 * theirs!.requestsPer1000Passes!, `${ours!.requestsPer1000Passes}`);
  assert.deepEqual(fast.tokens, slow.tokens);
});

test("Orca gains by answers of different lengths: where all are equal, much less", async () => {
  const gain = async (on: string): Promise<number> => {
    const latency = async (id: string) => (await counted("serve/batching", id, on)).latencyPassesMean!;
    return (await latency("static")) / (await latency("orca"));
  };
  const [varied, even] = [await gain("varied"), await gain("even")];
  assert.ok(varied > 1.5 * even && even > 1, `${varied} and ${even}`);
});

test("chunked prefill with the whole pass for a budget stalls decodes as Orca does", async () => {
  const policies = await policiesWith("batching", "chunked-prefill", { tokenBudget: limits.tokens });
  const factor = await factorOf("serve/batching", "chunked-prefill", policies);
  assert.ok(factor > 0.9 && factor < 1.1, `${factor}`);
});

test("paging that takes a request's blocks before they are needed holds no more requests than runs do", async () => {
  const policies = await policiesWith("kvCache", "pagedattention");
  const paged = policies.kvCache;
  const kvCache: KvCache = {
    ...paged,
    sharesPrefixes: false,
    admit(view, need, alone) {
      const take = blocksFor(need.promptTokens + need.tokensMax, view.blockSize);
      const free = [...view.empty, ...view.cached.keys()];
      return free.length < take || paged.admit(view, need, alone) === undefined
        ? undefined
        : { tables: [free.slice(0, take)], sharedBlocks: 0 };
    },
  };
  const factor = await factorOf("serve/kv-cache", "pagedattention", { ...policies, kvCache });
  assert.ok(factor > 0.9 && factor < 1.2, `${factor}`);
});

test("speculation that proposes nothing gains nothing", async () => {
  const policies = await policiesWith("speculation", "speculative-decoding");
  const speculation: Speculation = { ...policies.speculation, lookup: undefined };
  assert.equal(await factorOf("serve/speculation", "speculative-decoding", { ...policies, speculation }), 1);
});

test("of what paging holds little is empty, of what is reserved most; choices share their prompt's blocks", async () => {
  const count = (id: string, on: string) => counted("serve/kv-cache", id, on);
  const [paged, reserved] = [await count("pagedattention", "memory-bound"), await count("contiguous", "memory-bound")];
  // Half of each sequence's last block, and answers here are short: the paper's 4 % are of longer ones.
  assert.ok(paged.wasteMean! < 0.08 && reserved.wasteMean! > 0.6, `${paged.wasteMean} and ${reserved.wasteMean}`);
  const long = await count("pagedattention", "long-prompt");
  assert.ok(long.wasteMean! < 0.05, `${long.wasteMean}`);
  const on = "several-choices";
  const [shared, copied] = [await count("pagedattention", on), await count("contiguous", on)];
  assert.ok(shared.tokensPerPass! > 1.5 * copied.tokensPerPass!, `${shared.tokensPerPass} and ${copied.tokensPerPass}`);
  assert.ok(shared.copiedBlocks! < copied.copiedBlocks! / 4, `${shared.copiedBlocks} and ${copied.copiedBlocks}`);
});

test("a run on the machine is the same run again, ends as the workload says, and its tokens are the baseline's", async () => {
  const load = workload("memory-bound");
  const paged = await policiesWith("kvCache", "pagedattention");
  const run = await runOnMachine(paged, limits, load);
  assert.equal(run.header.blocks, load.blocks);
  assert.equal(firstDifference(run.log, (await runOnMachine(paged, limits, load)).log), undefined);
  for (const [i, choices] of run.tokens.entries()) assert.equal(choices[0]!.length, load.requests[i]!.outputTokens);
  const reserved = await runOnMachine(await policiesWith("kvCache", "contiguous"), limits, load);
  assert.deepEqual(reserved.tokens, run.tokens);
});

test("priced in seconds of Gemma on two cores, the same entries gain as well", async () => {
  const gain = async (path: string, id: string, than: string, on: string, read: (m: Metrics) => number) => {
    const { measure } = rigOf(path);
    return read(await measure(than, "sim", on)) / read(await measure(id, "sim", on));
  };
  const orca = await gain("serve/batching", "orca", "static", "varied", (m) => m.latencyMean!);
  const chunked = await gain("serve/batching", "chunked-prefill", "orca", "long-prompt", (m) => m.tokenGapMax!);
  const paged = await gain("serve/kv-cache", "pagedattention", "contiguous", "memory-bound", (m) => 1 / m.throughput!);
  assert.ok(orca > 1.5 && chunked > 2 && paged > 2, `${orca}, ${chunked}, ${paged}`);
});
