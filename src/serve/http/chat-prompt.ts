/** The tokens of a conversation, by the model's own template or the one of its family. */
import { renderChat } from "../../model/chat.ts";
import type { Service } from "../generation.ts";
import type { ChatFields } from "./chat-fields.ts";
import type { OutputForm } from "./output-form.ts";
import { encodePrompt } from "./request.ts";

export async function chatPrompt(service: Service, fields: ChatFields, form: OutputForm): Promise<readonly number[]> {
  const text = renderChat(service.checkpoint, fields.messages, { tools: form.offered });
  return encodePrompt(service, text, "messages");
}
