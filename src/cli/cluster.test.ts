import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { policyOf } from "../cluster/policy.ts";
import { headerOf, simulateCluster } from "../sim/cluster/simulate.ts";
import { clusterWorkload } from "../sim/cluster/workload.ts";
import { type Ended, runHeddle } from "../test/heddle-process.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-cluster-"));
after(() => rmSync(place, { recursive: true, force: true }));

const fixture = (name: string): string => fileURLToPath(new URL(`../../fixtures/trace/${name}`, import.meta.url));
const cluster = (...words: string[]): Promise<Ended> => runHeddle(["cluster", ...words]);

/** Two GPUs: the second job waits for the first, the third has to wait for the second. */
const trace = join(place, "jobs.csv");
const header = "job_id,submission_time,duration,num_gpu";
writeFileSync(trace, `${header}\nlong,0,100,1\nwide,10,50,2\nshort,20,5,1\nbroken,30,x,1\n`);

test("policies side by side: a table, or a document", async () => {
  const { code, stdout, stderr } = await cluster(
    "replay",
    trace,
    "--policy",
    "fifo,fifo+exclusive",
    "--nodes",
    "1x2:t4",
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^jobs\.csv \(itp\): 3 jobs on 1 node of 2 t4\n\npolicy +average JCT/);
  assert.match(stdout, /^fifo +2m 5s/m);
  assert.match(stdout, /fifo and fifo\+exclusive are level/);
  assert.match(stderr, /line 5: duration is "x", not a number; passed over/);
  assert.match(stderr, /^fifo: \d+ decisions, done after/m);

  const json = await cluster("replay", trace, "--policy", "fifo", "--nodes", "1x2", "--json");
  const [only, ...others] = JSON.parse(json.stdout);
  assert.equal(others.length, 0);
  assert.equal(only.policy, "fifo");
  assert.deepEqual(
    only.jobs.map(({ id, submit, start, end, jct }: Record<string, unknown>) => [id, submit, start, end, jct]),
    [
      ["long", 0, 0, 100, 100],
      ["wide", 10, 100, 150, 140],
      ["short", 20, 150, 155, 135],
    ],
  );
  assert.deepEqual([only.averageJct, only.makespan, only.utilisation], [125, 155, (100 + 100 + 5) / 310]);
  for (const key of ["p99Jct", "fairness"]) assert.ok(key in only, key);
});

test("options of the replay: filters, rounds, the first jobs, clusters that fit", async () => {
  const words = ["replay", trace, "--policy", "fifo", "--nodes", "1x2", "--json"];
  const averageJct = async (...more: string[]): Promise<unknown> => {
    const { stdout, stderr } = await cluster(...words, ...more);
    assert.notEqual(stdout, "", stderr);
    return JSON.parse(stdout)[0].averageJct;
  };
  assert.equal(await averageJct("--filter", "gpus=1"), (100 + 5) / 2);
  assert.equal(await averageJct("--filter", "gpus=1", "--filter", "id!=long"), 5);
  assert.equal(await averageJct("--jobs", "2"), (100 + 140) / 2);
  assert.equal(await averageJct("--round", "60", "--jobs", "1"), 100);
  // Three more seconds before and four after each of 100, 50 and 5, one after the other.
  assert.equal(await averageJct("--launch-cost", "3", "--end-cost", "4"), (107 + 154 + 156) / 3);
  const guessed = await cluster("replay", trace, "--policy", "fifo");
  assert.match(guessed.stderr, /no --nodes: 2 nodes of 8 gpu, which the jobs would keep about 80 % busy/);
});

test("a job that never starts has the keys of the others, and why is said", async () => {
  const bigger = join(place, "bigger.csv");
  writeFileSync(bigger, `${header}\nfits,0,10,2\nbig,5,10,64\n`);
  const words = ["replay", bigger, "--policy", "fifo", "--nodes", "1x2"];
  const { stdout } = await cluster(...words);
  assert.match(stdout, /^fifo: 1 job never finished: 1 refused \(it needs more than these nodes have\)\.$/m);
  const [{ jobs, averageJct }] = JSON.parse((await cluster(...words, "--json")).stdout);
  const nothing = { start: null, end: null, jct: null, restarts: 0, ran: 0, rho: null, ended: "refused" };
  assert.deepEqual(jobs[1], { id: "big", submit: 5, ...nothing });
  assert.deepEqual([averageJct, Object.keys(jobs[0]).sort()], [10, Object.keys(jobs[1]).sort()]);
  const [none] = JSON.parse((await cluster(...words, "--filter", "id=big", "--json")).stdout);
  for (const key of ["averageJct", "makespan", "p99Jct", "utilisation"]) assert.equal(none[key], null, key);
});

test("mistakes are said, and end with 1", async () => {
  const mistakes: [string[], RegExp][] = [
    [["replay", trace, "--policy", "fifi", "--nodes", "1x2"], /no policy "fifi"/],
    [["replay", trace, "--policy", "fifo,fifo", "--nodes", "1x2"], /fifo is named twice/],
    [["replay", trace, "--policy", "fifo", "--nodes", "1x2", "--strict"], /line 5, as itp: duration is "x"/],
    [["replay", trace, "--policy", "fifo", "--nodes", "two"], /no list of nodes/],
    [["replay", trace, "--policy", "fifo", "--nodes", "1x2", "--filter", "gpus>64"], /No job of .* is left/],
    [["replay", trace, "--policy", "fifo", "--nodes", "1x2", "--option", "las.x=1"], /no policy here has "las"/],
    [["replay", trace, "--policy", "fifo,tiresias", "--nodes", "1x2", "--history", trace], /no policy here learns/],
    [["replay", join(place, "none"), "--policy", "fifo"], /there is no such file/],
    [["replay", trace, "--policy", "fifo", "--nodes", "1x2", "--model", "magic"], /no model "magic"/],
    [["replay", trace, "--policy", "fifo", "--nodes", "1x2", "--round", "Infinity"], /must be a number from 0\.001/],
    [
      ["replay", trace, "--policy", "fifo", "--report", join(place, "no", "where.html")],
      /--report .*cannot be written/,
    ],
    [
      ["replay", trace, "--policy", "fifo", "--nodes", "1x2", "--model", "muri", "--stop-cost", "5"],
      /--stop-cost 5: the model "muri" has costs of its own/,
    ],
    [["why", "nobody", trace, "--policy", "fifo", "--nodes", "1x2"], /has no job "nobody"/],
    [["why", "long", trace], /Give --policy/],
    [["why", "long"], /or --log FILE/],
    [["why", "long", "--log", trace], /line 1 is not JSON/],
  ];
  for (const [words, message] of mistakes) {
    const { code, stderr, stdout } = await cluster(...words);
    assert.deepEqual([code, stdout], [1, ""], words.join(" "));
    assert.match(stderr, message);
  }
});

test("cells: a configuration, jobs and bad nodes, step by step", async () => {
  const [config, job] = [join(place, "cells.yaml"), join(place, "job.yaml")];
  writeFileSync(
    config,
    `
physicalCluster:
  cellTypes: {NODE: {childCellType: V100, childCellNumber: 2, isNodeLevel: true}}
  physicalCells: [{cellType: NODE, cellAddress: a}]
virtualClusters: {A: {virtualCells: [{cellType: NODE, cellNumber: 1}]}}
`,
  );
  const roles = "taskRoles: {train: {instances: 2, resourcePerInstance: {gpu: 1}}}";
  writeFileSync(job, `name: both\n${roles}\ndefaults: {virtualCluster: A}\n`);
  const { stdout, stderr } = await cluster("cells", config, "bad=a", job, "well=a");
  assert.equal(
    stdout,
    `bad=a:
  nothing changes
job.yaml:
  both/all waits: the cells of A are on nodes that are bad: a
well=a:
  both/all runs in its tenant's cells: 2 GPUs, a [0 1]
1 group runs, 0 wait.
`,
    stderr,
  );
  const json = JSON.parse((await cluster("cells", config, job, "--json")).stdout);
  assert.deepEqual([json.steps.length, json.running[0].job, json.waiting], [1, "both/all", []]);
  const twice = await cluster("cells", config, job, job);
  assert.deepEqual([twice.code, twice.stdout], [1, ""]);
  assert.match(twice.stderr, /both\/all is there already/);
  assert.match((await cluster("cells", config, "bad=b")).stderr, /bad=b: there is no such node\.\n {2}There are: a\./);
});

test("why a job waited, of a trace and of a scheduler's log", async () => {
  const { stdout, stderr } = await cluster("why", "short", trace, "--policy", "fifo", "--nodes", "1x2");
  assert.match(stdout, /^Job short: 1 GPU, tenant default, submitted at 20s\./, stderr);
  assert.match(stdout, /Under fifo it waited 2m 10s, ran 5s, and ended at 2m 35s, 2m 15s after it was submitted\./);
  assert.match(stdout, /1m 20s +61\.5 % {2}enough GPUs were free \(1\).*job wide had waited longest, and needed more/);
  assert.match(stdout, /50s +38\.5 % {2}too few GPUs were free: 0, where it needs 1/);
  assert.match(stdout, /GPUs on average: job wide \(2 GPUs, tenant default\), submitted at 10s/);
  assert.match(stdout, /2m 30s {2}started: 1 on node0\n +2m 35s {2}finished/);

  const { nodes, jobs, ...steady } = clusterWorkload("philly-like");
  const setup = { nodes, jobs, steady, policy: await policyOf("fifo") };
  const log = join(place, "log.jsonl");
  const lines = [headerOf(setup), ...simulateCluster(setup)].map((line) => JSON.stringify(line));
  writeFileSync(log, `${lines.join("\n")}\n`);
  const told = await cluster("why", "job9", "--log", log, "--json");
  const story = JSON.parse(told.stdout);
  assert.deepEqual([story.policy, story.spec.id], ["fifo", "job9"]);
  const waited = story.spells.reduce((n: number, { from, to }: { from: number; to: number }) => n + to - from, 0);
  assert.ok(Math.abs(waited - story.waited) < 1e-6);

  // A scheduler that was killed, or that writes at this moment.
  writeFileSync(log, `${lines.join("\n")}\n${lines.at(-1)!.slice(0, 20)}`);
  assert.equal((await cluster("why", "job9", "--log", log, "--json")).stdout, told.stdout);
  writeFileSync(log, `${lines[0]}\n${lines[1]!.slice(0, 20)}\n${lines.slice(2).join("\n")}\n`);
  assert.match((await cluster("why", "job9", "--log", log)).stderr, /line 2 is not JSON/);
  for (const wrong of ['{"kind": "header", "version": 9}', '{"at": 1, "kind": "wonder", "job": "job9"}', "null"]) {
    writeFileSync(log, `${lines[0]}\n${wrong}\n${lines.slice(1).join("\n")}\n`);
    assert.match((await cluster("why", "job9", "--log", log)).stderr, /line 2, is not of this version of Heddle/);
  }
});

test("a fixture of each format is replayed whose jobs say how long they run", async () => {
  for (const name of ["sacct.txt", "helios.csv", "philly-log.json", "alibaba-2023.csv", "muri.csv", "itp-ef.csv"]) {
    const { code, stdout, stderr } = await cluster("replay", fixture(name), "--policy", "fifo", "--nodes", "2x8");
    assert.equal(code, 0, `${name}: ${stderr}`);
    assert.match(stdout, /fifo: .* on average from submission to end\./);
  }
  assert.ok(readFileSync(fixture("sacct.txt"), "utf8").includes("11.batch"));
});
