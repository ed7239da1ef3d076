/** Jobs in words and rows: those that fared worst, and all that happened to one that is picked. */
import type { ReportPolicy } from "../../cluster/report/columns.ts";
import { count, duration, gpusInWords, plainNumber } from "../../cluster/report/words.ts";
import { byId, labelled, make, select } from "./elements.ts";
import type { State } from "./state.ts";

interface Order {
  readonly value: string;
  readonly text: string;
  key(state: State, job: number): number;
}

const waitOf = ({ report, policy }: State, job: number): number => policy.start[job]! - report.jobs.submit[job]!;
const jctOf = ({ report, policy }: State, job: number): number => policy.end[job]! - report.jobs.submit[job]!;

const orders: readonly Order[] = [
  { value: "wait", text: "waited longest for a start", key: waitOf },
  { value: "jct", text: "took longest", key: jctOf },
  { value: "rho", text: "were served least fairly (ρ)", key: ({ policy }, job) => policy.rho[job]! },
  { value: "restarts", text: "were restarted most", key: ({ policy }, job) => policy.restarts[job]! },
];

const rowsMost = 25;
const figures = ["GPUs", "submitted", "first start", "end", "waited", "JCT", "restarts", "ρ"];

/** What all jobs have alike is no column. */
const namesOf = ({ report: { tenants, classes } }: State): string[] => [
  ...(tenants.length > 1 ? ["tenant"] : []),
  ...(classes.length > 1 ? ["class"] : []),
];

export function addJobs(state: State, show: (job: number) => void): void {
  const host = byId("jobs");
  const caption = make("caption", {});
  const body = make("tbody", {});
  const columns = ["job", ...namesOf(state), ...figures];
  const head = make("tr", {}, ...columns.map((name) => make("th", { scope: "col", textContent: name })));
  const order = select("job-order", orders, () => fill());
  const table = make("table", {}, caption, make("thead", {}, head), body);
  const wide = make("div", { className: "wide", tabIndex: 0, ariaLabel: "Jobs", data: { role: "region" } }, table);
  host.append(make("div", { className: "tools" }, labelled("Jobs that", order)), wide);
  const fill = (): void => {
    const { key } = orders.find(({ value }) => value === order.value)!;
    const worst = largest(state, (job) => key(state, job));
    caption.textContent = `Under ${state.policy.name}: the first ${count(worst.length)}`;
    body.replaceChildren(...worst.map((job) => rowOf(state, job, show)));
  };
  state.on(["jobs", "policy"], fill);
  fill();
}

/** The jobs that count with the largest keys, largest first. */
function largest({ mask }: State, key: (job: number) => number): number[] {
  const found: { job: number; key: number }[] = [];
  for (let job = 0; job < mask.length; job++) {
    const value = mask[job] === 1 ? key(job) : Number.NaN;
    if (Number.isNaN(value)) continue;
    if (found.length === rowsMost && value <= found[rowsMost - 1]!.key) continue;
    const at = found.findIndex((other) => other.key < value);
    found.splice(at === -1 ? found.length : at, 0, { job, key: value });
    if (found.length > rowsMost) found.pop();
  }
  return found.map(({ job }) => job);
}

function rowOf(state: State, job: number, show: (job: number) => void): HTMLTableRowElement {
  const { report, policy } = state;
  const { jobs } = report;
  const pick = make("button", {
    type: "button",
    className: "link",
    textContent: jobs.ids[job]!,
    onclick: () => show(job),
  });
  const cells = [
    ...namesOf(state).map((name) =>
      name === "tenant" ? report.tenants[jobs.tenant[job]!]! : report.classes[jobs.class[job]!]!,
    ),
    count(jobs.gpus[job]!),
    ...[jobs.submit[job]!, policy.start[job]!, policy.end[job]!, waitOf(state, job), jctOf(state, job)].map(duration),
    count(policy.restarts[job]!),
    plainNumber(policy.rho[job]!),
  ];
  const row = make("tr", {}, make("th", { scope: "row" }, pick));
  row.append(...cells.map((cell) => make("td", { textContent: cell })));
  return row;
}

/** A job under every policy, and its runs under the one that is shown. */
export function describe(state: State, job: number): HTMLElement {
  const { report, policy } = state;
  const { jobs } = report;
  const facts = [
    gpusInWords(jobs.gpus[job]!),
    report.tenants.length > 1 && `tenant ${report.tenants[jobs.tenant[job]!]}`,
    report.classes[jobs.class[job]!] && `class ${report.classes[jobs.class[job]!]}`,
    `submitted after ${duration(jobs.submit[job]!)}`,
    report.origin > 0 &&
      `on ${new Date(1000 * (report.origin + jobs.submit[job]!)).toISOString().slice(0, 16).replace("T", " ")} UTC`,
  ].filter((fact) => typeof fact === "string" && fact !== "");
  const rows = report.policies.map((other) => {
    const figures = [
      duration(other.start[job]! - jobs.submit[job]!),
      duration(other.end[job]! - jobs.submit[job]!),
      count(other.restarts[job]!),
      plainNumber(other.rho[job]!),
    ];
    const row = make("tr", {}, make("th", { scope: "row", textContent: other.name }));
    row.append(...figures.map((figure) => make("td", { textContent: figure })));
    return row;
  });
  const head = ["policy", "waited", "JCT", "restarts", "ρ"].map((name) =>
    make("th", { scope: "col", textContent: name }),
  );
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return make(
    "section",
    { className: "card", ariaLabel: `Job ${jobs.ids[job]}` },
    make("h3", { textContent: `Job ${jobs.ids[job]}` }),
    make("p", { textContent: `${facts.join(", ")}.` }),
    make("div", { className: "wide" }, table),
    make("h4", { textContent: `Runs under ${policy.name}` }),
    runsOf(state, policy, job),
  );
}

const runsMost = 30;

function runsOf({ report }: State, policy: ReportPolicy, job: number): HTMLElement {
  const items: HTMLLIElement[] = [];
  let runs = 0;
  for (let run = 0; run < policy.runJob.length; run++) {
    if (policy.runJob[run] !== job || ++runs > runsMost) continue;
    const places: string[] = [];
    for (let s = policy.first[run]!; s < policy.first[run + 1]!; s++) {
      places.push(`${policy.shareGpus[s]} on ${report.nodes[policy.shareNode[s]!]}`);
    }
    const [start, end] = [policy.runStart[run]!, policy.runEnd[run]!];
    const where =
      places.length > 6 ? `${places.slice(0, 6).join(", ")} and ${places.length - 6} more nodes` : places.join(", ");
    items.push(
      make("li", { textContent: `${duration(start)} to ${duration(end)} (${duration(end - start)}): ${where}` }),
    );
  }
  if (runs === 0) return make("p", { textContent: "It never ran." });
  if (runs > runsMost) items.push(make("li", { textContent: `and ${count(runs - runsMost)} more` }));
  return make("ol", {}, ...items);
}
