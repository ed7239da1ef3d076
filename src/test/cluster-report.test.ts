/** The report of a replay, as a reader meets it: a real browser, a page from the command line, nothing loaded from anywhere. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { type ClusterPolicy, policyOf } from "../cluster/policy.ts";
import { packReport, type Report, type ReportPolicy, unpackReport } from "../cluster/report/columns.ts";
import { reportPage } from "../cluster/report/page.ts";
import { type Scheduling, startFirst } from "../cluster/scheduling.ts";
import { ClusterReading } from "../sim/cluster/metrics.ts";
import { ReportReading } from "../sim/cluster/report-reading.ts";
import { streamCluster } from "../sim/cluster/simulate.ts";
import { clusterWorkload } from "../sim/cluster/workload.ts";
import { openPage, skip } from "./chromium.ts";

const place = mkdtempSync(join(tmpdir(), "heddle-report-"));
after(() => rmSync(place, { recursive: true, force: true }));

const workload = clusterWorkload("tenants");

/** Shortest first, and nobody is stopped. */
const shortest: Scheduling = {
  decide: (view) =>
    startFirst(
      view,
      [...view.waiting].sort((a, b) => a.spec.duration! - b.spec.duration!),
      false,
    ),
};

async function replayed(name: string, scheduling: Partial<ClusterPolicy> = {}): Promise<ReportPolicy> {
  const { nodes, jobs, ...steady } = workload;
  const [metrics, columns] = [new ClusterReading(nodes), new ReportReading(jobs.map(({ id }) => id))];
  const policy = { ...(await policyOf("fifo")), ...scheduling };
  streamCluster({ nodes, jobs, steady, policy }, (line) => {
    metrics.add(line);
    columns.add(line);
  });
  const rho = Float64Array.from(metrics.metrics().jobs, (job) => job.rho ?? Number.NaN);
  return columns.policy(name, rho);
}

async function reportOf(): Promise<Report> {
  const { jobs, nodes } = workload;
  const tenants = [...new Set(jobs.map(({ tenant }) => tenant))];
  const classes = [...new Set(jobs.map((job) => job.class!))];
  return {
    ...{ trace: "<b>jobs</b> & co.csv", format: "itp", origin: 0, cluster: "8 nodes of 4 v100" },
    nodes: nodes.map(({ id }) => id),
    nodeGpus: Uint32Array.from(nodes, ({ gpus }) => gpus),
    ...{ tenants, classes, notes: ["line 7: it is </script> no job; passed over"] },
    jobs: {
      ids: jobs.map(({ id }) => id),
      submit: Float64Array.from(jobs, ({ submit }) => submit),
      gpus: Uint32Array.from(jobs, ({ gpus }) => gpus),
      tenant: Uint32Array.from(jobs, ({ tenant }) => tenants.indexOf(tenant)),
      class: Uint32Array.from(jobs, (job) => classes.indexOf(job.class!)),
    },
    policies: [await replayed("fifo"), await replayed("shortest", { scheduling: shortest })],
  };
}

const path = join(place, "report.html");
const shown: { report?: Report } = {};

before(async () => {
  shown.report = await reportOf();
  writeFileSync(path, reportPage(shown.report));
});

/** The page forbids `eval`, by which Playwright itself would wait for an expression. */
async function until(page: Page, expression: string): Promise<void> {
  for (let left = 200; left > 0; left--) {
    if (await page.evaluate(expression)) return;
    await page.waitForTimeout(25);
  }
  assert.fail(`it never came true: ${expression}`);
}

async function open(context: TestContext): Promise<{ page: Page; problems: string[] }> {
  const { page, errors } = await openPage(context);
  const problems: string[] = errors as string[];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("request", (request) => {
    if (!request.url().startsWith("file:") && !request.url().startsWith("blob:")) problems.push(request.url());
  });
  await page.goto(pathToFileURL(path).href);
  await page.waitForSelector("html[data-ready]");
  return { page, problems };
}

test("the page holds all that it shows, and text of a trace is text", () => {
  const html = readFileSync(path, "utf8");
  assert.doesNotMatch(html, /<(script|link|img)[^>]* (src|href)=/);
  assert.match(html, /<h1>&lt;b&gt;jobs&lt;\/b&gt; &amp; co\.csv under fifo and shortest<\/h1>/);
  assert.match(html, /line 7: it is &lt;\/script&gt; no job/);
  const { report } = shown;
  assert.deepEqual(unpackReport(packReport(report!)).jobs, report!.jobs);
});

test("filters change every figure, and all is shown again", { skip }, async (context) => {
  const { page, problems } = await open(context);
  const sentence = (): Promise<string | null> => page.textContent("#sentence");
  const all = await sentence();
  assert.match(all ?? "", /^shortest wins: .* faster than fifo\./);
  assert.equal(await page.locator("#winner-table tbody tr").count(), 2);
  assert.equal(await page.locator(".plot .uplot").count(), 4);

  await page.selectOption("#tenant", { index: 2 });
  assert.match((await page.textContent("#chosen")) ?? "", /^\d+ of \d+ jobs$/);
  const some = await sentence();
  assert.notEqual(some, all);
  await page.selectOption("#class", { index: 1 });
  assert.notEqual(await sentence(), some);
  await page.click("text=All jobs");
  assert.equal(await sentence(), all);
  assert.equal(await page.textContent("#chosen"), `${workload.jobs.length} of ${workload.jobs.length} jobs`);
  assert.deepEqual(problems, []);
});

test("the Gantt chart is zoomed, moved and read with mouse and keys alone", { skip }, async (context) => {
  const { page, problems } = await open(context);
  const canvas = page.locator("#gantt-canvas");
  const said = (): Promise<string> => page.locator("#gantt-said").innerText();
  const changes = async (act: () => Promise<unknown>): Promise<void> => {
    const before = await said();
    await act();
    await until(page, `document.getElementById("gantt-said").innerText !== ${JSON.stringify(before)}`);
  };
  await canvas.scrollIntoViewIfNeeded();
  const whole = await said();
  assert.match(whole, /^fifo: 0 to \d.*, nodes 1 to \d+ of \d+\./);
  const box = (await canvas.boundingBox())!;
  await page.mouse.move(box.x + box.width / 2, box.y + 80);
  await changes(() => page.mouse.wheel(0, -400));
  await changes(async () => {
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 2 - 150, box.y + 80, { steps: 4 });
    await page.mouse.up();
  });
  await canvas.focus();
  for (const key of ["+", "ArrowRight", "ArrowLeft", "-"]) await changes(() => page.keyboard.press(key));
  await page.keyboard.press("0");
  await until(page, `document.getElementById("gantt-said").innerText === ${JSON.stringify(whole)}`);

  await page.keyboard.press("n");
  await page.locator("#picked h3").waitFor();
  const first = await page.textContent("#picked h3");
  await page.keyboard.press("n");
  assert.notEqual(await page.textContent("#picked h3"), first);
  assert.equal(await page.locator("#picked tbody tr").count(), 2);
  await page.keyboard.press("p");
  assert.equal(await page.textContent("#picked h3"), first);

  // A click on what is drawn picks a job; its name finds it too, and a row of the table.
  await page.fill("#find-job", "job42");
  await page.keyboard.press("Enter");
  assert.equal(await page.textContent("#picked h3"), "Job job42");
  await page.locator("#jobs button.link").first().click();
  assert.match((await page.textContent("#picked h3")) ?? "", /^Job job\d+$/);
  await page.selectOption("#gantt-policy", { label: "shortest" });
  assert.match((await page.textContent("#picked h4")) ?? "", /shortest/);
  assert.deepEqual(problems, []);
});

test("what is drawn is there: pixels of runs, in the light and in the dark, wide and narrow", {
  skip,
}, async (context) => {
  const { page, problems } = await open(context);
  const colours = `(() => {
    const canvas = document.getElementById("gantt-canvas");
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0);
    const { data } = copy.getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i < data.length; i += 64) seen.add(data[i] + "," + data[i + 1] + "," + data[i + 2]);
    return seen.size;
  })()`;
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1280, 380]) {
      await page.setViewportSize({ width, height: 800 });
      await until(page, `${colours} > 3`);
      // Tables scroll by themselves: the page never does sideways.
      assert.ok(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), `${width} px`);
    }
  }
  assert.deepEqual(problems, []);
});

test("without scripts the table of who wins can be read", { skip }, async (context) => {
  const { page } = await openPage(context);
  const still = await page.context().browser()!.newContext({ javaScriptEnabled: false });
  const quiet = await still.newPage();
  await quiet.goto(pathToFileURL(path).href);
  assert.equal(await quiet.locator("#winner-table tbody tr").count(), 2);
  assert.match((await quiet.textContent("#sentence")) ?? "", /^shortest wins/);
});
