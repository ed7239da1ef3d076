/**
 * Reads one call of a tool, an object with a name and arguments, as a model writes it. The call is certain, and its
 * arguments are handed on as they come, once a known name and the beginning of the arguments have been read.
 */
import { JsonScanner } from "./json-scanner.ts";

export class CallScanner {
  name: string | undefined;
  /** True once its arguments are whole. */
  complete = false;
  /** True once the call's name and the beginning of its arguments were read. */
  certain = false;
  readonly #names: ReadonlySet<string>;
  readonly #json = new JsonScanner();
  /** What was read. */
  #raw = "";
  #key = "";
  /** Where the key or value at depth 1 began. */
  #from = 0;
  #arguments = "";
  #inArguments = false;

  constructor(names: ReadonlySet<string>) {
    this.#names = names;
  }

  /** True once the object ended. */
  get over(): boolean {
    return this.#json.place === "over";
  }

  /** What is new of the arguments; `undefined` where `char` cannot be part of a call. */
  read(char: string): string | undefined {
    const { place, depth } = this.#json;
    if (!this.#json.read(char)) return undefined;
    this.#raw += char;
    const now = this.#json.place;
    if (this.#inArguments) this.#arguments += char;
    if (depth === 1 && (place === "key" || place === "key or }")) this.#from = this.#raw.length - 1;
    if (depth === 1 && place === "in key" && now === "colon") this.#key = JSON.parse(this.#raw.slice(this.#from));
    if (depth === 1 && place === "value" && now !== "value" && !this.#begin(char)) return undefined;
    const ended = this.#json.depth === 1 && now === "next" && (place === "in string" || depth === 2);
    if (ended && !this.#end()) return undefined;
    this.certain ||= this.name !== undefined && (this.#inArguments || this.complete);
    if (this.certain) return this.#take();
    return this.over ? undefined : "";
  }

  /** A value of the object begins. */
  #begin(char: string): boolean {
    this.#from = this.#raw.length - 1;
    if (this.#key === "name") return char === '"';
    if (!this.#isArguments()) return true;
    this.#inArguments = char === "{";
    if (this.#inArguments) this.#arguments = char;
    return char === "{" || char === '"';
  }

  #isArguments = (): boolean => (this.#key === "arguments" || this.#key === "parameters") && !this.complete;

  /** A string, or what has parts, at depth 1 has ended. */
  #end(): boolean {
    const value = this.#raw.slice(this.#from);
    if (this.#key === "name" && this.name === undefined) {
      this.name = JSON.parse(value) as string;
      return this.#names.has(this.name);
    }
    if (!this.#isArguments()) return true;
    this.complete = true;
    if (this.#inArguments) {
      this.#inArguments = false;
      return true;
    }
    this.#arguments = JSON.parse(value) as string;
    return isObject(this.#arguments);
  }

  #take(): string {
    const text = this.#arguments;
    this.#arguments = "";
    return text;
  }
}

/** Some models write arguments as JSON in a string. */
function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === "object" && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
