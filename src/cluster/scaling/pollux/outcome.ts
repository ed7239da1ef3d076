/** What one search leaves to the next. */
import type { JobId } from "../../job.ts";
import type { AllocationProblem } from "./allocation.ts";

/** By the rows and columns of its matrices. */
export interface Outcome {
  readonly jobs: readonly JobId[];
  readonly nodes: readonly number[];
  readonly front: readonly Uint8Array[];
}

/**
 * What a search begins with that follows another: its front, with the rows of jobs that are still there in the order in which they
 * are there now. As in the published code rows are not matched by job: a job that has had more service than another since the
 * last decision changes places with it.
 */
export function adopt(problem: AllocationProblem, { jobs, nodes, front }: Outcome): Uint8Array[] {
  const width = problem.nodes.length;
  const here = new Set(problem.jobs.map(({ spec }) => spec.id));
  const before = new Set(jobs);
  const from = jobs.flatMap((id, row) => (here.has(id) ? [row] : []));
  const to = problem.jobs.flatMap(({ spec }, row) => (before.has(spec.id) ? [row] : []));
  const columns = problem.nodes.map((node) => nodes.indexOf(node));
  return front.map((matrix) => {
    const adopted = new Uint8Array(problem.size);
    for (let k = 0; k < to.length; k++) {
      for (let i = 0; i < width; i++) {
        if (columns[i] !== -1) adopted[to[k]! * width + i] = matrix[from[k]! * nodes.length + columns[i]!]!;
      }
    }
    return adopted;
  });
}
