/**
 * Runs dataflow with tagged values (§4.2, §4.3): each belongs to an iteration of a frame, so iterations of a loop overlap as far as
 * data allow, at most `parallelIterations` of them. How long operations take, and where they run, is the port's.
 *
 *     value ──► node of an iteration: all inputs there? ──► dead: skipped │ operation: started ──► done: its values go on
 */
import { assert } from "../../core/errors.ts";
import type { Dataflow, Edge, PrimitiveNode } from "./primitives.ts";
import { type Saved, Stacks } from "./stacks.ts";

/** What flows: an array of the port's, a stack, or nothing. */
export type Token<A> = A | Saved<A> | typeof dead;
export const dead = Symbol("dead");

export interface OperationPort<A> {
  /** Calls `done` once, now or later. */
  start(node: Extract<PrimitiveNode["what"], { kind: "op" }>, inputs: readonly A[], done: (result: A) => void): void;
  /** The number that an array of one element holds. */
  number(array: A): number;
  bytes(array: A): number;
}

interface Iteration<A> {
  /** Inputs that came, by node. */
  readonly waiting: Map<number, { readonly given: (Token<A> | undefined)[]; missing: number }>;
  /** Operations that run, and frames that were entered from here. */
  outstanding: number;
}

interface Frame<A> {
  readonly id: number;
  readonly parent: { readonly frame: Frame<A>; readonly iteration: number } | undefined;
  readonly iterations: Map<number, Iteration<A>>;
  readonly children: Map<string, Frame<A>>;
  readonly constants: { readonly node: number; readonly value: Token<A> }[];
  /** Values for iterations that must not begin yet. */
  readonly deferred: { readonly node: number; readonly value: Token<A>; readonly iteration: number }[];
  entered: number;
  /** The first iteration that is not over. */
  front: number;
  dead: boolean;
}

export interface RunOptions {
  readonly parallelIterations: number;
  /** Saved values beyond these bytes are moved out of the device until they are read. */
  readonly stackBytes: number;
}

export interface RunResult<A> {
  readonly results: readonly A[];
  readonly operations: number;
  readonly stackBytesMax: number;
  readonly swappedBytes: number;
}

/** Runs the program; resolves when every result is there and nothing runs. */
export function execute<A>(
  program: Dataflow,
  inputs: readonly A[],
  port: OperationPort<A>,
  options: RunOptions,
): Promise<RunResult<A>> {
  return new Promise((resolve, reject) => {
    const run = new Run(program, port, options, resolve);
    try {
      run.begin(inputs);
    } catch (error) {
      reject(error);
    }
  });
}

class Run<A> {
  readonly #program: Dataflow;
  readonly #port: OperationPort<A>;
  readonly #options: RunOptions;
  readonly #resolve: (result: RunResult<A>) => void;
  readonly #readers: readonly (readonly { readonly node: number; readonly input: number; readonly port: number }[])[];
  readonly #stacks: Stacks<A>;
  readonly #root: Frame<A>;
  readonly #results = new Map<string, A>();
  /** Nodes that can fire, so that long chains do not nest calls. */
  readonly #ready: (() => void)[] = [];
  #draining = false;
  #operations = 0;

  constructor(program: Dataflow, port: OperationPort<A>, options: RunOptions, resolve: (result: RunResult<A>) => void) {
    this.#program = program;
    this.#port = port;
    this.#options = options;
    this.#resolve = resolve;
    this.#stacks = new Stacks(options.stackBytes, (array) => port.bytes(array));
    this.#root = newFrame(-1, undefined);
    const readers = program.nodes.map((): { node: number; input: number; port: number }[] => []);
    for (const [node, { inputs }] of program.nodes.entries()) {
      for (const [input, edge] of inputs.entries()) readers[edge.node]!.push({ node, input, port: edge.port });
    }
    this.#readers = readers;
  }

  begin(inputs: readonly A[]): void {
    // Nothing fires before everything is there: the frame would end too early.
    this.#draining = true;
    iterationOf(this.#root, 0);
    for (const [place, node] of this.#program.inputs.entries()) this.#emit(node, 0, inputs[place]!, this.#root, 0);
    for (const [node, { what, inputs: from }] of this.#program.nodes.entries()) {
      if (from.length === 0 && what.kind !== "input") this.#fire(node, [], this.#root, 0);
    }
    this.#draining = false;
    this.#drain();
  }

  #drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (let next = this.#ready.shift(); next !== undefined; next = this.#ready.shift()) next();
    this.#draining = false;
    this.#advance(this.#root);
    const { results } = this.#program;
    if (results.some((edge) => !this.#results.has(keyOf(edge))) || this.#root.front === 0) return;
    this.#resolve({
      results: results.map((edge) => this.#results.get(keyOf(edge))!),
      operations: this.#operations,
      stackBytesMax: this.#stacks.bytesMax,
      swappedBytes: this.#stacks.swappedBytes,
    });
  }

  /** A node's value goes to all that read it. */
  #emit(node: number, port: number, value: Token<A>, frame: Frame<A>, iteration: number): void {
    if (frame === this.#root && value !== dead) this.#results.set(keyOf({ node, port }), value as A);
    for (const reader of this.#readers[node]!) {
      if (reader.port === port) this.#deliver(reader.node, reader.input, value, frame, iteration);
    }
  }

  #deliver(node: number, input: number, value: Token<A>, frame: Frame<A>, at: number): void {
    const { what, inputs } = this.#program.nodes[node]!;
    const iteration = iterationOf(frame, at);
    const found = iteration.waiting.get(node) ?? { given: [], missing: inputs.length };
    iteration.waiting.set(node, found);
    found.given[input] = value;
    found.missing--;
    if (what.kind === "merge") {
      // In a loop one of the two comes: the first iteration's from outside, the others' from the iteration before.
      if (value === dead && !what.loop && found.missing > 0) return;
      if (value === dead && what.loop) frame.dead = true;
      if (found.given.filter((v) => v !== undefined && v !== dead).length > 1) return;
      if (value === dead && found.given.some((v) => v !== undefined && v !== dead)) return;
      return this.#schedule(node, [value], frame, at);
    }
    if (found.missing > 0) return;
    iteration.waiting.delete(node);
    this.#schedule(node, found.given as Token<A>[], frame, at);
  }

  #schedule(node: number, given: readonly Token<A>[], frame: Frame<A>, at: number): void {
    iterationOf(frame, at).outstanding++;
    this.#ready.push(() => {
      this.#fire(node, given, frame, at);
      this.#over(frame, at);
    });
    this.#drain();
  }

  #fire(node: number, given: readonly Token<A>[], frame: Frame<A>, at: number): void {
    const { what, control } = this.#program.nodes[node]!;
    if (what.kind === "enter") return this.#enter(node, what, given[0]!, frame, at);
    if (what.kind === "next") return this.#next(node, given[0]!, frame, at);
    if (what.kind === "exit") return this.#exit(node, given[0]!, frame);
    if (given.includes(dead)) {
      for (const port of what.kind === "switch" ? [0, 1] : [0]) this.#emit(node, port, dead, frame, at);
      return;
    }
    const values = (control ? given.slice(0, -1) : given) as (A | Saved<A>)[];
    if (what.kind === "switch") {
      const taken = this.#port.number(values[1] as A) === 0 ? 0 : 1;
      this.#emit(node, taken, values[0]!, frame, at);
      return this.#emit(node, 1 - taken, dead, frame, at);
    }
    if (what.kind === "op") return this.#start(node, what, values as A[], frame, at);
    this.#emit(node, 0, this.#simple(what, values), frame, at);
  }

  #simple(what: Exclude<PrimitiveNode["what"], { kind: "op" }>, values: readonly (A | Saved<A>)[]): A | Saved<A> {
    if (what.kind === "stack") return this.#stacks.create();
    const [first, index, ...rest] = values;
    if (what.kind === "push") {
      this.#stacks.push(first as Saved<A>, this.#port.number(index as A), rest as A[]);
      return first!;
    }
    if (what.kind === "read") return this.#stacks.read(first as Saved<A>, this.#port.number(index as A), what.item);
    assert(what.kind === "merge", () => `${what.kind} fired as an operation`);
    return first!;
  }

  #start(
    node: number,
    what: Extract<PrimitiveNode["what"], { kind: "op" }>,
    values: readonly A[],
    frame: Frame<A>,
    at: number,
  ): void {
    iterationOf(frame, at).outstanding++;
    this.#operations++;
    this.#port.start(what, values, (result) => {
      this.#emit(node, 0, result, frame, at);
      this.#over(frame, at);
      this.#drain();
    });
  }

  #enter(
    node: number,
    what: Extract<PrimitiveNode["what"], { kind: "enter" }>,
    value: Token<A>,
    from: Frame<A>,
    at: number,
  ): void {
    const key = `${what.frame} ${at}`;
    let frame = from.children.get(key);
    if (frame === undefined) {
      frame = newFrame(what.frame, { frame: from, iteration: at });
      from.children.set(key, frame);
      iterationOf(from, at).outstanding++;
    }
    frame.entered++;
    if (what.constant) {
      frame.constants.push({ node, value });
      for (const iteration of [...frame.iterations.keys()]) this.#emit(node, 0, value, frame, iteration);
      if (frame.iterations.size === 0) this.#open(frame, 0);
    } else {
      if (frame.iterations.size === 0) this.#open(frame, 0);
      this.#emit(node, 0, value, frame, 0);
    }
    this.#advance(frame);
  }

  /** A new iteration gets what is the same in all. */
  #open(frame: Frame<A>, at: number): void {
    iterationOf(frame, at);
    for (const { node, value } of frame.constants) this.#emit(node, 0, value, frame, at);
  }

  #next(node: number, value: Token<A>, frame: Frame<A>, at: number): void {
    if (value === dead) return;
    const iteration = at + 1;
    if (iteration >= frame.front + this.#options.parallelIterations) frame.deferred.push({ node, value, iteration });
    else this.#continue(frame, node, value, iteration);
  }

  #continue(frame: Frame<A>, node: number, value: Token<A>, iteration: number): void {
    if (!frame.iterations.has(iteration)) this.#open(frame, iteration);
    this.#emit(node, 0, value, frame, iteration);
  }

  /** Alive once, when the loop ends; dead only where the whole loop is. */
  #exit(node: number, value: Token<A>, { parent, dead: skipped }: Frame<A>): void {
    assert(parent !== undefined, () => "an exit outside of a frame");
    if (value !== dead || skipped) this.#emit(node, 0, value, parent.frame, parent.iteration);
  }

  #over(frame: Frame<A>, at: number): void {
    const iteration = frame.iterations.get(at);
    assert(iteration !== undefined, () => `iteration ${at} ended twice`);
    iteration.outstanding--;
    this.#advance(frame);
  }

  /** Iterations end in order; those behind may then begin, and a frame without iterations is over. */
  #advance(frame: Frame<A>): void {
    if (frame.id >= 0 && frame.entered < this.#program.enters[frame.id]!) return;
    for (let first = frame.iterations.get(frame.front); first?.outstanding === 0; ) {
      frame.iterations.delete(frame.front++);
      const begin = frame.deferred.splice(0);
      for (const { node, value, iteration } of begin) {
        if (iteration >= frame.front + this.#options.parallelIterations)
          frame.deferred.push({ node, value, iteration });
        else this.#continue(frame, node, value, iteration);
      }
      first = frame.iterations.get(frame.front);
    }
    const { parent } = frame;
    if (frame.iterations.size > 0 || parent === undefined) return;
    const key = `${frame.id} ${parent.iteration}`;
    if (parent.frame.children.delete(key)) this.#over(parent.frame, parent.iteration);
  }
}

const keyOf = ({ node, port }: Edge): string => `${node} ${port}`;

function newFrame<A>(id: number, parent: Frame<A>["parent"]): Frame<A> {
  const fields = { iterations: new Map(), children: new Map(), constants: [], deferred: [] };
  return { id, parent, ...fields, entered: 0, front: 0, dead: false };
}

function iterationOf<A>(frame: Frame<A>, at: number): Iteration<A> {
  const known = frame.iterations.get(at);
  if (known !== undefined) return known;
  const fresh = { waiting: new Map(), outstanding: 0 };
  frame.iterations.set(at, fresh);
  return fresh;
}
