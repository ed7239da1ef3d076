import type { OpenCluster } from "./cluster.ts";

/** Where jobs can really run: a line each. */
export const clusters: Readonly<Record<string, () => Promise<{ readonly open: OpenCluster }>>> = {
  local: () => import("./launch/local.ts"),
  slurm: () => import("./launch/slurm.ts"),
  kubernetes: () => import("./launch/kubernetes.ts"),
  ray: () => import("./launch/ray.ts"),
};
