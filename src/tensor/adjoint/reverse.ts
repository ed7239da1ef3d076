/**
 * The source of a function that computes a value and its gradients, from the steps that compute the value (§3, §4): the steps,
 * which put what they overwrite on a stack, and then each step's adjoint in the opposite order, which takes it from there.
 */
import type { Active, Argument, Parsed, Step } from "./steps.ts";

/** Texts of an operation: its result, the result's gradient, its receiver, its first argument. */
interface Names {
  readonly y: string;
  readonly dy: string;
  readonly a: string;
  readonly b: string;
}
type Template = (names: Names) => string;

/** Gradients with respect to the receiver and the first argument; operations that are not here are differentiated as a whole. */
const templates: Readonly<Record<string, readonly Template[]>> = {
  add: [({ dy, a }) => `like(${dy}, ${a})`, ({ dy, b }) => `like(${dy}, ${b})`],
  sub: [({ dy, a }) => `like(${dy}, ${a})`, ({ dy, b }) => `like(${dy}.neg(), ${b})`],
  mul: [({ dy, a, b }) => `like(${dy}.mul(${b}), ${a})`, ({ dy, a, b }) => `like(${dy}.mul(${a}), ${b})`],
  div: [
    ({ dy, a, b }) => `like(${dy}.div(${b}), ${a})`,
    ({ y, dy, b }) => `like(${dy}.mul(${y}).div(${b}).neg(), ${b})`,
  ],
  neg: [({ dy }) => `${dy}.neg()`],
  exp: [({ y, dy }) => `${dy}.mul(${y})`],
  log: [({ dy, a }) => `${dy}.div(${a})`],
  square: [({ dy, a }) => `${dy}.mul(${a}).mul(2)`],
  tanh: [({ y, dy }) => `${dy}.mul(${y}.square().neg().add(1))`],
  sigmoid: [({ y, dy }) => `${dy}.mul(${y}).mul(${y}.neg().add(1))`],
};

const adjoint = (of: Active): string => (of.parameter ? `d_${of.name}` : `d${of.name}`);

/** The body of a function of (control, parameters, batch, tools). */
export function reverseSource({ names, steps, result, variables }: Parsed): {
  readonly source: string;
  readonly parameters: readonly string[];
} {
  const writer = new Writer(names[1]);
  writer.forward(steps, "  ");
  const seed = adjoint(result);
  const value = writer.value(result);
  const forward = writer.lines.splice(0);
  writer.reverse(steps, "  ");
  const parameters = [...writer.parameters];
  const adjoints = [...writer.adjoints];
  const all = parameters.map((name) => `${JSON.stringify(name)}: d_${name}`);
  const lines = [
    `  const { like, plus, pullback, indexTensor, tape } = tools;`,
    ...(variables.length > 0 ? [`  let ${variables.join(", ")};`] : []),
    ...(adjoints.length > 0 ? [`  let ${adjoints.join(", ")};`] : []),
    ...forward,
    `  ${seed} = tools.one(${value});`,
    ...writer.lines,
    `  return { loss: ${value}, gradients: { ${all.join(", ")} } };`,
  ];
  return { source: lines.join("\n"), parameters };
}

class Writer {
  readonly #parametersName: string;
  readonly lines: string[] = [];
  readonly adjoints = new Set<string>();
  readonly parameters = new Set<string>();
  /** Loops and branches around: what is assigned there may have had a value before. */
  #depth = 0;
  readonly #assigned = new Set<string>();
  /** Steps that put the old value of their target on the stack. */
  readonly #pushing = new Set<Step>();

  constructor(parametersName: string) {
    this.#parametersName = parametersName;
  }

  value(of: Active): string {
    if (!of.parameter) return of.name;
    this.parameters.add(of.name);
    return `${this.#parametersName}.${of.name}`;
  }

  #text = (argument: Argument): string => (argument.kind === "plain" ? argument.text : this.value(argument));

  #call({ receiver, method, args }: Extract<Step, { kind: "call" }>): string {
    return `${this.#text(receiver)}.${method}(${args.map(this.#text).join(", ")})`;
  }

  #assign(step: Extract<Step, { target: string }>, value: string, indent: string): void {
    if (this.#depth > 0 || this.#assigned.has(step.target)) {
      this.#pushing.add(step);
      this.lines.push(`${indent}tape.push(${step.target});`);
    }
    this.#assigned.add(step.target);
    this.lines.push(`${indent}${step.target} = ${value};`);
  }

  forward(steps: readonly Step[], indent: string): void {
    const deeper = (inner: readonly Step[]): void => {
      this.#depth++;
      this.forward(inner, `${indent}  `);
      this.#depth--;
    };
    for (const step of steps) {
      if (step.kind === "call") this.#assign(step, this.#call(step), indent);
      else if (step.kind === "copy") this.#assign(step, this.value(step.from), indent);
      else if (step.kind === "set") this.#assign(step, step.text, indent);
      else if (step.kind === "loop") {
        this.lines.push(`${indent}for (${step.variable} = 0; ${step.variable} < ${step.count}; ${step.variable}++) {`);
        deeper(step.body);
        this.lines.push(`${indent}}`, `${indent}tape.push(${step.variable});`);
      } else {
        this.lines.push(`${indent}if (${step.test}) {`);
        deeper(step.yes);
        this.lines.push(`${indent}  tape.push(true);`, `${indent}} else {`);
        deeper(step.no);
        this.lines.push(`${indent}  tape.push(false);`, `${indent}}`);
      }
    }
  }

  reverse(steps: readonly Step[], indent: string): void {
    const { lines } = this;
    for (const step of steps.toReversed()) {
      if (step.kind === "loop") {
        const { variable } = step;
        lines.push(`${indent}for (${variable} = tape.pop() - 1; ${variable} >= 0; ${variable}--) {`);
        this.reverse(step.body, `${indent}  `);
        lines.push(`${indent}}`);
      } else if (step.kind === "if") {
        lines.push(`${indent}if (tape.pop()) {`);
        this.reverse(step.yes, `${indent}  `);
        lines.push(`${indent}} else {`);
        this.reverse(step.no, `${indent}  `);
        lines.push(`${indent}}`);
      } else {
        if (step.kind === "call") this.#reverseCall(step, indent);
        if (step.kind === "copy") this.#moved(step, indent);
        // What it held before is another value, with a gradient of its own.
        if (step.kind === "set" && this.adjoints.has(`d${step.target}`))
          lines.push(`${indent}d${step.target} = undefined;`);
        if (this.#pushing.has(step)) lines.push(`${indent}${step.target} = tape.pop();`);
      }
    }
  }

  #own(of: Active): string {
    const name = adjoint(of);
    this.adjoints.add(name);
    return name;
  }

  #moved({ target, from }: Extract<Step, { kind: "copy" }>, indent: string): void {
    const [own, other] = [this.#own({ kind: "active", name: target, parameter: false }), this.#own(from)];
    this.lines.push(`${indent}${other} = plus(${other}, ${own});`, `${indent}${own} = undefined;`);
  }

  #reverseCall(step: Extract<Step, { kind: "call" }>, indent: string): void {
    const dy = this.#own({ kind: "active", name: step.target, parameter: false });
    this.lines.push(`${indent}if (${dy} !== undefined) { // ${step.target} = ${this.#call(step)}`);
    const operands = [step.receiver, ...step.args];
    const found = Object.hasOwn(templates, step.method) ? templates[step.method]! : [];
    const names = {
      y: step.target,
      dy,
      a: this.#text(operands[0]!),
      b: operands[1] === undefined ? "" : this.#text(operands[1]),
    };
    const active = operands.flatMap((operand, i) => (operand.kind === "active" ? [{ operand, i }] : []));
    if (active.every(({ i }) => found[i] !== undefined)) {
      for (const { operand, i } of active) this.#add(operand, found[i]!(names), indent);
    } else this.#whole(step, operands, active, dy, indent);
    this.lines.push(`${indent}  ${dy} = undefined;`, `${indent}}`);
  }

  /** The gradients of an operation without a template, from the table of the graph. */
  #whole(
    step: Extract<Step, { kind: "call" }>,
    operands: readonly Argument[],
    active: readonly { readonly operand: Active; readonly i: number }[],
    dy: string,
    indent: string,
  ): void {
    const names = active.map((_, k) => `x${k}`);
    const inside = operands.map((operand, i) => {
      const k = active.findIndex((a) => a.i === i);
      return k >= 0 ? names[k]! : this.#text(operand);
    });
    const call = `(${names.join(", ")}) => ${inside[0]}.${step.method}(${inside.slice(1).join(", ")})`;
    const values = active.map(({ operand }) => this.value(operand)).join(", ");
    const made = active.map((_, k) => `g${k}`).join(", ");
    this.lines.push(`${indent}  const [${made}] = pullback(${call}, [${values}], ${dy});`);
    for (const [k, { operand }] of active.entries()) this.#add(operand, `g${k}`, indent);
  }

  #add(to: Active, text: string, indent: string): void {
    const own = this.#own(to);
    this.lines.push(`${indent}  ${own} = plus(${own}, ${text});`);
  }
}
