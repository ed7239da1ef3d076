/**
 * The step that trains a decoder: programs compiled once, parameters and moments in memory that they update in place.
 *
 *     batches ──► input regions ──► program of the step ──► loss, norm        (parameters, moments: written over)
 *
 * The loss is a mean over the counted tokens of all batches of a step, so accumulating k batches is one batch k times as large.
 */
import { sizeOf } from "../graph/array.ts";
import type { Graph } from "../graph/ir.ts";
import { loadArchitecture } from "../model/architecture.ts";
import type { ModelConfig } from "../model/checkpoint.ts";
import { type ArrayMachine, type ArrayProgramRun, floats, integers, Regions } from "./machine.ts";
import {
  accumulateGraph,
  type GraphOptions,
  inspectGraph,
  lossGraph,
  type NamedGraph,
  stepGraph,
  updateGraph,
} from "./model/graphs.ts";
import { type AdamW, stepNumbers } from "./model/optimizer.ts";
import { ropeTables } from "./model/served.ts";
import { initialise, type Parameter, parametersOf } from "./model/shape.ts";
import { learningRate, type Schedule } from "./schedule.ts";
import { firstNonFinite, type NonFinite, type StateArray, type Step, type StepMetrics } from "./step.ts";

/** B sequences of T tokens. */
export interface TokenBatch {
  /** [B, T]. */
  readonly tokens: Int32Array;
  /** [B, T]: what should follow each token. */
  readonly targets: Int32Array;
  /** [B, T]: how much each counts; 0 for padding and for what is not to be learnt. */
  readonly weights: Float32Array;
}

export interface ModelStepOptions {
  readonly config: ModelConfig;
  readonly batch: number;
  readonly length: number;
  /** Batches of one step. */
  readonly accumulate: number;
  readonly bf16: boolean;
  readonly optimizer: AdamW;
  readonly schedule: Schedule;
  readonly seed: number;
}

export interface ModelStep extends Step<readonly TokenBatch[]> {
  /** Elements of all parameters. */
  readonly size: number;
  /** The live values of each parameter, for writing them out. */
  parameters(): readonly (Parameter & { readonly values: Float32Array })[];
}

interface Opened {
  readonly run: ArrayProgramRun;
  readonly names: readonly string[];
}

export async function openModelStep(machine: ArrayMachine, options: ModelStepOptions): Promise<ModelStep> {
  const parameters = parametersOf(options.config);
  const step = new CompiledStep(machine, options, parameters, await trainedGraph(options.config));
  try {
    await step.open();
  } catch (error) {
    await step.close();
    throw error;
  }
  return step;
}

/** The graph of a model that is made from nothing: it has the weights that `parametersOf` names, and no others. */
export async function trainedGraph(config: ModelConfig): Promise<Graph> {
  const names = new Set(parametersOf(config).map(({ name }) => name));
  const architecture = await loadArchitecture(config.architecture, "the recipe");
  return architecture.build(config, (name) => names.has(name));
}

class CompiledStep implements ModelStep {
  readonly state: ReadonlyMap<string, StateArray>;
  readonly size: number;
  readonly #machine: ArrayMachine;
  readonly #options: ModelStepOptions;
  readonly #parameters: readonly Parameter[];
  readonly #model: Graph;
  readonly #regions: Regions;
  readonly #programs = new Map<(options: GraphOptions) => NamedGraph, Opened>();

  constructor(machine: ArrayMachine, options: ModelStepOptions, parameters: readonly Parameter[], model: Graph) {
    this.#machine = machine;
    this.#options = options;
    this.#parameters = parameters;
    this.#model = model;
    this.#regions = new Regions(machine);
    this.size = parameters.reduce((n, { shape }) => n + sizeOf(shape), 0);
    this.state = new Map(
      parameters.flatMap(({ name, shape }) =>
        [name, `${name}.first`, `${name}.second`].map((part) => [part, this.#regions.state(part, shape)] as const),
      ),
    );
  }

  async open(): Promise<void> {
    const { batch, length, accumulate, config, seed } = this.#options;
    for (const [name, { shape }] of this.state) this.#regions.alloc(name, sizeOf(shape));
    for (const name of ["tokens", "targets", "weights"]) this.#regions.alloc(name, batch * length);
    for (const name of ["loss", "gradientNorm", "total", "learningRate", "correction1", "correction2"])
      this.#regions.alloc(name, 1);
    for (const [name, values] of Object.entries(ropeTables(config.ropes[0]!, length))) {
      floats(this.#regions.alloc(name, values.length), values.length).set(values);
    }
    if (accumulate > 1)
      for (const { name, shape } of this.#parameters) this.#regions.alloc(`${name}.sum`, sizeOf(shape));
    for (const [place, parameter] of this.#parameters.entries()) {
      initialise(parameter, seed, place, this.#floats(parameter.name));
    }
    for (const make of accumulate > 1 ? [accumulateGraph, updateGraph] : [stepGraph]) await this.#program(make);
  }

  parameters(): readonly (Parameter & { readonly values: Float32Array })[] {
    return this.#parameters.map((parameter) => ({ ...parameter, values: this.#floats(parameter.name) }));
  }

  async run(batches: readonly TokenBatch[], number: number): Promise<StepMetrics> {
    const { optimizer, schedule, accumulate } = this.#options;
    const rate = learningRate(schedule, number);
    for (const [name, value] of Object.entries(stepNumbers(optimizer, rate, number))) this.#regions.set(name, value);
    const loss = accumulate > 1 ? await this.#accumulated(batches) : await this.#whole(batches, stepGraph);
    return { loss, gradientNorm: this.#regions.number("gradientNorm"), learningRate: rate };
  }

  async evaluate(batches: readonly TokenBatch[]): Promise<number> {
    return this.#whole(batches, lossGraph);
  }

  /** The losses of `batches`, each by the program `make`. */
  async #whole(batches: readonly TokenBatch[], make: (options: GraphOptions) => NamedGraph): Promise<number> {
    const scale = 1 / counted(batches);
    let total = 0;
    for (const batch of batches) {
      this.#give(batch, scale);
      await this.#run(make);
      total += this.#regions.number("loss");
    }
    return total;
  }

  async #accumulated(batches: readonly TokenBatch[]): Promise<number> {
    for (const { name } of this.#parameters) this.#floats(`${name}.sum`).fill(0);
    const total = await this.#whole(batches, accumulateGraph);
    this.#regions.set("total", total);
    await this.#run(updateGraph);
    return total;
  }

  async locate(batches: readonly TokenBatch[]): Promise<NonFinite | undefined> {
    for (const { name, values } of this.parameters()) {
      const found = firstNonFinite(`parameter ${name}`, values);
      if (found !== undefined) return found;
    }
    const { graph } = inspectGraph(this.#graphOptions());
    const outputs = Object.entries(graph.outputs).map(([name, id]) => {
      return { name, size: sizeOf(graph.nodes.find((node) => node.id === id)!.type.shape) };
    });
    for (const { name, size } of outputs) if (name !== "loss") this.#regions.alloc(name, size);
    const scale = 1 / counted(batches);
    for (const [i, batch] of batches.entries()) {
      this.#give(batch, scale);
      await this.#run(inspectGraph);
      for (const { name } of outputs) {
        const found = firstNonFinite(
          batches.length > 1 ? `${name}, batch ${i + 1} of the step,` : name,
          this.#floats(name),
        );
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  async close(): Promise<void> {
    for (const { run } of this.#programs.values()) await run.close();
    this.#programs.clear();
    this.#regions.free();
  }

  #graphOptions(): GraphOptions {
    return { ...this.#options, parameters: this.#parameters, model: this.#model };
  }

  async #program(make: (options: GraphOptions) => NamedGraph): Promise<Opened> {
    const known = this.#programs.get(make);
    if (known !== undefined) return known;
    const { graph, inputs, donate } = make(this.#graphOptions());
    const opened = {
      run: await this.#machine.open(graph, donate),
      names: [...inputs, ...Object.keys(graph.outputs)],
    };
    this.#programs.set(make, opened);
    return opened;
  }

  /** An output that replaces an input has its region. */
  async #run(make: (options: GraphOptions) => NamedGraph): Promise<void> {
    const { run, names } = await this.#program(make);
    const region = (name: string) => this.#regions.get(name.endsWith("'") ? name.slice(0, -1) : name);
    await run.run(Object.fromEntries(names.map((name) => [name, region(name)])));
  }

  #give({ tokens, targets, weights }: TokenBatch, scale: number): void {
    integers(this.#regions.get("tokens"), tokens.length).set(tokens);
    integers(this.#regions.get("targets"), targets.length).set(targets);
    floats(this.#regions.get("weights"), weights.length).set(weights.map((w) => w * scale));
  }

  #floats(name: string): Float32Array {
    const region = this.#regions.get(name);
    return floats(region, region.bytes >> 2);
  }
}

/** At least a token must count: a mean over none is NaN, and said so by the engine. */
const counted = (batches: readonly TokenBatch[]): number =>
  batches.reduce((sum, { weights }) => sum + weights.reduce((n, w) => n + w, 0), 0);
