"""Writes fixtures/architecture: tiny models with random weights, and the logits that Transformers gets from them.

    .peers/venv/bin/python bench/peers/architecture-fixtures.py

Each folder is a model as the hub has them (config.json, tokenizer.json, weights) with `logits.json` (the logits of 40
tokens at some positions, float32, eager attention) and `tokens.json` (texts and their ids). Some are also written as
GGUF of the same weights; llama.cpp has to load those, tokenize alike and agree about the logits, or this script fails.
What llama.cpp makes of the texts is in NAME.gguf.tokens.json.
"""

import json
import os
import shutil
import sys
import tempfile
import unicodedata

import numpy
import torch
import transformers
from safetensors.torch import save_file

import architecture_gguf
import llama_cpp
import tiny_tokenizers

FOLDER = os.path.join(llama_cpp.ROOT, "fixtures/architecture")
POSITIONS = [0, 1, 7, 39]
COMMON = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": tiny_tokenizers.SIZE,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "hidden_act": "silu",
    "attention_bias": False,
    "attention_dropout": 0.0,
}
SCALED = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
# Rope scalings that no model here has of its own: the same weights with a changed config.json.
VARIANTS = {
    "llama": [{"rope_scaling": {"rope_type": "linear", "factor": 4.0}}],
    "qwen2": [{"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}}],
    "gemma3": [{"rope_scaling": {"rope_type": "linear", "factor": 8.0}}],
}
# The keys are those of the published config.json files; `rope_parameters` is how newer Transformers write the rope.
MODELS = {
    "llama": {
        "type": "LlamaForCausalLM",
        "tokenizer": "llama",
        "store": torch.float32,
        "gguf": ("llama", "f32"),
        "config": {**COMMON, "model_type": "llama", "head_dim": 16, "rope_scaling": None},
    },
    "llama31": {
        "type": "LlamaForCausalLM",
        "tokenizer": "llama",
        "store": torch.float16,
        "gguf": ("llama", "f16"),
        "config": {
            **COMMON,
            "model_type": "llama",
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "rope_scaling": SCALED,
        },
    },
    "qwen2": {
        "type": "Qwen2ForCausalLM",
        "tokenizer": "qwen",
        "store": torch.float32,
        "round": torch.float16,
        "gguf": ("qwen2", "f16"),
        "shards": 3,
        "config": {
            **COMMON,
            "model_type": "qwen2",
            "rms_norm_eps": 1e-6,
            "rope_theta": 1000000.0,
            "tie_word_embeddings": True,
            "use_sliding_window": False,
            "sliding_window": 128,
            "max_window_layers": 2,
        },
    },
    "qwen3": {
        "type": "Qwen3ForCausalLM",
        "tokenizer": "qwen",
        "store": torch.bfloat16,
        "gguf": ("qwen3", "bf16"),
        "config": {
            **{key: value for key, value in COMMON.items() if key != "rope_theta"},
            "model_type": "qwen3",
            "rms_norm_eps": 1e-6,
            "head_dim": 32,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0},
        },
    },
    "gemma3": {
        "type": "Gemma3ForCausalLM",
        "tokenizer": "gemma",
        "store": torch.bfloat16,
        "config": {
            **{key: value for key, value in COMMON.items() if key != "hidden_act"},
            "model_type": "gemma3_text",
            "num_hidden_layers": 7,
            "intermediate_size": 64,
            "num_key_value_heads": 1,
            "head_dim": 16,
            "rms_norm_eps": 1e-6,
            "rope_theta": 1000000.0,
            "rope_local_base_freq": 10000.0,
            "rope_scaling": None,
            "sliding_window": 8,
            "query_pre_attn_scalar": 24,
            "tie_word_embeddings": True,
            "hidden_activation": "gelu_pytorch_tanh",
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "layer_types": ["sliding_attention"] * 5 + ["full_attention", "sliding_attention"],
        },
    },
}
TEXTS = [
    "",
    "the",
    " the thread",
    "The heddle lifts the right threads.",
    "a  b   c",
    "12345 67",
    "don't WE'LL",
    "line\r\nline\n\n  x",
    "caf\u00e9 cafe\u0301",
    "\u65e5\u672c\u8a9e",
    "\U0001f469\u200d\U0001f680 \U0001f600",
    "\ttab",
    "x = [1, 2];\n",
    "   ",
    "\u0645\u0631\u062d\u0628\u0627",
    "<|begin_of_text|>hi<|eot_id|>",
    "<|im_start|>user\nhi<|im_end|>\n",
    "<start_of_turn>user\nhi<end_of_turn>\n",
]


def main():
    names = sys.argv[1:] or list(MODELS)
    for seed, name in enumerate(MODELS):
        if name in names:
            make(name, MODELS[name], seed)


def make(name, plan, seed):
    folder = os.path.join(FOLDER, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    tokenizer = tiny_tokenizers.made(plan["tokenizer"])
    tokenizer.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    config = {"architectures": [plan["type"]], **plan["config"], **ids_of_specials(tokenizer, plan["tokenizer"])}
    config["torch_dtype"] = str(plan["store"]).removeprefix("torch.")
    write_json(os.path.join(folder, "config.json"), config, indent=2)
    weights = random_weights(folder, seed, plan)
    save_weights(folder, weights, plan.get("shards", 1))
    logits, tokens = logits_from_disk(folder, seed)
    write_json(
        os.path.join(folder, "logits.json"),
        {
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "tokens": tokens,
            "positions": POSITIONS,
            "logits": rounded(logits),
            "variants": variants(name, folder, config, seed),
        },
    )
    texts = [{"text": text, "ids": tokenizer.encode(text).ids} for text in TEXTS]
    write_lines(os.path.join(folder, "tokens.json"), texts)
    print(f"{name}: logits from {logits.min():.2f} to {logits.max():.2f}, standard deviation {logits.std():.2f}")
    if "gguf" in plan:
        make_gguf(name, plan, config, weights, tokenizer, logits, tokens, texts)


def ids_of_specials(tokenizer, kind):
    bos, eos = {"llama": ("<|begin_of_text|>", "<|end_of_text|>"), "gemma": ("<bos>", "<eos>")}.get(
        kind, ("<|endoftext|>", "<|endoftext|>")
    )
    return {"bos_token_id": tokenizer.token_to_id(bos), "eos_token_id": tokenizer.token_to_id(eos)}


def random_weights(folder, seed, plan):
    """Large enough that the logits are decisive; norms vary about what leaves a value as it is."""
    generator = torch.Generator().manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.from_pretrained(folder))
    tied = plan["config"]["tie_word_embeddings"]
    weights = {}
    for name, value in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        noise = torch.randn(value.shape, generator=generator)
        if "norm" in name:
            centre = 0.0 if plan["tokenizer"] == "gemma" else 1.0
            noise = centre + 0.2 * noise
        else:
            noise = 0.3 * noise
        weights[name] = noise.to(plan.get("round", plan["store"])).to(plan["store"])
    return weights


def save_weights(folder, weights, shards):
    if shards == 1:
        save_file(weights, os.path.join(folder, "model.safetensors"), metadata={"format": "pt"})
        return
    names = list(weights)
    where = {
        name: f"model-{index * shards // len(names) + 1:05}-of-{shards:05}.safetensors"
        for index, name in enumerate(names)
    }
    for file in sorted(set(where.values())):
        part = {name: weights[name] for name in names if where[name] == file}
        save_file(part, os.path.join(folder, file), metadata={"format": "pt"})
    size = sum(value.numel() * value.element_size() for value in weights.values())
    write_json(
        os.path.join(folder, "model.safetensors.index.json"),
        {"metadata": {"total_size": size}, "weight_map": where},
        indent=1,
    )


def logits_from_disk(folder, seed):
    """What a reader of the folder gets: the weights as stored, computed with in float32."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    generator = torch.Generator().manual_seed(1000 + seed)
    tokens = torch.randint(0, tiny_tokenizers.SIZE, (1, POSITIONS[-1] + 1), generator=generator)
    with torch.no_grad():
        logits = model(tokens).logits[0]
    return logits.double().numpy(), tokens[0].tolist()


def variants(name, folder, config, seed):
    """What the weights give with other settings, each with the keys of config.json that differ."""
    found = []
    for changes in VARIANTS.get(name, []):
        with tempfile.TemporaryDirectory() as changed:
            shutil.copytree(folder, changed, dirs_exist_ok=True)
            write_json(os.path.join(changed, "config.json"), {**config, **changes})
            logits, _ = logits_from_disk(changed, seed)
        found.append({"config": changes, "logits": rounded(logits)})
    return found


def rounded(logits):
    return [[float(f"{value:.6g}") for value in logits[at]] for at in POSITIONS]


def make_gguf(name, plan, config, weights, tokenizer, logits, tokens, texts):
    architecture, kind = plan["gguf"]
    arrays = {key: value.float().numpy() for key, value in weights.items()}
    config = {"rope_theta": config.get("rope_parameters", {}).get("rope_theta"), **config}
    common = (name, architecture, config, arrays, tokenizer, plan["tokenizer"])
    path = os.path.join(FOLDER, f"{name}.gguf")
    letter = tokenizer.token_to_id("t")
    architecture_gguf.write(path, *common, kind)
    # llama.cpp rounds activations to the type of the matrix: it is asked about the same weights in F32.
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        architecture_gguf.write(file.name, *common, "f32")
        worst = worst_deviation(file.name, letter, logits, tokens)
        found = [{"text": one["text"], "ids": llama_ids(file.name, one["text"])} for one in texts]
    worst_stored = worst_deviation(path, letter, logits, tokens)
    differ = [one["text"] for one, other in zip(texts, found, strict=True) if one != other]
    print(
        f"{name}.gguf: llama.cpp's log-probabilities differ by {worst:.2g} at most ({kind}: {worst_stored:.2g}); "
        f"tokens differ: {differ}"
    )
    # GGUF has no place for Qwen's normaliser, so llama.cpp takes what is not composed as it comes.
    assert worst < 1e-3 and all(text != unicodedata.normalize("NFC", text) for text in differ)
    write_lines(os.path.join(FOLDER, f"{name}.gguf.tokens.json"), found)


def worst_deviation(path, letter, logits, tokens):
    settings = [
        "-ctk",
        "f32",
        "-ctv",
        "f32",
        "-fa",
        "off",
        "-t",
        "1",
        "-c",
        "256",
        "-np",
        "1",
        "--no-warmup",
        "--no-webui",
    ]
    worst = 0.0
    with llama_cpp.server(path, *settings) as post:
        for at in POSITIONS:
            # The server says nothing of a token that is half a character, so it is made to choose a whole one; the
            # log-probabilities are those before any bias.
            answer = post(
                "/completion",
                {
                    "prompt": tokens[: at + 1],
                    "n_predict": 1,
                    "temperature": 0,
                    "n_probs": tiny_tokenizers.SIZE,
                    "cache_prompt": False,
                    "logit_bias": [[letter, 1000]],
                },
            )
            exact = logits[at] - numpy.logaddexp.reduce(logits[at])
            top = answer["completion_probabilities"][0]["top_logprobs"]
            assert len(top) == tiny_tokenizers.SIZE, len(top)
            worst = max(worst, *(abs(one["logprob"] - exact[one["id"]]) for one in top))
    return worst


def llama_ids(path, text):
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(text.encode())
        file.flush()
        output, _ = llama_cpp.run(
            "llama-tokenize", "-m", path, "-f", file.name, "--ids", "--no-escape", "--log-disable"
        )
    return json.loads(output)


def write_lines(path, items):
    with open(path, "w", encoding="ascii") as file:
        file.write("[\n" + ",\n".join(map(json.dumps, items)) + "\n]\n")


def write_json(path, value, indent=None):
    with open(path, "w", encoding="ascii") as file:
        json.dump(value, file, indent=indent)
        file.write("\n")


if __name__ == "__main__":
    main()
