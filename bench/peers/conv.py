"""Times convolutions of torch and their gradients for `npm run bench -- conv`: a line of JSON in, a line of JSON out.

    {"prepare": {"kind": "conv2d", "images": 64, "extent": 32, "inputs": 16, "outputs": 16, "size": 3, "stride": 1}}
        ->  {"peer", "how"}
    {"time": true}  ->  {"seconds": ...}

Images are tried in both of torch's memory formats, and the fastest is timed from then on.
"""

import os

import torch
from timing import SECONDS, answer_questions, seconds_of

THREADS = int(os.environ["OMP_NUM_THREADS"])


def ways(kind, images, extent, inputs, outputs, size, stride):
    padding = (size - 1) // 2
    for name, layout in [("channels last", torch.channels_last), ("channels first", torch.contiguous_format)]:
        x = torch.rand(images, inputs, extent, extent).to(memory_format=layout)
        w = torch.rand(outputs, inputs, size, size).to(memory_format=layout)
        if kind == "conv2d":
            yield name, lambda x=x, w=w: torch.conv2d(x, w, None, stride, padding)
            continue
        dy = torch.rand_like(torch.conv2d(x, w, None, stride, padding))
        mask = [kind == "conv2dInput", kind == "conv2dWeight", False]
        rest = (None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], 1, mask)
        yield name, lambda dy=dy, x=x, w=w: torch.ops.aten.convolution_backward(dy, x, w, *rest)


def prepare(wanted):
    best = None
    for how, run in ways(**wanted):
        run()
        took = seconds_of(run, SECONDS / 4)
        if best is None or took < best[0]:
            best = (took, how, run)
    return best[1], best[2]


def main():
    torch.set_num_threads(THREADS)
    run = None

    def prepared(wanted):
        nonlocal run
        how, run = prepare(wanted)
        return {"peer": f"torch {torch.__version__}", "how": how}

    with torch.no_grad():
        answer_questions(prepared, lambda _: {"seconds": seconds_of(run)})


if __name__ == "__main__":
    main()
