/** What form a chat answer must have: free text, JSON, JSON of a schema, or calls of tools. */

import { jsonConstraint, schemaConstraint, toolConstraint } from "../constraint.ts";
import type { ConstraintState } from "../generation.ts";
import { checkDepth } from "./body.ts";
import type { ChatFields, ChatTool } from "./chat-fields.ts";
import { badRequest } from "./errors.ts";
import type { ToolUse } from "./tool-output.ts";

export interface OutputForm {
  readonly constraint: ConstraintState | undefined;
  readonly tools: ToolUse;
  /** Tools that the model is told of and may call. */
  readonly offered: readonly ChatTool[];
  readonly toolNames: ReadonlySet<string>;
}

/** Throws a 400 for fields that contradict each other, and for what a schema asks that cannot be held. */
export function outputForm(fields: ChatFields): OutputForm {
  if (fields.top_logprobs !== undefined && fields.logprobs !== true) {
    throw badRequest("'top_logprobs' is only allowed with logprobs: true.", "top_logprobs");
  }
  const tools = toolUse(fields);
  const offered = offeredTools(fields, tools);
  const constraint = toolChoiceConstraint(fields, tools, offered) ?? formatConstraint(fields);
  if (constraint !== undefined) checkConstrained(fields, tools);
  return { constraint, tools, offered, toolNames: new Set(offered.map((tool) => tool.function.name)) };
}

function toolUse(fields: ChatFields): ToolUse {
  const some = fields.tools !== undefined && fields.tools.length > 0;
  const choice = fields.tool_choice ?? (some ? "auto" : "none");
  if (!some && choice !== "none") throw badRequest("'tool_choice' needs 'tools'.", "tool_choice");
  if (!some && fields.parallel_tool_calls !== undefined) {
    throw badRequest("'parallel_tool_calls' needs 'tools'.", "parallel_tool_calls");
  }
  return choice === "none" || choice === "auto" ? choice : "always";
}

function offeredTools(fields: ChatFields, use: ToolUse): readonly ChatTool[] {
  const tools = fields.tools ?? [];
  checkDepth(tools, "tools");
  const names = tools.map((tool) => tool.function.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw badRequest(`'tools' has two functions named '${twice}'.`, "tools");
  const { tool_choice: choice } = fields;
  if (typeof choice === "object" && !names.includes(choice.function.name)) {
    throw badRequest(`'tool_choice' names '${choice.function.name}', which is not in 'tools'.`, "tool_choice");
  }
  return use === "none" ? [] : tools;
}

function toolChoiceConstraint(
  fields: ChatFields,
  use: ToolUse,
  tools: readonly ChatTool[],
): ConstraintState | undefined {
  if (use !== "always") return undefined;
  const { tool_choice: choice } = fields;
  const named = typeof choice === "object" ? choice.function.name : undefined;
  return toolConstraint(
    tools.map((tool) => tool.function),
    named === undefined ? "required" : { name: named },
  );
}

function formatConstraint(fields: ChatFields): ConstraintState | undefined {
  const format = fields.response_format;
  if (format === undefined || format.type === "text") return undefined;
  if (format.type === "json_object") return jsonConstraint();
  checkDepth(format.json_schema.schema, "response_format");
  return schemaConstraint(format.json_schema.schema);
}

/** What ends by `stop` parses: nothing else may end, or prolong, constrained text. */
function checkConstrained(fields: ChatFields, use: ToolUse): void {
  const what = use === "always" ? "tool_choice" : "response_format";
  if (use === "auto")
    throw badRequest("'response_format' is only allowed with tool_choice: \"none\".", "response_format");
  if (use === "always" && fields.response_format !== undefined && fields.response_format.type !== "text") {
    throw badRequest("'response_format' is not allowed where 'tool_choice' asks for a call.", "response_format");
  }
  if (fields.stop !== undefined) throw badRequest(`'stop' would cut the JSON that '${what}' asks for.`, "stop");
  if (fields.ignore_eos === true) throw badRequest(`'ignore_eos' is not allowed with '${what}'.`, "ignore_eos");
}
