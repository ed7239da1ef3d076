#!/bin/sh
# What the published simulator of ElasticFlow does with workloads of its own generator that it published no results of.
#
#   bench/peers/elasticflow-fixtures.sh ELASTICFLOW PYTHON fixtures/cluster
#
# ELASTICFLOW is the folder `ElasticFlow` of github.com/pkusys/ElasticFlow as of 14 October 2022 (commit 4757e42), the day on which
# the result files were made: later changes to the ends of jobs give other figures. PYTHON has cvxpy; the package
# `scheduler/runtime`, which talks to real machines, may be replaced by an empty one. The generator does not seed the deadlines: a
# file holds the workload beside the ends.
set -eu

root=$1 python=$2 to=$(cd "$3" && pwd)
out=$(mktemp -d)
run() { # seed, mean seconds between arrivals, least deadline over duration
  cd "$root/trace_generator"
  "$python" generate_trace.py --num_jobs=100 --lam="$2" --min_ddl="$3" --seed="$1" --output_file="$out/jobs.csv" >/dev/null
  cd "$root/scheduler"
  mkdir -p "$out/$1"
  "$python" scheduler.py --cluster_spec=cluster_specs/n16g8.csv --print --scheme=elastic --trace_file="$out/jobs.csv" \
    --schedule=ef-accessctrl --log_path="$out/$1" --simulation=True --scheduling_slot=240 --gpu_type=A100 >/dev/null
  "$python" - "$out/jobs.csv" "$out/$1/job.csv" >"$to/elasticflow-seed-$1.csv" <<'PYTHON'
import csv, sys
jobs, results = [list(csv.DictReader(open(path))) for path in sys.argv[1:]]
end = {row["job_id"]: int(float(row["end_time"])) for row in results}
names = ["job_id", "submit_time", "iteration", "model_name", "ddl", "batch_size", "num_gpu", "duration"]
print(",".join(names + ["end_time"]))
for job in jobs:
    print(",".join([job[name] for name in names] + [str(end.get(job["job_id"], ""))]))
PYTHON
}
run 4 700 1.2
run 6 1000 1.5
