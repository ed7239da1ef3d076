/** `heddle list`: every entry of every slot. */
import type { Command } from "commander";
import { allEntries } from "../slots.ts";
import { print, printJson } from "../terminal.ts";

export function define(command: Command): void {
  command.option("--json", "print a list of {id, slot, title, paper, systems}").action(list);
}

async function list({ json }: { readonly json?: boolean }): Promise<void> {
  const rows = (await allEntries()).map(({ id, slot, entry }) => ({
    id,
    slot: slot.path,
    title: entry.title,
    paper: entry.paper ?? null,
    systems: entry.rows,
  }));
  if (json) return printJson(rows);
  for (const { id, slot, paper } of rows) {
    print(`${id.padEnd(24)} ${slot.padEnd(20)} ${paper === null ? "baseline" : `${paper.title} (${paper.venue})`}`);
  }
}
