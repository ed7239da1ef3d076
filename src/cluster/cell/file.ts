/** The configuration file of HiveD, read and checked. */
import { z } from "zod";
import { checkedYaml } from "./checked-yaml.ts";
import { type CellConfig, type CellFile, configOf, type PhysicalCellSpec } from "./config.ts";

const address = z.union([z.string(), z.number()]).transform(String);
const physicalCell: z.ZodType<PhysicalCellSpec> = z.lazy(() =>
  z.object({
    cellType: z.string().optional(),
    cellAddress: address.optional(),
    pinnedCellId: z.string().optional(),
    cellChildren: z
      .array(physicalCell)
      .nullish()
      .transform((list) => list ?? undefined),
  }),
);

const cellFile: z.ZodType<CellFile> = z.object({
  physicalCluster: z.object({
    cellTypes: z.record(
      z.string(),
      z.object({
        childCellType: z.string(),
        childCellNumber: z.number().int().min(1),
        isNodeLevel: z.boolean().default(false),
      }),
    ),
    physicalCells: z.array(physicalCell),
  }),
  virtualClusters: z.record(
    z.string(),
    z.object({
      virtualCells: z.array(z.object({ cellType: z.string(), cellNumber: z.number().int().min(0) })).nullish(),
      pinnedCells: z.array(z.object({ pinnedCellId: z.string() })).nullish(),
    }),
  ),
});

/** Reads HiveD's YAML. Throws a `UserError` that names the place of what is wrong. */
export const readCellConfig = (text: string, name: string): CellConfig => configOf(readCellFile(text, name));

export const readCellFile = (text: string, name: string): CellFile =>
  checkedYaml(text, name, cellFile, "It has physicalCluster and virtualClusters.");
