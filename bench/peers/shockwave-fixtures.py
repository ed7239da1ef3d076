"""What the published simulator of Shockwave does with its own traces, by policy.

    python bench/peers/shockwave-fixtures.py SIMULATOR > fixtures/shockwave-runs.json

SIMULATOR is the folder `scheduler` of github.com/uw-mad-dash/shockwave (8a44f4a). Python 3.9 with cvxpy 1.1.18, ecos, numpy 1.23,
matplotlib, pandas, psutil, func-timeout, setproctitle, preconditions and filelock ran it; what a simulation does not touch (remote
calls, the estimator, commercial solvers) is stood in for. Jobs by trace: time from submission to end, in seconds.
"""
import json
import os
import pickle
import runpy
import subprocess
import sys
import tempfile
from unittest.mock import MagicMock

TRACES = {"120_0.2_5_100_40_25": 32, "220_0.2_5_100_25_4": 64}
POLICIES = ["max_min_fairness", "min_total_duration", "allox", "max_sum_throughput_perf", "gandiva_fair"]
SUFFIX = "_0,0.5,0.5_0.6,0.3,0.09,0.01_multigpu_dynamic"
UNUSED = ["annoy", "gym", "gurobipy", "matrix_completion", "mosek", "numa", "pymannkendall", "pynvml", "runtime", "runtime.rpc"]


def simulate(simulator, policy, trace, gpus, out):
    """Runs the driver in this process; it writes a pickle into `out`."""
    for name in UNUSED:
        sys.modules[name] = MagicMock()
    os.chdir(os.path.join(simulator, "reproduce"))
    driver = "../scripts/drivers/simulate_scheduler_with_trace.py"
    sys.argv = [driver, "--trace_file", f"../traces/reproduce/{trace}{SUFFIX}.trace", "--policy", policy]
    sys.argv += ["--throughputs_file", "../tacc_throughputs.json", "--cluster_spec", f"{gpus}:0:0", "--seed", "0"]
    sys.argv += ["--solver", "ECOS", "--time_per_iteration", "120", "--pickle_output_dir", out]
    runpy.run_path(driver, run_name="__main__")


def ran(simulator, policy, trace, gpus):
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, os.path.abspath(__file__), "--run", simulator, policy, trace, str(gpus), out]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sys.path.insert(0, simulator)
        with open(os.path.join(out, os.listdir(out)[0]), "rb") as file:
            found = pickle.load(file)
    return {
        "makespan": round(float(found["makespan"]), 3),
        "average": round(float(found["avg_jct"]), 3),
        "worst": float(max(found["finish_time_fairness_list"])),
        "jct": [round(float(seconds), 3) for seconds in found["jct_list"]],
    }


def main():
    if sys.argv[1] == "--run":
        simulator, policy, trace, gpus, out = sys.argv[2:]
        return simulate(simulator, policy, trace, int(gpus), out)
    simulator = os.path.abspath(sys.argv[1])
    runs = {trace: {p: ran(simulator, p, trace, gpus) for p in POLICIES} for trace, gpus in TRACES.items()}
    print(json.dumps(runs, separators=(",", ":")).replace('},"', '},\n"'))


main()
