/** Workloads as published simulators of schedulers read them: Pollux, Tiresias, Muri, ElasticFlow and the ITP traces made for it. */
import type { JobSpec } from "../job.ts";
import { namesColumns, plain, type TableFormat } from "./format.ts";
import { given, type Row } from "./row.ts";

const positive = { min: 1, whole: true } as const;

/** Their progress is a model of the application: how long a job takes is not written here. */
const pollux: TableFormat = {
  kind: "table",
  name: "pollux",
  title: "Pollux and Sia, simulated workloads",
  looks: "name,time,application,num_replicas,batch_size",
  quoted: true,
  knows: (head) => namesColumns(head, "name,time,application,num_replicas,batch_size"),
  job: (row) => ({
    ...plain,
    id: row.text("name"),
    submit: row.number("time"),
    gpus: row.number("num_replicas", positive),
    model: row.text("application"),
    batch: row.number("batch_size", positive),
  }),
};

const tiresias: TableFormat = {
  kind: "table",
  name: "tiresias",
  title: "Tiresias, simulated jobs",
  looks: "job_id,num_gpu,submit_time,iterations,model_name,duration,interval",
  quoted: true,
  knows: (head) => namesColumns(head, "job_id,num_gpu,submit_time,iterations,model_name,duration", "iteration_time"),
  job: (row) => ({
    ...plain,
    id: row.text("job_id"),
    submit: row.number("submit_time"),
    gpus: row.number("num_gpu", positive),
    duration: row.number("duration"),
    iterations: row.number("iterations", { min: 1 }),
    model: row.text("model_name"),
  }),
};

/**
 * Milliseconds in the file. The stages of an iteration are loading, computing and exchanging gradients, which can be seen in what the
 * authors' simulator lets overlap.
 */
const muri: TableFormat = {
  kind: "table",
  name: "muri",
  title: "Muri, jobs with the stages of an iteration",
  looks:
    "job_id,num_gpu,submit_time,iterations,model_name,batch_size,duration,interval,iteration_time,resource_time_0,…",
  quoted: true,
  knows: (head) => namesColumns(head, "job_id,num_gpu,submit_time,iterations,iteration_time,resource_time_0"),
  job: (row) => ({
    ...plain,
    id: row.text("job_id"),
    submit: row.number("submit_time") / 1000,
    gpus: row.number("num_gpu", positive),
    duration: (row.number("iterations", { min: 1 }) * row.number("iteration_time")) / 1000,
    ...(row.has("duration") && { estimate: row.number("duration") / 1000 }),
    iterations: row.number("iterations", { min: 1 }),
    model: row.text("model_name"),
    batch: row.number("batch_size", { min: 1 }),
    priority: row.numberOr("priority", 0),
    // Loading (storage and CPU together, which the authors did not tell apart), computing, exchanging.
    phases: {
      storage: row.number("resource_time_0") / 1000,
      cpu: 0,
      gpu: row.number("resource_time_1") / 1000,
      network: row.number("resource_time_2") / 1000,
    },
  }),
};

/** Deadlines are times, not spans. */
const elasticflow: TableFormat = {
  kind: "table",
  name: "elasticflow",
  title: "ElasticFlow, jobs with deadlines",
  looks: "job_id,submit_time,iteration,model_name,ddl,batch_size,num_gpu,duration",
  quoted: true,
  knows: (head) => namesColumns(head, "job_id,submit_time,model_name,ddl,batch_size,num_gpu,duration"),
  job: (row) => withDeadline(row, "submit_time", "ddl", row.has("iteration") ? "iteration" : "real_iteration"),
};

const itpDeadlines: TableFormat = {
  kind: "table",
  name: "itp-ef",
  title: "ITP production traces, with models and deadlines added for ElasticFlow",
  looks: "job_id,submission_time,num_iteration,model_name,deadline,batch_size,num_gpu,duration",
  quoted: true,
  knows: (head) => namesColumns(head, "job_id,submission_time,num_iteration,model_name,deadline,num_gpu,duration"),
  job: (row) => withDeadline(row, "submission_time", "deadline", "num_iteration"),
};

function withDeadline(row: Row, submit: string, deadline: string, iterations: string): JobSpec {
  const bestEffort = row.optional("best_effort") === "1";
  const due = bestEffort ? undefined : row.numberOr(deadline, undefined);
  return {
    ...plain,
    id: row.text("job_id"),
    submit: row.number(submit),
    gpus: row.number("num_gpu", positive),
    duration: row.number("duration"),
    iterations: row.number(iterations, { min: 1 }),
    model: row.text("model_name"),
    batch: row.number("batch_size", { min: 1 }),
    class: due === undefined ? "best effort" : "deadline",
    ...given({ deadline: due }),
  };
}

const itp: TableFormat = {
  kind: "table",
  name: "itp",
  title: "ITP production traces",
  looks: "job_id,submission_time,duration,num_gpu",
  quoted: true,
  knows: (head) => namesColumns(head, "job_id,submission_time,duration,num_gpu", "model_name"),
  job: (row) => ({
    tenant: plain.tenant,
    priority: 0,
    weight: 1,
    id: row.text("job_id"),
    submit: row.number("submission_time"),
    gpus: row.number("num_gpu", positive),
    duration: row.number("duration"),
  }),
};

export const simulatorFormats: readonly TableFormat[] = [pollux, tiresias, muri, elasticflow, itpDeadlines, itp];
