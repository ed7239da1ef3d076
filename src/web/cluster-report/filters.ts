/** Which jobs count: by tenant, by class, by size of gang. Lists say how many jobs each choice has. */
import { count, jobsInWords } from "../../cluster/report/words.ts";
import { button, byId, type Choice, labelled, make, select } from "./elements.ts";
import type { State } from "./state.ts";

interface Size {
  readonly name: string;
  readonly least: number;
  readonly most: number;
}

const sizes: readonly Size[] = [
  { name: "no GPU", least: 0, most: 0 },
  { name: "1 GPU", least: 1, most: 1 },
  { name: "2 to 4 GPUs", least: 2, most: 4 },
  { name: "5 to 8 GPUs", least: 5, most: 8 },
  { name: "9 to 32 GPUs", least: 9, most: 32 },
  { name: "more than 32 GPUs", least: 33, most: Number.POSITIVE_INFINITY },
];

export function addFilters(state: State): void {
  const { jobs, tenants, classes } = state.report;
  const apply = (): void => {
    const size = sizes[Number(bySize.value)];
    const { mask } = state;
    let chosen = 0;
    for (let i = 0; i < mask.length; i++) {
      const gpus = jobs.gpus[i]!;
      const counts =
        (byTenant.value === "" || jobs.tenant[i] === Number(byTenant.value)) &&
        (byClass.value === "" || jobs.class[i] === Number(byClass.value)) &&
        (bySize.value === "" || (gpus >= size!.least && gpus <= size!.most));
      mask[i] = counts ? 1 : 0;
      if (counts) chosen++;
    }
    chosenJobs.textContent = `${count(chosen)} of ${jobsInWords(mask.length)}`;
    state.changed("jobs");
  };
  const byTenant = select("tenant", choicesOf("all tenants", tenants, jobs.tenant), apply);
  const byClass = select("class", choicesOf("all classes", classes, jobs.class), apply);
  const bySize = select("size", sizeChoices(jobs.gpus), apply);
  const chosenJobs = make("output", { id: "chosen", textContent: jobsInWords(jobs.ids.length) });
  chosenJobs.setAttribute("for", "tenant class size");
  const reset = button("All jobs", "Look at all jobs again", () => {
    for (const list of [byTenant, byClass, bySize]) list.value = "";
    apply();
  });
  const form = byId("filters");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.append(
    ...(tenants.length > 1 ? [labelled("Tenant", byTenant)] : []),
    ...(classes.length > 1 ? [labelled("Class", byClass)] : []),
    labelled("Gang", bySize),
    reset,
    chosenJobs,
  );
}

/** The most frequent first; those with no name at all are named so. */
function choicesOf(all: string, names: readonly string[], column: Uint32Array): Choice[] {
  const jobs = new Uint32Array(names.length);
  for (const index of column) jobs[index]!++;
  const order = [...names.keys()].sort((a, b) => jobs[b]! - jobs[a]!);
  const choices = order.map((i) => ({ value: String(i), text: `${names[i] || "(none)"} · ${count(jobs[i]!)}` }));
  return [{ value: "", text: `${all} (${count(names.length)})` }, ...choices];
}

function sizeChoices(gpus: Uint32Array): Choice[] {
  const choices = sizes.flatMap(({ name, least, most }, i) => {
    const jobs = gpus.reduce((n, g) => (g >= least && g <= most ? n + 1 : n), 0);
    return jobs === 0 ? [] : [{ value: String(i), text: `${name} · ${count(jobs)}` }];
  });
  return [{ value: "", text: "all sizes" }, ...choices];
}
