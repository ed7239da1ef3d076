#!/bin/sh
# What the published simulator of ElasticFlow, as it is since December 2023, does on small clusters: with its own trace of five jobs
# of one model, and with made-up jobs of models that are slower on some sizes than on smaller ones, some without a deadline.
#
#   bench/peers/elasticflow-small.sh ELASTICFLOW PYTHON fixtures/cluster
#
# ELASTICFLOW is the folder `ElasticFlow` of github.com/pkusys/ElasticFlow as of 10 May 2024 (commit 04a0109). PYTHON has cvxpy and ecos,
# and grpcio for the stubs of `scheduler/runtime`, or that package is replaced by an empty one.
set -eu

root=$1 python=$2 to=$(cd "$3" && pwd)
out=$(mktemp -d)
run() { # cluster as the simulator names it, name of the fixture, jobs
  cd "$root/scheduler"
  for schedule in ef-accessctrl gandiva themis edf dlas-gpu; do
    if [ "$schedule" = gandiva ]; then scheme=gandiva; else scheme=elastic; fi
    mkdir -p "$out/$2/$schedule"
    "$python" scheduler.py --cluster_spec="cluster_specs/$1.csv" --print --scheme=$scheme --trace_file="$3" \
      --schedule=$schedule --log_path="$out/$2/$schedule" --simulation=True --scheduling_slot=240 --gpu_type=A100 >/dev/null
  done
  "$python" - "$3" "$out/$2" >"$to/elasticflow-$2.csv" <<'PYTHON'
import csv, sys
jobs, results = sys.argv[1:]
read = lambda path: list(csv.DictReader(open(path)))
names = ["job_id", "submit_time", "iteration", "model_name", "ddl", "batch_size", "num_gpu", "duration", "best_effort"]
titles = {"ef-accessctrl": "end_time", "gandiva": "gandiva_end_time", "themis": "themis_end_time", "edf": "edf_end_time",
          "dlas-gpu": "tiresias_end_time"}
ends = [{row["job_id"]: int(float(row["end_time"])) for row in read(f"{results}/{name}/job.csv")} for name in titles]
print(",".join(names + list(titles.values())))
for job in read(jobs):
    print(",".join([job[name] for name in names] + [str(end.get(job["job_id"], "")) for end in ends]))
PYTHON
}
jobs() { # seed, jobs, GPUs, mean seconds between arrivals, deadline over duration, part without one, models
  "$python" - "$root/scheduler/throughputs_A100" "$@" <<'PYTHON'
import csv, random, sys
tables, seed, count, gpus, mean, least, most, free, *models = sys.argv[1:]
rates = {}
for model in sorted(models):
    for row in csv.DictReader(open(f"{tables}/{model}.csv")):
        batch = int(row.pop("global_batch_size"))
        rates[model, batch] = {int(n): float(rate or 0) for n, rate in row.items()}
draw = random.Random(int(seed))
kinds, now = sorted(rates), 0.0
print("job_id,submit_time,iteration,model_name,ddl,batch_size,num_gpu,duration,best_effort")
for job in range(int(count)):
    model, batch = draw.choice(kinds)
    size = draw.choice([n for n in (1, 1, 1, 1, 2, 4, 8) if n <= int(gpus)])
    duration = draw.uniform(600, 8000)
    due = int(now + draw.uniform(float(least), float(most)) * duration)
    kind = int(draw.random() < float(free))
    steps = int(duration * rates[model, batch][size])
    print(f"{job},{int(now)},{steps},{model},{due},{batch},{size},{int(duration)},{kind}")
    now += draw.expovariate(1 / float(mean))
PYTHON
}
run n1g8 1x8 "$root/traces_for_ElasticFlow/resnet_cifar_trace.csv"
jobs 51 30 4 1200 0.5 6 0.3 resnet50_cifar10 resnet50 bert >"$out/1x4.csv"
run n1g4 1x4 "$out/1x4.csv"
jobs 9 30 4 1200 0.9 2.5 0 resnet50_cifar10 >"$out/2x2.csv"
run n2g2 2x2 "$out/2x2.csv"
jobs 12 40 8 900 1 2.5 0 resnet50_cifar10 vgg16 gpt2 deepspeech2 >"$out/1x8-mixed.csv"
run n1g8 1x8-mixed "$out/1x8-mixed.csv"
