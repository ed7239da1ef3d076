"""Shares of time by a finish-time-fairness program, as cvxpy and ECOS find them: the last point of the solver's path.

    python bench/peers/fair-shares-fixtures.py > fixtures/fair-shares.json

Python 3.9 with cvxpy 1.1.18, ecos 2.0.10 and numpy 1.23 ran it. Each program: the capacity in GPUs; of each job its age, its work, its
rate, the time it would take alone, and its GPUs; the shares.
"""
import json
import random

import cvxpy as cp


def solved(jobs, capacity):
    x = cp.Variable(len(jobs))
    ratios = [(age + work * cp.inv_pos(rate * x[i])) / alone for i, (age, work, rate, alone, _) in enumerate(jobs)]
    fits = cp.sum(cp.multiply([float(gpus) for *_, gpus in jobs], x), axis=0) <= capacity
    problem = cp.Problem(cp.Minimize(cp.maximum(*ratios)), [x >= 0, x <= 1, fits])
    problem.solve(solver=cp.ECOS)
    assert problem.status == "optimal", problem.status
    return [float(v) for v in x.value]


def drawn(draw, jobs, capacity, oldest):
    out = []
    for _ in range(jobs):
        gpus = draw.choice([1, 1, 1, 2, 4, 8])
        rate = round(draw.uniform(0.8, 10), 3)
        work = round(10 ** draw.uniform(2, 6.5))
        age = round(draw.uniform(0, oldest)) if draw.random() < 0.9 else 0
        even = min(1, -(-capacity // jobs) / gpus)
        alone = work / even + round(rate * age * draw.uniform(0.1, 1))
        out.append([age, work, rate, round(alone, 3), gpus])
    return out


def main():
    draw = random.Random(7)
    programs = []
    for jobs, capacity, oldest in [(4, 8, 1e4), (9, 8, 1e5), (20, 16, 1e6), (20, 16, 0), (30, 64, 1e5), (45, 64, 1e6)]:
        rows = drawn(draw, jobs, capacity, oldest)
        programs.append({"capacity": capacity, "jobs": rows, "shares": solved(rows, capacity)})
    print("[" + ",\n".join(json.dumps(program, separators=(",", ":")) for program in programs) + "]")


main()
