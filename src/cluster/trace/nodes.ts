/**
 * Nodes as people write them: `16x4:v100,8x8:a100`, or a file: a list in JSON or YAML, Tiresias's and Muri's cluster files, the node
 * lists of Alibaba 2023 and Philly, `sinfo` of Slurm, HiveD's configuration with its cells and virtual clusters.
 */
import { readFileSync } from "node:fs";
import { parse as parseCsv } from "csv-parse/sync";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { readCellFile } from "../cell/file.ts";
import { nodesOfCells } from "../cell/nodes.ts";
import type { NodeSpec } from "../node.ts";
import { BadRow, given, Row } from "./row.ts";

const forms = "It is written COUNTxGPUS:TYPE, for example 16x4:v100,8x8:a100, or names a file of nodes.";

/** Beyond them there is a mistake, and no cluster. */
const nodesMost = 1_000_000;
const gpusMost = 65_536;

/** Throws a `UserError` where it is neither a list of groups nor a file of nodes. */
export function readNodes(text: string): NodeSpec[] {
  const groups = text.split(",").map((part) => /^(\d+)x(\d+)(?::([\w.-]+))?$/.exec(part.trim()));
  if (groups.every((match) => match !== null)) return nodesOfGroups(groups);
  let content: string;
  try {
    content = readFileSync(text, "utf8");
  } catch (error) {
    const isNone = (error as NodeJS.ErrnoException).code === "ENOENT";
    const why = isNone ? "there is no such file" : `as a file it cannot be read: ${(error as Error).message}`;
    throw new UserError(`--nodes ${text}: it is no list of nodes, and ${why}.`, forms);
  }
  return nodesOfFile(content, text);
}

function nodesOfGroups(groups: readonly RegExpExecArray[]): NodeSpec[] {
  const sizes = groups.map(([, count, gpus, type = "gpu"]) => ({ count: +count!, gpus: +gpus!, type }));
  const [asked, widest] = [sizes.reduce((n, { count }) => n + count, 0), Math.max(...sizes.map(({ gpus }) => gpus))];
  if (asked > nodesMost) throw new UserError(`--nodes has ${asked} nodes, more than ${nodesMost}.`, forms);
  if (widest > gpusMost) throw new UserError(`--nodes has ${widest} GPUs in a node, more than ${gpusMost}.`, forms);
  const nodes = sizes.flatMap(({ count, gpus, type }) => Array.from({ length: count }, () => ({ type, gpus })));
  if (nodes.length === 0 || nodes.every(({ gpus }) => gpus === 0)) throw new UserError("--nodes has no GPUs.", forms);
  return nodes.map((node, i) => ({ id: `node${i}`, ...node }));
}

function nodesOfFile(content: string, path: string): NodeSpec[] {
  const header = /^[^\r\n]*/.exec(content)![0];
  const table = tables.find(({ knows }) => knows.every((column) => header.includes(column)));
  if (table === undefined) return nodesOfDocument(content, path);
  const [names, ...rows] = rowsOf(content, header.includes("|") ? "|" : ",", path);
  const row = new Row(names?.record ?? []);
  const nodes = rows.flatMap(({ record, info }) => {
    row.fields = record;
    row.line = info.lines;
    try {
      return table.nodes(row);
    } catch (error) {
      if (error instanceof BadRow) throw new UserError(`${path}, line ${row.line}: ${error.message}.`);
      throw error;
    }
  });
  return checked(nodes, path);
}

interface TableRow {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

function rowsOf(content: string, delimiter: string, path: string): TableRow[] {
  const form = { bom: true, skipEmptyLines: true, trim: true, relaxColumnCount: true, relaxQuotes: true, info: true };
  try {
    return parseCsv(content, { delimiter, ...form }) as unknown as TableRow[];
  } catch (error) {
    throw new UserError(`${path} is no table of nodes: ${(error as Error).message}.`, forms);
  }
}

interface NodeTable {
  readonly knows: readonly string[];
  nodes(row: Row): NodeSpec[];
}

const GiB = 1024 ** 3;
const whole = { whole: true } as const;

/** One row says it all: so many switches, so many nodes below each. */
const switches: NodeTable = {
  knows: ["num_switch", "num_node_p_switch", "num_gpu_p_node"],
  nodes(row) {
    const [count, below] = [row.number("num_switch", whole), row.number("num_node_p_switch", whole)];
    return Array.from({ length: count * below }, (_, i) => ({
      id: `node${i}`,
      type: "gpu",
      gpus: row.number("num_gpu_p_node", whole),
      cpus: row.number("num_cpu_p_node"),
      memoryBytes: row.number("mem_p_node") * GiB,
      topology: [`switch${Math.floor(i / below)}`],
    }));
  },
};

const alibaba: NodeTable = {
  knows: ["sn,", "cpu_milli", "memory_mib", "gpu", "model"],
  nodes: (row) => [
    {
      id: row.text("sn"),
      type: row.optional("model") ?? "cpu",
      gpus: row.number("gpu", whole),
      cpus: row.number("cpu_milli") / 1000,
      memoryBytes: row.number("memory_mib") * 1024 ** 2,
    },
  ],
};

/** `cluster_machine_list`: types are told apart by the memory of a GPU. */
const philly: NodeTable = {
  knows: ["machineId", "number of GPUs"],
  nodes: (row) => [
    {
      id: row.text("machineId"),
      type: row.optional("single GPU mem") ?? "gpu",
      gpus: row.number("number of GPUs", whole),
    },
  ],
};

/** `sinfo --Node --noheader=no --format="%N|%G|%c|%m"`: a node is listed once a partition. */
const sinfo: NodeTable = {
  knows: ["NODELIST|", "GRES"],
  nodes(row) {
    const gres = /gpu(?::([A-Za-z][\w-]*))?:(\d+)/.exec(row.optional("GRES") ?? "");
    const memory = row.numberOr("MEMORY", undefined);
    return [
      {
        id: row.text("NODELIST"),
        type: gres === null ? "cpu" : (gres[1] ?? "gpu"),
        gpus: gres === null ? 0 : Number(gres[2]),
        ...given({ cpus: row.numberOr("CPUS", undefined), memoryBytes: memory && memory * 1024 ** 2 }),
      },
    ];
  },
};

const tables: readonly NodeTable[] = [switches, alibaba, philly, sinfo];

const nodeSchema = z.strictObject({
  id: z.string().optional(),
  count: z.int().min(1).max(nodesMost).optional(),
  type: z.string().optional(),
  gpus: z.int().min(0).max(gpusMost),
  cpus: z.number().min(0).optional(),
  memoryBytes: z.number().min(0).optional(),
  topology: z.array(z.string()).optional(),
});

/** `[{id, type, gpus, cpus, memoryBytes, topology}]`, or the same under `nodes:`; `count` makes several alike. */
function nodesOfDocument(content: string, path: string): NodeSpec[] {
  let document: unknown;
  try {
    document = parseYaml(content);
  } catch (error) {
    throw new UserError(`${path} is no file of nodes: ${(error as Error).message.split("\n")[0]}`, forms);
  }
  if (document !== null && typeof document === "object" && "physicalCluster" in document) {
    return nodesOfCells(readCellFile(content, path), path);
  }
  const list = Array.isArray(document) ? document : (document as { nodes?: unknown } | null)?.nodes;
  const parsed = z.array(nodeSchema).safeParse(list);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new UserError(
      `${path} is no file of nodes: at ${issue.path.join(".") || "its top"}, ${issue.message}.`,
      forms,
    );
  }
  const nodes = parsed.data.flatMap(({ id, count = 1, type = "gpu", ...rest }, i) =>
    Array.from({ length: count }, (_, k): NodeSpec => {
      const name = id === undefined ? `node${i}-${k}` : count === 1 ? id : `${id}-${k}`;
      return { id: name, type, gpus: rest.gpus, ...given(rest) };
    }),
  );
  const seen = new Set<string>();
  const twice = nodes.find(({ id }) => seen.size === seen.add(id).size);
  if (twice !== undefined) throw new UserError(`${path} lists the node ${twice.id} twice.`, "Name each once.");
  return checked(nodes, path);
}

/** Each node once, and some GPUs among them. */
function checked(nodes: readonly NodeSpec[], path: string): NodeSpec[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const distinct = [...byId.values()];
  if (distinct.some(({ gpus }) => gpus > 0)) return distinct;
  throw new UserError(`${path} lists ${distinct.length} nodes, and no GPU among them.`, forms);
}

/** `16 nodes of 4 v100, 8 nodes of 8 a100`. */
export function nodesInWords(nodes: readonly NodeSpec[]): string {
  const kinds = new Map<string, number>();
  for (const { gpus, type } of nodes) {
    const kind = `${gpus} ${type}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return [...kinds].map(([kind, count]) => `${count} ${count === 1 ? "node" : "nodes"} of ${kind}`).join(", ");
}
