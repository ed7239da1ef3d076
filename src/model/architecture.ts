/**
 * Architectures: from a configuration to a graph. One file each in `architecture/`; its name is the id by which both
 * GGUF (`general.architecture`) and config.json (`modelTypes`) find it.
 *
 * Canonical names of weights; a matrix is [N, K] and multiplies from the right, a vector [D]:
 * `embedding` [V, D], `output` [V, D] (absent where tied to the embedding), `norm` [D], and for each layer i
 * `layer.i.attention.{norm,q,k,v,o}`, where the architecture has them `layer.i.attention.{q,k,v}.bias`,
 * `layer.i.attention.{q,k}.norm` and `layer.i.attention.postNorm`; `layer.i.feedForward.{norm,gate,up,down}` and
 * `layer.i.feedForward.postNorm`. Rows of q and k are in the order that pairs element i with i + C/2 for rope, and norms
 * are what is multiplied with: readers undo what their format does differently.
 */
import { nearest, UserError } from "../core/errors.ts";
import type { Graph } from "../graph/ir.ts";
import { architectureIndex } from "./architecture.index.ts";
import type { Checkpoint, ModelConfig } from "./checkpoint.ts";
import type { Hyperparameters } from "./config.ts";

export interface Architecture {
  /** The name as its authors spell it. */
  readonly title: string;
  /** The paper or report that describes it. */
  readonly url: string;
  /** Values of `model_type` in config.json that mean this architecture. */
  readonly modelTypes: readonly string[];
  /** True where llama.cpp's converter reorders the rows of Q and K for its interleaved rope. */
  readonly ggufPermutes: boolean;
  /** What safetensors keep off every norm's weight. */
  readonly normOffset: 0 | 1;
  /** Tensors of config.json's format whose usual canonical name is wrong here: by name within a layer. */
  readonly names: Readonly<Record<string, string>>;
  /** Fills in what the architecture knows and the file leaves out. */
  configure(given: Hyperparameters): ModelConfig;
  /** Outputs `logits` [S, V] and `hidden` [S, D]; `present` says which optional weights the checkpoint has. */
  build(config: ModelConfig, present: (name: string) => boolean): Graph;
}

/** Written by `npm run index`, as the slots' indexes are. */
export type ArchitectureIndex = Readonly<Record<string, () => Promise<{ readonly default: Architecture }>>>;

export const architectures = (): string[] => Object.keys(architectureIndex).sort();

/** Throws a `UserError` that lists the known ones; `path` is the file that asked. */
export async function loadArchitecture(id: string, path: string): Promise<Architecture> {
  const found = Object.hasOwn(architectureIndex, id) ? architectureIndex[id] : undefined;
  if (found !== undefined) return (await found()).default;
  return unknown(id, path);
}

/** The id and architecture of a `model_type`. */
export async function findModelType(type: string, path: string): Promise<{ id: string; architecture: Architecture }> {
  for (const [id, load] of Object.entries(architectureIndex)) {
    const architecture = (await load()).default;
    if (architecture.modelTypes.includes(type)) return { id, architecture };
  }
  return unknown(type, path);
}

function unknown(id: string, path: string): never {
  const guess = nearest(id, architectures());
  throw new UserError(
    `Reading ${path}: Heddle does not know the architecture ${JSON.stringify(id.slice(0, 80))}.`,
    `It knows ${architectures().join(", ")}${guess === undefined ? "" : `; the nearest is ${guess}`}.`,
  );
}

/** The graph of a checkpoint's model. */
export async function buildGraph(checkpoint: Pick<Checkpoint, "config" | "tensors" | "path">): Promise<Graph> {
  const architecture = await loadArchitecture(checkpoint.config.architecture, checkpoint.path);
  return architecture.build(checkpoint.config, (name) => checkpoint.tensors.has(name));
}
