/**
 * A conversation as the text that a model was trained on, by the Jinja template of its file or, where there is none, by one
 * of its family.
 *
 *     messages ──► plain messages ──► template ──► text, without the beginning-of-sequence token, which `encode` adds
 *
 * Templates differ in what they know. What a template does not know, tools and their calls, becomes text of a message, so
 * that nothing that a client sent is lost silently.
 */
import { Template } from "@huggingface/jinja";
import { UserError } from "../core/errors.ts";
import { chatMl, gemmaTurns, transcript } from "./chat-templates.ts";
import type { Checkpoint } from "./checkpoint.ts";

/** A message in OpenAI's form. */
export interface ChatMessage {
  readonly role: "system" | "developer" | "user" | "assistant" | "tool";
  readonly content?: string | readonly { readonly type: "text"; readonly text: string }[] | null | undefined;
  readonly name?: string | undefined;
  readonly tool_calls?: readonly ChatToolCall[] | null | undefined;
  readonly tool_call_id?: string | undefined;
}

export interface ChatToolCall {
  readonly id?: string;
  readonly type?: "function";
  /** `arguments` is JSON text. */
  readonly function: { readonly name: string; readonly arguments: string };
}

export interface ChatToolOffer {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    readonly parameters?: unknown;
  };
}

export interface ChatOptions {
  readonly tools?: readonly ChatToolOffer[];
  /** End with the opening of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
}

type Source = Pick<Checkpoint, "name" | "chatTemplate" | "config">;

/** The template in use; the note, for people, says what stands in where the file has none. */
export function chatTemplateSource(checkpoint: Source): {
  readonly template: string;
  readonly note: string | undefined;
} {
  if (checkpoint.chatTemplate !== undefined) return { template: checkpoint.chatTemplate, note: undefined };
  const { template, what } = familyTemplate(checkpoint.config.architecture);
  return {
    template,
    note: `${checkpoint.name} brings no chat template; conversations are written as ${what}. A base model may not follow it.`,
  };
}

function familyTemplate(architecture: string): { readonly template: string; readonly what: string } {
  if (/^gemma/.test(architecture)) return { template: gemmaTurns, what: "Gemma's turns" };
  if (/^qwen/.test(architecture)) return { template: chatMl, what: "ChatML" };
  return { template: transcript, what: "a plain transcript" };
}

/**
 * The text to give to `tokenizer.encode(text)`: special tokens are written as such, and a beginning-of-sequence token that
 * the template writes is taken away where `encode` adds it. Throws a `UserError` for a template that does not parse or that
 * refuses the conversation.
 */
export function renderChat(
  checkpoint: Source & Pick<Checkpoint, "tokenizer">,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): string {
  const { tokenizer } = checkpoint;
  const { template } = chatTemplateSource(checkpoint);
  const tools = options.tools ?? [];
  const knowsTools = /\btools\b/.test(template);
  const plain = messages.map((message) => plainMessage(message, /\btool_calls\b/.test(template)));
  const named = tokenizer.templateTokens;
  const text = render(checkpoint.name, template, {
    messages: knowsTools || tools.length === 0 ? plain : describeTools(plain, tools),
    ...(knowsTools && tools.length > 0 ? { tools } : {}),
    add_generation_prompt: options.addGenerationPrompt ?? true,
    bos_token: named?.bos ?? (tokenizer.bos === undefined ? "" : tokenizer.piece(tokenizer.bos)),
    eos_token: named?.eos ?? (tokenizer.ends[0] === undefined ? "" : tokenizer.piece(tokenizer.ends[0])),
  });
  const bos = tokenizer.bos === undefined ? "" : tokenizer.piece(tokenizer.bos);
  return bos !== "" && text.startsWith(bos) ? text.slice(bos.length) : text;
}

/** The library brings `raise_exception`, by which templates refuse a conversation, and `strftime_now`. */
function render(name: string, template: string, values: Record<string, unknown>): string {
  try {
    return new Template(template).render(values);
  } catch (error) {
    throw new UserError(
      `Writing the conversation for ${name}: its chat template says: ${error instanceof Error ? error.message : error}`,
      "Change the messages to what the model was trained on, or send a plain prompt to /v1/completions.",
    );
  }
}

interface PlainMessage {
  readonly role: "system" | "user" | "assistant" | "tool";
  readonly content: string;
  readonly [more: string]: unknown;
}

/** Content as one string, arguments as values, roles that every template knows. */
function plainMessage(message: ChatMessage, knowsCalls: boolean): PlainMessage {
  const role = message.role === "developer" ? "system" : message.role;
  const name = message.name === undefined ? {} : { name: message.name };
  const content = contentText(message.content);
  const calls = (message.tool_calls ?? []).map((call) => ({
    ...call,
    function: { name: call.function.name, arguments: parsed(call.function.arguments) },
  }));
  if (knowsCalls) {
    const id = message.tool_call_id === undefined ? {} : { tool_call_id: message.tool_call_id };
    return { role, content, ...name, ...id, ...(calls.length === 0 ? {} : { tool_calls: calls }) };
  }
  const written = calls.map((call) => JSON.stringify(call.function));
  const text = [...(content === "" ? [] : [content]), ...written].join("\n");
  return { role: role === "tool" ? "user" : role, content: text, ...name };
}

function contentText(content: ChatMessage["content"]): string {
  if (content === undefined || content === null) return "";
  return typeof content === "string" ? content : content.map((part) => part.text).join("\n");
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** For a template that knows no tools: they are described at the end of the system message. */
function describeTools(messages: readonly PlainMessage[], tools: readonly ChatToolOffer[]): readonly PlainMessage[] {
  const text = [
    "You can call these tools:",
    ...tools.map((tool) => JSON.stringify(tool.function)),
    'To call one, answer with nothing but {"name": "…", "arguments": {…}}.',
  ].join("\n");
  const [first, ...others] = messages;
  if (first?.role !== "system") return [{ role: "system", content: text }, ...messages];
  return [{ ...first, content: `${first.content}\n\n${text}` }, ...others];
}
