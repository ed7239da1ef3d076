/** `heddle tokenize`: the tokens of a file, with the beginning of sequence in front. */
import type { Command } from "commander";
import { withCheckpoint } from "../model.ts";
import { print, printJson } from "../terminal.ts";
import { readText } from "../text-file.ts";

export function define(command: Command): void {
  command
    .argument("<model>", "a file, a folder, or a name in the cache")
    .requiredOption("--file <path>", "a text in UTF-8")
    .option("--json", 'print {"ids": […]}')
    .action(async (model: string, { file, json }: { readonly file: string; readonly json?: boolean }) => {
      const text = readText(file);
      await withCheckpoint(model, ({ tokenizer }) => {
        const ids = tokenizer.encode(text);
        if (json) printJson({ ids });
        else for (const id of ids) print(`${String(id).padStart(7)}  ${JSON.stringify(tokenizer.piece(id))}`);
      });
    });
}
