/** `heddle show`: what an entry does, where it departs from its paper, its options and its claim. */
import type { Command } from "commander";
import { clusterSlots } from "../../cluster/policy.ts";
import type { Claim } from "../../core/entry.ts";
import type { Slot } from "../../core/slot.ts";
import { combinations, loadCombination } from "../../system/combination.ts";
import { type Found, findEntries } from "../slots.ts";
import { print, printJson } from "../terminal.ts";

export function define(command: Command): void {
  command
    .argument("<id>", "an entry, as `heddle list` names it")
    .option("--json", "print a list of what is found")
    .action(async (id: string, { json }: { readonly json?: boolean }) => {
      const found = await findEntries(id);
      if (json) printJson(found.map(({ id, slot, entry }) => ({ id, slot: slot.path, ...entry })));
      else print((await Promise.all(found.map(describe))).join("\n\n"));
    });
}

async function describe({ id, slot, entry }: Found): Promise<string> {
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
  lines.push(...(await combinationsOf(id, slot)));
  return lines.join("\n");
}

/** What an entry of the cluster goes with: all others, which `matrix.test` holds true; and the published systems it is part of. */
async function combinationsOf(id: string, slot: Slot<unknown>): Promise<string[]> {
  const lines: string[] = [];
  if (clusterSlots.includes(slot)) {
    const others = clusterSlots.filter((other) => other !== slot).map(({ path }) => path);
    lines.push(`Combines with every entry of ${others.join(", ")}: --policy ${id}+…`);
  }
  const systems = await Promise.all(
    combinations().map(async (name) => ({ name, system: await loadCombination(name) })),
  );
  const using = systems.filter(({ system }) => system?.slots[slot.path] === id).map(({ name }) => name);
  if (using.length > 0) lines.push(`Part of the systems: ${using.join(", ")}.`);
  return lines;
}

export const describeClaim = ({ metric, better, than, on, factor, where }: Claim): string =>
  `${metric} ${factor}× ${better} than ${than} on ${on} (${where === "sim" ? "in simulation" : "on this machine"})`;
