/** Conversations as what a model is taught: the tokens of the whole, and which of them are answers. */
import { z } from "zod";
import { UserError } from "../../core/errors.ts";
import { type ChatMessage, renderChat } from "../../model/chat.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";

/** One conversation in tokens. */
export interface Taught {
  readonly tokens: readonly number[];
  /** Places of the tokens to be learnt: each is predicted from those before it. */
  readonly answers: readonly number[];
}

const text = z.string();
const lineSchema = z.union([
  z.object({
    messages: z.array(z.object({ role: z.enum(["system", "user", "assistant"]), content: text })).min(1),
  }),
  z.object({ prompt: text, completion: text }),
]);

/** Lines of JSON: `{"messages": [{"role", "content"}, …]}` or `{"prompt", "completion"}`. */
export function parseConversations(path: string, source: string): readonly (readonly ChatMessage[])[] {
  const conversations = source.split("\n").flatMap((line, i): (readonly ChatMessage[])[] => {
    if (line.trim() === "") return [];
    const refuse = (what: string): never => {
      throw new UserError(
        `Reading ${path}, line ${i + 1}: ${what}.`,
        'Each line is {"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}.',
      );
    };
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (error) {
      return refuse(`it is not JSON (${(error as Error).message})`);
    }
    const found = lineSchema.safeParse(value).data;
    if (found === undefined) return refuse("it has neither messages with role and content nor prompt and completion");
    if ("prompt" in found) {
      return [
        [
          { role: "user", content: found.prompt },
          { role: "assistant", content: found.completion },
        ],
      ];
    }
    if (!found.messages.some(({ role }) => role === "assistant")) refuse("no message is the assistant's");
    return [found.messages];
  });
  if (conversations.length === 0) throw new UserError(`Reading ${path}: it has no conversations.`);
  return conversations;
}

type Model = Pick<Checkpoint, "name" | "chatTemplate" | "config" | "tokenizer">;

/**
 * A conversation as the model's template writes it. What the template adds after an answer, which ends it, is learnt too.
 * Tokens beyond `length` are cut off; `undefined` where no answer is left.
 */
export function taught(model: Model, messages: readonly ChatMessage[], length: number): Taught | undefined {
  const { tokenizer } = model;
  const written = (count: number, addGenerationPrompt: boolean): string =>
    renderChat(model, messages.slice(0, count), { addGenerationPrompt });
  const last = messages.findLastIndex(({ role }) => role === "assistant") + 1;
  const whole = written(last, false);
  // Cut where an answer begins and ends: no piece then lies on both sides, in teaching as in use.
  const cuts = [0];
  for (const [i, { role }] of messages.slice(0, last).entries()) {
    if (role !== "assistant") continue;
    const [from, to] = [written(i, true), written(i + 1, false)];
    if (!to.startsWith(from) || !whole.startsWith(to)) {
      throw new UserError(`The chat template of ${model.name} writes earlier messages anew when others follow.`);
    }
    cuts.push(from.length, to.length);
  }
  const tokens: number[] = [];
  const answers: number[] = [];
  for (const [part, from] of cuts.entries()) {
    const ids = tokenizer.encode(whole.slice(from, cuts[part + 1]), { bos: part === 0 });
    if (part % 2 === 1) answers.push(...ids.map((_, i) => tokens.length + i));
    tokens.push(...ids);
  }
  const kept = answers.filter((place) => place < length && place > 0);
  return kept.length === 0 ? undefined : { tokens: tokens.slice(0, length), answers: kept };
}
