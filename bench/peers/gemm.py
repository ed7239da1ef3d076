"""Times matrix products of numpy and torch for `npm run bench -- gemm`: a line of JSON in, a line of JSON out.

    {"prepare": {"library": "torch", "kind": "bf16", "m": 512, "n": 512, "k": 512}}  ->  {"peer", "how", "prepacked"}
    {"time": "torch"}                                                                ->  {"seconds": ...}

A library may have several ways to the same product; preparing tries each, and the fastest is timed from then on.
"""

import os

import numpy
import torch
from timing import SECONDS, answer_questions, seconds_of

THREADS = int(os.environ["OMP_NUM_THREADS"])


def openblas(kind, m, n, k):
    assert kind == "fp32", kind
    a = numpy.random.rand(m, k).astype(numpy.float32)
    w = numpy.random.rand(n, k).astype(numpy.float32)
    out = numpy.empty((m, n), numpy.float32)
    straight = numpy.ascontiguousarray(w.T)
    return {
        "matmul, w transposed, packs each time": lambda: numpy.matmul(a, w.T, out=out),
        "matmul, packs each time": lambda: numpy.matmul(a, straight, out=out),
    }


def torch_floats(kind, m, n, k, through_onednn):
    dtype = torch.float32 if kind == "fp32" else torch.bfloat16
    a = torch.rand(m, k).to(dtype)
    w = torch.rand(n, k).to(dtype)
    if through_onednn:
        pointwise = torch.ops.mkldnn._linear_pointwise
        return {"oneDNN linear, packs each time": lambda: pointwise(a, w, None, "none", [], "")}
    out = torch.empty(m, n, dtype=dtype)
    straight = w.T.contiguous()
    return {
        "mm, w transposed, packs each time": lambda: torch.mm(a, w.T, out=out),
        "mm, packs each time": lambda: torch.mm(a, straight, out=out),
    }


def torch_int8(m, n, k, through_onednn):
    w = torch.randint(-127, 127, (n, k), dtype=torch.int8)
    if through_onednn:
        unsigned = torch.randint(0, 255, (m, k), dtype=torch.uint8)
        packed = torch.ops.onednn.qlinear_prepack(w, [m, k])
        scales, zeros = torch.ones(n) * 0.01, torch.zeros(n, dtype=torch.int64)
        linear = torch.ops.onednn.qlinear_pointwise
        rest = (packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], "")
        return {"oneDNN quantised linear, prepacked, a scale a row": lambda: linear(unsigned, 0.01, 0, *rest)}
    a = torch.randint(-127, 127, (m, k), dtype=torch.int8)
    straight = w.T.contiguous()
    return {
        "_int_mm, w transposed, packs each time, no scales": lambda: torch._int_mm(a, w.T),
        "_int_mm, packs each time, no scales": lambda: torch._int_mm(a, straight),
    }


def ways_of(library, kind, m, n, k):
    if library == "openblas":
        return openblas(kind, m, n, k)
    through_onednn = library == "onednn"
    return torch_int8(m, n, k, through_onednn) if kind == "int8" else torch_floats(kind, m, n, k, through_onednn)


def version(library):
    if library != "openblas":
        return f"{'oneDNN in ' if library == 'onednn' else ''}torch {torch.__version__}"
    blas = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"numpy {numpy.__version__}, OpenBLAS {blas['version']}"


def prepare(library, kind, m, n, k):
    best, refused = None, []
    for how, run in ways_of(library, kind, m, n, k).items():
        try:
            run()
        except RuntimeError as error:
            refused.append(f"{how}: {error}")
            continue
        took = seconds_of(run, SECONDS / 4)
        if best is None or took < best[0]:
            best = (took, how, run)
    if best is None:
        raise RuntimeError("; ".join(refused))
    return best[1], best[2]


def main():
    torch.set_num_threads(THREADS)
    ready = {}

    def prepared(wanted):
        library = wanted["library"]
        how, ready[library] = prepare(**wanted)
        return {"peer": version(library), "how": how, "prepacked": ", prepacked" in how}

    answer_questions(prepared, lambda library: {"seconds": seconds_of(ready[library])})


if __name__ == "__main__":
    main()
