#!/bin/sh
# Fetches the published simulator of Pollux (OSDI 2021) and what it needs, for `npm run bench -- pollux` and pollux-cells.py.
#
#   bench/peers/pollux.sh             into .peers, or the folder that HEDDLE_PEERS names
#
# HEDDLE_ADAPTDL names another place to clone from than GitHub. Python 3.11 or older.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
peers=${HEDDLE_PEERS:-$root/.peers}
mkdir -p "$peers"

[ -d "$peers/adaptdl" ] ||
  git clone --depth 1 --branch osdi21-artifact "${HEDDLE_ADAPTDL:-https://github.com/petuum/adaptdl}" "$peers/adaptdl"

[ -x "$peers/pollux-venv/bin/python" ] || python3 -m venv "$peers/pollux-venv"
python=$peers/pollux-venv/bin/python
"$python" -m pip install "setuptools<60" wheel "cython<3" matplotlib
"$python" -m pip install --no-build-isolation pymoo==0.4.2.2
# Last, and without the others: pymoo asks for a newer numpy than the simulator can run with.
"$python" -m pip install numpy==1.23.5 pandas==1.5.3 scipy==1.10.1 autograd==1.5
