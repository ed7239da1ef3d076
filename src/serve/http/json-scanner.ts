/**
 * Reads one JSON object character by character, as a model writes it: says at once where it ends, and where it stops being
 * JSON (RFC 8259), so that text that only begins like an object is not held back longer than it must be.
 */

/** What the next character belongs to. */
export type Place =
  | "value"
  | "value or ]"
  | "key"
  | "key or }"
  | "in key"
  | "colon"
  | "in string"
  | "in scalar"
  | "next"
  | "over";

const whitespace = " \t\n\r";
const scalar = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;
const escapes = '"\\/bfnrtu';

export class JsonScanner {
  place: Place = "value";
  /** `{` and `[` that are open. */
  #open = "";
  /** In a string, what is left of an escape: `\` of any, or so many hexadecimal digits. */
  #escape: "\\" | number = 0;
  #scalar = "";

  get depth(): number {
    return this.#open.length;
  }

  /** False where `char` cannot follow; the scanner is of no use then. */
  read(char: string): boolean {
    switch (this.place) {
      case "in key":
        return this.#inString(char, "colon");
      case "in string":
        return this.#inString(char, "next");
      case "in scalar":
        if (!whitespace.includes(char) && !",]}".includes(char)) {
          this.#scalar += char;
          return /[-+.\w]/.test(char);
        }
        this.place = "next";
        return scalar.test(this.#scalar) && this.read(char);
      case "over":
        return false;
    }
    return whitespace.includes(char) || this.#structure(char);
  }

  #structure(char: string): boolean {
    const { place } = this;
    if (place === "colon") {
      this.place = "value";
      return char === ":";
    }
    if (place === "next") return this.#next(char);
    if ((place === "key or }" && char === "}") || (place === "value or ]" && char === "]")) return this.#close(char);
    if (place === "key" || place === "key or }") {
      this.place = "in key";
      return char === '"';
    }
    return this.#value(char);
  }

  #value(char: string): boolean {
    if (char === "{" || char === "[") {
      this.#open += char;
      this.place = char === "{" ? "key or }" : "value or ]";
      return true;
    }
    // The whole of it is an object.
    if (this.#open === "") return false;
    if (char === '"') {
      this.place = "in string";
      return true;
    }
    this.place = "in scalar";
    this.#scalar = char;
    return /[-\dtfn]/.test(char);
  }

  #next(char: string): boolean {
    if (char !== ",") return this.#close(char);
    this.place = this.#open.endsWith("{") ? "key" : "value";
    return true;
  }

  #close(char: string): boolean {
    if (char !== (this.#open.endsWith("{") ? "}" : "]")) return false;
    this.#open = this.#open.slice(0, -1);
    this.place = this.#open === "" ? "over" : "next";
    return true;
  }

  #inString(char: string, after: Place): boolean {
    if (this.#escape === "\\") {
      this.#escape = char === "u" ? 4 : 0;
      return escapes.includes(char);
    }
    if (this.#escape > 0) {
      this.#escape--;
      return /[\da-fA-F]/.test(char);
    }
    if (char === "\\") this.#escape = "\\";
    else if (char === '"') this.place = after;
    return char >= " ";
  }
}
