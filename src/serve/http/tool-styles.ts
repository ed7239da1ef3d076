/**
 * How models write calls of tools, as their chat templates teach them. What a model writes is recognised by its opening
 * alone, whatever its template: models of one family are often trained on another's.
 *
 *     Qwen 2.5, Qwen 3, Hermes   <tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>, once for each call
 *     Mistral                    [TOOL_CALLS] [{"name": …, "arguments": {…}}, …]
 *     Llama 3.1 to 3.3           {"name": …, "parameters": {…}}, also after <|python_tag|>, separated by ;
 *     Gemma and others           {"name": …, "arguments": {…}}, or a list of them, also as a fenced block
 */
import { randomInt } from "node:crypto";
import type { Tokenizer } from "../../model/tokenizer.ts";
import { newId } from "./exchange.ts";

export interface ToolStyle {
  readonly open: string;
  /** What follows a call, or the last of a list, where the model does not leave it out. */
  readonly close: string;
}

export const toolStyles: readonly ToolStyle[] = [
  { open: "<tool_call>", close: "</tool_call>" },
  { open: "[TOOL_CALLS]", close: "" },
  { open: "<|python_tag|>", close: ";" },
  { open: "```json", close: "```" },
];

/** JSON without any opening, where nothing but calls stands before it. */
export const bareStyle: ToolStyle = { open: "", close: ";" };

/** The opening or closing that a token is: some vocabularies have them as control tokens, which stand for no text. */
export function toolMark(tokenizer: Tokenizer, token: number): string {
  if (!tokenizer.isControl(token)) return "";
  const piece = tokenizer.piece(token);
  return toolStyles.some(({ open, close }) => piece === open || piece === close) ? piece : "";
}

/** Mistral's templates refuse conversations whose calls have ids of any other form than nine letters and digits. */
export function newCallId(template: string): string {
  if (!template.includes("[TOOL_CALLS]")) return newId("call");
  const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return Array.from({ length: 9 }, () => letters[randomInt(letters.length)]).join("");
}
