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
run() { # seed, jobs, mean seconds between arrivals, least deadline over duration, schedules
  seed=$1
  cd "$root/trace_generator"
  "$python" generate_trace.py --num_jobs="$2" --lam="$3" --min_ddl="$4" --seed="$seed" --output_file="$out/jobs.csv" >/dev/null
  shift 4
  cd "$root/scheduler"
  for schedule in "$@"; do
    if [ "$schedule" = gandiva ]; then scheme=gandiva; else scheme=elastic; fi
    mkdir -p "$out/$seed/$schedule"
    "$python" scheduler.py --cluster_spec=cluster_specs/n16g8.csv --print --scheme=$scheme --trace_file="$out/jobs.csv" \
      --schedule="$schedule" --log_path="$out/$seed/$schedule" --simulation=True --scheduling_slot=240 --gpu_type=A100 >/dev/null
  done
  "$python" - "$out/jobs.csv" "$out/$seed" "$@" >"$to/elasticflow-seed-$seed.csv" <<'PYTHON'
import csv, sys
jobs, results, *schedules = sys.argv[1:]
read = lambda path: list(csv.DictReader(open(path)))
ends = [{row["job_id"]: int(float(row["end_time"])) for row in read(f"{results}/{name}/job.csv")} for name in schedules]
names = ["job_id", "submit_time", "iteration", "model_name", "ddl", "batch_size", "num_gpu", "duration"]
title = {"ef-accessctrl": "end_time", "gandiva": "gandiva_end_time"}
print(",".join(names + [title[name] for name in schedules]))
for job in read(jobs):
    print(",".join([job[name] for name in names] + [str(end.get(job["job_id"], "")) for end in ends]))
PYTHON
}
run 4 100 700 1.2 ef-accessctrl gandiva
run 6 100 1000 1.5 ef-accessctrl gandiva
# Jobs enough for the controller to start anew, and for one to find no set.
run 7 400 600 1.5 gandiva
