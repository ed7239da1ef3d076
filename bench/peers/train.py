"""Times optimizer steps of torch for `npm run bench -- train`: a line of JSON in, a line of JSON out.

    {"prepare": "gpt"}  ->  {"peer", "how"}
    {"time": "gpt"}     ->  {"seconds": ...}

Preparing tries eager and torch.compile, and the faster is timed from then on. The models are those of src/bench/train-models.ts.
"""

import os

import torch
import torch.nn as nn
import torch.nn.functional as F
from timing import answer_questions, seconds_of

THREADS = int(os.environ["OMP_NUM_THREADS"])


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.heads = heads

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = self.qkv(self.first(x)).view(n, t, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(n, t, w))
        return x + self.down(F.gelu(self.up(self.second(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, layers, width, heads, context, vocabulary):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(context, width)
        self.blocks = nn.Sequential(*[Block(width, heads) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids):
        return self.head(self.norm(self.blocks(self.tokens(ids) + self.places.weight)))


class Sequences(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(32, 64, batch_first=True), nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.lstm(x)[1][0][0])


class Residual(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.a = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.b = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm_a, self.norm_b = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.across = nn.Identity()
        if stride == 2:
            self.across = nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.norm_b(self.b(F.relu(self.norm_a(self.a(x)))))
        return F.relu(y + self.across(x))


def resnet():
    blocks = [Residual(*c) for c in [(16, 16), (16, 16), (16, 32), (32, 32), (32, 64), (64, 64)]]
    first = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def model_of(name):
    """The model, its optimizer, its batches, and whether it runs under autocast."""
    adamw = lambda p: torch.optim.AdamW(p, lr=1e-4, fused=True)
    adam = lambda p: torch.optim.Adam(p, fused=True)
    if name.startswith("gpt"):
        small = name == "gpt small"
        layers, width, heads, context, batch, vocabulary = (2, 64, 4, 64, 4, 256) if small else (6, 384, 6, 256, 8, 4096)
        ids = torch.randint(vocabulary, (batch, context))
        model = Gpt(layers, width, heads, context, vocabulary)
        return model, adamw, [(ids, torch.randint(vocabulary, (batch, context)))], name == "gpt bf16"
    if name == "mlp":
        model = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
        return model, adam, [(torch.randn(128, 784), torch.randint(10, (128,)))], False
    if name == "lstm":
        batches = [(torch.randn(16, n, 32), torch.randint(10, (16,))) for n in [7, 19, 33, 48]]
        return Sequences(), adam, batches, False
    model = resnet().to(memory_format=torch.channels_last)
    images = torch.randn(64, 3, 32, 32).to(memory_format=torch.channels_last)
    sgd = lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True)
    return model, sgd, [(images, torch.randint(10, (64,)))], False


def stepper(name, compiled):
    model, make, batches, bf16 = model_of(name)
    optimizer = make(model.parameters())
    forward = torch.compile(model) if compiled else model

    def run():
        for x, y in batches:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = forward(x)
                loss = F.cross_entropy(logits.flatten(0, -2), y.flatten())
            loss.backward()
            optimizer.step()

    return run


def prepare(name):
    best, refused = None, []
    for how in ["eager", "torch.compile"]:
        try:
            run = stepper(name, how != "eager")
            for _ in range(2):
                run()
            took = seconds_of(run)
        except Exception as error:
            refused.append(f"{how}: {str(error)[:200]}")
            continue
        if best is None or took < best[0]:
            best = (took, how, run)
    if best is None:
        raise RuntimeError("; ".join(refused))
    return best[1] + (f" ({'; '.join(refused)})" if refused else ""), best[2]


def main():
    torch.set_num_threads(THREADS)
    ready = {}

    def prepared(name):
        how, ready[name] = prepare(name)
        return {"peer": f"torch {torch.__version__}", "how": how}

    answer_questions(prepared, lambda name: {"seconds": seconds_of(ready[name], 0.2)})


if __name__ == "__main__":
    main()
