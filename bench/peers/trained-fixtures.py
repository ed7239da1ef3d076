"""Writes fixtures/trained: small models that `heddle train` made, and what llama.cpp makes of them.

    npm run build && .peers/venv/bin/python bench/peers/trained-fixtures.py

Each model is trained on the text about looms of greedy_prompts.py. llama.cpp loads its GGUF, tokenizes the prompts and continues
them greedily; ids, continuations and by how much each token was preferred are in NAME.json.
"""

import json
import os
import shutil
import subprocess
import tempfile

import llama_cpp
from greedy_prompts import ABOUT_LOOMS

FOLDER = os.path.join(llama_cpp.ROOT, "fixtures/trained")
HEDDLE = ["node", os.path.join(llama_cpp.ROOT, "dist/cli/main.js")]
STEPS = 32
SMALL = {"layers": 2, "width": 64, "heads": 4, "feedForward": 128, "context": 64}
# How weights are stored, and the variants of the architecture that a recipe can ask for.
MODELS = {
    "f32": ({**SMALL, "width": 32, "heads": 2, "kvHeads": 1, "tied": False}, "gpt-2", "F32"),
    "f16": ({**SMALL, "width": 32, "heads": 2, "ropeBase": 500000}, "smollm", "F16"),
    "q8_0": ({**SMALL, "kvHeads": 2, "normEpsilon": 1e-6}, "qwen2", "Q8_0"),
}
PROMPTS = ["A loom holds", "In Lyon, Jacquard put", " a plain weave", "The warp: 12 or 345 threads\n\n  naïve 文字"]


def train(folder, name, model, pre, kind):
    recipe = {
        "name": name,
        "data": {"text": "looms.txt", "heldOut": 0},
        "tokenizer": {"vocabulary": 352, "pre": pre},
        "model": model,
        "training": {"steps": 240, "batch": 4, "learningRate": 1e-2, "warmup": 20, "seed": 3},
        "output": {"type": kind},
    }
    path = os.path.join(folder, f"{name}.json")
    with open(path, "w") as out:
        json.dump(recipe, out)
    with open(os.path.join(folder, "looms.txt"), "w") as out:
        out.write(ABOUT_LOOMS * 2)
    subprocess.run([*HEDDLE, "train", path], check=True)
    shutil.copy(os.path.join(folder, name, f"{name}.gguf"), FOLDER)


def continuation(post, prompt):
    ids = post("/tokenize", {"content": prompt, "add_special": True})["tokens"]
    found = llama_cpp.continuation(post, ids, STEPS, ignore_eos=True)
    margins = [round(margin, 4) for margin in found["margins"]]
    return {"prompt": prompt, "ids": ids, "tokens": found["tokens"], "margins": margins}


def main():
    os.makedirs(FOLDER, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, (model, pre, kind) in MODELS.items():
            train(folder, name, model, pre, kind)
            with llama_cpp.server(os.path.join(FOLDER, f"{name}.gguf"), "-c", "64") as post:
                found = [continuation(post, prompt) for prompt in PROMPTS]
            with open(os.path.join(FOLDER, f"{name}.json"), "w") as out:
                out.write("[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in found) + "\n]\n")


if __name__ == "__main__":
    main()
