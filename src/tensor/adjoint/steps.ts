/**
 * A function's source as a list of steps, each with at most one operation on tensors (three-address form): what a gradient is
 * written from. Loops and choices stay loops and choices.
 */
import {
  type ArrowFunctionExpression,
  type Expression,
  type FunctionExpression,
  type Node,
  type Pattern,
  parseExpressionAt,
  type Statement,
} from "acorn";
import { UserError } from "../../core/errors.ts";

/** A value that gradients flow through: a local variable, or a parameter by its name. */
export interface Active {
  readonly kind: "active";
  readonly name: string;
  readonly parameter: boolean;
}
/** Anything else, as source. */
export interface Plain {
  readonly kind: "plain";
  readonly text: string;
}
export type Argument = Active | Plain;

export type Step =
  /** target = receiver.method(args) */
  | {
      readonly kind: "call";
      readonly target: string;
      readonly method: string;
      readonly receiver: Argument;
      readonly args: readonly Argument[];
    }
  | { readonly kind: "copy"; readonly target: string; readonly from: Active }
  /** A variable that no gradient flows through. */
  | { readonly kind: "set"; readonly target: string; readonly text: string }
  /** The body runs `count` times, with `variable` 0, 1, … */
  | { readonly kind: "loop"; readonly variable: string; readonly count: string; readonly body: readonly Step[] }
  | { readonly kind: "if"; readonly test: string; readonly yes: readonly Step[]; readonly no: readonly Step[] };

export interface Parsed {
  /** Names of control, parameters and batch. */
  readonly names: readonly [string, string, string];
  readonly steps: readonly Step[];
  readonly result: Active;
  readonly variables: readonly string[];
}

/** Throws a `UserError` with the place of what cannot be differentiated from its source. */
export function stepsOf(source: string): Parsed {
  return new Reader(source).read();
}

class Reader {
  readonly #source: string;
  readonly #active = new Set<string>();
  readonly #variables: string[] = [];
  #steps: Step[] = [];
  #temporaries = 0;
  #parameters = "";

  constructor(source: string) {
    this.#source = `(${source})`;
  }

  read(): Parsed {
    const root = parseExpressionAt(this.#source, 0, { ecmaVersion: 2022 });
    if (root.type !== "ArrowFunctionExpression" && root.type !== "FunctionExpression") {
      return this.#refuse(root, "a function is needed");
    }
    const names = root.params.map((p) => this.#name(p));
    if (names.length < 2 || names.length > 3) this.#refuse(root, "it must take (control, parameters, batch)");
    if (names.length === 2) names.push("batch");
    this.#parameters = names[1]!;
    const { steps, result } = this.#function(root);
    return { names: names as [string, string, string], steps, result, variables: this.#variables };
  }

  #function(node: FunctionLike): { readonly steps: readonly Step[]; readonly result: Active } {
    let result: Active | undefined;
    const steps = this.#block(() => {
      const value = this.#body(node);
      result = value === undefined ? undefined : this.#activeOf(value);
    });
    if (result === undefined) return this.#refuse(node, "it must return a tensor that depends on the parameters");
    return { steps, result };
  }

  /** Writes the steps of a body; gives the expression that it returns. */
  #body({ body }: FunctionLike): Expression | undefined {
    if (body.type !== "BlockStatement") return body;
    for (const [i, statement] of body.body.entries()) {
      if (statement.type === "ReturnStatement") {
        if (i !== body.body.length - 1) this.#refuse(body.body[i + 1]!, "nothing may follow the return");
        return statement.argument ?? undefined;
      }
      this.#statement(statement);
    }
    return undefined;
  }

  #block(write: () => void): readonly Step[] {
    const outer = this.#steps;
    this.#steps = [];
    write();
    const inner = this.#steps;
    this.#steps = outer;
    return inner;
  }

  #statement(node: Statement): void {
    switch (node.type) {
      case "VariableDeclaration":
        for (const { id, init } of node.declarations) {
          if (init == null) this.#refuse(node, "a variable needs a value");
          this.#assign(id, init);
        }
        return;
      case "ExpressionStatement": {
        const { expression } = node;
        if (expression.type !== "AssignmentExpression" || expression.operator !== "=") {
          return this.#refuse(node, "only assignments with = may stand by themselves");
        }
        return this.#assign(expression.left as Pattern, expression.right);
      }
      case "IfStatement": {
        const test = this.#kept(node.test);
        const branch = (inner: Statement | null | undefined): readonly Step[] =>
          this.#block(() => inner != null && this.#statement(inner));
        this.#steps.push({ kind: "if", test, yes: branch(node.consequent), no: branch(node.alternate) });
        return;
      }
      case "BlockStatement":
        for (const inner of node.body) this.#statement(inner);
        return;
      case "ForStatement":
        return this.#for(node);
      default:
        return this.#refuse(node, `${node.type} has no gradient`);
    }
  }

  /** `for (let i = 0; i < count; i++)` */
  #for(node: Extract<Statement, { type: "ForStatement" }>): void {
    const { init, test, update, body } = node;
    const first = init?.type === "VariableDeclaration" ? init.declarations[0] : undefined;
    const counts =
      first?.init?.type === "Literal" &&
      first.init.value === 0 &&
      test?.type === "BinaryExpression" &&
      test.operator === "<" &&
      update?.type === "UpdateExpression" &&
      update.operator === "++";
    if (first === undefined || !counts) return this.#refuse(node, "loops are written for (let i = 0; i < count; i++)");
    this.#loop(this.#name(first.id), this.#kept(test.right), () => this.#statement(body));
  }

  #loop(variable: string, count: string, write: () => void): void {
    this.#declare(variable);
    // A variable that the body makes active is so from the first step on.
    const marks = [...this.#variables];
    const before = this.#active.size;
    const temporaries = this.#temporaries;
    let body = this.#block(write);
    if (this.#active.size > before) {
      this.#variables.splice(0, this.#variables.length, ...marks);
      this.#temporaries = temporaries;
      body = this.#block(write);
    }
    this.#steps.push({ kind: "loop", variable, count, body });
  }

  #assign(target: Pattern, value: Expression): void {
    if (target.type === "ArrayPattern") return this.#assignState(target, value);
    const name = this.#declare(this.#name(target));
    if (!this.#isActive(value)) {
      this.#steps.push({ kind: "set", target: name, text: this.#text(value) });
      return;
    }
    this.#active.add(name);
    this.#steps.push({ kind: "copy", target: name, from: this.#activeOf(value) });
  }

  /** `const [h, c] = control.loop(count, [h0, c0], (i, [h, c]) => [h2, c2])`: variables that a loop carries on. */
  #assignState(target: Extract<Pattern, { type: "ArrayPattern" }>, value: Expression): void {
    const call = value.type === "CallExpression" && isLoop(value.callee) ? value.arguments : undefined;
    const [count, begin, body] = call ?? [];
    if (count === undefined || begin?.type !== "ArrayExpression" || body?.type !== "ArrowFunctionExpression") {
      return this.#refuse(value, "only control.loop(count, [state], (i, [state]) => …) gives a list");
    }
    const [index, state] = body.params;
    if (index === undefined || state?.type !== "ArrayPattern") return this.#refuse(body, "its body takes (i, [state])");
    const carried = state.elements.map((e) => this.#name(e!));
    for (const [i, e] of begin.elements.entries()) this.#assign(state.elements[i]!, e as Expression);
    const counter = `${this.#name(index)}Count`;
    this.#loop(counter, this.#kept(count as Expression), () => {
      this.#steps.push({ kind: "set", target: this.#declare(this.#name(index)), text: `indexTensor(${counter})` });
      const next = this.#body(body);
      if (next?.type !== "ArrayExpression") return this.#refuse(body, "its body returns a list");
      // All are computed before any is replaced.
      const values = next.elements.map((e) => this.#apart(this.#argument(e as Expression), carried));
      for (const [i, from] of values.entries()) this.#carry(carried[i]!, from);
    });
    for (const [i, e] of target.elements.entries()) {
      const from = carried[i]!;
      const name = this.#declare(this.#name(e!));
      if (name !== from)
        this.#carry(name, this.#active.has(from) ? activeVariable(from) : { kind: "plain", text: from });
    }
  }

  /** Where it is one of the variables that are about to change, a copy. */
  #apart(from: Argument, changing: readonly string[]): Argument {
    if (from.kind === "plain" || !changing.includes(from.name)) return from;
    const target = this.#temporary();
    this.#carry(target, from);
    return activeVariable(target);
  }

  #carry(target: string, from: Argument): void {
    if (from.kind === "plain") this.#steps.push({ kind: "set", target, text: from.text });
    else {
      this.#active.add(target);
      this.#steps.push({ kind: "copy", target, from });
    }
  }

  /** Whether gradients flow through what the expression gives. */
  #isActive(node: Expression): boolean {
    if (node.type === "Identifier") return this.#active.has(node.name);
    if (node.type === "MemberExpression") return this.#isParameter(node) || this.#isActive(node.object as Expression);
    if (node.type !== "CallExpression") return false;
    if (node.callee.type !== "MemberExpression") return false;
    return [node.callee.object, ...node.arguments].some((part) => this.#isActive(part as Expression));
  }

  #isParameter(node: Expression): boolean {
    if (node.type !== "MemberExpression" || node.computed) return false;
    return node.object.type === "Identifier" && node.object.name === this.#parameters;
  }

  #activeOf(node: Expression): Active {
    if (node.type === "Identifier" && this.#active.has(node.name)) return activeVariable(node.name);
    if (this.#isParameter(node) && node.type === "MemberExpression" && node.property.type === "Identifier") {
      return { kind: "active", name: node.property.name, parameter: true };
    }
    if (node.type !== "CallExpression" || node.callee.type !== "MemberExpression") {
      return this.#refuse(node, "gradients flow through methods of tensors only");
    }
    const { object, property } = node.callee;
    if (property.type !== "Identifier") return this.#refuse(node, "methods are called by their names");
    const receiver = this.#argument(object as Expression);
    const args = node.arguments.map((a) => this.#argument(a as Expression));
    const target = this.#temporary();
    this.#active.add(target);
    this.#steps.push({ kind: "call", target, method: property.name, receiver, args });
    return activeVariable(target);
  }

  #argument(node: Expression): Argument {
    return this.#isActive(node) ? this.#activeOf(node) : { kind: "plain", text: this.#kept(node) };
  }

  /** Source of a value that is computed once, and read again on the way back. */
  #kept(node: Expression): string {
    const simple = node.type === "Literal" || node.type === "Identifier" || !/[([]/.test(this.#text(node));
    if (simple || node.type === "ObjectExpression" || node.type === "ArrayExpression") return this.#text(node);
    const target = this.#temporary();
    this.#steps.push({ kind: "set", target, text: this.#text(node) });
    return target;
  }

  #temporary(): string {
    return this.#declare(`t${++this.#temporaries}`);
  }

  #declare(name: string): string {
    if (!this.#variables.includes(name)) this.#variables.push(name);
    return name;
  }

  #name(node: Pattern): string {
    return node.type === "Identifier" ? node.name : this.#refuse(node, "a name is needed");
  }

  #text = (node: Node): string => this.#source.slice(node.start, node.end);

  #refuse(node: Node, why: string): never {
    const line = this.#source.slice(0, node.start).split("\n").length;
    throw new UserError(`Differentiating the source, line ${line}: ${this.#text(node).slice(0, 80)}: ${why}.`);
  }
}

type FunctionLike = ArrowFunctionExpression | FunctionExpression;

const activeVariable = (name: string): Active => ({ kind: "active", name, parameter: false });

const isLoop = (callee: Node): boolean =>
  callee.type === "MemberExpression" &&
  (callee as { readonly property?: { readonly name?: string } }).property?.name === "loop";
