/** The substitutions that TASO's authors published, a protocol buffer, in our notation. */
import type { Operator, Step, Substitution } from "../compile/pass/taso/algebra.ts";

/** Numbers are signed 64-bit varints; anything else is a message or bytes. */
type Field = number | Uint8Array;

/** The fields of a message, by number, in order. */
function fields(bytes: Uint8Array): Map<number, Field[]> {
  const found = new Map<number, Field[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error(`the message ends in a number at byte ${at}`);
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const key = tag >> 3;
    const list = found.get(key) ?? [];
    found.set(key, list);
    if ((tag & 7) === 0) list.push(Number(BigInt.asIntN(64, varint())));
    else if ((tag & 7) === 2) {
      const length = Number(varint());
      list.push(bytes.subarray(at, at + length));
      at += length;
    } else throw new Error(`field ${key} has wire type ${tag & 7}`);
  }
  return found;
}

const messages = (of: Map<number, Field[]>, key: number): Map<number, Field[]>[] =>
  (of.get(key) ?? []).map((f) => fields(f as Uint8Array));
const number = (of: Map<number, Field[]>, key: number): number => Number(of.get(key)?.[0] ?? 0);

interface PublishedOp {
  readonly type: number;
  /** Operator (negative for a variable) and which of its results. */
  readonly inputs: readonly (readonly [number, number])[];
  readonly parameters: ReadonlyMap<number, number>;
}

export interface PublishedRule {
  readonly source: readonly PublishedOp[];
  readonly target: readonly PublishedOp[];
  /** Operator and result of the source, then of the target. */
  readonly outputs: readonly (readonly [readonly [number, number], readonly [number, number]])[];
}

export function parseRules(bytes: Uint8Array): PublishedRule[] {
  const op = (m: Map<number, Field[]>): PublishedOp => ({
    type: number(m, 1),
    inputs: messages(m, 2).map((t) => [number(t, 1), number(t, 2)] as const),
    parameters: new Map(messages(m, 3).map((p) => [number(p, 1), number(p, 2)])),
  });
  return messages(fields(bytes), 1).map((rule) => ({
    source: messages(rule, 1).map(op),
    target: messages(rule, 2).map(op),
    outputs: messages(rule, 3).map(
      (o) =>
        [
          [number(o, 1), number(o, 3)],
          [number(o, 2), number(o, 4)],
        ] as const,
    ),
  }));
}

/** `OpType` and `PMParameter` of TASO's `ops.h`. */
const types: Readonly<Record<number, Operator>> = { 8: "map", 16: "add", 17: "mul", 18: "matmul" };
const [concat, split, activation, axis] = [12, 13, 9, 11];

function operatorOf({ type, parameters }: PublishedOp): Operator | undefined {
  if ((parameters.get(activation) ?? 0) !== 0) return undefined;
  if (type !== concat && type !== split) return types[type];
  const along = parameters.get(axis);
  if (along !== 0 && along !== 1) return undefined;
  return type === concat ? `concat${along}` : `split${along}`;
}

/** `undefined` where the algebra lacks an operator. */
export function translate(rule: PublishedRule): Substitution | undefined {
  const names = new Map<number, number>();
  for (const { inputs } of [...rule.source, ...rule.target])
    for (const [id] of inputs) if (id < 0 && !names.has(id)) names.set(id, names.size);
  const side = (ops: readonly PublishedOp[]) => {
    const first: number[] = [];
    let tensors = names.size;
    const tensor = ([id, part]: readonly [number, number]): number => (id < 0 ? names.get(id)! : first[id]! + part);
    const steps: Step[] = [];
    for (const published of ops) {
      const op = operatorOf(published);
      if (op === undefined) return undefined;
      const inputs = published.inputs.map(tensor);
      steps.push({ op, inputs: op === "add" || op === "mul" ? inputs.sort((a, b) => a - b) : inputs });
      first.push(tensors);
      tensors += op === "split0" || op === "split1" ? 2 : 1;
    }
    return { steps, tensor };
  };
  const [source, target] = [side(rule.source), side(rule.target)];
  if (source === undefined || target === undefined) return undefined;
  const shared = { variables: names.size, cut: [] };
  return {
    source: { ...shared, steps: source.steps, outputs: rule.outputs.map(([o]) => source.tensor(o)) },
    target: { ...shared, steps: target.steps, outputs: rule.outputs.map(([, o]) => target.tensor(o)) },
  };
}
