/** `heddle cluster cells`: what a configuration of HiveD's does with jobs, one after another: what is placed where, and why not. */
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import type { Command } from "commander";
import { type CellNews, CellQueue, type HeldGpu } from "../../cluster/cell/cell-queue.ts";
import type { CellConfig } from "../../cluster/cell/config.ts";
import { readCellConfig } from "../../cluster/cell/file.ts";
import { readJobFile } from "../../cluster/cell/job-file.ts";
import { gpusInWords } from "../../cluster/report/words.ts";
import { UserError } from "../../core/errors.ts";
import { print, printJson } from "../terminal.ts";

interface Arguments {
  readonly lazy?: boolean;
  readonly json?: boolean;
}

interface Step {
  readonly step: string;
  readonly news: readonly CellNews[];
}

export function define(command: Command): void {
  command
    .argument("<config>", "physical cells and virtual clusters, as a configuration file of HiveD's has them")
    .argument("[steps...]", "job files to submit; bad=NODE, well=NODE; another configuration, to restart with it")
    .option("--lazy", "a job that must give way to its own tenant's goes on as an opportunistic one where it can")
    .option("--json", "print {steps: [{step, news}, …], running, waiting}")
    .action(run);
}

function run(config: string, words: readonly string[], { lazy = false, json }: Arguments): void {
  const queue = new CellQueue(configIn(config, readText(config)), { lazyPreemption: lazy });
  const steps = words.map((step) => ({ step, news: take(queue, step) }));
  const { running, waiting } = queue;
  if (json) {
    const held = [...running.values()].map(({ request, places }) => ({
      ...{ ...request, guaranteed: queue.isGuaranteed(request.job), on: places },
    }));
    printJson({ steps, running: held, waiting });
  } else {
    for (const step of steps) tell(step);
    const waits = waiting.length === 1 ? "1 waits" : `${waiting.length} wait`;
    print(`${running.size} ${running.size === 1 ? "group runs" : "groups run"}, ${waits}.`);
  }
}

function take(queue: CellQueue, step: string): readonly CellNews[] {
  const [, state, node] = /^(bad|well)=(.+)$/.exec(step) ?? [];
  if (node !== undefined) {
    if (state === "well" && !queue.bad.delete(node)) throw new UserError(`${step}: ${node} was not said to be bad.`);
    if (state === "bad") {
      const { nodes } = queue;
      if (!nodes.has(node))
        throw new UserError(`${step}: there is no such node.`, `There are: ${[...nodes].join(", ")}.`);
      queue.bad.add(node);
    }
    return queue.schedule();
  }
  const text = readText(step);
  if (/^physicalCluster:/m.test(text)) return queue.restart(configIn(step, text));
  const requests = readJobFile(text, step);
  const known = [...queue.waiting.map(({ job }) => job), ...queue.running.keys()];
  const twice = requests.find(({ job }) => known.includes(job));
  if (twice !== undefined) throw new UserError(`${step}: ${twice.job} is there already.`, "Give it another name.");
  return queue.submit(requests);
}

const configIn = (path: string, text: string): CellConfig => readCellConfig(text, path);

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UserError(
      `${path} cannot be read: ${(error as Error).message}.`,
      "Steps are files, bad=NODE, well=NODE.",
    );
  }
}

function tell({ step, news }: Step): void {
  print(`${basename(step)}:`);
  for (const one of news) print(`  ${one.job} ${inWords(one)}`);
  if (news.length === 0) print("  nothing changes");
}

function inWords(news: CellNews): string {
  switch (news.kind) {
    case "runs": {
      const right = news.guaranteed ? "in its tenant's cells" : "as an opportunistic job, on GPUs that nobody uses";
      return `runs ${right}: ${gpusInWords(news.on.length)}, ${placesInWords(news.on)}`;
    }
    case "evicted":
      return `leaves, and waits: ${news.by} takes its GPUs`;
    case "demoted":
      return "goes on as an opportunistic job";
    case "waits":
      return `waits: ${news.why}`;
  }
}

/** `10.0.0.1 [0 1], 10.0.0.2 [0]`. */
function placesInWords(on: readonly HeldGpu[]): string {
  const byNode = new Map<string, number[]>();
  for (const { node, device } of on) byNode.set(node, [...(byNode.get(node) ?? []), device]);
  return [...byNode].map(([node, devices]) => `${node} [${devices.sort((a, b) => a - b).join(" ")}]`).join(", ");
}
