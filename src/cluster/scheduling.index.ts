// Written by `npm run index` from the files of scheduling/.
import type { Index } from "../core/slot.ts";
import type { Scheduling } from "./scheduling.ts";

export const schedulingIndex: Index<Scheduling> = {
  allox: () => import("./scheduling/allox.ts"),
  drf: () => import("./scheduling/drf.ts"),
  edf: () => import("./scheduling/edf.ts"),
  fifo: () => import("./scheduling/fifo.ts"),
  "gandiva-fair": () => import("./scheduling/gandiva-fair.ts"),
  gandiva: () => import("./scheduling/gandiva.ts"),
  gavel: () => import("./scheduling/gavel.ts"),
  "in-priority": () => import("./scheduling/in-priority.ts"),
  kubernetes: () => import("./scheduling/kubernetes.ts"),
  "las-2d": () => import("./scheduling/las-2d.ts"),
  las: () => import("./scheduling/las.ts"),
  narrowest: () => import("./scheduling/narrowest.ts"),
  shockwave: () => import("./scheduling/shockwave.ts"),
  slurm: () => import("./scheduling/slurm.ts"),
  srsf: () => import("./scheduling/srsf.ts"),
  srtf: () => import("./scheduling/srtf.ts"),
  themis: () => import("./scheduling/themis.ts"),
  tiresias: () => import("./scheduling/tiresias.ts"),
  widest: () => import("./scheduling/widest.ts"),
};
