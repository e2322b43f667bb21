"""One training step of the same model in PyTorch: layers, heads, width, feed-forward, vocabulary, context, batch, type, steps.

Prints one JSON object: the best of the steps, and the version. Threads: two, or as many as OMP_NUM_THREADS says.
"""
import json
import os
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

LAYERS, HEADS, WIDTH, FEED_FORWARD, VOCAB, CONTEXT, BATCH = (int(value) for value in sys.argv[1:8])
BF16 = sys.argv[8] == "bf16"
STEPS = int(sys.argv[9])
HEAD = WIDTH // HEADS
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
torch.manual_seed(1)


class Norm(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * self.weight


ANGLES = torch.outer(torch.arange(CONTEXT).float(), 10000.0 ** (-torch.arange(0, HEAD, 2).float() / HEAD))
COS, SIN = ANGLES.cos(), ANGLES.sin()
MASK = torch.full((CONTEXT, CONTEXT), float("-inf")).triu(1)


def turned(x):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * COS - odd * SIN, even * SIN + odd * COS), -1).flatten(-2)


def linear(a, b):
    return nn.Linear(a, b, bias=False)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn_norm, self.ffn_norm = Norm(WIDTH), Norm(WIDTH)
        self.q, self.k, self.v, self.output = (linear(WIDTH, WIDTH) for _ in range(4))
        self.gate, self.up = linear(WIDTH, FEED_FORWARD), linear(WIDTH, FEED_FORWARD)
        self.down = linear(FEED_FORWARD, WIDTH)

    def heads(self, x):
        return x.view(BATCH, CONTEXT, HEADS, HEAD).transpose(1, 2)

    def forward(self, x):
        h = self.attn_norm(x)
        q, k, v = turned(self.heads(self.q(h))), turned(self.heads(self.k(h))), self.heads(self.v(h))
        if hasattr(F, "scaled_dot_product_attention"):
            mixed = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, is_causal=True)
        else:
            weights = (q @ k.transpose(-1, -2) / HEAD**0.5 + MASK).softmax(-1)
            mixed = weights.to(v.dtype) @ v
        x = x + self.output(mixed.transpose(1, 2).reshape(BATCH, CONTEXT, WIDTH))
        h = self.ffn_norm(x)
        return x + self.down(F.silu(self.gate(h)) * self.up(h))


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(VOCAB, WIDTH)
        self.layers = nn.ModuleList([Layer() for _ in range(LAYERS)])
        self.norm, self.head = Norm(WIDTH), linear(WIDTH, VOCAB)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x))


model = Model()
optimizer = torch.optim.AdamW(model.parameters(), 1e-3, betas=(0.9, 0.95), weight_decay=0.1)
best = float("inf")
for step in range(STEPS + 1):
    tokens = torch.randint(0, VOCAB, (BATCH, CONTEXT))
    targets = torch.randint(0, VOCAB, (BATCH, CONTEXT))
    started = time.perf_counter()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=BF16):
        logits = model(tokens)
    loss = F.cross_entropy(logits.float().view(-1, VOCAB), targets.view(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step > 0:
        best = min(best, time.perf_counter() - started)
print(json.dumps({"seconds": best, "parameters": sum(p.numel() for p in model.parameters()), "version": torch.__version__}))
