/** Logs of production clusters: Philly, Helios, Acme, and Alibaba's of 2020 and 2023. */
import type { JobSpec } from "../job.ts";
import { namesColumns, plain, type TableFormat } from "./format.ts";
import { given, LeftOut, type Row } from "./row.ts";

const GiB = 1024 ** 3;
const count = { whole: true } as const;

/** Nobody learns anything of a scheduler from a job that took no time. */
export function durationOf(seconds: number): number {
  if (seconds > 0) return seconds;
  throw new LeftOut("ran for no time");
}

/** Its jobs have no names: a job is called after its line. (Spread first into an object, `plain` would take half of the time.) */
const philly: TableFormat = {
  kind: "table",
  name: "philly",
  title: "Philly, as Pollux, Sia and ElasticFlow give it",
  looks: "timestamp,duration,num_gpus,gpu_time,cluster",
  quoted: true,
  shifted: true,
  knows: (head) => namesColumns(head, "timestamp,duration,num_gpus,cluster"),
  job: (row) => ({
    priority: 0,
    weight: 1,
    id: `line-${row.line}`,
    submit: row.calendar("timestamp"),
    gpus: row.number("num_gpus", { min: 1, whole: true }),
    duration: durationOf(row.number("duration")),
    tenant: row.text("cluster"),
  }),
};

function sliceOfSlurm(row: Row, tenant: string, of: string | undefined): JobSpec {
  return {
    priority: 0,
    weight: 1,
    id: row.text("job_id"),
    submit: row.calendar("submit_time"),
    gpus: row.number("gpu_num", count),
    duration: durationOf(row.number("duration")),
    tenant,
    ...given({ cpus: row.numberOr("cpu_num", undefined), class: of }),
  };
}

const helios: TableFormat = {
  kind: "table",
  name: "helios",
  title: "Helios, cluster_log.csv",
  looks: "job_id,user,vc,gpu_num,cpu_num,node_num,state,submit_time,start_time,end_time,duration,queue",
  quoted: true,
  shifted: true,
  knows: (head) => namesColumns(head, "job_id,user,vc,gpu_num,submit_time,duration"),
  job: (row) => sliceOfSlurm(row, row.text("vc"), row.optional("state")?.toLowerCase()),
};

const acme: TableFormat = {
  kind: "table",
  name: "acme",
  title: "Acme, trace_seren.csv and trace_kalos.csv",
  looks: "job_id,user,node_num,gpu_num,cpu_num,type,state,submit_time,start_time,end_time,duration,queue,gpu_time",
  quoted: true,
  shifted: true,
  knows: (head) => namesColumns(head, "job_id,user,gpu_num,type,state,submit_time,duration", "vc"),
  job: (row) => sliceOfSlurm(row, row.text("user"), row.optional("type")),
};

const taskColumns = [
  ...["job_name", "task_name", "inst_num", "status", "start_time", "end_time"],
  ...["plan_cpu", "plan_mem", "plan_gpu", "gpu_type"],
];
const taskStates = ["Terminated", "Failed", "Running", "Waiting"];

/** One row a task (workers, parameter servers); the tasks of a job are one gang. GPUs and CPUs are in hundredths, memory in GB. */
const alibabaTasks: TableFormat = {
  kind: "table",
  name: "alibaba-2020",
  title: "Alibaba PAI 2020, pai_task_table.csv (with or without its header)",
  looks: taskColumns.join(","),
  columns: taskColumns,
  quoted: true,
  shifted: true,
  knows: (head) =>
    namesColumns(head, taskColumns.join(",")) ||
    (head.delimiter === "," && head.fields.length === taskColumns.length && taskStates.includes(head.fields[3]!)),
  job(row) {
    if (row.optional("job_name") === "job_name") return undefined;
    if (row.optional("start_time") === undefined) throw new LeftOut("never ran");
    if (row.optional("end_time") === undefined) throw new LeftOut("had not ended");
    const instances = row.numberOr("inst_num", 1);
    const submit = row.number("start_time");
    const type = row.optional("gpu_type");
    return {
      ...plain,
      id: row.text("job_name"),
      submit,
      gpus: Math.ceil((row.numberOr("plan_gpu", 0) * instances) / 100),
      duration: durationOf(row.number("end_time") - submit),
      cpus: (row.numberOr("plan_cpu", 0) * instances) / 100,
      memoryBytes: row.numberOr("plan_mem", 0) * instances * GiB,
      ...given({ class: type }),
    };
  },
  merged: mergedTasks,
};

function mergedTasks(tasks: readonly JobSpec[]): readonly JobSpec[] {
  const jobs = new Map<string, JobSpec>();
  for (const task of tasks) {
    const job = jobs.get(task.id);
    jobs.set(task.id, job === undefined ? task : together(job, task));
  }
  return [...jobs.values()];
}

function together(a: JobSpec, b: JobSpec): JobSpec {
  const submit = Math.min(a.submit, b.submit);
  const end = Math.max(a.submit + a.duration!, b.submit + b.duration!);
  return {
    ...(a.gpus >= b.gpus ? a : b),
    submit,
    duration: end - submit,
    gpus: a.gpus + b.gpus,
    cpus: a.cpus! + b.cpus!,
    memoryBytes: a.memoryBytes! + b.memoryBytes!,
  };
}

/** What Alibaba's simulator reads: instances, and GPUs and CPUs of one of them. */
const alibabaJobs: TableFormat = {
  kind: "table",
  name: "alibaba-2020-jobs",
  title: "Alibaba PAI 2020, jobs of its simulator",
  looks: "job_id,user,num_inst,num_gpu,num_cpu,submit_time,duration,gpu_type,…",
  quoted: true,
  shifted: true,
  knows: (head) => namesColumns(head, "job_id,num_inst,num_gpu,num_cpu,submit_time,duration"),
  job(row) {
    const instances = row.numberOr("num_inst", 1, { min: 1 });
    return {
      ...plain,
      id: row.text("job_id"),
      submit: row.number("submit_time"),
      gpus: Math.ceil(row.numberOr("num_gpu", 0) * instances),
      duration: durationOf(row.number("duration")),
      cpus: row.numberOr("num_cpu", 0) * instances,
      tenant: row.optional("user") ?? plain.tenant,
      ...given({ class: row.optional("gpu_type") }),
    };
  },
};

/** A pod that asks for a part of a GPU gets a whole one. */
const alibabaPods: TableFormat = {
  kind: "table",
  name: "alibaba-2023",
  title: "Alibaba 2023, openb_pod_list_*.csv",
  looks:
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time",
  quoted: true,
  shifted: true,
  knows: (head) => namesColumns(head, "name,cpu_milli,memory_mib,num_gpu,creation_time,deletion_time"),
  job(row) {
    const begun = row.optional("scheduled_time");
    if (begun === undefined) throw new LeftOut("never ran");
    if (row.optional("deletion_time") === undefined) throw new LeftOut("had not ended");
    const types = row.optional("gpu_spec")?.split("|");
    return {
      ...plain,
      id: row.text("name"),
      submit: row.number("creation_time"),
      gpus: row.number("num_gpu", count),
      duration: durationOf(row.number("deletion_time") - row.number("scheduled_time")),
      cpus: row.number("cpu_milli") / 1000,
      memoryBytes: row.number("memory_mib") * 1024 ** 2,
      ...given({ class: row.optional("qos"), types }),
    };
  },
};

export const productionFormats: readonly TableFormat[] = [
  ...[philly, helios, acme, alibabaTasks, alibabaJobs, alibabaPods],
];
