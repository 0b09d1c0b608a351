"""Models of sequences: a small language model, and recurrent layers. Initial weights follow a formula that the tests
repeat, so that only results are stored."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from store import Store, floats, tensor

VOCABULARY, CONTEXT, LAYERS, HEADS, SIZE = 11, 10, 2, 4, 16
BATCH, POSITIONS = 2, 8


def fill(module):
    """The k-th number of all parameters, in the order of their names, is ((7919 k + 12345) mod 1009) / 1009 - 1/2, times
    0.4, plus 1 for the scale of a normalisation; rounded to f32."""
    k = 0
    with torch.no_grad():
        for name, p in sorted(module.named_parameters()):
            index = torch.arange(k, k + p.numel())
            numbers = ((7919 * index + 12345) % 1009).double() / 1009 - 0.5
            shift = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            p.copy_((numbers * 0.4 + shift).float().reshape(p.shape))
            k += p.numel()


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(SIZE, 3 * SIZE), nn.Linear(SIZE, SIZE)

    def forward(self, x):
        b, t, _ = x.shape
        q, k, v = self.qkv(x).view(b, t, 3, HEADS, SIZE // HEADS).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.proj(y.transpose(1, 2).reshape(b, t, SIZE))


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.down = nn.Linear(SIZE, 4 * SIZE), nn.Linear(4 * SIZE, SIZE)

    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(SIZE), Attention()
        self.norm2, self.feed_forward = nn.LayerNorm(SIZE), FeedForward()

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class Gpt(nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(VOCABULARY, SIZE), nn.Embedding(CONTEXT, SIZE)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(SIZE)

    def forward(self, t):
        x = self.tokens(t) + self.positions.weight[: t.shape[1]]
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)


def gpt(store):
    store.case("gpt", "gpt", vocabulary=VOCABULARY, context=CONTEXT, layers=LAYERS, heads=HEADS, size=SIZE)
    model = Gpt().to(store.dtype)
    fill(model)
    text = (torch.arange(BATCH * (POSITIONS + 1)) ** 2 % VOCABULARY).reshape(BATCH, POSITIONS + 1)
    x, y = text[:, :-1], text[:, 1:]
    logits = model(x)
    loss = F.cross_entropy(logits.flatten(0, 1), y.flatten())
    loss.backward()
    store.put("gpt/x", x.contiguous())
    store.put("gpt/y", y.contiguous())
    store.put("gpt/logits", logits)
    store.put("gpt/loss", loss.detach().reshape(1))
    for name, p in model.named_parameters():
        store.put(f"gpt/grad/{name}", p.grad)


def recurrent(store, name, layer):
    """Two layers, from given first states, with gradients sent into the states of all steps and into the last ones."""
    store.case(name, name, inputs=3, size=5, layers=2, batch=2, steps=4)
    layer = layer(3, 5, num_layers=2, batch_first=True).to(store.dtype)
    rng = np.random.default_rng(7)
    leaf = lambda *shape: tensor(floats(rng, *shape), store.dtype).requires_grad_()
    with torch.no_grad():
        for key, p in layer.named_parameters():
            p.copy_(torch.from_numpy(floats(rng, *p.shape, scale=0.5)))
            store.put(f"{name}/{key}", p.detach().clone())
    x = leaf(2, 4, 3)
    first = [leaf(2, 2, 5) for _ in range(2 if name == "lstm" else 1)]
    y, last = layer(x, tuple(first) if name == "lstm" else first[0])
    last = list(last) if name == "lstm" else [last]
    dy, dlast = leaf(2, 4, 5).detach(), [leaf(2, 2, 5).detach() for _ in last]
    torch.autograd.backward([y, *last], [dy, *dlast])
    store.put(f"{name}/x", x)
    store.put(f"{name}/y", y)
    store.put(f"{name}/dy", dy)
    store.put(f"{name}/dx", x.grad)
    for key, start, end, dend in zip("hc", first, last, dlast):
        store.put(f"{name}/{key}0", start)
        store.put(f"{name}/{key}", end)
        store.put(f"{name}/d{key}", dend)
        store.put(f"{name}/d{key}0", start.grad)
    for key, p in layer.named_parameters():
        store.put(f"{name}/d{key}", p.grad)


def run(dtype_name):
    store = Store(dtype_name)
    gpt(store)
    recurrent(store, "lstm", nn.LSTM)
    recurrent(store, "gru", nn.GRU)
    return store
