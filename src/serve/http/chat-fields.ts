/** The body of `POST /v1/chat/completions`. Whatever is not listed here is refused by name. */
import { z } from "zod";
import { list, optional, sharedFields } from "./fields.ts";

/** Most messages and tools in one request: far above any conversation, far below what would stall the event loop. */
const messagesMax = 4096;
const toolsMax = 128;

const textPart = z.strictObject({ type: z.literal("text", "only text parts are supported"), text: z.string() });
const content = z.union([z.string(), list(textPart, messagesMax)], "it must be text, or a list of text parts");
const name = optional(z.string());

const toolCall = z.strictObject({
  id: z.string(),
  type: z.literal("function"),
  // OpenAI's client keeps what it parsed beside the text, and sends it back.
  function: z.strictObject({ name: z.string(), arguments: z.string(), parsed_arguments: optional(z.unknown()) }),
});

const message = z.discriminatedUnion(
  "role",
  [
    z.strictObject({ role: z.enum(["system", "developer", "user"]), content, name }),
    z.strictObject({
      role: z.literal("assistant"),
      content: optional(content),
      name,
      // Clients send our own answers back, with the empty fields that they had.
      refusal: optional(z.string()),
      parsed: optional(z.unknown()),
      audio: optional(z.undefined("audio is not supported")),
      function_call: optional(z.undefined("it is replaced by tool_calls")),
      annotations: optional(z.array(z.unknown()).max(0, "annotations are not supported")),
      tool_calls: optional(list(toolCall, toolsMax)),
    }),
    z.strictObject({ role: z.literal("tool"), content, tool_call_id: z.string(), name }),
  ],
  "it must be system, developer, user, assistant or tool",
);

const jsonObject = z.record(z.string(), z.unknown());

const tool = z.strictObject({
  type: z.literal("function", "only function tools are supported"),
  function: z.strictObject({
    name: z.string().regex(/^[a-zA-Z0-9_.-]{1,64}$/, "a name has 1 to 64 of a-z A-Z 0-9 _ . -"),
    description: optional(z.string()),
    parameters: optional(jsonObject),
    strict: optional(z.boolean()),
  }),
});

const toolChoice = z.union(
  [
    z.enum(["none", "auto", "required"]),
    z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: z.string() }) }),
  ],
  'it must be "none", "auto", "required", or {type: "function", function: {name}}',
);

const responseFormat = z.discriminatedUnion(
  "type",
  [
    z.strictObject({ type: z.literal("text") }),
    z.strictObject({ type: z.literal("json_object") }),
    z.strictObject({
      type: z.literal("json_schema"),
      json_schema: z.strictObject({
        name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, "a name has 1 to 64 of a-z A-Z 0-9 _ -"),
        description: optional(z.string()),
        schema: jsonObject,
        strict: optional(z.boolean()),
      }),
    }),
  ],
  "it must be text, json_object or json_schema",
);

export const chatFields = z.strictObject({
  ...sharedFields,
  messages: list(message, messagesMax, 1),
  max_tokens: optional(z.int().min(1)),
  max_completion_tokens: optional(z.int().min(1)),
  logprobs: optional(z.boolean()),
  top_logprobs: optional(z.int().min(0).max(20)),
  response_format: optional(responseFormat),
  tools: optional(list(tool, toolsMax)),
  tool_choice: optional(toolChoice),
  parallel_tool_calls: optional(z.boolean()),
  prompt_cache_key: optional(z.string()),
  safety_identifier: optional(z.string()),
  service_tier: optional(z.enum(["auto", "default"])),
  metadata: optional(z.record(z.string(), z.string())),
  store: optional(z.literal(false, "this server stores nothing; leave it out")),
});

export type ChatFields = z.infer<typeof chatFields>;
export type ChatMessage = ChatFields["messages"][number];
export type ChatTool = NonNullable<ChatFields["tools"]>[number];
