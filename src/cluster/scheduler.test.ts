/** A scheduler on a journal: cut off after any line, the next believes in just the runs that were asked for and have not ended. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { jobOf, nodesOf } from "../test/cluster-folder.ts";
import { until } from "../test/until.ts";
import type { Belief, Cluster } from "./cluster.ts";
import { openJournal } from "./journal.ts";
import type { LogLine } from "./log.ts";
import { policyOf } from "./policy.ts";
import { Scheduler } from "./scheduler.ts";

const folder = mkdtempSync(join(tmpdir(), "heddle-scheduler-"));
after(() => rmSync(folder, { recursive: true }));

interface Lived {
  readonly scheduler: Scheduler;
  readonly asked: string[];
  readonly log: LogLine[];
  beliefs: readonly Belief[];
}

/** A cluster that only notes what it is asked for; the test tells what becomes of it, all at one moment of the wall's clock. */
async function live(path: string, id = "srtf"): Promise<Lived> {
  const nodes = nodesOf(1, 4);
  const journal = openJournal(path, () => ({
    ...{ kind: "journal", version: 1, id: "i", on: "none", timeScale: 1000, epoch: 0 },
    setup: { kind: "header", policy: id, slots: {}, options: {}, nodes },
  }));
  const log: LogLine[] = [];
  const model = () => ({
    start: () => {},
    stop: () => {},
    outlook: ({ duration }: { readonly duration?: number }) => ({ done: 0, total: duration!, rate: () => 1 }),
  });
  const policy = await policyOf(id);
  const scheduler = new Scheduler({ policy, journal, log: (line) => log.push(line), model, wall: () => 0 });
  const lived: Lived = { scheduler, asked: [], log, beliefs: [] };
  const cluster: Cluster = {
    nodes,
    adopt: async (beliefs) => void (lived.beliefs = beliefs),
    start: ({ job, attempt }) => void lived.asked.push(`start ${job.id}/${attempt}`),
    stop: (job, attempt) => void lived.asked.push(`stop ${job}/${attempt}`),
    close: async () => {},
  };
  await scheduler.begin(
    cluster,
    () => {},
    (error) => assert.fail(String(error)),
  );
  return lived;
}

test("beliefs are what the journal's lines had asked for, wherever it was cut; decisions are made again alike", async () => {
  const path = join(folder, "journal.jsonl");
  const first = await live(path);
  const asked = (what: string) =>
    until(
      () => first.asked.includes(what),
      60,
      () => `${what}: ${first.asked}`,
    );
  const { scheduler } = first;
  scheduler.submit(jobOf("long", 1000, { gpus: 4 }));
  await asked("start long/0");
  scheduler.report({ kind: "started", job: "long", attempt: 0 });
  scheduler.submit(jobOf("short", 10, { gpus: 4 }));
  await asked("stop long/0");
  scheduler.report({ kind: "stopped", job: "long", attempt: 0 });
  await asked("start short/0");
  for (let twice = 0; twice < 2; twice++) scheduler.report({ kind: "finished", job: "short", attempt: 0 });
  await asked("start long/1");
  scheduler.report({ kind: "finished", job: "long", attempt: 1 });
  scheduler.end();
  assert.deepEqual(first.asked, ["start long/0", "stop long/0", "start short/0", "start long/1"]);

  const [header, ...lines] = readFileSync(path, "utf8").trimEnd().split("\n");
  const wanted = new Set(["", "long/0", "long/0 stopping", "short/0", "long/1"]);
  const seen = new Set<string>();
  for (let length = 0; length <= lines.length; length++) {
    writeFileSync(path, `${[header, ...lines.slice(0, length)].join("\n")}\n`);
    const { beliefs, log, asked, scheduler } = await live(path);
    scheduler.end();
    const words = beliefs.map(({ run, stopping }) => `${run.job.id}/${run.attempt}${stopping ? " stopping" : ""}`);
    assert.ok(wanted.has(words.join()), `after ${length} lines: ${words}`);
    seen.add(words.join());
    assert.deepEqual(asked, [], "what is past is not asked for again");
    assert.deepEqual(log, first.log.slice(0, log.length), `after ${length} lines`);
  }
  assert.deepEqual(seen, wanted);
});

test("ended, a scheduler waits for nothing, however far the next look of its policy lies", async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === "Timeout").length;
  const before = timers();
  const { scheduler, asked } = await live(join(folder, "far.jsonl"), "gandiva");
  try {
    scheduler.submit(jobOf("a", 1e6, { gpus: 4 }));
    scheduler.submit(jobOf("b", 1e6, { gpus: 4 }));
    await until(
      () => asked.length > 0,
      60,
      () => "a is to start",
    );
    assert.ok(timers() > before, "the end of its slice is waited for");
  } finally {
    scheduler.end();
  }
  assert.equal(timers(), before);
});
