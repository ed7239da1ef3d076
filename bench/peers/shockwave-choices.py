"""What the published simulator of Shockwave does with finish-time fairness, by solver and by the solver's settings.

    python bench/peers/shockwave-choices.py SIMULATOR > fixtures/shockwave-choices.json

As `shockwave-fixtures.py`, with scs and gurobipy 12.0.3 beside. The policy names Gurobi; its licence that comes with the package takes
200 variables where rows are cones. Programs beyond that, as cvxpy puts them, are given to Gurobi as hyperbolas x·u ≥ 1 over the same
variables, without cvxpy's copies of them; those still beyond to ECOS. `programs` counts who solved how many in a run.
"""
import json
import os
import pickle
import runpy
import subprocess
import sys
import tempfile
from collections import Counter
from unittest.mock import MagicMock

SMALL = ("120_0.2_5_100_40_25", 32)
LARGER = ("220_0.2_5_100_25_4", 64)
SUFFIX = "_0,0.5,0.5_0.6,0.3,0.09,0.01_multigpu_dynamic"
UNUSED = ["annoy", "gym", "matrix_completion", "mosek", "numa", "pymannkendall", "pynvml", "runtime", "runtime.rpc"]
SETTINGS = [
    ("GUROBI", {}, SMALL),
    ("GUROBI", {"Presolve": 0}, SMALL),
    ("GUROBI", {"ScaleFlag": 0}, SMALL),
    ("GUROBI", {"ScaleFlag": 2}, SMALL),
    ("GUROBI", {"BarCorrectors": 0}, SMALL),
    ("GUROBI", {"BarCorrectors": 2}, SMALL),
    ("GUROBI", {"BarHomogeneous": 1}, SMALL),
    ("GUROBI", {"BarQCPConvTol": 1e-4}, SMALL),
    ("GUROBI", {"BarQCPConvTol": 1e-9}, SMALL),
    ("GUROBI", {"Seed": 1}, SMALL),
    ("GUROBI", {"Threads": 1}, SMALL),
    ("ECOS", {}, SMALL),
    ("ECOS", {}, LARGER),
    ("SCS", {}, SMALL),
]


def hyperbolas(problem, parameters):
    """Solves a program of lines and of cones |(x - u, 2)| <= x + u by Gurobi; raises where its licence does not take it."""
    import cvxpy
    import gurobipy
    import numpy

    data = problem.get_problem_data(cvxpy.ECOS)[0]
    rows, right, cones = data["G"].toarray(), data["h"], data["dims"].soc
    lines = len(right) - 3 * len(cones)
    model = gurobipy.Model()
    model.Params.OutputFlag = 0
    for name, value in parameters.items():
        model.setParam(name, value)
    values = [model.addVar(lb=-gurobipy.GRB.INFINITY, obj=cost) for cost in data["c"]]
    for row, most in zip(rows[:lines], right[:lines]):
        model.addConstr(gurobipy.quicksum(row[j] * values[j] for j in numpy.flatnonzero(row)) <= most)
    for cone in range(lines, len(right), 3):
        whole, half, constant = rows[cone : cone + 3]
        assert not constant.any() and not right[cone : cone + 2].any()
        sides = []
        for side in (-whole - half, half - whole):
            (j,) = numpy.flatnonzero(side)
            assert side[j] > 0
            values[j].LB = 0
            sides.append(side[j] * values[j])
        model.addQConstr(sides[0] * sides[1] >= right[cone + 2] ** 2)
    model.optimize()
    columns = data["param_prob"].var_id_to_col
    for variable in problem.variables():
        found = [values[columns[variable.id] + k].X for k in range(variable.size)]
        variable.save_value(numpy.reshape(found, variable.shape, order="F"))
    problem._status = "optimal"


def choosing(solver, parameters, solved):
    """Stands before `Problem.solve`: the same programs to another solver, or with other settings."""
    import cvxpy
    import gurobipy

    published = cvxpy.Problem.solve

    def solve(problem):
        if solver != "GUROBI":
            solved[solver] += 1
            return published(problem, solver=solver)
        try:
            published(problem, solver="GUROBI", **parameters)
            solved["cones"] += 1
        except cvxpy.SolverError:
            try:
                hyperbolas(problem, parameters)
                solved["hyperbolas"] += 1
            except gurobipy.GurobiError:
                published(problem, solver="ECOS")
                solved["ECOS"] += 1

    cvxpy.Problem.solve = lambda problem, **_: solve(problem)


def simulate(simulator, solver, parameters, trace, gpus, out):
    """Runs the driver in this process; it writes a pickle into `out`."""
    for name in UNUSED:
        sys.modules[name] = MagicMock()
    solved = Counter()
    choosing(solver, parameters, solved)
    os.chdir(os.path.join(simulator, "reproduce"))
    driver = "../scripts/drivers/simulate_scheduler_with_trace.py"
    sys.argv = [driver, "--trace_file", f"../traces/reproduce/{trace}{SUFFIX}.trace", "--policy", "finish_time_fairness"]
    sys.argv += ["--throughputs_file", "../tacc_throughputs.json", "--cluster_spec", f"{gpus}:0:0", "--seed", "0"]
    sys.argv += ["--solver", "ECOS", "--time_per_iteration", "120", "--pickle_output_dir", out]
    runpy.run_path(driver, run_name="__main__")
    with open(os.path.join(out, "programs.json"), "w") as file:
        json.dump(solved, file)


def ran(simulator, solver, parameters, trace, gpus):
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, os.path.abspath(__file__), "--run", simulator, solver, json.dumps(parameters)]
        subprocess.run([*command, trace, str(gpus), out], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sys.path.insert(0, simulator)
        with open(os.path.join(out, "programs.json")) as file:
            programs = json.load(file)
        (pickled,) = [name for name in os.listdir(out) if name != "programs.json"]
        with open(os.path.join(out, pickled), "rb") as file:
            found = pickle.load(file)
    jct = {"jct": [round(float(seconds), 3) for seconds in found["jct_list"]]} if solver == "ECOS" else {}
    return {
        "trace": trace,
        "gpus": gpus,
        "solver": solver,
        "parameters": parameters,
        "programs": programs,
        "makespan": round(float(found["makespan"]), 3),
        "average": round(float(found["avg_jct"]), 3),
        "worst": float(max(found["finish_time_fairness_list"])),
        **jct,
    }


def main():
    if sys.argv[1] == "--run":
        simulator, solver, parameters, trace, gpus, out = sys.argv[2:]
        return simulate(simulator, solver, json.loads(parameters), trace, int(gpus), out)
    simulator = os.path.abspath(sys.argv[1])
    for i, (solver, parameters, (trace, gpus)) in enumerate(SETTINGS):
        print("[" if i == 0 else ",", json.dumps(ran(simulator, solver, parameters, trace, gpus)), flush=True)
    print("]")


if __name__ == "__main__":
    main()
