/**
 * Cells shared by virtual clusters (HiveD, §4). A guaranteed job is placed in its tenant's virtual cells, as if these were a cluster
 * of its own; the cells it uses are bound to physical ones by buddy allocation. An opportunistic job takes any GPU that is idle,
 * from the other end, and leaves when its owner comes.
 *
 *     request ──► virtual leaves of its tenant ──► bind roots (buddies) and children ──► physical leaves, and who must leave them
 *
 * All tenants' cells fit into the physical ones together, and a free cell is split only for a smaller one; so the cells that are
 * left always hold what was promised, whatever order jobs come and go in. That is what quotas of GPUs alone do not give.
 */

import { UserError } from "../../core/errors.ts";
import { allows } from "../node.ts";
import type { CellConfig } from "./config.ts";
import { bestLeaves } from "./nearest.ts";
import { buildPhysical, carve, giveCell, type Physical, type PhysicalCell, takeCell } from "./physical.ts";
import { buildVirtual, machinesOf, type VirtualCell } from "./virtual.ts";

export interface CellRequest {
  readonly job: string;
  readonly tenant: string;
  /** Below 0: opportunistic. */
  readonly priority: number;
  /** GPUs of each task; a task is on one machine, and all are placed or none. */
  readonly tasks: readonly number[];
  /** Types of leaf that will do; any where it is absent. */
  readonly types?: readonly string[];
  /** Only in this pinned cell. */
  readonly pinned?: string;
}

export interface CellGrant {
  readonly leaves: readonly PhysicalCell[];
  /** Jobs that lose their GPUs for it. */
  readonly evict: readonly string[];
}

export interface CellOptions {
  /** A job of the same tenant that must give way becomes opportunistic, if its GPUs are not needed themselves. */
  readonly lazyPreemption: boolean;
  readonly usable: (node: string) => boolean;
}

interface Held {
  readonly request: CellRequest;
  readonly physical: readonly PhysicalCell[];
  /** None for an opportunistic job. */
  virtual: readonly VirtualCell[];
}

export class Cells {
  readonly #options: CellOptions;
  readonly #physical: Physical;
  readonly #virtual: ReadonlyMap<string, readonly VirtualCell[]>;
  readonly #byNode = new Map<string, PhysicalCell[]>();
  readonly #nodes: readonly (readonly PhysicalCell[])[];
  readonly #types: CellConfig["types"];
  readonly #machines = new Map<string, readonly (readonly VirtualCell[])[]>();
  readonly #held = new Map<string, Held>();

  /** Throws a `UserError` where the tenants together own more than there is. */
  constructor(config: CellConfig, options: CellOptions) {
    this.#options = options;
    this.#physical = buildPhysical(config);
    for (const leaf of this.#physical.leaves) {
      const { node = "" } = leaf;
      const same = this.#byNode.get(node);
      if (same === undefined) this.#byNode.set(node, [leaf]);
      else same.push(leaf);
    }
    this.#virtual = buildVirtual(config, this.#physical.pinned);
    this.#nodes = [...this.#byNode.values()].map((leaves) => leaves.toReversed()).reverse();
    this.#types = config.types;
    this.#checkQuotas();
    for (const roots of this.#virtual.values())
      for (const root of roots) if (root.pinned !== undefined) this.#pin(root);
  }

  get leaves(): readonly PhysicalCell[] {
    return this.#physical.leaves;
  }

  owns(tenant: string): boolean {
    return this.#virtual.has(tenant);
  }

  /** Whether the job holds cells of its own tenant, and so cannot be made to leave by others. */
  isGuaranteed(job: string): boolean {
    return (this.#held.get(job)?.virtual.length ?? 0) > 0;
  }

  /** Cells for the whole request now; `undefined` where it must wait. Who is evicted has left when this returns. */
  place(request: CellRequest): CellGrant | undefined {
    return request.priority < 0 ? this.#opportunistic(request) : this.#guaranteed(request);
  }

  release(job: string): void {
    const held = this.#held.get(job);
    if (held === undefined) return;
    this.#held.delete(job);
    for (const leaf of held.physical) leaf.user = undefined;
    this.#unbind(held.virtual);
  }

  /** GPUs of a node that nobody uses, by their numbers. */
  idle(node: string): number[] {
    return (this.#byNode.get(node) ?? []).filter(({ user }) => user === undefined).map(({ device }) => device!);
  }

  /** What one job holds is another's from now on: they shared it, and the first has left. */
  rename(from: string, to: string): void {
    const held = this.#held.get(from);
    if (held === undefined) return;
    this.#held.delete(from);
    this.#held.set(to, { ...held, request: { ...held.request, job: to } });
    for (const leaf of held.physical) if (leaf.user !== undefined) leaf.user = { ...leaf.user, job: to };
    for (const leaf of held.virtual) if (leaf.user !== undefined) leaf.user = { ...leaf.user, job: to };
  }

  /**
   * Takes over a job that runs already, after a restart perhaps with another configuration: by right, where its tenant owns
   * cells that can be bound to those GPUs; else it goes on as an opportunistic one. GPUs that are configured no more are ignored.
   */
  adopt(request: CellRequest, places: readonly { readonly node: string; readonly device: number }[]): void {
    const physical = places.flatMap(
      ({ node, device }) => this.#byNode.get(node)?.find((leaf) => leaf.device === device) ?? [],
    );
    const virtual: VirtualCell[] = [];
    if (request.priority >= 0) {
      for (const leaf of physical) {
        const cell = this.#claim(leaf, request);
        if (cell === undefined) break;
        cell.user = { job: request.job, priority: request.priority };
        virtual.push(cell);
      }
    }
    const guaranteed = virtual.length === physical.length && virtual.length > 0;
    if (!guaranteed) this.#unbind(virtual);
    for (const leaf of physical) leaf.user = { job: request.job, guaranteed };
    this.#held.set(request.job, { request, physical, virtual: guaranteed ? virtual : [] });
  }

  #checkQuotas(): void {
    for (const { tenant, pinned } of [...this.#virtual.values()].flat()) {
      if (pinned === undefined || carve(this.#physical.pinned.get(pinned)!)) continue;
      throw new UserError(`The pinned cell ${pinned} of ${tenant} is part of another that is pinned.`);
    }
    const lacking = this.#lacking();
    if (lacking === undefined) return;
    throw new UserError(
      "The cells of all virtual clusters do not fit into the physical ones: " +
        `no ${lacking.type} of a ${lacking.chain} is left for ${lacking.tenant}.`,
    );
  }

  /** Of the cells that tenants own and do not use, one that there would be no room for; `undefined` where all fit at once. */
  #lacking(): VirtualCell | undefined {
    const idle = [...this.#virtual.values()].flat().filter(({ bound, pinned }) => bound === undefined && !pinned);
    const size = (root: VirtualCell): number => root.leaves.length;
    const taken: PhysicalCell[] = [];
    let lacking: VirtualCell | undefined;
    // The largest first: what a large cell leaves can be split, and what small ones leave cannot be joined.
    for (const root of idle.sort((a, b) => size(b) - size(a))) {
      const found = takeCell(this.#physical.tops, root.chain, root.type, () => 0);
      if (found === undefined) lacking ??= root;
      else taken.push(found.cell);
    }
    for (const cell of taken) giveCell(cell);
    return lacking;
  }

  #pin(root: VirtualCell): void {
    const cell = this.#physical.pinned.get(root.pinned!)!;
    root.bound = cell;
    cell.bound = root;
  }

  #guaranteed(request: CellRequest): CellGrant | undefined {
    const { tenant, priority, tasks } = request;
    const chains = this.#machinesFor(tenant, request.pinned);
    // Without taking anything from anybody, on any chain, before with: a priority is not used where it is not needed.
    for (const least of [-1, priority]) {
      for (const all of chains) {
        const machines = request.types === undefined ? all : all.filter((machine) => isOf(machine, request.types!));
        const idle = ({ user, bound }: VirtualCell): boolean =>
          (user === undefined || user.priority < least) && (bound === undefined || this.#works(bound));
        const leaves = this.#mayFit(machines, tasks, least) ? bestLeaves(machines, tasks, idle) : undefined;
        const grant = leaves && this.#bindAll(request, leaves);
        if (grant !== undefined) return grant;
      }
    }
    return undefined;
  }

  /** Whether there are so many leaves without a user, or with one of lower priority. */
  #mayFit(machines: readonly VirtualCell[], tasks: readonly number[], least: number): boolean {
    let lacking = tasks.reduce((sum, gpus) => sum + gpus, 0);
    for (const { leaves } of machines) {
      for (let i = 0; i < leaves.length; i++) {
        const { user } = leaves[i]!;
        if ((user === undefined || user.priority < least) && --lacking === 0) return true;
      }
    }
    return false;
  }

  /** Machines of the tenant's cells outside of pinned ones, or in that one, by chain. */
  #machinesFor(tenant: string, pinned: string | undefined): readonly (readonly VirtualCell[])[] {
    const key = `${tenant} ${pinned}`;
    const known = this.#machines.get(key);
    if (known !== undefined) return known;
    const chains = new Map<string, VirtualCell[]>();
    for (const root of this.#virtual.get(tenant) ?? []) {
      if (root.pinned !== pinned) continue;
      chains.set(root.chain, [...(chains.get(root.chain) ?? []), ...machinesOf(root, this.#types)]);
    }
    const machines = [...chains.values()];
    this.#machines.set(key, machines);
    return machines;
  }

  #works({ node }: PhysicalCell): boolean {
    return node === undefined || this.#options.usable(node);
  }

  #bindAll(request: CellRequest, virtual: readonly VirtualCell[]): CellGrant | undefined {
    const owners = new Set(virtual.flatMap(({ user }) => user?.job ?? []));
    const downgraded = new Map<string, Held>();
    for (const owner of owners) downgraded.set(owner, this.#downgrade(owner));
    for (const leaf of virtual) leaf.user = { job: request.job, priority: request.priority };
    const physical: PhysicalCell[] = [];
    for (const leaf of virtual) {
      const bound = this.#bind(leaf);
      if (bound === undefined) break;
      physical.push(bound);
    }
    if (physical.length < virtual.length) {
      this.#unbind(virtual);
      for (const { request: owner, physical: places } of downgraded.values()) {
        for (const leaf of places) leaf.user = undefined;
        this.#held.delete(owner.job);
        this.adopt(
          owner,
          places.map(({ node, device }) => ({ node: node!, device: device! })),
        );
      }
      return undefined;
    }
    const evict = new Set(physical.flatMap(({ user }) => user?.job ?? []));
    if (!this.#options.lazyPreemption) for (const owner of owners) evict.add(owner);
    for (const job of evict) this.release(job);
    for (const leaf of physical) leaf.user = { job: request.job, guaranteed: true };
    this.#held.set(request.job, { request, physical, virtual });
    return { leaves: physical, evict: [...evict] };
  }

  /** The job goes on where it is, by right no more. */
  #downgrade(job: string): Held {
    const held = this.#held.get(job)!;
    for (const leaf of held.physical) leaf.user = { job, guaranteed: false };
    this.#unbind(held.virtual);
    const now: Held = { ...held, virtual: [] };
    this.#held.set(job, now);
    return now;
  }

  /** The physical cell of a virtual one, chosen now where there is none yet: of those that work, the one with the fewest guests. */
  #bind(cell: VirtualCell): PhysicalCell | undefined {
    if (cell.bound !== undefined) return this.#works(cell.bound) ? cell.bound : undefined;
    let chosen: PhysicalCell | undefined;
    if (cell.parent === undefined) {
      const found = takeCell(this.#physical.tops, cell.chain, cell.type, (c) => this.#price(c));
      chosen = found?.cell;
      if (found?.relaxed && !this.#isSafe(cell, found.cell)) return undefined;
    } else {
      const above = this.#bind(cell.parent);
      let least = Number.POSITIVE_INFINITY;
      for (const child of above?.children ?? []) {
        const price = child.bound === undefined ? this.#price(child) : undefined;
        if (price === undefined || price >= least) continue;
        least = price;
        chosen = child;
      }
    }
    if (chosen === undefined) return undefined;
    chosen.bound = cell;
    cell.bound = chosen;
    return chosen;
  }

  /** A larger cell was split since the smaller free ones do not work: only if all that others own fits beside it. */
  #isSafe(root: VirtualCell, taken: PhysicalCell): boolean {
    root.bound = taken;
    const safe = this.#lacking() === undefined;
    root.bound = undefined;
    if (!safe) giveCell(taken);
    return safe;
  }

  /** GPUs of the cell that an opportunistic job would have to leave; `undefined` where no machine of it works. */
  #price(cell: PhysicalCell): number | undefined {
    let guests = 0;
    let works = false;
    for (const leaf of cell.leaves) {
      works ||= this.#works(leaf);
      if (leaf.user !== undefined) guests++;
    }
    return works ? guests : undefined;
  }

  /** Leaves are used no more; what has no used part is bound no more, and a root's cell is free for all again. */
  #unbind(virtual: readonly VirtualCell[]): void {
    for (const leaf of virtual) {
      leaf.user = undefined;
      for (let cell: VirtualCell | undefined = leaf; cell !== undefined; cell = cell.parent) {
        if (cell.bound === undefined || cell.children.some((child) => child.bound !== undefined)) break;
        if (cell.parent === undefined && cell.pinned !== undefined) break;
        const { bound } = cell;
        cell.bound = undefined;
        bound.bound = undefined;
        if (cell.parent === undefined) giveCell(bound);
      }
    }
  }

  /** A virtual leaf of the request's tenant that is, or can be, bound to this GPU. */
  #claim(leaf: PhysicalCell, { tenant, pinned }: CellRequest): VirtualCell | undefined {
    const path: PhysicalCell[] = [];
    for (let cell: PhysicalCell | undefined = leaf; cell !== undefined; cell = cell.parent) path.unshift(cell);
    const bound = path.findLast((cell) => cell.bound !== undefined);
    let virtual = bound?.bound;
    if (virtual !== undefined && (virtual.tenant !== tenant || virtual.pinned !== pinned)) return undefined;
    let depth = bound === undefined ? -1 : path.indexOf(bound);
    if (virtual === undefined) {
      const idle = (this.#virtual.get(tenant) ?? []).filter(
        (root) => root.bound === undefined && root.pinned === pinned,
      );
      for (const root of idle) {
        const at = path.findIndex(({ type, chain }) => type === root.type && chain === root.chain);
        if (at < 0 || !carve(path[at]!)) continue;
        root.bound = path[at]!;
        path[at]!.bound = root;
        [virtual, depth] = [root, at];
        break;
      }
    }
    while (virtual !== undefined && depth < path.length - 1) {
      const below: VirtualCell | undefined = virtual.children.find((child) => child.bound === undefined);
      const cell: PhysicalCell = path[++depth]!;
      if (below === undefined) return undefined;
      below.bound = cell;
      cell.bound = below;
      virtual = below;
    }
    return virtual?.user === undefined ? virtual : undefined;
  }

  /** Idle GPUs of any tenant, from the last machine on, tasks packed: guaranteed jobs are bound from the first. */
  #opportunistic(request: CellRequest): CellGrant | undefined {
    const { types } = request;
    const taken = new Set<PhysicalCell>();
    const isIdle = (leaf: PhysicalCell): boolean =>
      leaf.user === undefined && !taken.has(leaf) && allows(types, leaf.type);
    const physical: PhysicalCell[] = [];
    for (const gpus of request.tasks.toSorted((a, b) => b - a)) {
      const room = this.#nodes.find((leaves) => hasIdle(leaves, gpus, isIdle) && this.#works(leaves[0]!));
      if (room === undefined) return undefined;
      for (const leaf of room.filter(isIdle).slice(0, gpus)) {
        taken.add(leaf);
        physical.push(leaf);
      }
    }
    for (const leaf of physical) leaf.user = { job: request.job, guaranteed: false };
    this.#held.set(request.job, { request, physical, virtual: [] });
    return { leaves: physical, evict: [] };
  }
}

function hasIdle(leaves: readonly PhysicalCell[], gpus: number, isIdle: (leaf: PhysicalCell) => boolean): boolean {
  let lacking = gpus;
  for (let i = 0; i < leaves.length && lacking > 0; i++) if (isIdle(leaves[i]!)) lacking--;
  return lacking === 0;
}

const isOf = ({ leaves }: VirtualCell, types: readonly string[]): boolean => types.includes(leaves[0]!.type);
