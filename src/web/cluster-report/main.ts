/** The page of a replay: unpacks what is in it, and draws it; draws again what a reader asks for. */
import { type Report, unpackReport } from "../../cluster/report/columns.ts";
import { summarise } from "../../cluster/report/measure.ts";
import { winnerTable } from "../../cluster/report/winner-table.ts";
import { winnersOf } from "../../cluster/report/winners.ts";
import { addCharts } from "./charts.ts";
import { onSchemeChange } from "./colours.ts";
import { byId } from "./elements.ts";
import { addFilters } from "./filters.ts";
import { Gantt } from "./gantt.ts";
import { addJobs } from "./jobs.ts";
import { State } from "./state.ts";
import "uplot/dist/uPlot.min.css";
import "./style.css";

async function unpacked(): Promise<Report> {
  const text = atob(byId("report").textContent!.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return unpackReport(new Uint8Array(await new Response(stream).arrayBuffer()));
}

const state = new State(await unpacked());
state.on(["jobs"], () => {
  const { report, mask } = state;
  const names = report.policies.map(({ name }) => name);
  const winners = winnersOf(
    names,
    report.policies.map((policy) => summarise(report, policy, mask)),
  );
  byId("sentence").textContent = winners.sentence;
  // All text in it is escaped where the table is written.
  byId("winner-table").innerHTML = winnerTable(winners);
});
addFilters(state);
addCharts(state);
const gantt = new Gantt(state);
addJobs(state, (job) => {
  gantt.showJob(job);
  byId("gantt-title").scrollIntoView({ behavior: "smooth" });
});
onSchemeChange(() => state.changed("scheme"));
document.documentElement.dataset.ready = "true";
