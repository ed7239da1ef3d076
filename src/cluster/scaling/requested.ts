/** Every job gets the GPUs that it asked for. */
import type { JobId } from "../job.ts";
import { type Size, scaling } from "../scaling.ts";

const asRequested: ReadonlyMap<JobId, Size> = new Map();

export default scaling({
  title: "As requested",
  rows: [],
  idea: "Give every job the number of GPUs that it asked for, and never another.",
  differs: [],
  options: {},
  claim: "baseline",

  create: () => ({ sizes: () => asRequested }),
});
