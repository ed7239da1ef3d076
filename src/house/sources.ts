/** The sources as the rules of the house see them: parsed, with what each file imports. */
import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { type Node, parseSync, visitorKeys } from "oxc-parser";

/** `src/` of the repository. Compiled files lie one folder below its root, wherever they were built. */
export const sourceRoot = new URL("../../src/", import.meta.url);

export interface Import {
  /** `static`: import and export-from; `worker`: `new URL("./x.js", import.meta.url)`. */
  readonly kind: "static" | "dynamic" | "worker";
  readonly specifier: string;
  /** True where nothing is left of it at run time. */
  readonly typeOnly: boolean;
  /** The file of `src/` that it names; `undefined` for packages and Node's modules. */
  readonly path: string | undefined;
}

export interface Source {
  /** Relative to `src/`, for example `serve/batching/orca.ts`. */
  readonly path: string;
  readonly text: string;
  readonly program: Node;
  readonly imports: readonly Import[];
}

export const isTest = (path: string): boolean => path.endsWith(".test.ts");

/** The first folder of a path, or the file's own name for those directly in `src/`. */
export const layerOf = (path: string): string => path.split("/")[0]!;

export function readSources(root: URL = sourceRoot): ReadonlyMap<string, Source> {
  const paths = readdirSync(root, { recursive: true, encoding: "utf8" })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".ts") && !path.startsWith("web/"))
    .sort();
  return new Map(paths.map((path) => [path, parseSource(path, readFileSync(new URL(path, root), "utf8"))]));
}

export function parseSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text, { lang: "ts", sourceType: "module" });
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]!.message}`);
  const imports: Import[] = [];
  const add = (kind: Import["kind"], specifier: string, typeOnly: boolean): void => {
    const local = specifier.startsWith(".") ? posix.join(posix.dirname(path), specifier) : undefined;
    imports.push({ kind, specifier, typeOnly, path: kind === "worker" ? local?.replace(/\.js$/, ".ts") : local });
  };
  walk(program, (node) => {
    if (node.type === "ImportDeclaration") {
      const all = node.specifiers;
      const named = all.length > 0 && all.every((s) => s.type === "ImportSpecifier" && s.importKind === "type");
      add("static", node.source.value, node.importKind === "type" || named);
    } else if (node.type === "ExportAllDeclaration" || node.type === "ExportNamedDeclaration") {
      if (node.source !== null) add("static", node.source.value, node.exportKind === "type");
    } else if (node.type === "ImportExpression" && node.source.type === "Literal") {
      add("dynamic", String(node.source.value), false);
    } else if (node.type === "TSImportType") {
      add("static", node.source.value, true);
    } else if (node.type === "NewExpression" && node.callee.type === "Identifier" && node.callee.name === "URL") {
      const [file, base] = node.arguments;
      const isModule = file?.type === "Literal" && typeof file.value === "string" && /\.[jt]s$/.test(file.value);
      if (isModule && base?.type === "MemberExpression" && base.object.type === "MetaProperty") {
        add("worker", String(file.value), false);
      }
    }
  });
  return { path, text, program, imports };
}

/** Visits every node, parents first. */
export function walk(
  node: Node,
  visit: (node: Node, parent: Node | undefined, key: string) => void,
  parent?: Node,
  key = "",
): void {
  visit(node, parent, key);
  const fields = node as unknown as Readonly<Record<string, unknown>>;
  for (const name of visitorKeys[node.type] ?? []) {
    const child = fields[name];
    for (const one of Array.isArray(child) ? child : [child]) {
      if (one !== null && one !== undefined) walk(one as Node, visit, node, name);
    }
  }
}

/** The names that code reads from its surroundings: identifiers, but not the names of properties and types. */
export function references(source: Source): { readonly name: string; readonly member: string | undefined }[] {
  const found: { name: string; member: string | undefined }[] = [];
  const notARead = new Set([
    "TSTypeReference",
    "TSQualifiedName",
    "TSPropertySignature",
    "TSTypeQuery",
    "ImportSpecifier",
  ]);
  walk(source.program, (node, parent, key) => {
    if (node.type !== "Identifier" || parent === undefined || notARead.has(parent.type)) return;
    const named = key === "property" || key === "key";
    if (named && "computed" in parent && !parent.computed && !("shorthand" in parent && parent.shorthand)) return;
    const member =
      parent.type === "MemberExpression" && key === "object"
        ? parent.property.type === "Identifier" && !parent.computed
          ? parent.property.name
          : "[]"
        : undefined;
    found.push({ name: node.name, member });
  });
  return found;
}

export const lineOf = (text: string, offset: number): number => text.slice(0, offset).split("\n").length;
