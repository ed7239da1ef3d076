/** Calls to a server that may be away for a while: tried again until they are answered, with a warning now and then. */

const longestWait = 5000;
/** Answers that pass by themselves. */
const passing = new Set([408, 425, 429, 500, 502, 503, 504]);

export class Patience {
  readonly #warn: (line: string) => void;
  readonly #closing = new AbortController();

  constructor(warn: (line: string) => void) {
    this.#warn = warn;
  }

  /**
   * True once the call has succeeded, false for an answer whose code is in `known`. A server that is away or overloaded is asked
   * again, up to 5 seconds later each time; any other answer is thrown.
   */
  async until(call: () => Promise<unknown>, known: readonly number[] = []): Promise<boolean> {
    for (let wait = 50, tries = 1; ; wait = Math.min(2 * wait, longestWait), tries++) {
      try {
        await call();
        return true;
      } catch (error) {
        const code = (error as { readonly code?: unknown }).code;
        if (typeof code === "number" && known.includes(code)) return false;
        if ((typeof code === "number" && !passing.has(code)) || this.#closing.signal.aborted) throw error;
        if (tries === 5) {
          const reason = error instanceof Error ? error.message || code || error.name : error;
          this.#warn(`The cluster's server does not answer (${String(reason)}); trying on.`);
        }
        await new Promise((done) => setTimeout(done, wait));
        if (this.#closing.signal.aborted) throw error;
      }
    }
  }

  /** The next failure is final. */
  close(): void {
    this.#closing.abort();
  }
}
