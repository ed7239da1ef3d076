"""Values and gradients of PyTorch for the tests of src/tensor: python tensor-fixtures.py writes fixtures/tensor/*.json.

Inputs are a formula that the tests repeat, so that only results are stored. The gradients are those of the sum of each result's
elements times sin(3 i).
"""

import json
import math
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(0)
folder = pathlib.Path(__file__).parent / "../../fixtures/tensor"


def numbers(which, shape, positive=False):
    n = math.prod(shape)
    values = [math.sin((i + 1) * 1.7 + which * 2.3 + i * i / 7) for i in range(n)]
    if positive:
        values = [1 + 0.6 * v for v in values]
    return torch.tensor(values, dtype=torch.float32).reshape(shape)


def whole(shape, below):
    n = math.prod(shape)
    return torch.tensor([(i * 7 + 2) % below for i in range(n)]).reshape(shape)


def rounded(t):
    return [float(f"{v:.7g}") for v in t.detach().double().flatten().tolist()]


def weighed(y):
    flat = y.flatten()
    return (flat * torch.sin(3 * torch.arange(flat.numel(), dtype=torch.float32))).sum()


def case(name, f, *shapes, positive=False, indices=None):
    inputs = [numbers(i, s, positive).requires_grad_() for i, s in enumerate(shapes)]
    extra = [] if indices is None else [whole(*indices)]
    y = f(*inputs, *extra)
    result = {"name": name, "inputs": [list(s) for s in shapes]}
    if positive:
        result["positive"] = True
    if indices is not None:
        result["indices"] = {"shape": list(indices[0]), "below": indices[1]}
    result |= {"shape": list(y.shape), "value": rounded(y)}
    if y.requires_grad:
        weighed(y).backward()
        result["gradients"] = [rounded(x.grad if x.grad is not None else torch.zeros_like(x)) for x in inputs]
    return result


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def conv(x, w, b, **options):
    return nhwc(F.conv2d(nchw(x), w.permute(3, 2, 0, 1), b, **options))


s = [2, 3]
ops = [
    *[case(n, getattr(torch, n), s) for n in ["neg", "abs", "exp", "sin", "cos", "tanh", "sigmoid", "erf", "floor", "square", "relu", "sign"]],
    *[case(n, getattr(torch, n), s, positive=True) for n in ["log", "sqrt", "rsqrt", "reciprocal"]],
    case("silu", F.silu, s),
    case("gelu", F.gelu, s),
    case("geluTanh", lambda x: F.gelu(x, approximate="tanh"), s),
    case("softplus", F.softplus, s),
    case("leakyRelu", F.leaky_relu, s),
    case("elu", F.elu, s),
    case("clamp", lambda x: x.clamp(-0.5, 0.4), s),
    *[case(n, getattr(torch, n), s, s, positive=True) for n in ["add", "sub", "mul", "div", "pow", "maximum", "minimum"]],
    *[case(n, lambda a, b, n=n: getattr(a, n)(b).float(), s, s) for n in ["eq", "ne", "lt", "le", "gt", "ge"]],
    case("broadcast", lambda a, b: a * b + b, [2, 1, 3], [4, 1]),
    case("scalar", lambda x: (2 - x) * 3 / (x + 2), s),
    case("where", lambda c, a, b: torch.where(c > 0, a, b), s, s, s),
    case("reshape", lambda x: x.reshape(3, -1).exp(), s),
    case("permute", lambda x: x.permute(2, 0, 1) ** 2, [2, 3, 4]),
    case("transpose", lambda x: x.transpose(-2, -1) ** 2, [2, 3, 4]),
    case("broadcastTo", lambda x: x.broadcast_to(2, 3, 4) ** 2, [3, 1]),
    case("squeeze", lambda x: x.squeeze(1).unsqueeze(0) ** 2, [2, 1, 3]),
    case("flatten", lambda x: x.flatten(1) ** 2, [2, 3, 2]),
    case("slice", lambda x: x[:, 1:6:2] ** 2, [2, 7]),
    case("index", lambda x: x[1, :, 1:3] ** 2, [2, 3, 4]),
    case("pad", lambda x: F.pad(x, (1, 2, 0, 1), value=0.5) ** 2, s),
    case("flip", lambda x: x.flip(1) * x, s),
    case("cat", lambda a, b: torch.cat([a, b], 1) ** 2, s, [2, 2]),
    case("stack", lambda a, b: torch.stack([a, b], 1) ** 2, s, s),
    case("split", lambda x: x.split(2, 1)[1] * x.chunk(2, 1)[0][:, :1], [2, 3]),
    case("take", lambda x, i: x[:, i] ** 2, [2, 4, 3], indices=([2, 2], 4)),
    case("gather", lambda x, i: x.gather(1, i) ** 2, [2, 4], indices=([2, 3], 4)),
    case("oneHot", lambda i: F.one_hot(i, 4).float(), indices=([2, 3], 4)),
    case("tril", lambda x: x.tril(1), [3, 4]),
    case("triu", lambda x: x.triu(-1), [3, 4]),
    case("sum", lambda x: x.sum((0, 2)) ** 2, [2, 3, 4]),
    case("sumAll", lambda x: x.sum() ** 2, s),
    case("mean", lambda x: x.mean(1, keepdim=True) ** 2, s),
    case("max", lambda x: x.amax(1) ** 2, [2, 4]),
    case("min", lambda x: x.amin((0, 1)) ** 2, [2, 4]),
    case("variance", lambda x: x.var(1), [2, 4]),
    case("std", lambda x: x.std((0, 2), correction=0), [2, 3, 4]),
    case("norm", lambda x: x.norm(dim=1), [2, 4]),
    case("argmax", lambda x: x.argmax(1).float(), [3, 5]),
    case("cumsum", lambda x: x.cumsum(0) ** 2, [4, 3]),
    case("softmax", lambda x: x.softmax(-1), [2, 5]),
    case("softmaxFirst", lambda x: x.softmax(0), [2, 5]),
    case("logSoftmax", lambda x: x.log_softmax(-1), [2, 5]),
    case("logSumExp", lambda x: x.logsumexp(1), [2, 5]),
    case("matmul", torch.matmul, [4, 3], [3, 5]),
    case("matmulBatched", torch.matmul, [2, 1, 4, 3], [3, 3, 5]),
    case("matmulRows", torch.matmul, [2, 4, 3], [3, 5]),
    case("matmulVectors", lambda a, b: a @ b, [3], [3]),
    case("matmulVector", lambda a, b: a @ b, [2, 4, 3], [3]),
    case("linear", F.linear, [2, 3, 4], [5, 4], [5]),
    case("embedding", lambda w, i: F.embedding(i, w), [5, 3], indices=([2, 3], 5)),
    case("attention", F.scaled_dot_product_attention, [2, 2, 3, 4], [2, 2, 5, 4], [2, 2, 5, 4]),
    case("attentionCausal", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True), *[[2, 2, 4, 3]] * 3),
    case("conv2d", lambda x, w, b: conv(x, w, b, stride=(2, 1), padding=1), [2, 5, 6, 2], [3, 2, 2, 3], [3]),
    case("conv2dGroups", lambda x, w, b: conv(x, w, b, groups=2, dilation=2), [1, 6, 5, 4], [2, 2, 2, 6], [6]),
    case("maxPool2d", lambda x: nhwc(F.max_pool2d(nchw(x), 3, 2, 1)), [2, 5, 6, 2]),
    case("avgPool2d", lambda x: nhwc(F.avg_pool2d(nchw(x), 2, count_include_pad=False, padding=1)), [2, 4, 6, 2]),
    case("layerNorm", lambda x, w, b: F.layer_norm(x, [4], w, b), [2, 3, 4], [4], [4]),
    case("rmsNorm", lambda x, w: F.rms_norm(x, [4], w, 1e-6), [2, 3, 4], [4]),
    case("groupNorm", lambda x, w, b: nhwc(F.group_norm(nchw(x), 2, w, b)), [2, 3, 2, 4], [4], [4]),
    case("batchNorm", lambda x, w, b: nhwc(F.batch_norm(nchw(x), None, None, w, b, training=True)), [2, 3, 2, 4], [4], [4]),
]
label = lambda f, **options: lambda x, t: f(x, t, **options)
losses = [
    case("mse", F.mse_loss, s, s),
    case("mseSum", label(F.mse_loss, reduction="sum"), s, s),
    case("l1", F.l1_loss, s, s),
    case("bceWithLogits", F.binary_cross_entropy_with_logits, s, s, positive=True),
    case("crossEntropy", F.cross_entropy, [6, 5], indices=([6], 5)),
    case("crossEntropyIgnored", label(F.cross_entropy, ignore_index=2), [6, 5], indices=([6], 5)),
    case("crossEntropyNone", label(F.cross_entropy, reduction="none"), [6, 5], indices=([6], 5)),
    case("crossEntropySum", label(F.cross_entropy, reduction="sum"), [6, 5], indices=([6], 5)),
    case("nll", label(F.nll_loss, ignore_index=2), [6, 5], indices=([6], 5)),
]


def fill(module):
    for which, p in enumerate(module.parameters()):
        with torch.no_grad():
            p.copy_(numbers(which, list(p.shape)) * 0.5)


def layer(name, module, f, *shapes):
    fill(module)
    inputs = [numbers(10 + i, x).requires_grad_() for i, x in enumerate(shapes)]
    y = f(module, *inputs)
    weighed(y).backward()
    return {
        "name": name,
        "inputs": [list(x) for x in shapes],
        "value": rounded(y),
        "gradients": [rounded(x.grad) for x in inputs],
        "parameters": [rounded(p.grad) for p in module.parameters()],
    }


def heads(causal):
    def run(m, x):
        mask = torch.triu(torch.ones(x.shape[1], x.shape[1], dtype=torch.bool), 1) if causal else None
        return m(x, x, x, need_weights=False, attn_mask=mask)[0]

    return run


layers = [
    layer("linear", torch.nn.Linear(4, 3), lambda m, x: m(x), [2, 4]),
    layer("rnnCell", torch.nn.RNNCell(3, 4), lambda m, x, h: m(x, h), [2, 3], [2, 4]),
    layer("lstmCell", torch.nn.LSTMCell(3, 4), lambda m, x, h, c: torch.cat(m(x, (h, c)), 1), [2, 3], [2, 4], [2, 4]),
    layer("gruCell", torch.nn.GRUCell(3, 4), lambda m, x, h: m(x, h), [2, 3], [2, 4]),
    layer("lstm", torch.nn.LSTM(3, 4, batch_first=True), lambda m, x: m(x)[0], [2, 5, 3]),
    layer("heads", torch.nn.MultiheadAttention(8, 2, batch_first=True), heads(False), [2, 3, 8]),
    layer("headsCausal", torch.nn.MultiheadAttention(8, 2, batch_first=True), heads(True), [2, 3, 8]),
]


def optimizer(name, make):
    p = numbers(0, [4, 3]).requires_grad_()
    optim = make([p])
    steps = []
    for _ in range(10):
        optim.zero_grad()
        (p.sin() * p + 0.3 * p).sum().backward()
        optim.step()
        steps.append(rounded(p)[:4])
    return {"name": name, "steps": steps, "last": rounded(p)}


class Lion(torch.optim.Optimizer):
    """PyTorch has none: the paper's program 1."""

    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * (b1 * m + (1 - b1) * p.grad).sign())
                m.mul_(b2).add_(p.grad, alpha=1 - b2)


O = torch.optim
optimizers = [
    optimizer("sgd", lambda p: O.SGD(p, lr=0.1)),
    optimizer("sgdMomentum", lambda p: O.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
    optimizer("sgdNesterov", lambda p: O.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
    optimizer("adam", lambda p: O.Adam(p, lr=0.05, weight_decay=0.01)),
    optimizer("adamW", lambda p: O.AdamW(p, lr=0.05, weight_decay=0.1)),
    optimizer("lion", lambda p: Lion(p, 0.02, (0.9, 0.99), 0.1)),
]

folder.mkdir(exist_ok=True)
for name, cases in [("ops", ops), ("losses", losses), ("layers", layers), ("optimizers", optimizers)]:
    lines = ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)
    (folder / f"{name}.json").write_text(f"[\n{lines}\n]\n")
