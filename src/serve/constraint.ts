/** What the output of a model may be held to: JSON, JSON of a schema, a call of a tool. The parts are in `constraint/`. */
import { UserError } from "../core/errors.ts";
import { choice, type Grammar, literal, sequence, start } from "./constraint/grammar.ts";
import { anyObject, space } from "./constraint/json.ts";
import { schemaGrammar } from "./constraint/schema.ts";
import type { ConstraintState } from "./generation.ts";

/** Any JSON object. */
export const jsonConstraint = (): ConstraintState => start(anyObject);

/** Throws a `UserError` that names the keyword and the path of what cannot be held to. */
export const schemaConstraint = (schema: unknown): ConstraintState => start(schemaGrammar(schema));

export interface ToolShape {
  readonly name: string;
  /** JSON schema of the arguments; an object of anything where absent. */
  readonly parameters?: unknown;
}

/** `{"name": …, "arguments": …}` of one of the tools, or of the one named. */
export function toolConstraint(
  tools: readonly ToolShape[],
  which: "required" | { readonly name: string },
): ConstraintState {
  const offered = tools.filter((tool) => which === "required" || tool.name === which.name);
  if (offered.length === 0)
    throw new UserError("A call of a tool is required, and no tool is offered.", "Add it to tools.");
  return start(choice(...offered.map(call)));
}

function call({ name, parameters }: ToolShape): Grammar {
  const values = parameters === undefined ? anyObject : schemaGrammar(asObject(parameters));
  const head = sequence(literal('{"name":'), space, literal(JSON.stringify(name)), literal(","), space);
  return sequence(head, literal('"arguments":'), space, values, space, literal("}"));
}

/** Arguments are an object, also where their schema does not say so, as that of a tool without any often does not. */
function asObject(parameters: unknown): unknown {
  const plain = typeof parameters === "object" && parameters !== null && !Array.isArray(parameters);
  if (!plain || ["type", "$ref", "anyOf", "oneOf", "allOf"].some((key) => key in parameters)) return parameters;
  return { type: "object", ...parameters };
}
