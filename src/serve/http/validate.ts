/** Turns zod's verdict on a request into the one error that a client is shown, naming the field. */
import type { z } from "zod";
import { kindOf } from "./body.ts";
import { type ApiError, badRequest } from "./errors.ts";

/** Throws a 400 for the first problem found: unknown fields before wrong ones, since they explain more. */
export function validate<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  const issues = result.error.issues.map(innermost);
  const issue = issues.find((i) => i.code === "unrecognized_keys") ?? issues[0]!;
  throw describe(issue, body);
}

type Issue = z.core.$ZodIssue;

/** A union fails with the failures of each of its members; the member that got furthest says what was meant. */
function innermost(issue: Issue): Issue {
  if (issue.code !== "invalid_union") return issue;
  const nested = issue.errors
    .map((branch) => branch.map((i) => innermost({ ...i, path: [...issue.path, ...i.path] })))
    .filter((branch) => branch.length > 0)
    .sort((a, b) => depth(b) - depth(a))[0];
  const first = nested?.[0];
  return first !== undefined && first.path.length > issue.path.length ? first : issue;
}

const depth = (branch: readonly Issue[]): number => Math.max(...branch.map((i) => i.path.length));

function describe(issue: Issue, body: unknown): ApiError {
  const path = pathOf(issue.path);
  if (issue.code === "unrecognized_keys") {
    const field = pathOf([...issue.path, issue.keys[0] ?? ""]);
    return badRequest(`Unsupported field "${field}".`, field, "unsupported_field");
  }
  const value = issue.path.reduce<unknown>((v, key) => (v as Record<PropertyKey, unknown> | undefined)?.[key], body);
  if (value === undefined && issue.code !== "custom") {
    return badRequest(`Missing required field '${path}'.`, path, "missing_required_parameter");
  }
  if (issue.code === "invalid_type") {
    const got = issue.expected === "int" && typeof value === "number" ? String(value) : kindOf(value);
    const expected = issue.expected === "int" ? "integer" : issue.expected;
    return badRequest(`Invalid type for '${path}': expected ${expected}, got ${got}.`, path, "invalid_type");
  }
  return badRequest(`Invalid '${path}': ${problem(issue, value).replace(/\.?$/, ".")}`, path);
}

function problem(issue: Issue, value: unknown): string {
  if (issue.code === "too_big") return `${measure(issue.origin, value)}; at most ${issue.maximum} is accepted`;
  if (issue.code === "too_small") {
    const bound = issue.inclusive === false ? "more than" : "at least";
    return `${measure(issue.origin, value)}; ${bound} ${issue.minimum} is accepted`;
  }
  if (issue.code === "invalid_key") return issue.issues[0]?.message ?? issue.message;
  if (issue.code === "invalid_value") {
    const defaultMessage = issue.message.startsWith("Invalid ");
    return defaultMessage ? `got ${short(value)}; it must be ${issue.values.map(short).join(" or ")}` : issue.message;
  }
  return issue.code === "invalid_union" ? `got ${kindOf(value)}; ${issue.message}` : issue.message;
}

function measure(origin: string, value: unknown): string {
  if (origin === "array" && Array.isArray(value)) return `it has ${value.length} items`;
  if (origin === "string" && typeof value === "string") return `it has ${value.length} characters`;
  return `got ${short(value)}`;
}

const short = (value: unknown): string => JSON.stringify(value)?.slice(0, 60) ?? "nothing";

/** `messages[0].content`, as OpenAI writes a param. */
function pathOf(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}
