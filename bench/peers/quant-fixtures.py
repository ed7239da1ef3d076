"""Blocks of every quantised weight type and what they mean, by the reference in PyPI's `gguf` package.

    pip install gguf numpy
    python bench/peers/quant-fixtures.py > fixtures/quant/blocks.json

Each block is random bytes, with its f16 fields replaced by finite numbers of both signs.
"""

import base64
import json

import numpy as np
from gguf import GGMLQuantizationType as T
from gguf import GGML_QUANT_SIZES, quants

# Byte offsets of the f16 fields in a block.
HALVES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
}

rng = np.random.default_rng(3)


def encode(array):
    return base64.b64encode(array.tobytes()).decode()


def blocks(name):
    elements, size = GGML_QUANT_SIZES[T[name]]
    count = 2 if elements == 256 else 6
    data = rng.integers(0, 256, (count, size), dtype=np.uint8)
    for at in HALVES.get(name, []):
        data[:, at : at + 2] = rng.normal(0, 0.05, (count, 1)).astype(np.float16).view(np.uint8)
    return data.reshape(-1), elements * count


def case(name):
    if name in ("F16", "BF16"):
        # Every exponent, subnormals and both zeros; no infinities or NaNs.
        top = 0x7C00 if name == "F16" else 0x7F80
        bits = np.concatenate([np.arange(0, top, top // 61), [1, 0x3FF]]).astype(np.uint16)
        bits = np.concatenate([bits, bits | 0x8000])
        data, elements = bits.view(np.uint8), len(bits)
    else:
        data, elements = blocks(name)
    values = quants.dequantize(data, T[name]).astype(np.float32)
    return {"type": name, "elements": elements, "bytes": encode(data), "values": encode(values)}


names = ["F16", "BF16", *HALVES]
print(json.dumps([case(name) for name in names], indent=1))
