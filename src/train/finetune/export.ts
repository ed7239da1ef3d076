/** A trained adapter as a file that PEFT, and `heddle serve --adapter`, read: its factors under PEFT's names, what it is in the metadata. */
import { loadArchitecture } from "../../model/architecture.ts";
import type { Checkpoint } from "../../model/checkpoint.ts";
import { huggingfaceModule } from "../../model/huggingface-names.ts";
import { safetensorsParts } from "../../model/safetensors-writer.ts";
import type { AdapterStep } from "./adapter-step.ts";

export async function adapterParts(
  step: AdapterStep,
  { checkpoint, rank, alpha }: { readonly checkpoint: Checkpoint; readonly rank: number; readonly alpha: number },
): Promise<Iterable<Uint8Array>> {
  const architecture = await loadArchitecture(checkpoint.config.architecture, checkpoint.path);
  const tensors = step.factors.map((factor) => {
    const [, layer, part] = /^layer\.(\d+)\.(.*)$/.exec(factor.weight)!;
    const name = `base_model.model.model.layers.${layer}.${huggingfaceModule(part!, architecture.names)}`;
    const values = step.values(factor);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    return {
      name: `${name}.lora_${factor.part.toUpperCase()}.weight`,
      type: "F32" as const,
      shape: factor.shape,
      bytes,
    };
  });
  const metadata = {
    peft_type: "LORA",
    base_model_name_or_path: checkpoint.name,
    r: `${rank}`,
    lora_alpha: `${alpha}`,
  };
  return safetensorsParts(tensors, metadata);
}
