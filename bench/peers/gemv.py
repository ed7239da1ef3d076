"""Times llama.cpp's matrix-vector products for `npm run bench -- gemv`: a line of JSON in, a line of JSON out.

    {"prepare": {"type": "Q8_0", "n": 4096, "k": 2048, "count": 40}}  ->  {"how": ...}
    {"time": true}                                                   ->  {"seconds": ...}

The products are a graph of `count` matrices, each multiplied in turn, computed by the libraries that llama-bench runs on.
Weights are tried in their own layout and in the one that llama.cpp repacks them to; the faster is timed.
"""

import ctypes
import os
from ctypes import POINTER, byref, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_void_p

import numpy
from timing import answer_questions, seconds_of

THREADS = int(os.environ["OMP_NUM_THREADS"])
FOLDER = os.environ["HEDDLE_LLAMA"]
# ggml_type, elements and bytes of a block, where half floats lie in it
TYPES = {
    "Q4_0": (2, 32, 18, (0,)),
    "Q5_0": (6, 32, 22, (0,)),
    "Q8_0": (8, 32, 34, (0,)),
    "Q4_K": (12, 256, 144, (0, 2)),
    "Q6_K": (14, 256, 210, (208,)),
}
F32, CPU, USAGE_WEIGHTS = 0, 0, 1


class InitParams(ctypes.Structure):
    _fields_ = [("mem_size", c_size_t), ("mem_buffer", c_void_p), ("no_alloc", c_bool)]


class PoolParams(ctypes.Structure):
    _fields_ = [
        ("cpumask", c_bool * 512),
        ("n_threads", c_int),
        ("prio", c_int),
        ("poll", c_uint32),
        ("strict_cpu", c_bool),
        ("paused", c_bool),
    ]


class Tensor(ctypes.Structure):
    """The beginning of ggml_tensor."""

    _fields_ = [("type", c_int), ("buffer", c_void_p)]


def libraries():
    base, cpu, main = (
        ctypes.CDLL(os.path.join(FOLDER, name), mode=ctypes.RTLD_GLOBAL)
        for name in ("libggml-base.so", "libggml-cpu.so", "libggml.so")
    )
    signatures = {
        base: {
            "ggml_init": (c_void_p, [InitParams]),
            "ggml_free": (None, [c_void_p]),
            "ggml_new_tensor_2d": (c_void_p, [c_void_p, c_int, c_int64, c_int64]),
            "ggml_mul_mat": (c_void_p, [c_void_p, c_void_p, c_void_p]),
            "ggml_new_graph_custom": (c_void_p, [c_void_p, c_size_t, c_bool]),
            "ggml_build_forward_expand": (None, [c_void_p, c_void_p]),
            "ggml_tensor_overhead": (c_size_t, []),
            "ggml_graph_overhead_custom": (c_size_t, [c_size_t, c_bool]),
            "ggml_threadpool_params_default": (PoolParams, [c_int]),
            "ggml_backend_dev_init": (c_void_p, [c_void_p, c_char_p]),
            "ggml_backend_dev_backend_reg": (c_void_p, [c_void_p]),
            "ggml_backend_dev_supports_op": (c_bool, [c_void_p, c_void_p]),
            "ggml_backend_dev_buffer_type": (c_void_p, [c_void_p]),
            "ggml_backend_reg_get_proc_address": (c_void_p, [c_void_p, c_char_p]),
            "ggml_backend_buft_name": (c_char_p, [c_void_p]),
            "ggml_backend_buft_alloc_buffer": (c_void_p, [c_void_p, c_size_t]),
            "ggml_backend_alloc_ctx_tensors": (c_void_p, [c_void_p, c_void_p]),
            "ggml_backend_alloc_ctx_tensors_from_buft": (c_void_p, [c_void_p, c_void_p]),
            "ggml_backend_buffer_set_usage": (None, [c_void_p, c_int]),
            "ggml_backend_buffer_free": (None, [c_void_p]),
            "ggml_backend_tensor_set": (None, [c_void_p, c_void_p, c_size_t, c_size_t]),
            "ggml_backend_graph_compute": (c_int, [c_void_p, c_void_p]),
        },
        cpu: {
            "ggml_threadpool_new": (c_void_p, [POINTER(PoolParams)]),
            "ggml_backend_cpu_set_n_threads": (None, [c_void_p, c_int]),
            "ggml_backend_cpu_set_threadpool": (None, [c_void_p, c_void_p]),
        },
        main: {"ggml_backend_dev_by_type": (c_void_p, [c_int])},
    }
    found = {}
    for library, functions in signatures.items():
        for name, (result, arguments) in functions.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
            found[name.removeprefix("ggml_")] = function
    return type("Ggml", (), {name: staticmethod(function) for name, function in found.items()})


def random_blocks(kind, elements):
    _, block, size, halves = TYPES[kind]
    data = numpy.random.default_rng(1).integers(0, 256, (elements // block, size), numpy.uint8)
    for at in halves:
        data[:, at : at + 2] = numpy.frombuffer(numpy.float16(2**-10).tobytes(), numpy.uint8)
    return data.reshape(-1)


class Llama:
    def __init__(self):
        self.g = libraries()
        self.device = self.g.backend_dev_by_type(CPU)
        self.backend = self.g.backend_dev_init(self.device, None)
        self.g.backend_cpu_set_n_threads(self.backend, THREADS)
        params = self.g.threadpool_params_default(THREADS)
        self.g.backend_cpu_set_threadpool(self.backend, self.g.threadpool_new(byref(params)))

    def buffer_types(self):
        register = self.g.backend_dev_backend_reg(self.device)
        address = self.g.backend_reg_get_proc_address(register, b"ggml_backend_dev_get_extra_bufts")
        found = [self.g.backend_dev_buffer_type(self.device)]
        if address:
            extra = ctypes.CFUNCTYPE(POINTER(c_void_p), c_void_p)(address)(self.device)
            while extra and extra[len(found) - 1]:
                found.append(extra[len(found) - 1])
        return found

    def context(self, tensors, graph=0):
        size = self.g.tensor_overhead() * tensors + self.g.graph_overhead_custom(max(graph, 1), False)
        return self.g.init(InitParams(size + 4096, None, True))

    def supports(self, buffer_type, kind, n, k):
        context = self.context(8)
        weight = self.g.new_tensor_2d(context, TYPES[kind][0], k, n)
        product = self.g.mul_mat(context, weight, self.g.new_tensor_2d(context, F32, k, 1))
        buffer = self.g.backend_buft_alloc_buffer(buffer_type, 0)
        Tensor.from_address(weight).buffer = buffer
        answer = self.g.backend_dev_supports_op(self.device, product)
        self.g.backend_buffer_free(buffer)
        self.g.free(context)
        return answer

    def products(self, buffer_type, kind, n, k, count):
        """A function that computes all products once, and one that gives the memory back."""
        g = self.g
        weights_in, rest_in = self.context(count + 1), self.context(2 * count + 8, count + 8)
        weights = [g.new_tensor_2d(weights_in, TYPES[kind][0], k, n) for _ in range(count)]
        weight_buffer = g.backend_alloc_ctx_tensors_from_buft(weights_in, buffer_type)
        g.backend_buffer_set_usage(weight_buffer, USAGE_WEIGHTS)
        data = random_blocks(kind, n * k)
        for weight in weights:
            g.backend_tensor_set(weight, data.ctypes.data, 0, data.nbytes)
        x = g.new_tensor_2d(rest_in, F32, k, 1)
        graph = g.new_graph_custom(rest_in, count + 8, False)
        for weight in weights:
            g.build_forward_expand(graph, g.mul_mat(rest_in, weight, x))
        rest_buffer = g.backend_alloc_ctx_tensors(rest_in, self.backend)
        row = numpy.random.rand(k).astype(numpy.float32) * 2 - 1
        g.backend_tensor_set(x, row.ctypes.data, 0, row.nbytes)

        def run():
            status = g.backend_graph_compute(self.backend, graph)
            if status != 0:
                raise RuntimeError(f"ggml_backend_graph_compute: {status}")

        def free():
            for buffer in (weight_buffer, rest_buffer):
                g.backend_buffer_free(buffer)
            for context in (weights_in, rest_in):
                g.free(context)

        return run, free


def prepare(llama, wanted):
    best = None
    kind, n, k = wanted["type"], wanted["n"], wanted["k"]
    for buffer_type in llama.buffer_types():
        if not llama.supports(buffer_type, kind, n, k):
            continue
        run, free = llama.products(buffer_type, kind, n, k, wanted["count"])
        run()
        took = seconds_of(run)
        if best is not None and best[0] <= took:
            free()
            continue
        if best is not None:
            best[3]()
        best = (took, llama.g.backend_buft_name(buffer_type).decode(), run, free)
    return best


def main():
    llama, ready = Llama(), None

    def prepared(wanted):
        nonlocal ready
        if ready is not None:
            ready[3]()
            ready = None
        ready = prepare(llama, wanted)
        return {"how": f"graph of matrices, {ready[1]} buffers, {THREADS} threads"}

    answer_questions(prepared, lambda _: {"seconds": seconds_of(ready[2])})


if __name__ == "__main__":
    main()
