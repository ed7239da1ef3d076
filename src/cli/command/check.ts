/** `heddle check`: runs claims, and fails where one does not hold. */
import type { Command } from "commander";
import { type Checked, checkClaim } from "../../sim/rig.ts";
import { allEntries, type Found, findEntries } from "../slots.ts";
import { print, printJson, say } from "../terminal.ts";

export function define(command: Command): void {
  command
    .argument("[id...]", "entries, rows or titles (default: all)")
    .option("--json", "print a list of {id, slot, what, measured, holds, …}")
    .action(check);
}

async function check(names: readonly string[], { json }: { readonly json?: boolean }): Promise<void> {
  const asked = names.length === 0 ? await allEntries() : (await Promise.all(names.map(findEntries))).flat();
  const results: Checked[] = [];
  for (const found of new Map(asked.map((one) => [`${one.slot.path}/${one.id}`, one])).values()) {
    const result = await checkOne(found, names.length > 0);
    if (result === undefined) continue;
    results.push(result);
    if (!json) print(describe(result));
  }
  if (json)
    printJson(
      results.map(({ id, slot, what, measured, holds, ...rest }) => ({ id, slot, what, measured, holds, ...rest })),
    );
  if (results.some(({ holds }) => !holds)) process.exitCode = 1;
}

async function checkOne({ id, slot }: Found, wasNamed: boolean): Promise<Checked | undefined> {
  const result = await checkClaim(slot.path, id);
  if (result === undefined && wasNamed) say(`${slot.path}/${id} is a baseline: it claims nothing.`);
  return result;
}

const describe = ({ slot, id, what, measured, holds }: Checked): string =>
  `${holds ? "holds" : "FAILS"}  ${`${slot}/${id}`.padEnd(40)} ${what}: ${measured.toFixed(2)}×`;
