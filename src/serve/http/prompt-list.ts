/** The four forms of a prompt (and of an embedding's input): text, texts, token ids, lists of token ids. */
import type { Service } from "../generation.ts";
import { kindOf } from "./body.ts";
import { badRequest } from "./errors.ts";
import { checkTokens, encodePrompt } from "./request.ts";

/** Token ids of each prompt. Throws a 400 naming the item that is neither text nor token ids, or beyond the context. */
export async function promptList(
  service: Service,
  value: string | readonly unknown[],
  param: string,
  itemsMax: number,
): Promise<readonly (readonly number[])[]> {
  if (typeof value === "string") return [await encodePrompt(service, value, param)];
  if (value.length === 0) throw badRequest(`'${param}' is an empty list.`, param);
  if (typeof value[0] === "number") return [checkTokens(service, value, param)];
  if (value.length > itemsMax) {
    throw badRequest(`'${param}' has ${value.length} items; at most ${itemsMax} are taken at once.`, param);
  }
  const prompts: (readonly number[])[] = [];
  for (const [i, item] of value.entries()) {
    const path = `${param}[${i}]`;
    if (typeof item === "string") prompts.push(await encodePrompt(service, item, path));
    else if (Array.isArray(item)) prompts.push(checkTokens(service, item, path));
    else
      throw badRequest(
        `Invalid type for '${path}': expected text or token ids, got ${kindOf(item)}.`,
        path,
        "invalid_type",
      );
  }
  return prompts;
}
