/**
 * The report as one page that needs nothing else: names and columns of the replay in it, packed, and the program that draws them
 * (`src/web/cluster-report`, bundled by the build). Without scripts the table of who wins is there to be read.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { assert } from "../../core/errors.ts";
import { packReport, type Report } from "./columns.ts";
import { summarise } from "./measure.ts";
import { escaped, winnerTable } from "./winner-table.ts";
import { winnersOf } from "./winners.ts";
import { jobsInWords } from "./words.ts";

export function reportPage(report: Report): string {
  const [script, style] = ["cluster-report.js", "cluster-report.css"].map(clientFile) as [string, string];
  const policy = [
    "default-src 'none'",
    `script-src '${digest(script)}'`,
    `style-src '${digest(style)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const data = gzipSync(packReport(report)).toString("base64");
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="color-scheme" content="light dark">
<title>${escaped(report.trace)}: ${escaped(report.policies.map(({ name }) => name).join(", "))}</title>
<style>${style}</style>
${bodyOf(report)}
<script id="report" type="application/octet-stream">${data}</script>
<script type="module">${script}</script>
</html>
`;
}

const digest = (text: string): string => `sha256-${createHash("sha256").update(text).digest("base64")}`;

function clientFile(name: string): string {
  try {
    return readFileSync(new URL(`../../web/${name}`, import.meta.url), "utf8");
  } catch {
    assert(false, () => `web/${name} is missing: \`npm run build\` bundles it`);
  }
}

function bodyOf(report: Report): string {
  const mask = new Uint8Array(report.jobs.ids.length).fill(1);
  const names = report.policies.map(({ name }) => name);
  const winners = winnersOf(
    names,
    report.policies.map((policy) => summarise(report, policy, mask)),
  );
  const notes = report.notes.map((note) => `<li>${escaped(note)}</li>`).join("");
  return `<a class="skip" href="#winners">To the results</a>
<header>
<h1>${escaped(report.trace)} under ${escaped(listed(names))}</h1>
<p>${jobsInWords(report.jobs.ids.length)} (${escaped(report.format)}) on ${escaped(report.cluster)}, ${escaped(report.how ?? "replayed in virtual time")}.</p>
${notes === "" ? "" : `<ul class="notes">${notes}</ul>`}
</header>
<noscript><p class="notes">Scripts are off: the table below is all that can be shown.</p></noscript>
<form id="filters" aria-label="Jobs to look at"></form>
<main>
<section aria-labelledby="winners">
<h2 id="winners">${names.length > 1 ? "Who wins, by how much" : "In figures"}</h2>
<p id="sentence" aria-live="polite">${escaped(winners.sentence)}</p>
<div class="wide" id="winner-table" tabindex="0" role="region" aria-labelledby="winners">${winnerTable(winners)}</div>
</section>
<section aria-labelledby="curves"><h2 id="curves">Over jobs and over time</h2><div id="charts"></div></section>
<section aria-labelledby="gantt-title"><h2 id="gantt-title">What ran where</h2><div id="gantt"></div></section>
<section aria-labelledby="jobs-title"><h2 id="jobs-title">Jobs</h2><div id="jobs"></div></section>
</main>`;
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
