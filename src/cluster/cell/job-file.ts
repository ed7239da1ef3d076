/** A job as HiveD's users write it: the job files of OpenPAI, with what they say to the scheduler under `extras`. */
import { z } from "zod";
import type { CellRequest } from "./cells.ts";
import { checkedYaml } from "./checked-yaml.ts";

/** By what users call them; below 0 is opportunistic. */
const priorities = { oppo: -1, test: 0, prod: 100 } as const;

const jobFile = z.object({
  name: z.string(),
  taskRoles: z.record(
    z.string(),
    z.object({
      instances: z.int().min(1).default(1),
      resourcePerInstance: z.object({ gpu: z.int().min(0) }),
    }),
  ),
  defaults: z.object({ virtualCluster: z.string().default("default") }).default({ virtualCluster: "default" }),
  extras: z
    .object({
      gangAllocation: z.boolean().default(true),
      hivedScheduler: z
        .object({
          jobPriorityClass: z.enum(["oppo", "test", "prod"]).default("test"),
          taskRoles: z
            .record(
              z.string(),
              z.object({
                skuType: z.string().optional(),
                pinnedCellId: z.string().optional(),
                affinityGroupName: z.string().optional(),
              }),
            )
            .default({}),
        })
        .optional(),
    })
    .optional(),
});

/**
 * What is placed whole: the job, or a group of roles that it names, or each task where the job is no gang. Throws a `UserError` that
 * names the place of what is wrong.
 */
export function readJobFile(text: string, name: string): readonly CellRequest[] {
  return requestsOf(checkedYaml(text, name, jobFile, "A job has a name and taskRoles."));
}

function requestsOf({ name, taskRoles, defaults, extras }: z.infer<typeof jobFile>): CellRequest[] {
  const { jobPriorityClass = "test", taskRoles: hints = {} } = extras?.hivedScheduler ?? {};
  const groups = new Map<string, { tasks: number[]; types?: string[]; pinned?: string }>();
  for (const [role, { instances, resourcePerInstance }] of Object.entries(taskRoles)) {
    const { skuType, pinnedCellId, affinityGroupName } = hints[role] ?? {};
    for (let i = 0; i < instances; i++) {
      const group = affinityGroupName ?? (extras?.gangAllocation === false ? `${role}-${i}` : "all");
      const entry = groups.get(group) ?? { tasks: [] };
      groups.set(group, entry);
      entry.tasks.push(resourcePerInstance.gpu);
      if (skuType !== undefined) entry.types = [skuType];
      if (pinnedCellId !== undefined) entry.pinned = pinnedCellId;
    }
  }
  const priority = priorities[jobPriorityClass];
  return [...groups].map(([group, rest]) => ({
    ...{ job: `${name}/${group}`, tenant: defaults.virtualCluster, priority },
    ...rest,
  }));
}
