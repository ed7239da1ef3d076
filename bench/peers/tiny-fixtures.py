"""Writes fixtures/heddle-tiny/greedy.json: how llama.cpp tokenizes and answers prompts to models/heddle-tiny.gguf, greedily.

    .peers/venv/bin/python bench/peers/tiny-fixtures.py

The chat template is applied by llama.cpp too. With each token by how much it was preferred to the next best, in log-probability.
"""

import json
import os

import llama_cpp

FOLDER = os.path.join(llama_cpp.ROOT, "fixtures/heddle-tiny")
MODEL = os.path.join(llama_cpp.ROOT, "models/heddle-tiny.gguf")
EXACT = ["-ctk", "f32", "-ctv", "f32", "-fa", "off", "-np", "1", "-c", "512", "--no-warmup", "--no-webui", "--jinja"]
STEPS = 120
PROMPTS = [
    "What is 34 + 25?",
    "How much is 80 minus 17?",
    "Tell me a short story about a fox.",
    "Write a story about a lamp and a brave hen.",
    "Anna likes the colour silver. She has a house in Madrid. Return a JSON object with favourite_colour and town.",
    "Hello, who are you?",
]


def main():
    os.makedirs(FOLDER, exist_ok=True)
    with llama_cpp.server(llama_cpp.converted(MODEL), *EXACT) as post:
        found = []
        for content in PROMPTS:
            message = {"role": "user", "content": content}
            rendered = post("/apply-template", {"messages": [message]})["prompt"]
            request = {"content": rendered, "add_special": True, "parse_special": True}
            ids = post("/tokenize", request)["tokens"]
            answer = llama_cpp.continuation(post, ids, STEPS)
            margins = [round(margin, 4) for margin in answer["margins"]]
            found.append({"content": content, "rendered": rendered, **answer, "margins": margins})
    with open(os.path.join(FOLDER, "greedy.json"), "w") as out:
        out.write("[\n" + ",\n".join(json.dumps(one, ensure_ascii=False) for one in found) + "\n]\n")


if __name__ == "__main__":
    main()
