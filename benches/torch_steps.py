#!/usr/bin/env python3
"""One workload of README.md in PyTorch; prints one JSON line with the same fields as `cargo bench --bench steps`."""

import argparse
import json
import os
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("workload", choices=["w1", "w2", "w3"])
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--steps", type=int, default=20, help="timed steps, at least")
parser.add_argument("--warm", type=int, default=5)
parser.add_argument("--seconds", type=float, default=2.0, help="go on timing for this long")
args = parser.parse_args()

os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(args.threads)
if args.threads == 1 and hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import torch  # noqa: E402  The thread settings above are read when torch is imported.
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(args.threads)
torch.set_num_interop_threads(1)
torch.manual_seed(0)


def workload(name):
    """Model, optimizer, loss function, input and target. Settings that torch offers are at their fastest for it:
    fused optimizers, and channels last for the pictures."""
    if name == "w1":
        model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1), nn.Sigmoid())
        x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        y = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
        return model, torch.optim.SGD(model.parameters(), lr=0.5, fused=True), F.mse_loss, x, y
    if name == "w2":
        model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
        x, y = torch.randn(128, 784), torch.randint(0, 10, (128,))
        return model, torch.optim.Adam(model.parameters(), lr=1e-3, fused=True), F.cross_entropy, x, y
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)).to(memory_format=torch.channels_last)
    x, y = torch.randn(64, 1, 28, 28).to(memory_format=torch.channels_last), torch.randint(0, 10, (64,))
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True), F.cross_entropy, x, y


def resident_mb():
    """Resident memory now, in MB (the second number of /proc/self/statm counts pages)."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


model, optimizer, loss_of, x, y = workload(args.workload)


def step():
    optimizer.zero_grad()
    loss = loss_of(model(x), y)
    loss.backward()
    optimizer.step()
    return loss


inner = 100 if args.workload == "w1" else 1  # A step of w1 is too short to time alone.
for _ in range(args.warm * inner):
    loss = step()
times, start, cpu = [], time.perf_counter(), time.process_time()
while len(times) < args.steps or time.perf_counter() - start < args.seconds:
    t = time.perf_counter()
    for _ in range(inner):
        loss = step()
    times.append((time.perf_counter() - t) / inner)
cpu = (time.process_time() - cpu) / (len(times) * inner)
print(json.dumps({
    "who": f"torch {torch.__version__.split('+')[0]}", "workload": args.workload, "threads": args.threads,
    "median_us": statistics.median(times) * 1e6, "min_us": min(times) * 1e6, "cpu_us": cpu * 1e6, "samples": len(times),
    "steps_per_sample": inner, "resident_mb": round(resident_mb(), 1), "loss": loss.item(),
}))
