"""A Transformers model as GGUF, for the architectures whose tensors are named as llama's are."""

import json
import math

import gguf
import numpy

TOP = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
IN_LAYER = {
    "input_layernorm.weight": "attn_norm.weight",
    "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight",
    "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight",
    "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_proj.bias": "attn_q.bias",
    "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.bias": "attn_v.bias",
    "self_attn.q_norm.weight": "attn_q_norm.weight",
    "self_attn.k_norm.weight": "attn_k_norm.weight",
    "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight",
    "mlp.down_proj.weight": "ffn_down.weight",
}
KINDS = {
    "f32": (gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "f16": (gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": (gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
}
PRE = {"llama": "llama-bpe", "qwen": "qwen2"}


def write(path, name, architecture, config, weights, tokenizer, tokenizer_kind, kind):
    """`weights`: Transformers' names to float32 arrays; `kind` is how matrices are stored (vectors are always F32)."""
    writer = gguf.GGUFWriter(path, architecture)
    tensor_type, file_type = KINDS[kind]
    describe(writer, name, config, file_type)
    vocabulary(writer, tokenizer, tokenizer_kind)
    for source, data in weights.items():
        if source == "lm_head.weight" and config["tie_word_embeddings"]:
            continue
        data = rotated_in_pairs(source, data, config) if architecture == "llama" else data
        stored = tensor_type if data.ndim > 1 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(target(source), gguf.quants.quantize(data, stored), raw_dtype=stored)
    scaling = config.get("rope_scaling") or {}
    if scaling.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(config, scaling))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def describe(writer, name, config, file_type):
    writer.add_name(name)
    writer.add_file_type(file_type)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    width = head_width(config)
    writer.add_rope_dimension_count(width)
    if width != config["hidden_size"] // config["num_attention_heads"]:
        writer.add_key_length(width)
        writer.add_value_length(width)


def vocabulary(writer, tokenizer, kind):
    ids = tokenizer.get_vocab()
    special = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    tokens = sorted(ids, key=ids.get)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE[kind])
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.CONTROL if token in special else gguf.TokenType.NORMAL for token in tokens])
    writer.add_token_merges(merges_of(tokenizer))
    if kind == "llama":
        writer.add_bos_token_id(ids["<|begin_of_text|>"])
        writer.add_eos_token_id(ids["<|end_of_text|>"])
        writer.add_add_bos_token(True)
    else:
        writer.add_eos_token_id(ids["<|endoftext|>"])
        writer.add_add_bos_token(False)


def merges_of(tokenizer):
    return [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def target(source):
    if source in TOP:
        return TOP[source]
    _, _, layer, rest = source.split(".", 3)
    return f"blk.{layer}.{IN_LAYER[rest]}"


def head_width(config):
    return config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]


def rotated_in_pairs(source, data, config):
    """Transformers rotates element i of a head with element i + width / 2, GGUF's llama with its neighbour."""
    if ".q_proj." not in source and ".k_proj." not in source:
        return data
    halves = data.reshape(-1, 2, head_width(config) // 2, *data.shape[1:])
    return numpy.ascontiguousarray(halves.swapaxes(1, 2)).reshape(data.shape)


def llama3_divisors(config, scaling):
    """GGUF keeps Llama 3.1's scaling as what each frequency is divided by."""
    width = head_width(config)
    divisors = []
    for index in range(0, width, 2):
        turns = scaling["original_max_position_embeddings"] * config["rope_theta"] ** (-index / width) / (2 * math.pi)
        low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
        kept = min(1.0, max(0.0, (turns - low) / (high - low)))
        divisors.append(1 / ((1 - kept) / scaling["factor"] + kept))
    return numpy.array(divisors, dtype=numpy.float32)
