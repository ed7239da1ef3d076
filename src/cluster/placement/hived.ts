/** HiveD's cells as a placement: whole tasks in the tenant's own cells, idle GPUs of others for opportunistic jobs. */
import { type CellRequest, Cells } from "../cell/cells.ts";
import {
  type CellConfig,
  type CellType,
  configOf,
  type PhysicalCellSpec,
  type VirtualCluster,
} from "../cell/config.ts";
import type { PhysicalCell } from "../cell/physical.ts";
import type { JobSpec } from "../job.ts";
import { gpusIn, type NodeSpec, type NodesView, type Share } from "../node.ts";
import { fullest, type Placement, placement } from "../placement.ts";

export default placement({
  title: "HiveD",
  paper: {
    title: "HiveD: Sharing a GPU Cluster for Deep Learning with Guarantees",
    venue: "OSDI 2020",
    url: "https://www.usenix.org/conference/osdi20/presentation/zhao-hanyu",
  },
  rows: ["hived"],
  idea:
    "Each tenant owns cells of a hierarchy (GPU, pair, …, node, rack); a job is placed in its tenant's virtual cells, which are " +
    "bound to physical ones by buddy allocation, so what others run never splits what a tenant was promised; jobs of " +
    "negative priority use whatever is idle, and leave when its owner comes.",
  differs: [
    "Nodes are split evenly among the first tenants that come, unless `--nodes` names a configuration of HiveD's with virtual clusters; a node's GPUs are " +
      "halved down to one where they are a power of two, else they are its children directly.",
    "Of machines that are alike the first is taken; which one the authors' scheduler takes depends on the order in which nodes were seen.",
    "A job whose tenant owns nothing runs as an opportunistic one instead of being refused; so does one that asks for more than its " +
      "tenant's even part, which nobody configured: it would wait for ever.",
    "GPUs that another part of the policy chose are counted as the tenant's cells where they can be bound to them, else as opportunistic use.",
  ],
  options: {
    tenants: { default: 2, unit: "virtual clusters", min: 1, help: "how many tenants own an equal part of the nodes" },
    lazyPreemption: {
      default: 0,
      unit: "0 or 1",
      min: 0,
      help: "1: a job that must give way to its own tenant's goes on as an opportunistic one where it can",
    },
  },
  claim: {
    metric: "lightTenantJct",
    better: "lower",
    than: "first-fit",
    on: "promised-nodes",
    factor: 2,
    where: "sim",
  },

  create: ({ tenants, lazyPreemption }) => hivedPlacement(tenants, lazyPreemption === 1),
});

/** Cells are those that come with the nodes, if any do; tenants are then the virtual clusters of that name. */
function hivedPlacement(tenants: number, lazyPreemption: boolean): Placement {
  let cells: Cells | undefined;
  let view: NodesView | undefined;
  let byName = false;
  const seen: string[] = [];
  const indexes = new Map<string, number>();
  let promised: ((request: CellRequest) => boolean) | undefined;

  function start(nodes: NodesView): Cells {
    for (const [i, { id }] of nodes.specs.entries()) indexes.set(id, i);
    const usable = (node: string): boolean => indexes.has(node) && view!.usable(indexes.get(node)!);
    const file = nodes.specs[0]!.cells;
    byName = file !== undefined;
    const config = file === undefined ? evenCells(nodes.specs, tenants) : configOf(file);
    if (!byName) promised = promisedBy(config);
    return new Cells(config, { lazyPreemption, usable });
  }

  /** By right, or else as an opportunistic one. */
  const entitled = (request: CellRequest): CellRequest =>
    cells!.owns(request.tenant) && promised?.(request) !== false ? request : { ...request, priority: -1 };

  function nameOf(tenant: string): string {
    if (byName) return tenant;
    if (!seen.includes(tenant)) seen.push(tenant);
    return String(seen.indexOf(tenant));
  }

  return {
    place({ spec }, gpus, nodes, type) {
      view = nodes;
      cells ??= start(nodes);
      const types = type === undefined ? spec.types : [type];
      // Cells are of GPUs: a job without any is on whatever node has the CPUs and the memory.
      if (gpus === 0) {
        const on = fullest(nodes, spec, 0, types);
        return on && { on };
      }
      const request = requestOf(spec, gpus, nodes, nameOf(spec.tenant), types);
      const grant = cells.place(entitled(request));
      return grant && { on: sharesOf(grant.leaves, indexes), evict: grant.evict };
    },
    taken({ spec }, on, nodes) {
      view = nodes;
      cells ??= start(nodes);
      const gpus = gpusIn(on);
      if (gpus === 0) return;
      const request = requestOf(spec, gpus, nodes, nameOf(spec.tenant), spec.types);
      const idle = on.flatMap(({ node, gpus: count, devices }) =>
        (devices ?? cells!.idle(nodes.specs[node]!.id).slice(0, count)).map((device) => ({
          node: nodes.specs[node]!.id,
          device,
        })),
      );
      cells.adopt(entitled(request), idle);
    },
    freed: (job) => cells?.release(job),
    handed: (from, to) => cells?.rename(from, to),
  };
}

/** Whether its tenant's cells would hold a request with nobody else there; asked once for each tenant and tasks. */
function promisedBy(config: CellConfig): (request: CellRequest) => boolean {
  const empty = new Cells(config, { lazyPreemption: false, usable: () => true });
  const known = new Map<string, boolean>();
  return (request) => {
    const { tenant, tasks, types } = request;
    const key = JSON.stringify([tenant, tasks, types]);
    const found = known.get(key);
    if (found !== undefined) return found;
    const holds = empty.place({ ...request, priority: 0 }) !== undefined;
    empty.release(request.job);
    known.set(key, holds);
    return holds;
  };
}

function requestOf(
  { id, taskGpus, priority, cell }: JobSpec,
  gpus: number,
  nodes: NodesView,
  tenant: string,
  types: readonly string[] | undefined,
): CellRequest {
  const each = taskGpus ?? Math.min(gpus, nodes.gpusMax);
  const tasks = Array.from({ length: Math.ceil(gpus / each) }, (_, i) => Math.min(each, gpus - i * each));
  return {
    ...{ job: id, tenant, priority, tasks },
    ...(types !== undefined && { types }),
    ...(cell !== undefined && { pinned: cell }),
  };
}

function sharesOf(leaves: readonly PhysicalCell[], indexes: ReadonlyMap<string, number>): Share[] {
  const devices = new Map<number, number[]>();
  for (const { node, device } of leaves) {
    const index = indexes.get(node!)!;
    const list = devices.get(index);
    if (list === undefined) devices.set(index, [device!]);
    else list.push(device!);
  }
  return [...devices].map(([node, list]) => ({ node, gpus: list.length, devices: list.sort((a, b) => a - b) }));
}

/** Each of `tenants` owns as many whole nodes of each kind as the others; leaves are of the node's type. */
export function evenCells(specs: readonly NodeSpec[], tenants: number): CellConfig {
  const types = new Map<string, CellType>();
  const physical: PhysicalCellSpec[] = [];
  const count = new Map<string, number>();
  for (const { id, type, gpus } of specs) {
    const name = `${type} × ${gpus}`;
    count.set(name, (count.get(name) ?? 0) + 1);
    physical.push({ cellType: name, cellAddress: id });
    types.set(type, { name: type, children: 0, isNode: false });
    const isPower = gpus > 0 && Number.isInteger(Math.log2(gpus));
    let child = type;
    if (isPower) {
      for (let size = 2; size < gpus; size *= 2) {
        types.set(`${size} ${type}`, { name: `${size} ${type}`, child, children: 2, isNode: false });
        child = `${size} ${type}`;
      }
    }
    types.set(name, { name, child, children: isPower ? Math.min(2, gpus) : gpus, isNode: true });
  }
  const quotas = [...count].map(([name, n]) => ({ path: [name], cells: Math.floor(n / tenants) }));
  const virtual = new Map<string, VirtualCluster>();
  for (let i = 0; i < tenants; i++) virtual.set(String(i), { quotas, pinned: [] });
  return { types, physical, virtual };
}
