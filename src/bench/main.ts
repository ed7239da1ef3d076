/** `npm run bench -- NAME`: runs one bench, which prints a JSON line for each of its rows, its terms with it. */
import { UserError } from "../core/errors.ts";

const benches: Readonly<Record<string, () => Promise<{ run(): Promise<void> }>>> = {
  throughput: () => import("./throughput.ts"),
  fidelity: () => import("./fidelity.ts"),
  "event-loop": () => import("./event-loop.ts"),
};

const [name = ""] = process.argv.slice(2);
const found = Object.hasOwn(benches, name) ? benches[name] : undefined;
try {
  if (found === undefined)
    throw new UserError(`There is no bench "${name}".`, `There are: ${Object.keys(benches).join(", ")}.`);
  await (await found()).run();
} catch (error) {
  if (!(error instanceof UserError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
