/**
 * Traces of Gavel and of Shockwave: fields between tabs, no line that names them, and three lengths of row.
 *
 * They count work in steps. How long a step takes is in a table of throughputs by type of GPU, which the policies exploit; only
 * Shockwave's also says how long a job takes.
 */
import type { JobSpec } from "../job.ts";
import { type Head, plain, type TableFormat } from "./format.ts";
import { BadRow, given, type Row } from "./row.ts";

const gavelColumns = [
  ...["job_type", "command", "working_directory", "num_steps_arg", "needs_data_dir", "total_steps"],
  ...["scale_factor", "priority_weight", "SLO", "arrival_time"],
];
const olderColumns = [
  ...["job_type", "command", "num_steps_arg", "needs_data_dir", "total_steps", "arrival_time", "scale_factor"],
];
const shockwaveColumns = [
  ...gavelColumns.slice(0, 7),
  ...["mode", "priority_weight", "SLO", "duration", "arrival_time"],
];

const hasFields = (head: Head, fields: number): boolean =>
  head.delimiter === "\t" && head.fields.length === fields && !Number.isNaN(Number(head.fields[fields - 1]));

/** `ResNet-18 (batch size 128)` names a line of the table of throughputs as it is. */
function jobOf(row: Row): JobSpec {
  const model = row.text("job_type");
  const batch = /\(batch size (\d+)\)$/.exec(model)?.[1];
  return {
    ...plain,
    id: String(row.line - 1),
    submit: row.number("arrival_time"),
    gpus: row.number("scale_factor", { min: 1, whole: true }),
    iterations: row.number("total_steps", { min: 1 }),
    model,
    weight: row.numberOr("priority_weight", 1),
    command: row.text("command").split(/\s+/),
    ...(batch !== undefined && { batch: Number(batch) }),
    ...given({ class: row.optional("working_directory")?.split("/")[0] }),
  };
}

const gavel: TableFormat = {
  kind: "table",
  name: "gavel",
  title: "Gavel, 10 columns",
  looks: gavelColumns.join("⇥"),
  columns: gavelColumns,
  knows: (head) => hasFields(head, gavelColumns.length),
  job: jobOf,
};

const gavelOlder: TableFormat = {
  kind: "table",
  name: "gavel-msr",
  title: "Gavel, 7 columns (made from Philly's)",
  looks: olderColumns.join("⇥"),
  columns: olderColumns,
  knows: (head) => hasFields(head, olderColumns.length),
  job: jobOf,
};

const modes = ["static", "accordion", "gns"];

/** The mode, how the batch size changes while a job trains, is its class. */
const shockwave: TableFormat = {
  kind: "table",
  name: "shockwave",
  title: "Shockwave, 12 columns",
  looks: shockwaveColumns.join("⇥"),
  columns: shockwaveColumns,
  knows: (head) => hasFields(head, shockwaveColumns.length),
  job(row) {
    const mode = row.text("mode");
    if (!modes.includes(mode)) throw new BadRow(`mode is "${mode}", not one of ${modes.join(", ")}`);
    return { ...jobOf(row), duration: row.number("duration"), class: mode };
  },
};

export const gavelFormats: readonly TableFormat[] = [gavel, gavelOlder, shockwave];
