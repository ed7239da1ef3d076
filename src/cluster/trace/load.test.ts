import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { sharedData, skipWithout } from "../../test/shared-data.ts";
import type { JobSpec } from "../job.ts";
import { loadTrace, traceFormats } from "./load.ts";

const folder = fileURLToPath(new URL("../../../fixtures/trace/", import.meta.url));
const fixture = (name: string): string => join(folder, name);
const common = { tenant: "default", priority: 0, weight: 1 };
const GiB = 1024 ** 3;

function write(context: TestContext, name: string, content: string | Uint8Array): string {
  const place = mkdtempSync(join(tmpdir(), "heddle-trace-"));
  context.after(() => rmSync(place, { recursive: true, force: true }));
  const path = join(place, name);
  writeFileSync(path, content);
  return path;
}

/** What the files of `fixtures/trace` hold; the file's name is the format's. */
const expected: Readonly<Record<string, readonly Partial<JobSpec>[]>> = {
  pollux: [
    { ...common, id: "resnet-0", submit: 12, gpus: 2, model: "resnet", batch: 256 },
    { ...common, id: "ncf-2", submit: 75, gpus: 1, model: "ncf", batch: 4096 },
  ],
  tiresias: [
    { ...common, id: "0", submit: 0, gpus: 1, duration: 300, iterations: 900, model: "alexnet" },
    { ...common, id: "1", submit: 20, gpus: 4, duration: 75, iterations: 150, model: "vgg13" },
  ],
  muri: [
    {
      ...{ ...common, id: "0", submit: 0, gpus: 2, duration: 900, iterations: 5000, model: "lstm", batch: 32 },
      ...{ estimate: 900, priority: 1, phases: { storage: 0.02, cpu: 0, gpu: 0.1, network: 0.06 } },
    },
    {
      ...{ ...common, id: "1", submit: 1.5, gpus: 1, duration: 500, iterations: 2000, model: "cnn", batch: 64 },
      ...{ estimate: 500, phases: { storage: 0.2, cpu: 0, gpu: 0.03, network: 0.02 } },
    },
  ],
  elasticflow: [
    {
      ...{ ...common, id: "0", submit: 0, gpus: 2, duration: 600, iterations: 4000, model: "resnet50", batch: 128 },
      ...{ deadline: 900, class: "deadline" },
    },
    {
      ...{ ...common, id: "1", submit: 60, gpus: 1, duration: 300, iterations: 1000, model: "bert", batch: 32 },
      class: "best effort",
    },
  ],
  itp: [
    { ...common, id: "b2", submit: 90, gpus: 1, duration: 30 },
    { ...common, id: "a1", submit: 100, gpus: 8, duration: 600 },
  ],
  "itp-ef": [
    {
      ...{ ...common, id: "a1", submit: 100, gpus: 8, duration: 600, iterations: 3000, model: "bert", batch: 64 },
      ...{ deadline: 900, class: "deadline" },
    },
  ],
  gavel: [
    {
      ...{ ...common, id: "0", submit: 0, gpus: 2, iterations: 5000, model: "ResNet-18 (batch size 64)", batch: 64 },
      ...{ class: "image_classification", command: ["python3", "main.py", "--batch_size", "64"] },
    },
    {
      ...{ ...common, id: "1", submit: 120.5, gpus: 1, iterations: 800, model: "LM (batch size 20)", batch: 20 },
      ...{ weight: 5, class: "language_modeling", command: ["python3", "main.py", "--batch_size", "20"] },
    },
  ],
  "gavel-msr": [
    {
      ...{ ...common, id: "0", submit: 0, gpus: 1, iterations: 800, model: "LM (batch size 20)", batch: 20 },
      command: ["python3", "main.py"],
    },
    { ...common, id: "1", submit: 50.25, gpus: 2, iterations: 4000, model: "A3C", command: ["python3", "main.py"] },
  ],
  shockwave: [
    {
      ...{ ...common, id: "0", submit: 0, gpus: 1, iterations: 700, model: "LM (batch size 10)", batch: 10 },
      ...{ duration: 400, class: "gns", command: ["python3", "main.py"] },
    },
    {
      ...{ ...common, id: "1", submit: 30, gpus: 4, iterations: 900, model: "ResNet-50 (batch size 64)", batch: 64 },
      ...{ duration: 850, class: "static", command: ["python3", "main.py"] },
    },
  ],
  philly: [
    { ...common, id: "line-3", submit: 0, gpus: 1, duration: 60, tenant: "vc-a" },
    { ...common, id: "line-2", submit: 1800, gpus: 2, duration: 600, tenant: "vc-b" },
  ],
  "philly-log": [{ ...common, id: "application_1", submit: 0, gpus: 3, duration: 660, tenant: "vc-a", class: "pass" }],
  helios: [
    { ...common, id: "102", submit: 0, gpus: 0, duration: 30, cpus: 4, tenant: "vcY", class: "failed" },
    { ...common, id: "101", submit: 10, gpus: 8, duration: 3600, cpus: 32, tenant: "vcX", class: "completed" },
  ],
  acme: [
    { ...common, id: "d2", submit: 0, gpus: 1, duration: 60, cpus: 16, tenant: "u2", class: "Evaluation" },
    { ...common, id: "d1", submit: 60, gpus: 64, duration: 1200, cpus: 960, tenant: "u1", class: "Pretrain" },
  ],
  "alibaba-2020": [
    { ...common, id: "j2", submit: 0, gpus: 1, duration: 50, cpus: 6, memoryBytes: 29.3 * GiB, class: "MISC" },
    {
      ...{ ...common, id: "j1", submit: 90, gpus: 4, duration: 615, cpus: 32, class: "V100" },
      memoryBytes: 4 * 29.3 * GiB + 2 * 10 * GiB,
    },
  ],
  "alibaba-2020-jobs": [
    { ...common, id: "8", submit: 0, gpus: 4, duration: 90, cpus: 32, tenant: "u1", class: "V100" },
    { ...common, id: "7", submit: 30, gpus: 1, duration: 400, cpus: 8, tenant: "u1", class: "T4" },
  ],
  "alibaba-2023": [
    {
      ...{ ...common, id: "pod-2", submit: 0, gpus: 1, duration: 60, cpus: 4, memoryBytes: 15258 * 1024 ** 2 },
      ...{ class: "BE", types: ["V100M16", "V100M32"] },
    },
    {
      ...{ ...common, id: "pod-1", submit: 100, gpus: 8, duration: 380, cpus: 88, memoryBytes: 320 * GiB },
      class: "Burstable",
    },
  ],
  heddle: [
    { ...common, id: "a", submit: 0, gpus: 2, duration: 600 },
    { ...common, id: "b", submit: 5, gpus: 1, tenant: "vision", command: ["heddle", "train", "weaver.json"] },
  ],
  "heddle-table": [
    { ...common, id: "a", submit: 0, gpus: 2, duration: 600 },
    { ...common, id: "b", submit: 5.5, gpus: 1, duration: 30, tenant: "vision", priority: -1 },
  ],
  slurm: [
    {
      ...{ ...common, id: "12_1", submit: 0, gpus: 1, duration: 1800, cpus: 4, memoryBytes: 4000 * 1024 ** 2 },
      ...{ tenant: "speech", class: "gpu", priority: 50 },
    },
    {
      ...{ ...common, id: "11", submit: 600, gpus: 2, duration: 90_030, cpus: 8, memoryBytes: 64 * GiB },
      ...{ tenant: "vision", class: "gpu", priority: 100, types: ["v100"] },
    },
  ],
};

const fileOf = (format: string): string => {
  const named = format === "slurm" ? "sacct" : format;
  return fixture(readdirSync(folder).find((name) => name.replace(/\.\w+$/, "") === named)!);
};

test("every format has a fixture, is known by looking at it, and says the same if it is named", async () => {
  assert.deepEqual(traceFormats.map(({ name }) => name).sort(), Object.keys(expected).sort());
  for (const [format, jobs] of Object.entries(expected)) {
    const trace = await loadTrace(fileOf(format));
    assert.equal(trace.format, format);
    assert.deepEqual(trace.jobs, jobs, format);
    assert.deepEqual(await loadTrace(fileOf(format), { format }), trace, format);
  }
});

test("bad rows are named by line with the reason, and passed over; jobs that cannot be replayed are counted", async () => {
  const problems = async (format: string): Promise<unknown> => (await loadTrace(fileOf(format))).problems;
  const leftOut = async (format: string): Promise<unknown> =>
    Object.fromEntries((await loadTrace(fileOf(format))).leftOut);
  assert.deepEqual(await problems("pollux"), [{ line: 3, reason: "num_replicas is 0, below 1" }]);
  assert.deepEqual(await problems("gavel"), [{ line: 3, reason: "it has 2 fields, not 10" }]);
  assert.deepEqual(await problems("helios"), [{ line: 5, reason: 'gpu_num is "one", not a number' }]);
  assert.deepEqual(await problems("philly"), [
    { line: 5, reason: 'timestamp is "2017-13-05 09:00:00", not a time such as 2026-01-31 23:59:59' },
  ]);
  assert.deepEqual(await problems("philly-log"), [
    { line: 10, reason: "an attempt ends at 2017-10-07 01:00:00, before it starts at 2017-10-07 02:00:00" },
    { line: 14, reason: 'submitted_time is "never", not a time such as 2017-10-07 01:11:39' },
  ]);
  assert.deepEqual(await problems("slurm"), [
    { line: 7, reason: 'Submit is "Unknown", not a time such as 2026-01-31 23:59:59' },
  ]);
  assert.deepEqual(await leftOut("slurm"), { "ran for no time": 1, "had not ended": 1 });
  assert.deepEqual(await leftOut("philly-log"), { "never ran": 1 });
  assert.deepEqual(await leftOut("alibaba-2020"), { "had not ended": 1, "never ran": 1 });
  assert.deepEqual(await leftOut("alibaba-2023"), { "never ran": 1 });
});

test("a line is counted over blank lines and quoted line ends; the same job twice is a bad row", async (context) => {
  const text = `job_id,submission_time,duration,num_gpu\r\n\r\n"a\nb",0,5,1\r\n\r\nc,1,5,1\r\nc,2,5,1\r\nd,3,,1\r\n`;
  const { jobs, problems } = await loadTrace(write(context, "itp.csv", `\ufeff${text}`));
  assert.deepEqual(
    jobs.map(({ id }) => id),
    ["a\nb", "c"],
  );
  assert.deepEqual(problems, [
    { line: 7, reason: "job c is in line 6 already" },
    { line: 8, reason: "duration is empty" },
  ]);
});

test("--strict stops at the first bad row", async () => {
  await assert.rejects(loadTrace(fileOf("helios"), { strict: true }), {
    name: "UserError",
    message: /helios\.csv, line 5, as helios: gpu_num is "one", not a number\.\n {2}Correct the line/,
  });
  await assert.rejects(loadTrace(fileOf("philly-log"), { strict: true }), /line 10, as philly-log: an attempt ends/);
  assert.equal((await loadTrace(fileOf("tiresias"), { strict: true })).jobs.length, 2);
});

test("an unknown format is shown with what is known", async (context) => {
  await assert.rejects(loadTrace(write(context, "x.csv", "when,who,what\n1,2,3\n")), (error: Error) => {
    assert.equal(error.name, "UserError");
    assert.match(error.message, /x\.csv is of no format that is known: it begins with "when,who,what"/);
    for (const { name } of traceFormats) assert.match(error.message, new RegExp(`^ +${name} `, "m"));
    return true;
  });
  await assert.rejects(loadTrace(write(context, "empty", "")), /it is empty/);
  await assert.rejects(
    loadTrace(fileOf("helios"), { format: "helio" }),
    /no format "helio".\n {2}Did you mean "helios"/,
  );
  await assert.rejects(loadTrace("/nowhere/at/all.csv"), /Cannot read .*there is no such file/);
  await assert.rejects(loadTrace(folder), { name: "UserError" });
  const bad = write(context, "bad.csv", "job_id,submission_time,duration,num_gpu\na,x,1,1\n");
  await assert.rejects(loadTrace(bad), /has no jobs, read as itp: line 2: submission_time is "x", not a number/);
  const open = write(context, "open.csv", 'job_id,submission_time,duration,num_gpu\n"a,0,1,1\n');
  await assert.rejects(loadTrace(open), {
    name: "UserError",
    message: /is not a table as itp has it: Quote Not Closed/,
  });
});

test("a pipe is read as the file that it brings", async (context) => {
  const pipe = join(mkdtempSync(join(tmpdir(), "heddle-trace-")), "pipe");
  context.after(() => rmSync(join(pipe, ".."), { recursive: true, force: true }));
  execFileSync("mkfifo", [pipe]);
  spawn("sh", ["-c", 'cat "$0" > "$1"', fileOf("itp"), pipe]);
  const { jobs, path } = await loadTrace(pipe);
  assert.deepEqual([jobs, path], [(await loadTrace(fileOf("itp"))).jobs, pipe]);
});

test("a file may be packed by gzip", async (context) => {
  for (const format of ["itp", "philly-log"]) {
    const plain = await loadTrace(fileOf(format));
    const packed = await loadTrace(write(context, "packed.gz", gzipSync(readFileSync(fileOf(format)))));
    assert.deepEqual(packed.jobs, plain.jobs);
  }
});

test("files as machines leave them: blank beginnings, several ends of lines, what a terminal would obey", async (context) => {
  const header = "job_id,submission_time,duration,num_gpu";
  const text = `\n  \n${header}\r\na,0,10,1\nb,5,10,2\r\nc,\u001b[31m6,10,1\rd,7,10,1\n`;
  const { jobs, problems } = await loadTrace(write(context, "mixed.csv", text));
  assert.deepEqual(
    jobs.map(({ id, gpus }) => [id, gpus]),
    [
      ["a", 1],
      ["b", 2],
      ["d", 1],
    ],
  );
  assert.deepEqual(
    problems.map(({ reason }) => reason),
    ['submission_time is "·[31m6", not a number'],
  );
});

test("what is no text or was cut off is said", async (context) => {
  const wide = Buffer.from("\ufeffjob_id,submission_time,duration,num_gpu\na,0,1,1\n", "utf16le");
  await assert.rejects(loadTrace(write(context, "wide.csv", wide)), /no text in UTF-8\.\n {2}If it is UTF-16: iconv/);
  const packed = gzipSync(readFileSync(fileOf("itp")));
  const cut = write(context, "cut.gz", packed.subarray(0, packed.length - 9));
  await assert.rejects(loadTrace(cut), { name: "UserError", message: /cannot be unpacked: unexpected end of file/ });
  const broken = write(context, "broken.gz", Buffer.concat([packed.subarray(0, 2), Buffer.alloc(40, 7)]));
  await assert.rejects(loadTrace(broken), { name: "UserError", message: /cannot be unpacked/ });
  const columns = "JobID           JobName  Partition\n------------ ---------- ----------\n";
  await assert.rejects(loadTrace(write(context, "sacct.txt", columns)), /fixed width.*\n.*--parsable2 --format=JobID,/);
});

test("sacct with times in seconds, without states, and with CPUs that are not known", async (context) => {
  const rows = [
    "Start|End|Submit|ElapsedRaw|JobID|AllocTRES",
    "1767225660|1767225720|1767225600|60|1|cpu=N/A,gres/gpu:a100=4",
    "1767225660|Unknown|1767225600|60|2|gres/gpu=1",
    "1767225760|1767225780|1767225700|20|3|gres/gpu=2",
  ];
  const { jobs, leftOut } = await loadTrace(write(context, "seconds.txt", rows.join("\n")));
  assert.deepEqual(jobs, [
    { ...common, id: "1", submit: 0, gpus: 4, duration: 60 },
    { ...common, id: "3", submit: 100, gpus: 2, duration: 20 },
  ]);
  assert.deepEqual([...leftOut], [["had not ended", 1]]);
});

test("entries of Philly's log that are no jobs are bad rows, each with its line", async (context) => {
  const job = '{"jobid": "a", "status": null, "submitted_time": "2017-10-07 01:00:00", "attempts": [{"start_time": ';
  const whole = `${job}"2017-10-07 01:00:00", "end_time": "2017-10-07 01:01:00", "detail": [{"ip": "m", "gpus": ["0"]}]}]}`;
  const lines = ["[null,", '"attempts", {"jobid": 1},', `${whole},`, '{"jobid": "b", "attempts": {"x": 1}}]'];
  const { jobs, problems } = await loadTrace(write(context, "log.json", lines.join("\n")));
  assert.deepEqual(jobs, [{ ...common, id: "a", submit: 0, gpus: 1, duration: 60 }]);
  assert.deepEqual(
    problems.map(({ line }) => line),
    [1, 2, 2, 4],
  );
});

test("a table of one's own may have columns that are not read, which are named", async (context) => {
  const path = write(context, "own.csv", "id,submit,gpus,duration,owner\na,0,1,10,ann\n");
  const { format, jobs, unread } = await loadTrace(path);
  assert.deepEqual([format, jobs.length, unread], ["heddle-table", 1, ["owner"]]);
});

test("Alibaba's tasks may come with a line of names", async (context) => {
  const names = "job_name,task_name,inst_num,status,start_time,end_time,plan_cpu,plan_mem,plan_gpu,gpu_type";
  const path = write(context, "tasks.csv", `${names}\n${readFileSync(fileOf("alibaba-2020"), "utf8")}`);
  assert.deepEqual((await loadTrace(path)).jobs, expected["alibaba-2020"]);
});

/** Jobs and their GPUs, as the folder's own description counts them. */
const shared: readonly (readonly [path: string, format: string, jobs: number])[] = [
  ["pollux/traces/philly.csv", "philly", 82_247],
  ["pollux/workloads/workload-6.csv", "pollux", 160],
  ["pollux/workloads-realistic/workload-1.csv", "pollux", 160],
  ["gavel/traces/physical_cluster/artifact_evaluation.trace", "gavel", 15],
  ["gavel/traces/msr-seed0/6214e9.trace", "gavel-msr", 2000],
  ["shockwave/traces/120_0.2_5_100_40_25.trace", "shockwave", 120],
  ["tiresias/60_job.csv", "tiresias", 60],
  ["muri/cluster_exp/trace-data/cluster_trace.csv", "muri", 400],
  ["muri/simulator/trace-data/trace2.csv", "muri", 5755],
  ["elasticflow/ElasticFlow/traces_for_ElasticFlow/philly_103959.csv", "elasticflow", 876],
  ["itp-traces/raw/cluster01.csv", "itp", 1595],
  ["itp-traces/ef/cluster06.csv", "itp-ef", 2396],
];

for (const [path, format, jobs] of shared) {
  test(`${path} is ${format}: ${jobs} jobs, no bad row`, skipWithout(path), async () => {
    const trace = await loadTrace(sharedData(path)!, { strict: true });
    assert.deepEqual([trace.format, trace.jobs.length, trace.leftOut.size], [format, jobs, 0]);
    assert.ok(trace.jobs.every((job, i) => i === 0 || trace.jobs[i - 1]!.submit <= job.submit));
  });
}

test("the gangs of Philly are those that are known of it", skipWithout("pollux/traces/philly.csv"), async () => {
  const { jobs, origin } = await loadTrace(sharedData("pollux/traces/philly.csv")!);
  const gangs = [1, 4, 2, 8, 16, 32].map((gpus) => jobs.filter((job) => job.gpus === gpus).length);
  assert.deepEqual(gangs, [76_627, 1870, 1818, 1643, 199, 67]);
  assert.equal(jobs.filter(({ tenant }) => tenant === "6214e9").length, 41_226);
  assert.equal(new Date(origin * 1000).toISOString().slice(0, 10), "2017-09-04");
});
