"""Which tetrahedron of the measured points the published Pollux simulator interpolates in, for every size of job.

It interpolates step times over (nodes, replicas, local batch size) with SciPy's LinearNDInterpolator. The points lie on a
grid, so their Delaunay triangulation is far from unique, and its results depend on how Qhull happens to cut each prism and
on which side of a face SciPy's search arrives. Only those choices are written here, as indices of points: the times stay in
the user's files.

Usage: python pollux-cells.py TRACES OUT    (numpy, scipy, pandas)
For each application: points, checksum of their coordinates, tetrahedra, and runs; deflated 16-bit words in base64.
"""
import base64
import json
import os
import sys
import zlib

import numpy as np
import pandas
from scipy.interpolate import LinearNDInterpolator

AXES = ["num_nodes", "num_replicas", "local_bsz"]
NODES = range(5, 17)  # placements over up to 4 nodes were all measured
OUTSIDE = 0xFFFF


def measured(folder):
    """Rows (nodes, replicas, batch, step, sync): means of placements of equal shape, then the table of scalability."""
    places = pandas.read_csv(os.path.join(folder, "placements.csv"), dtype={"placement": str})
    places["num_nodes"] = places.placement.str.len()
    places["num_replicas"] = places.placement.map(lambda digits: sum(int(d) for d in digits))
    means = places.groupby(AXES, as_index=False)[["step_time", "sync_time"]].mean()
    wide = pandas.read_csv(os.path.join(folder, "scalability.csv"))
    return pandas.concat([means[AXES + ["step_time", "sync_time"]], wide])[AXES + ["step_time", "sync_time"]].values


def runs_along(find, low, high):
    """[(first batch size, simplex)] of the segment, found by bisection: a simplex meets a line in one interval."""
    known = {}

    def at(b):
        if b not in known:
            known[b] = find(b)
        return known[b]

    def split(a, b):
        if at(a) != at(b) and b - a > 1:
            middle = (a + b) // 2
            split(a, middle)
            split(middle, b)

    for a, b in zip(low, high):
        split(a, b)
    runs = []
    for b in sorted(known):
        if not runs or runs[-1][1] != known[b]:
            runs.append((b, known[b]))
    return runs


def cells(folder):
    rows = measured(folder)
    points = rows[:, :3]
    times = LinearNDInterpolator(points, rows[:, 3:])
    tri = times.tri
    grid = sorted(set(points[:, 2].astype(int)))
    # Sixteenths of grid intervals: short enough that bisection jumps over no tetrahedron.
    marks = sorted({int(round(a + (b - a) * k / 16)) for a, b in zip(grid, grid[1:]) for k in range(17)})
    used, words = {}, []
    for n in NODES:
        for r in range(n, 4 * n + 1):
            # One query a call: a search begins where the last one of its call ended.
            runs = runs_along(lambda b: int(tri.find_simplex([n, r, b])), marks, marks[1:])
            words.append(len(runs))
            for b, simplex in runs:
                words += [b, OUTSIDE if simplex < 0 else used.setdefault(simplex, len(used))]
                if simplex >= 0:
                    transform = tri.transform[simplex]
                    c = transform[:3] @ (np.array([n, r, b]) - transform[3])
                    mine = np.append(c, 1 - c.sum()) @ rows[tri.simplices[simplex], 3:]
                    assert np.allclose(mine, times([n, r, b])[0], rtol=1e-12), (folder, n, r, b)
    corners = tri.simplices[list(used)].flatten().tolist()
    pack = lambda xs: base64.b64encode(zlib.compress(np.array(xs, "<u2").tobytes(), 9)).decode()
    checksum = int((points * [1, 100, 10007]).sum())
    return {"points": len(rows), "checksum": checksum, "corners": pack(corners), "runs": pack(words)}


traces, out = sys.argv[1:]
names = sorted(name for name in os.listdir(traces) if os.path.isdir(os.path.join(traces, name)))
with open(out, "w") as file:
    json.dump({name: cells(os.path.join(traces, name)) for name in names}, file, indent=1)
    file.write("\n")
