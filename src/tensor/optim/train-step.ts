/**
 * A whole training step as one compiled program:
 *
 *     parameters, state, batch ──► forward ──► backward ──► clip ──► optimizer ──► the same memory again
 *
 * Parameters, optimizer state and buffers are donated: a step writes them where they lie.
 */
import { UserError } from "../../core/errors.ts";
import { tensor, zeros } from "../creation.ts";
import { functional, type Module } from "../nn/module.ts";
import { autocast } from "../products.ts";
import { withKey } from "../random-key.ts";
import { keep } from "../scope.ts";
import type { Tensor } from "../tensor.ts";
import { type Jitted, jit, valueAndGrad } from "../transform.ts";
import { clipByNorm, clipByValue } from "./clip.ts";
import { hyperTensor, initialSlots, updateAll } from "./optimizer.ts";
import type { Rule } from "./rule.ts";

type Tensors = Readonly<Record<string, Tensor>>;

export interface TrainStepOptions {
  /** Gradients are scaled down to this common norm. */
  readonly clipNorm?: number;
  /** Each element of the gradients is held within ± this. */
  readonly clipValue?: number;
  /** The optimizer moves after so many calls, by the mean of their gradients. */
  readonly accumulate?: number;
  /** Products and convolutions take bf16 operands; parameters and their state stay f32. */
  readonly autocast?: boolean;
  /** Of dropout and the like. */
  readonly seed?: number;
}

/** What a checkpoint needs beside the model's tensors. */
export interface StepState {
  /** Calls so far. */
  readonly calls: number;
  readonly slots: Tensors;
  /** Sums of gradients while accumulating. */
  readonly sums: Tensors;
}

export class TrainStep<B extends readonly Tensor[]> {
  readonly model: Module;
  readonly rule: Rule;
  readonly #loss: (...batch: B) => Tensor;
  readonly #options: TrainStepOptions;
  readonly #every: number;
  readonly #slots: Record<string, Tensor>;
  readonly #sums: Record<string, Tensor>;
  readonly #hyper: Tensor;
  readonly #key: Tensor;
  readonly #whole: Jitted<[Tensors, Tensors, Tensors, Tensor, Tensor, B], StepResult>;
  readonly #add: Jitted<[Tensors, Tensors, Tensors, Tensor, B], StepResult>;
  readonly #move: Jitted<[Tensors, Tensors, Tensors, Tensor], Omit<StepResult, "loss" | "buffers">>;
  #calls = 0;

  /** `loss` uses `model`, whose tensors the step replaces while it is traced, and returns one number. */
  constructor(model: Module, rule: Rule, loss: (...batch: B) => Tensor, options: TrainStepOptions = {}) {
    this.model = model;
    this.rule = rule;
    this.#loss = loss;
    this.#options = options;
    this.#every = options.accumulate ?? 1;
    if (!Number.isInteger(this.#every) || this.#every < 1)
      throw new UserError(
        `Accumulation over ${this.#every} calls was asked for; it must be a whole number, 1 or more.`,
      );
    const parameters = model.parameters();
    this.#slots = initialSlots(rule, parameters);
    this.#sums = this.#every === 1 ? {} : mapped(parameters, (p) => keep(zeros(p.shape)));
    this.#hyper = hyperTensor(rule);
    this.#key = keep(tensor(Int32Array.of(options.seed ?? 0, 0)));
    this.#whole = jit((...args) => this.#wholeStep(...args), { donate: [0, 1, 2] });
    this.#add = jit((...args) => this.#addGradients(...args), { donate: [1, 2] });
    this.#move = jit((...args) => this.#moveBySums(...args), { donate: [0, 1, 2] });
  }

  /** Optimizer steps taken. */
  get steps(): number {
    return Math.floor(this.#calls / this.#every);
  }

  /** One batch: its loss, as a tensor of one number. */
  step(...batch: B): Tensor {
    this.#begin();
    const parameters = this.model.parameters();
    const buffers = this.model.buffers();
    if (this.#every === 1)
      return this.#end(this.#whole(parameters, this.#slots, buffers, this.#hyper, this.#key, batch));
    const added = this.#add(parameters, this.#sums, buffers, this.#key, batch);
    return this.#endPart(
      added,
      this.#isMoving ? () => this.#move(parameters, this.#slots, this.#sums, this.#hyper) : undefined,
    );
  }

  /** The same on the device's threads, while this one goes on. Steps must not overlap. */
  async later(...batch: B): Promise<Tensor> {
    if (this.#every > 1) return this.step(...batch);
    this.#begin();
    return this.#end(
      await this.#whole.later(
        this.model.parameters(),
        this.#slots,
        this.model.buffers(),
        this.#hyper,
        this.#key,
        batch,
      ),
    );
  }

  /** The graph of one step over such a batch. */
  graph(...batch: B) {
    return this.#whole.graph(this.model.parameters(), this.#slots, this.model.buffers(), this.#hyper, this.#key, batch);
  }

  get state(): StepState {
    return { calls: this.#calls, slots: this.#slots, sums: this.#sums };
  }

  /** Goes on from a state that was saved, copying its tensors. */
  restore({ calls, slots, sums }: StepState): void {
    this.#calls = calls;
    for (const [own, from] of [
      [this.#slots, slots],
      [this.#sums, sums],
    ] as const)
      for (const [name, t] of Object.entries(own)) {
        if (from[name] === undefined) throw new UserError(`The optimizer's state has no ${name}.`);
        t.assign(from[name]);
      }
  }

  /** Gives the state's memory back; the model keeps its own. */
  dispose(): void {
    const all = [...Object.values(this.#slots), ...Object.values(this.#sums), this.#hyper, this.#key];
    for (const t of all) t.dispose();
  }

  get #isMoving(): boolean {
    return this.#calls % this.#every === 0;
  }

  #begin(): void {
    this.#calls += 1;
    const step = Math.ceil(this.#calls / this.#every);
    this.#hyper.set(this.rule.hyper(step, this.rule.rate(step)));
    this.#key.set([this.#options.seed ?? 0, this.#calls]);
  }

  #end({ loss, parameters, slots, buffers }: StepResult): Tensor {
    become(this.model.parameters(), parameters);
    become(this.#slots, slots);
    become(this.model.buffers(), buffers);
    return loss;
  }

  #endPart(
    { loss, slots: sums, buffers }: StepResult,
    move: (() => Omit<StepResult, "loss" | "buffers">) | undefined,
  ): Tensor {
    become(this.#sums, sums);
    become(this.model.buffers(), buffers);
    if (move === undefined) return loss;
    const moved = move();
    become(this.model.parameters(), moved.parameters);
    become(this.#slots, moved.slots);
    become(this.#sums, moved.sums);
    return loss;
  }

  /** The loss and gradients of a batch, and the buffers afterwards. */
  #gradients(parameters: Tensors, buffers: Tensors, key: Tensor, batch: B) {
    const cast = this.#options.autocast === true ? autocast : <T>(body: () => T): T => body();
    const run = valueAndGrad((own: Tensors): readonly [Tensor, Record<string, Tensor>] => {
      const body = (): Tensor => withKey(key, () => cast(() => this.#loss(...batch)));
      const { result, buffers: after } = functional(this.model, { ...own, ...buffers }, body);
      return [result, after];
    });
    const [[loss, after], gradients] = run(parameters);
    return { loss, after, gradients };
  }

  #clipped(gradients: Tensors): Tensors {
    const { clipNorm, clipValue } = this.#options;
    const held = clipValue === undefined ? gradients : clipByValue(gradients, clipValue);
    return clipNorm === undefined ? held : clipByNorm(held, clipNorm).gradients;
  }

  #wholeStep(
    ...[parameters, slots, buffers, hyper, key, batch]: [Tensors, Tensors, Tensors, Tensor, Tensor, B]
  ): StepResult {
    const { loss, after, gradients } = this.#gradients(parameters, buffers, key, batch);
    const [next, nextSlots] = updateAll(this.rule, parameters, this.#clipped(gradients), slots, hyper);
    return { loss, parameters: next, slots: nextSlots, buffers: after, sums: {} };
  }

  #addGradients(...[parameters, sums, buffers, key, batch]: [Tensors, Tensors, Tensors, Tensor, B]): StepResult {
    const { loss, after, gradients } = this.#gradients(parameters, buffers, key, batch);
    const added = Object.fromEntries(Object.entries(sums).map(([name, s]) => [name, s.add(gradients[name]!)]));
    return { loss, parameters: {}, slots: added, buffers: after, sums: {} };
  }

  #moveBySums(...[parameters, slots, sums, hyper]: [Tensors, Tensors, Tensors, Tensor]) {
    const mean = mapped(sums, (s) => s.mul(1 / this.#every));
    const [next, nextSlots] = updateAll(this.rule, parameters, this.#clipped(mean), slots, hyper);
    return { parameters: next, slots: nextSlots, sums: mapped(sums, (s) => zeros(s.shape)) };
  }
}

interface StepResult {
  readonly loss: Tensor;
  readonly parameters: Tensors;
  readonly slots: Tensors;
  readonly buffers: Tensors;
  readonly sums: Tensors;
}

const mapped = (tensors: Tensors, f: (t: Tensor) => Tensor): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, f(t)]));

function become(own: Tensors, next: Tensors): void {
  for (const [name, t] of Object.entries(next)) own[name]!.become(t);
}
