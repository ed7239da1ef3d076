/**
 * JSON Schema to a grammar. What the grammar allows always validates; it may be a part of what the schema allows: members
 * come in the schema's order, and names that the schema does not list are written only where it lists none.
 *
 * A keyword that cannot be held to is refused by name and path; annotations are ignored.
 */
import { UserError } from "../../core/errors.ts";
import { choice, type Grammar, literal, repeat } from "./grammar.ts";
import { integersBetween } from "./integers.ts";
import { anyObject, character, dictionary, integer, list, number, object, quoted, string, value } from "./json.ts";
import { formats, patternGrammar } from "./pattern.ts";

type Schema = Readonly<Record<string, unknown>>;
const annotations = new Set(
  "title description default examples $schema $id $comment $defs definitions deprecated readOnly writeOnly strict discriminator".split(
    " ",
  ),
);
const endless = Number.POSITIVE_INFINITY;
const propertiesMax = 1000;
const largest = 10 ** 15 - 1;
const types = ["object", "array", "string", "number", "integer", "boolean", "null"] as const;
type TypeName = (typeof types)[number];

/** Throws a `UserError` that names the keyword and where it stands. */
export function schemaGrammar(schema: unknown): Grammar {
  return new Compiler(schema).compile(schema, "#");
}

class Compiler {
  readonly #root: unknown;
  readonly #references = new Map<string, Grammar>();

  constructor(root: unknown) {
    this.#root = root;
  }

  compile(schema: unknown, path: string): Grammar {
    if (schema === true) return value;
    if (schema === false) return refuse(path, "false allows nothing");
    const s = asSchema(schema, path);
    if ("$ref" in s) {
      only(s, path, ["$ref"]);
      return this.#reference(s.$ref, `${path}/$ref`);
    }
    for (const key of ["anyOf", "oneOf", "allOf"] as const) if (key in s) return this.#combined(s, key, path);
    if ("const" in s) {
      only(s, path, ["const", "type"]);
      if (s.type !== undefined && !typeNames(s, path).some((name) => isOfType(s.const, name))) {
        return refuse(`${path}/const`, `${JSON.stringify(s.const)} is not of the type`);
      }
      return literal(JSON.stringify(s.const));
    }
    if ("enum" in s) return enumeration(s, path);
    const names = typeNames(s, path);
    const branches = names.map((name) => this.#typed(s, name, names, path));
    return branches.length === 1 ? branches[0]! : choice(...branches);
  }

  #reference(ref: unknown, path: string): Grammar {
    if (typeof ref !== "string" || !ref.startsWith("#")) return refuse(path, "$ref must point into the same schema");
    const known = this.#references.get(ref);
    if (known !== undefined) return known;
    const target = this.#target(ref);
    if (target === undefined) return refuse(path, `${ref} does not exist`);
    let resolved: Grammar | undefined;
    const rule: Grammar = { kind: "rule", resolve: () => (resolved ??= this.compile(target, ref)) };
    this.#references.set(ref, rule);
    resolved = this.compile(target, ref);
    return rule;
  }

  /** What a JSON pointer of the schema itself points at. */
  #target(ref: string): unknown {
    let target: unknown = this.#root;
    if (ref !== "#" && !ref.startsWith("#/")) return undefined;
    for (const part of ref.split("/").slice(1)) {
      const name = percentDecoded(part).replaceAll("~1", "/").replaceAll("~0", "~");
      const inside = typeof target === "object" && target !== null && Object.hasOwn(target, name);
      target = inside ? (target as Schema)[name] : undefined;
    }
    return target;
  }

  #combined(s: Schema, key: "anyOf" | "oneOf" | "allOf", path: string): Grammar {
    only(s, path, [key, ...(key === "allOf" ? [] : ["type"])]);
    const list = s[key];
    if (!Array.isArray(list) || list.length === 0) return refuse(`${path}/${key}`, "it must be a list of schemas");
    if (key === "allOf") {
      return list.length === 1
        ? this.compile(list[0], `${path}/allOf/0`)
        : this.compile(mergeObjects(list, path), `${path}/allOf`);
    }
    const branches = s.type === undefined ? list : list.map((branch, i) => narrowed(branch, s, `${path}/${key}/${i}`));
    const plain = branches.map((branch) => this.#dereferenced(branch));
    if (key === "oneOf" && list.length > 1 && !exclusive(plain)) {
      return refuse(`${path}/oneOf`, "its branches are not plainly exclusive; use anyOf");
    }
    return choice(...branches.map((branch, i) => this.compile(branch, `${path}/${key}/${i}`)));
  }

  #dereferenced(branch: unknown): unknown {
    const ref = typeof branch === "object" && branch !== null ? (branch as Schema).$ref : undefined;
    return typeof ref === "string" ? this.#target(ref) : branch;
  }

  #typed(s: Schema, name: TypeName, all: readonly TypeName[], path: string): Grammar {
    const used = all.flatMap((n) => [...keywords[n]]);
    only(s, path, ["type", ...used]);
    switch (name) {
      case "null":
        return literal("null");
      case "boolean":
        return choice(literal("true"), literal("false"));
      case "integer":
        return integerOf(s, path);
      case "number":
        if ("multipleOf" in s || bounds.some((b) => b in s))
          return refuse(path, `${bounds.find((b) => b in s)} of a number`);
        return number;
      case "string":
        return stringOf(s, path);
      case "array":
        return this.#array(s, path);
      case "object":
        return this.#object(s, path);
    }
  }

  #array(s: Schema, path: string): Grammar {
    const first = s.prefixItems ?? [];
    if (!Array.isArray(first)) return refuse(`${path}/prefixItems`, "it must be a list of schemas");
    const fixed = first.map((item, i) => this.compile(item, `${path}/prefixItems/${i}`));
    const min = count(s, "minItems", path) ?? 0;
    const max = count(s, "maxItems", path) ?? endless;
    if (max < min || max < fixed.length) return refuse(`${path}/maxItems`, "it is below what must be there");
    if (s.items === false) {
      if (min > fixed.length) return refuse(`${path}/minItems`, "items: false allows fewer");
      return list(value, 0, fixed.length, fixed);
    }
    return list(s.items === undefined ? value : this.compile(s.items, `${path}/items`), min, max, fixed);
  }

  #object(s: Schema, path: string): Grammar {
    const properties = s.properties === undefined ? {} : asSchema(s.properties, `${path}/properties`);
    const required = s.required ?? [];
    if (!Array.isArray(required) || required.some((r) => typeof r !== "string")) {
      return refuse(`${path}/required`, "it must be a list of names");
    }
    const extra = s.additionalProperties;
    const missing = (required as string[]).filter((name) => !Object.hasOwn(properties, name));
    if (missing.length > 0 && extra === false)
      return refuse(`${path}/required`, `"${missing[0]}" is not allowed by the schema`);
    const rest =
      extra === undefined || extra === true
        ? value
        : extra === false
          ? undefined
          : this.compile(extra, `${path}/additionalProperties`);
    const listed = Object.keys(properties).length;
    if (listed > propertiesMax) return refuse(`${path}/properties`, `${listed} of them; at most ${propertiesMax}`);
    const members = [
      ...Object.entries(properties).map(([name, inner]) => ({
        name,
        value: this.compile(inner, `${path}/properties/${name}`),
        required: (required as string[]).includes(name),
      })),
      ...missing.map((name) => ({ name, value: rest!, required: true })),
    ];
    if (members.length > 0 || rest === undefined) return object(members);
    return rest === value ? anyObject : dictionary(rest);
  }
}

/** The branch of an anyOf beside which a type stands, held to that type. */
function narrowed(branch: unknown, beside: Schema, path: string): Schema {
  const s = asSchema(branch, path);
  const wide = typeNames(beside, path);
  if (s.type === undefined) {
    if (["$ref", "anyOf", "oneOf", "allOf"].some((key) => key in s))
      refuse(path, "a type beside what refers to others");
    return { ...s, type: wide };
  }
  const own = typeNames(s, path).flatMap((name) => {
    if (name === "number" && !wide.includes("number") && wide.includes("integer")) return ["integer"];
    return wide.includes(name) || (name === "integer" && wide.includes("number")) ? [name] : [];
  });
  if (own.length === 0) refuse(`${path}/type`, "it contradicts the type beside the branches");
  return { ...s, type: own };
}

const bounds = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"] as const;
const keywords: Readonly<Record<TypeName, readonly string[]>> = {
  object: ["properties", "required", "additionalProperties"],
  array: ["items", "prefixItems", "minItems", "maxItems"],
  string: ["minLength", "maxLength", "pattern", "format"],
  number: bounds,
  integer: bounds,
  boolean: [],
  null: [],
};

function typeNames(s: Schema, path: string): readonly TypeName[] {
  if (s.type === undefined) {
    const implied = types.filter((name) => name !== "number" && keywords[name].some((k) => k in s));
    return implied.length > 0 ? implied.slice(0, 1) : types.filter((name) => name !== "integer");
  }
  const names = Array.isArray(s.type) ? s.type : [s.type];
  const unknown = names.find((name) => !types.includes(name));
  if (unknown !== undefined || names.length === 0)
    return refuse(`${path}/type`, `${JSON.stringify(unknown)} is not a type`);
  return names;
}

function enumeration(s: Schema, path: string): Grammar {
  only(s, path, ["enum", "type"]);
  if (!Array.isArray(s.enum) || s.enum.length === 0) return refuse(`${path}/enum`, "it must be a list of values");
  const names = s.type === undefined ? undefined : typeNames(s, path);
  const fitting = s.enum.filter((v) => names === undefined || names.some((name) => isOfType(v, name)));
  if (fitting.length === 0) return refuse(`${path}/enum`, "no value is of the type");
  return choice(...fitting.map((v) => literal(JSON.stringify(v))));
}

function isOfType(v: unknown, name: TypeName): boolean {
  if (v === null) return name === "null";
  if (Array.isArray(v)) return name === "array";
  if (typeof v === "number") return name === "number" || (name === "integer" && Number.isInteger(v));
  return typeof v === name;
}

function integerOf(s: Schema, path: string): Grammar {
  for (const key of bounds)
    if (key in s && typeof s[key] !== "number") return refuse(`${path}/${key}`, "it must be a number");
  if (!bounds.some((key) => key in s)) return integer;
  const at = (key: (typeof bounds)[number], otherwise: number): number => (s[key] as number | undefined) ?? otherwise;
  const min = Math.max(Math.ceil(at("minimum", -largest)), Math.floor(at("exclusiveMinimum", -largest - 1)) + 1);
  const max = Math.min(Math.floor(at("maximum", largest)), Math.ceil(at("exclusiveMaximum", largest + 1)) - 1);
  if (Math.abs(min) > largest || Math.abs(max) > largest) return refuse(path, "bounds of 10^15 and beyond");
  return integersBetween(min, max) ?? refuse(path, `no integer is from ${min} to ${max}`);
}

function stringOf(s: Schema, path: string): Grammar {
  const min = count(s, "minLength", path);
  const max = count(s, "maxLength", path);
  const shaped = s.pattern ?? s.format;
  if (shaped === undefined) {
    if ((max ?? endless) < (min ?? 0)) return refuse(`${path}/maxLength`, "it is below minLength");
    return min === undefined && max === undefined ? string() : quoted(repeat(character, min ?? 0, max ?? endless));
  }
  if (min !== undefined || max !== undefined) return refuse(path, "a length beside pattern or format");
  // A format is an annotation (JSON Schema 2020-12, §7.2.1); generators of schemas write both for one type.
  if (s.pattern !== undefined) {
    if (typeof s.pattern !== "string") return refuse(`${path}/pattern`, "it must be a string");
    return quoted(patternGrammar(s.pattern, `${path}/pattern`));
  }
  const pattern = typeof s.format === "string" && Object.hasOwn(formats, s.format) ? formats[s.format] : undefined;
  if (pattern === undefined) {
    return refuse(`${path}/format`, `${JSON.stringify(s.format)}; known are ${Object.keys(formats).join(", ")}`);
  }
  return quoted(patternGrammar(pattern, `${path}/format`));
}

function count(s: Schema, key: string, path: string): number | undefined {
  const n = s[key];
  if (n === undefined) return undefined;
  return typeof n === "number" && Number.isInteger(n) && n >= 0
    ? n
    : refuse(`${path}/${key}`, "it must be a whole number");
}

/** Plain objects whose members do not overlap are one object. */
function mergeObjects(list: readonly unknown[], path: string): Schema {
  const properties = new Map<string, unknown>();
  const required: unknown[] = [];
  for (const [i, item] of list.entries()) {
    const at = `${path}/allOf/${i}`;
    const s = asSchema(item, at);
    only(s, at, ["type", "properties", "required"]);
    if (s.type !== undefined && s.type !== "object") return refuse(`${at}/type`, "only objects are merged");
    for (const [name, inner] of Object.entries(s.properties === undefined ? {} : asSchema(s.properties, at))) {
      if (properties.has(name)) return refuse(at, `"${name}" stands in two of its schemas`);
      properties.set(name, inner);
    }
    if (s.required !== undefined && !Array.isArray(s.required)) return refuse(`${at}/required`, "it must be a list");
    required.push(...((s.required ?? []) as unknown[]));
  }
  return { type: "object", properties: Object.fromEntries(properties), required };
}

/** True where no value can satisfy two branches: other types, other constants, or a member with other constants. */
function exclusive(branches: readonly unknown[]): boolean {
  const tags = branches.map(tagsOf);
  return tags.every((a, i) => tags.every((b, j) => i >= j || apart(a, b)));
}

type Tags = ReadonlyMap<string, ReadonlySet<string>>;

function tagsOf(branch: unknown): Tags {
  const tags = new Map<string, ReadonlySet<string>>();
  if (typeof branch !== "object" || branch === null) return tags;
  const s = branch as Schema;
  const constants = (x: Schema): unknown[] | undefined =>
    "const" in x ? [x.const] : Array.isArray(x.enum) ? x.enum : undefined;
  const own = constants(s);
  if (own !== undefined) tags.set("", new Set(own.map((v) => JSON.stringify(v))));
  if (typeof s.type === "string") tags.set("type", new Set(s.type === "integer" ? ["number", "integer"] : [s.type]));
  for (const [name, inner] of Object.entries((s.properties ?? {}) as Schema)) {
    const values = typeof inner === "object" && inner !== null ? constants(inner as Schema) : undefined;
    const must = Array.isArray(s.required) && s.required.includes(name);
    if (values !== undefined && must) tags.set(`.${name}`, new Set(values.map((v) => JSON.stringify(v))));
  }
  return tags;
}

const apart = (a: Tags, b: Tags): boolean =>
  [...a].some(([key, values]) => b.has(key) && [...values].every((v) => !b.get(key)!.has(v)));

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function asSchema(schema: unknown, path: string): Schema {
  if (typeof schema === "object" && schema !== null && !Array.isArray(schema)) return schema as Schema;
  return refuse(path, "it must be an object");
}

function only(s: Schema, path: string, allowed: readonly string[]): void {
  const other = Object.keys(s).find((key) => !allowed.includes(key) && !annotations.has(key));
  if (other !== undefined) refuse(`${path}/${other}`, `keyword "${other}" here`);
}

function refuse(path: string, what: string): never {
  throw new UserError(
    `Unsupported JSON schema at ${path}: ${what}.`,
    "Change the schema, or leave the constraint out.",
  );
}
