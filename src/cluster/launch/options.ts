/** Settings of launchers, which the command line passes on as words. */
import { UserError } from "../../core/errors.ts";

export function secondsOption(given: Readonly<Record<string, string>>, name: string, otherwise: number): number {
  const word = given[name];
  if (word === undefined) return otherwise;
  const seconds = Number(word);
  if (word.trim() === "" || !(seconds > 0)) {
    throw new UserError(`${name} is "${word}".`, "It is a number of seconds above 0.");
  }
  return seconds;
}
