/**
 * Tells calls of tools from prose in a choice's text, as it comes.
 *
 *     text ──► prose ──opening──► call ──► arguments, as they are written ──► prose …
 *                ▲──────── broken: what was held is prose ◄──┘
 *
 * Prose passes at once, but for what may be the beginning of an opening. From an opening on text is held until it is a
 * call of a known tool, which is then handed on piece by piece, or is none, and then it was prose: nothing is lost.
 */
import { CallScanner } from "./call-scanner.ts";
import { bareStyle, type ToolStyle, toolStyles } from "./tool-styles.ts";

/** How a choice may use tools: not at all, as the model likes, or always (the output is constrained to a call). */
export type ToolUse = "none" | "auto" | "always";

export type OutputPart =
  | { readonly kind: "content"; readonly text: string }
  | { readonly kind: "call"; readonly call: number; readonly name: string }
  | { readonly kind: "arguments"; readonly call: number; readonly text: string };

export class ToolOutput {
  /** Calls that have begun. */
  calls = 0;
  readonly #names: ReadonlySet<string>;
  readonly #most: number;
  /** Not yet accounted for. */
  #text = "";
  /** Where nothing but space and calls came before, JSON may begin a call without any opening. */
  #fresh: boolean;
  /** White space at the beginning and beside calls: dropped, unless prose follows. */
  #space = "";
  /** How the last call was written. */
  #style = bareStyle;
  /** True within a list of calls. */
  #list = false;
  #scanner: CallScanner | undefined;
  /** What is given back where it turns out to be no call. */
  #held = "";
  #parts: OutputPart[] = [];

  /** At most `most` calls; what follows them is prose. */
  constructor(use: ToolUse, names: ReadonlySet<string>, most = Number.POSITIVE_INFINITY) {
    this.#names = names;
    this.#most = use === "none" ? 0 : most;
    this.#fresh = this.#most > 0;
  }

  /** What is certain now. */
  push(text: string): readonly OutputPart[] {
    return this.#run(text, false);
  }

  /** The rest, once the text has ended. */
  finish(): readonly OutputPart[] {
    const parts = this.#run("", true);
    return this.#space === "" || this.calls > 0 ? parts : [...parts, { kind: "content", text: this.#space }];
  }

  #run(text: string, last: boolean): readonly OutputPart[] {
    this.#text += text;
    this.#parts = [];
    for (let more = true; more; ) {
      if (this.#scanner !== undefined) more = this.#call(this.#scanner, last);
      else if (this.#fresh) more = this.#between(last);
      else more = this.#prose(last);
    }
    return this.#parts;
  }

  #content(length: number): void {
    if (length === 0) return;
    this.#parts.push({ kind: "content", text: this.#space + this.#text.slice(0, length) });
    this.#text = this.#text.slice(length);
    this.#space = "";
    this.#fresh = false;
    this.#list = false;
  }

  /** Each of these steps is true where there is more to do. Here: another call, the rest of the last one's style, or prose. */
  #between(last: boolean): boolean {
    const space = /^\s*/.exec(this.#text)![0];
    this.#space += space;
    this.#text = this.#text.slice(space.length);
    const text = this.#text;
    if (text === "") return false;
    const more = this.calls < this.#most;
    if (this.calls > 0 && this.#closed(text, more)) return true;
    const styles = more ? toolStyles : [];
    const marks = [...styles.map(({ open }) => open), ...(this.calls > 0 ? [this.#style.close] : [])];
    if (!last && marks.some((mark) => mark.length > text.length && mark.startsWith(text))) return false;
    const style = styles.find(({ open }) => text.startsWith(open));
    if (style !== undefined) return this.#open(style, last);
    // Within a list the style is that of the whole list.
    if (more && /^[{[]/.test(text)) return this.#open(bareStyle, last);
    this.#fresh = false;
    return true;
  }

  /** Takes what ends a call, or stands between those of a list. */
  #closed(text: string, more: boolean): boolean {
    const listed = this.#list && (text[0] === "]" || (text[0] === "," && more));
    const { close } = this.#style;
    const mark = listed ? text[0]! : close !== "" && text.startsWith(close) ? close : "";
    if (mark === "") return false;
    this.#list = mark === ",";
    this.#text = text.slice(mark.length);
    return true;
  }

  /** Prose, up to where an opening begins or may begin. */
  #prose(last: boolean): boolean {
    const text = this.#text;
    const styles = this.calls < this.#most ? toolStyles : [];
    let first: ToolStyle | undefined;
    let certain = text.length;
    for (const style of styles) {
      const at = text.indexOf(style.open);
      if (at !== -1 && at < certain) [first, certain] = [style, at];
    }
    if (first === undefined && !last) for (const { open } of styles) certain = Math.min(certain, undecided(text, open));
    this.#content(certain);
    return first !== undefined && this.#open(first, last);
  }

  /** A call, or a list of them, where the text goes on with one; else the opening is prose. */
  #open(style: ToolStyle, last: boolean): boolean {
    const rest = this.#text.slice(style.open.length);
    const before = /^\s*(\[?)\s*(?=\{)/.exec(rest);
    if (before === null) {
      if (!last && /^\s*\[?\s*$/.test(rest)) return false;
      this.#content(style.open.length || 1);
      return true;
    }
    const length = style.open.length + before[0].length;
    this.#held = this.#text.slice(0, length);
    this.#text = this.#text.slice(length);
    if (!this.#list) [this.#style, this.#list] = [style, before[1] === "["];
    this.#scanner = new CallScanner(this.#names);
    return true;
  }

  #call(scanner: CallScanner, last: boolean): boolean {
    const text = this.#text;
    let written = "";
    let at = 0;
    let broken = false;
    while (at < text.length && !scanner.over && !broken) {
      const before = scanner.certain;
      const fresh = scanner.read(text[at]!);
      if (fresh === undefined) broken = true;
      else {
        at++;
        if (!before && scanner.certain) this.#begin(scanner.name!);
        written += fresh;
      }
    }
    if (written !== "") this.#parts.push({ kind: "arguments", call: this.calls - 1, text: written });
    this.#text = text.slice(at);
    this.#held += text.slice(0, at);
    if (!broken && !scanner.over && !last) return false;
    this.#scanner = undefined;
    this.#fresh = scanner.over;
    if (!scanner.certain) this.#giveBack();
    return this.#text !== "";
  }

  #begin(name: string): void {
    this.#parts.push({ kind: "call", call: this.calls++, name });
    this.#space = "";
  }

  /** What was held is no call: its opening is prose, and what follows is looked at again. */
  #giveBack(): void {
    this.#text = this.#held + this.#text;
    const opening = toolStyles.find(({ open }) => this.#text.startsWith(open));
    this.#content(opening?.open.length ?? 1);
  }
}

/** Where the end of a text may be the beginning of a mark. */
function undecided(text: string, mark: string): number {
  for (let length = Math.min(mark.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(mark.slice(0, length))) return text.length - length;
  }
  return text.length;
}
