/** `heddle show`: what an entry does, where it departs from its paper, its options and its claim. */
import type { Command } from "commander";
import type { Claim } from "../../core/entry.ts";
import { type Found, findEntries } from "../slots.ts";
import { print, printJson } from "../terminal.ts";

export function define(command: Command): void {
  command
    .argument("<id>", "an entry, as `heddle list` names it")
    .option("--json", "print a list of what is found")
    .action(async (id: string, { json }: { readonly json?: boolean }) => {
      const found = await findEntries(id);
      if (json) printJson(found.map(({ id, slot, entry }) => ({ id, slot: slot.path, ...entry })));
      else print(found.map(describe).join("\n\n"));
    });
}

function describe({ id, slot, entry }: Found): string {
  const { title, paper, rows, idea, differs, options, claim } = entry;
  const lines = [`${title}  (${slot.path}/${id})`];
  if (paper !== undefined) lines.push(`${paper.title}, ${paper.venue}`, paper.url);
  lines.push("", idea);
  if (differs.length > 0) lines.push("", "Differs from the paper:", ...differs.map((text) => `- ${text}`));
  const knobs = Object.entries(options).map(
    ([name, { default: value, unit, min, help }]) => `- ${name} = ${value} ${unit} (from ${min}): ${help}`,
  );
  if (knobs.length > 0) lines.push("", "Options:", ...knobs);
  lines.push("", claim === "baseline" ? "A baseline: it claims nothing." : `Claim: ${describeClaim(claim)}.`);
  if (rows.length > 0) lines.push(`Rows of systems.tsv: ${rows.join(", ")}.`);
  return lines.join("\n");
}

export const describeClaim = ({ metric, better, than, on, factor, where }: Claim): string =>
  `${metric} ${factor}× ${better} than ${than} on ${on} (${where === "sim" ? "in simulation" : "on this machine"})`;
