/** Where models are kept, and what a name on the command line means. */
import { readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nearest, UserError } from "../core/errors.ts";

/** `$HEDDLE_HOME/models`, by default `~/.cache/heddle/models`. */
export function modelsFolder(): string {
  return join(process.env.HEDDLE_HOME || join(homedir(), ".cache", "heddle"), "models");
}

/** Where compiled programs are kept, by content. */
export function programsFolder(): string {
  return join(process.env.HEDDLE_HOME || join(homedir(), ".cache", "heddle"), "programs");
}

export interface CachedModel {
  readonly name: string;
  readonly path: string;
}

/** The newest first. */
export function cachedModels(): CachedModel[] {
  const folder = modelsFolder();
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(folder)
    .filter((file) => isModel(join(folder, file)))
    .map((file) => ({ file, changed: statSync(join(folder, file)).mtimeMs }))
    .sort((a, b) => b.changed - a.changed)
    .map(({ file }) => ({ name: basename(file, ".gguf"), path: join(folder, file) }));
}

function isModel(path: string): boolean {
  if (path.endsWith(".gguf")) return true;
  return statSync(join(path, "config.json"), { throwIfNoEntry: false }) !== undefined;
}

/** The path of a model that is given as a path, a folder, or a name: in the cache, or of the one that comes with Heddle. */
export function findModel(given: string): string {
  if (statSync(given, { throwIfNoEntry: false }) !== undefined) return given;
  const models = [...cachedModels(), shippedModel];
  const found = models.find(({ name, path }) => given === name || given === basename(path));
  if (found !== undefined) return found.path;
  const names = models.map(({ name }) => name);
  const guess = nearest(given, names);
  throw new UserError(
    `There is no model "${given}": no such file or folder, and no such name in ${modelsFolder()}.`,
    guess !== undefined
      ? `Did you mean "${guess}"?`
      : `There are: ${names.join(", ")}. Fetch another: heddle pull gemma-3-270m`,
  );
}

/** The model that is part of the package, which Heddle has trained: `heddle train heddle-tiny`. */
export const shippedModel: CachedModel = {
  name: "heddle-tiny",
  path: fileURLToPath(new URL("../../models/heddle-tiny.gguf", import.meta.url)),
};
