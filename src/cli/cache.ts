/** Where models are kept, and what a name on the command line means. */
import { readdirSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, join } from "node:path";
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

/** The path of a model that is given as a path, a folder, or a name in the cache. */
export function findModel(given: string): string {
  if (statSync(given, { throwIfNoEntry: false }) !== undefined) return given;
  const models = cachedModels();
  const found = models.find(({ name, path }) => given === name || given === basename(path));
  if (found !== undefined) return found.path;
  const names = models.map(({ name }) => name);
  const guess = nearest(given, names);
  throw new UserError(
    `There is no model "${given}": no such file or folder, and no such name in ${modelsFolder()}.`,
    guess !== undefined
      ? `Did you mean "${guess}"?`
      : `${names.length === 0 ? "The cache is empty" : `In the cache: ${names.join(", ")}`}. Fetch one: heddle pull gemma-3-270m`,
  );
}

/** A small model with random weights that is part of the package: it shows that all works, and says nothing. */
export const noiseModel: URL = new URL("../../fixtures/noise.gguf", import.meta.url);
