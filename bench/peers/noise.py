"""Writes fixtures/noise.gguf: a llama of random weights with a byte-level tokenizer, served where there is no other model.

    .peers/venv/bin/python bench/peers/noise.py
"""

import pathlib

import numpy

import architecture_gguf
import tiny_tokenizers

WIDTH, HEADS, KV_HEADS, FEED_FORWARD, LAYERS = 64, 4, 2, 128, 2
CONFIG = {
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": 4096,
    "hidden_size": WIDTH,
    "intermediate_size": FEED_FORWARD,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "vocab_size": tiny_tokenizers.SIZE,
    "tie_word_embeddings": True,
}


def main():
    random = numpy.random.default_rng(3)

    def matrix(*shape):
        return (random.standard_normal(shape) * 0.3).astype(numpy.float32)

    head = WIDTH // HEADS
    weights = {
        "model.embed_tokens.weight": matrix(tiny_tokenizers.SIZE, WIDTH),
        "model.norm.weight": numpy.ones(WIDTH, numpy.float32),
    }
    for layer in range(LAYERS):
        inside = f"model.layers.{layer}."
        weights |= {
            inside + "input_layernorm.weight": numpy.ones(WIDTH, numpy.float32),
            inside + "post_attention_layernorm.weight": numpy.ones(WIDTH, numpy.float32),
            inside + "self_attn.q_proj.weight": matrix(WIDTH, WIDTH),
            inside + "self_attn.k_proj.weight": matrix(KV_HEADS * head, WIDTH),
            inside + "self_attn.v_proj.weight": matrix(KV_HEADS * head, WIDTH),
            inside + "self_attn.o_proj.weight": matrix(WIDTH, WIDTH),
            inside + "mlp.gate_proj.weight": matrix(FEED_FORWARD, WIDTH),
            inside + "mlp.up_proj.weight": matrix(FEED_FORWARD, WIDTH),
            inside + "mlp.down_proj.weight": matrix(WIDTH, FEED_FORWARD),
        }
    path = pathlib.Path(__file__).parents[2] / "fixtures" / "noise.gguf"
    tokenizer = tiny_tokenizers.made("llama")
    architecture_gguf.write(path, "noise", "llama", CONFIG, weights, tokenizer, "llama", "f16")


if __name__ == "__main__":
    main()
