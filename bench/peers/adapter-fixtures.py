"""Writes fixtures/adapter: LoRA adapters of the tiny models, as PEFT saves them, and the logits that PEFT gets with each.

    .peers/venv/bin/pip install peft==0.21.2
    .peers/venv/bin/python bench/peers/adapter-fixtures.py

One adapter of llama is also written as GGUF, with the names and the order of rows of llama.cpp's converter; llama.cpp has to
load it and agree about the logits or this script fails.
"""

import json
import os
import shutil

import gguf
import numpy
import torch
import transformers
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

import llama_cpp

ROOT = os.path.join(llama_cpp.ROOT, "fixtures")
ADAPTERS = {
    "llama/attention": {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]},
    "llama/all": {
        "r": 3,
        "lora_alpha": 12,
        "use_rslora": True,
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
    },
    "gemma3/gated": {"r": 8, "lora_alpha": 16, "target_modules": ["k_proj", "o_proj", "gate_proj", "down_proj"]},
}
POSITIONS = [0, 7, 39]
GGUF = {"self_attn.q_proj": "attn_q", "self_attn.v_proj": "attn_v"}


def permuted(rows, heads):
    """The order in which llama.cpp keeps the rows of queries: neighbours are turned together."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def write_gguf(path, state, config, heads):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(config["lora_alpha"]))
    for name, tensor in state.items():
        values = tensor.detach().numpy().astype(numpy.float32)
        parts = name.replace("base_model.model.model.layers.", "").split(".")
        layer, module, part = parts[0], ".".join(parts[1:3]), "a" if "lora_A" in name else "b"
        if part == "b" and module == "self_attn.q_proj":
            values = permuted(values, heads)
        writer.add_tensor(f"blk.{layer}.{GGUF[module]}.weight.lora_{part}", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def name_base(path, base):
    """PEFT writes where the model lay on this machine."""
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    with open(path, "w", encoding="utf-8") as file:
        json.dump({**config, "base_model_name_or_path": base, "target_modules": sorted(config["target_modules"])}, file)


def agrees(path, golden, letter):
    """Most that a log-probability of llama.cpp is off."""
    settings = "-ctk f32 -ctv f32 -fa off -t 1 -c 256 -np 1 --no-warmup --no-webui --lora".split()
    worst, size = 0.0, len(golden["logits"][0])
    with llama_cpp.server(os.path.join(ROOT, "architecture/llama.gguf"), *settings, path) as post:
        for at, logits in zip(golden["positions"], golden["logits"]):
            body = {"prompt": golden["tokens"][: at + 1], "n_predict": 1, "temperature": 0, "n_probs": size}
            answer = post("/completion", {**body, "cache_prompt": False, "logit_bias": [[letter, 1000]]})
            exact = numpy.array(logits) - numpy.logaddexp.reduce(logits)
            top = answer["completion_probabilities"][0]["top_logprobs"]
            worst = max(worst, *(abs(one["logprob"] - exact[one["id"]]) for one in top))
    return worst


def main():
    shutil.rmtree(os.path.join(ROOT, "adapter"), ignore_errors=True)
    for seed, (name, config) in enumerate(ADAPTERS.items()):
        base = os.path.join(ROOT, "architecture", name.split("/")[0])
        model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
        adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **config))
        torch.manual_seed(100 + seed)
        for parameter_name, parameter in adapted.named_parameters():
            if "lora_" in parameter_name:
                parameter.data = torch.randn_like(parameter) * 0.1
        folder = os.path.join(ROOT, "adapter", name)
        adapted.save_pretrained(folder)
        os.remove(os.path.join(folder, "README.md"))
        name_base(os.path.join(folder, "adapter_config.json"), name.split("/")[0])
        with open(os.path.join(base, "logits.json"), encoding="utf-8") as file:
            tokens = json.load(file)["tokens"]
        with torch.no_grad():
            logits = adapted(torch.tensor([tokens])).logits[0]
        golden = {"tokens": tokens, "positions": POSITIONS, "logits": logits[POSITIONS].tolist()}
        with open(os.path.join(folder, "logits.json"), "w", encoding="utf-8") as file:
            file.write(json.dumps(golden) + "\n")
        if name == "llama/attention":
            heads = model.config.num_attention_heads
            path = os.path.join(ROOT, "adapter", "llama/attention.gguf")
            write_gguf(path, get_peft_model_state_dict(adapted), config, heads)
            letter = transformers.AutoTokenizer.from_pretrained(base).convert_tokens_to_ids("a")
            worst = agrees(path, golden, letter)
            print(f"llama.cpp: log-probabilities within {worst:.2e}")
            assert worst < 1e-3


main()
