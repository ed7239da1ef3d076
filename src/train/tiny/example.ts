/** One exchange: what a user asks and what the model should answer. */
export type Kind = "sum" | "json" | "story" | "echo" | "talk";

export interface Example {
  readonly kind: Kind;
  readonly prompt: string;
  readonly answer: string;
  /**
   * What must not be in both parts: prompts with equal keys ask for the same thing in other words. An example is held out
   * where the hash of its key falls into the last tenth.
   */
  readonly key: string;
  /** Finer than the kind, for tables: "a + b", "prompt with schema", … */
  readonly variety: string;
  /** The JSON Schema that the prompt asks for. */
  readonly schema?: object;
  /** `undefined` where the answer is right, else what is wrong with it. */
  judge(answer: string): string | undefined;
}
