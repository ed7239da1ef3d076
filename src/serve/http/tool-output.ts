/**
 * Tells a tool call from prose in a choice's text as it comes.
 *
 * A call is JSON, so text that begins with anything but `{` is prose and passes at once; text that begins with `{` is held
 * until it ends, when it either reads as a call of a known tool or turns out to have been prose.
 */
import { parseToolCall } from "../constraint.ts";

/** How a choice may use tools: not at all, as the model likes, or always (the output is constrained to a call). */
export type ToolUse = "none" | "auto" | "always";

export interface ToolCall {
  readonly id: string;
  readonly type: "function";
  readonly function: { readonly name: string; readonly arguments: string };
}

export class ToolOutput {
  readonly #names: ReadonlySet<string>;
  #held = "";
  #prose: boolean;

  constructor(use: ToolUse, names: ReadonlySet<string>) {
    this.#names = names;
    this.#prose = use === "none";
  }

  /** The part of the text that is certainly prose. */
  push(text: string): string {
    if (this.#prose) return text;
    this.#held += text;
    const first = this.#held.trimStart()[0];
    if (first === undefined || first === "{") return "";
    this.#prose = true;
    return this.#held;
  }

  /** What the held text was, once it has ended: a call's name and arguments, or prose. */
  finish(): { readonly call: { readonly name: string; readonly arguments: string } } | { readonly text: string } {
    if (this.#prose) return { text: "" };
    const call = parseToolCall(this.#held);
    return call !== undefined && this.#names.has(call.name) ? { call } : { text: this.#held };
  }
}
