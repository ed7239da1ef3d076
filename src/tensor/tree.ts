/** Trees: tensors in nested objects and arrays. What is not a tensor, array or plain object is part of the structure. */
import { Tensor } from "./tensor.ts";

export type Tree = unknown;

const isPlain = (x: unknown): x is Record<string, unknown> =>
  typeof x === "object" && x !== null && [Object.prototype, null].includes(Object.getPrototypeOf(x));

/** The tensors of a tree, in order. */
export function leavesOfTree(tree: Tree): Tensor[] {
  const leaves: Tensor[] = [];
  const visit = (x: unknown): void => {
    if (x instanceof Tensor) leaves.push(x);
    else if (Array.isArray(x)) for (const item of x) visit(item);
    else if (isPlain(x)) for (const item of Object.values(x)) visit(item);
  };
  visit(tree);
  return leaves;
}

/** The tree with each tensor replaced. */
export function mapTree<T>(tree: T, f: (leaf: Tensor) => unknown): T {
  const visit = (x: unknown): unknown => {
    if (x instanceof Tensor) return f(x);
    if (Array.isArray(x)) return x.map(visit);
    if (isPlain(x)) return Object.fromEntries(Object.entries(x).map(([name, item]) => [name, visit(item)]));
    return x;
  };
  return visit(tree) as T;
}

/** The tree with its tensors replaced, in order, by `leaves`. */
export function fillTree<T>(tree: T, leaves: readonly Tensor[]): T {
  let next = 0;
  return mapTree(tree, () => leaves[next++]);
}

/** Equal for trees of one structure whose tensors have equal types. */
export function signatureOfTree(tree: Tree): string {
  if (tree instanceof Tensor) return tree.signature;
  if (Array.isArray(tree)) return `[${tree.map(signatureOfTree)}]`;
  if (isPlain(tree)) return `{${Object.entries(tree).map(([name, item]) => `${name}:${signatureOfTree(item)}`)}}`;
  return typeof tree === "object" || typeof tree === "function" ? typeof tree : `${typeof tree} ${String(tree)}`;
}
