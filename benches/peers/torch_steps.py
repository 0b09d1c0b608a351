#!/usr/bin/env python3
"""A training step in PyTorch, with the settings that are fastest there: fused optimizers, channels last for pictures,
fused attention. Variants: `compile` (torch.compile of model and loss), `bf16` (autocast)."""

import harness

args = harness.arguments(["w1", "w2", "w3", "w4", "w5"], ["compile", "bf16"])

import torch  # noqa: E402  After the harness has set the threads.
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
torch.manual_seed(0)


class Block(nn.Module):
    """A residual block."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        fits = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if fits else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu_(self.bn1(self.conv1(x)))))
        return F.relu_(y + self.shortcut(x))


def resnet18():
    blocks, channels = [], 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        blocks += [Block(channels, width, stride), Block(width, width, 1)]
        channels = width
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(True), *blocks,
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class DecoderLayer(nn.Module):
    """Causal attention, then a perceptron, each behind a norm and beside a shortcut."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln1, self.qkv, self.proj = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.ln2, self.fc, self.out = nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.proj(y.transpose(1, 2).reshape(n, t, width))
        return x + self.out(F.gelu(self.fc(self.ln2(x))))


class Gpt(nn.Module):
    """Six decoder layers of width 384, and a head that shares the table of tokens."""

    def __init__(self):
        super().__init__()
        self.tokens, self.places = nn.Embedding(65, 384), nn.Embedding(256, 384)
        self.layers, self.ln = nn.Sequential(*(DecoderLayer(384, 6) for _ in range(6))), nn.LayerNorm(384)
        for name, p in self.named_parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(p)

    def forward(self, text):
        x = self.tokens(text) + self.places.weight[: text.shape[1]]
        return F.linear(self.ln(self.layers(x)), self.tokens.weight)


def workload(name):
    """Model, optimizer, loss function, input and target."""
    x, y = map(torch.from_numpy, harness.batch(name))
    if name == "w1":
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
        return model, torch.optim.SGD(model.parameters(), lr=0.5, fused=True), F.mse_loss, x, y
    if name == "w2":
        model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
        return model, torch.optim.Adam(model.parameters(), lr=1e-3, fused=True), F.cross_entropy, x, y
    if name == "w5":
        model = Gpt()
        rule = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
        return model, rule, lambda out, y: F.cross_entropy(out.view(-1, 65), y.view(-1)), x, y
    if name == "w3":
        model, decay = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
            nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)), 0
    else:
        model, decay = resnet18(), 5e-4
    model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    rule = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=decay, fused=True)
    return model, rule, F.cross_entropy, x, y


model, optimizer, loss_of, x, y = workload(args.workload)


def forward():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=args.variant == "bf16"):
        return loss_of(model(x), y)


if args.variant == "compile":
    forward = torch.compile(forward)


def step():
    optimizer.zero_grad()
    loss = forward()
    loss.backward()
    optimizer.step()
    return loss


harness.report(f"torch {torch.__version__.split('+')[0]}", args, step, lambda loss: loss.item(),
               inner=100 if args.workload == "w1" else 1)
