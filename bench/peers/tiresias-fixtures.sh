#!/bin/sh
# What the published simulator of Tiresias does with its own trace, on a cluster that is too small for it.
#
#   bench/peers/tiresias-fixtures.sh SIMULATOR PYTHON > fixtures/tiresias-60.json
#
# SIMULATOR is the folder `simulator` of github.com/SymbioticLab/Tiresias, PYTHON a Python 2.7 with numpy. The published 32
# nodes hold all 60 jobs at once, so that every policy is alike there; here are also clusters of 2 and 3 nodes. Its `gittins` ends
# with an error in its own code; `dlas-gpu-gittins` is the 2D-Gittins that runs. Thresholds: 3250 and 7200 GPU-seconds.
set -eu

simulator=$1 python=$2
out=$(mktemp -d)
cd "$simulator"
for nodes in 32 3 2; do
  printf 'num_switch,num_node_p_switch,num_gpu_p_node,num_cpu_p_node,mem_p_node\n1,%s,4,40,256\n' "$nodes" >"$out/spec.csv"
  for schedule in fifo shortest-gpu dlas-gpu dlas-gpu-gittins dlas-gpu-2; do
    "$python" run_sim.py --cluster_spec="$out/spec.csv" --scheme=count --trace_file=60_job.csv \
      --schedule=$schedule --log_path="$out/$nodes-$schedule" >/dev/null
  done
done
"$python" - "$out" <<'PYTHON'
import csv, json, os, sys
out = sys.argv[1]
found = {}
for folder in sorted(os.listdir(out)):
    path = os.path.join(out, folder, "job.csv")
    if not os.path.exists(path):
        continue
    nodes, schedule = folder.split("-", 1)
    with open(path) as lines:
        found.setdefault(nodes, {})[schedule] = {row["job_id"]: int(row["JCT"]) for row in csv.DictReader(lines)}
text = json.dumps(found, sort_keys=True, separators=(",", ":"))
print(text.replace('},"', '},\n"'))
PYTHON
