"""Learning rates of the reference's schedules: the value that step 0, 1, 2, ... uses."""

import numpy as np
import torch
from torch.optim import lr_scheduler as S

from store import Store

# name, class, options, starting rate, steps, momentum that the schedule cycles (or None)
CASES = [
    ("step", "step", dict(step_size=7, gamma=0.5), 0.1, 40),
    ("step_1", "step", dict(step_size=1, gamma=0.9), 0.1, 20),
    ("exponential", "exponential", dict(gamma=0.93), 0.2, 40),
    ("cosine", "cosine", dict(T_max=30, eta_min=0.0), 0.1, 31),
    ("cosine_floor", "cosine", dict(T_max=25, eta_min=0.003), 0.1, 26),
    ("linear_warmup", "linear", dict(start_factor=0.1, end_factor=1.0, total_iters=10), 0.1, 20),
    ("linear_third", "linear", dict(start_factor=1 / 3, end_factor=1.0, total_iters=5), 0.05, 12),
    ("linear_decay", "linear", dict(start_factor=1.0, end_factor=0.2, total_iters=16), 0.1, 20),
    ("multi_step", "multi_step", dict(milestones=[5, 12, 20], gamma=0.1), 0.3, 30),
    ("one_cycle", "one_cycle", dict(max_lr=0.1, total_steps=50), 0.1, 50),
    ("one_cycle_short", "one_cycle", dict(max_lr=0.2, total_steps=7), 0.1, 7),
    ("one_cycle_100", "one_cycle", dict(max_lr=1e-3, total_steps=100), 0.1, 100),
    ("linear_then_cosine", "warmup_cosine", dict(start_factor=0.05, iters=8, at=8, total=40, eta_min=0.001), 0.1, 40),
    # A warm-up of (step + 1) / 8: it reaches the full rate in its own last step.
    ("warmup_then_cosine", "warmup_cosine", dict(start_factor=1 / 8, iters=7, at=8, total=40, eta_min=0.001), 0.1, 40),
    ("warmup_then_exponential", "warmup_exponential", dict(start_factor=1 / 5, iters=4, at=5, gamma=0.9), 0.2, 30),
]
ONE_CYCLE = dict(pct_start=0.3, anneal_strategy="cos", div_factor=25.0, final_div_factor=1e4, three_phase=False)


def build(kind, o, options):
    if kind in ("warmup_cosine", "warmup_exponential"):
        warm = S.LinearLR(o, options["start_factor"], 1.0, options["iters"])
        if kind == "warmup_cosine":
            rest = S.CosineAnnealingLR(o, options["total"] - options["at"], options["eta_min"])
        else:
            rest = S.ExponentialLR(o, options["gamma"])
        return S.SequentialLR(o, [warm, rest], [options["at"]])
    return {
        "step": S.StepLR, "exponential": S.ExponentialLR, "cosine": S.CosineAnnealingLR,
        "linear": S.LinearLR, "multi_step": S.MultiStepLR, "one_cycle": S.OneCycleLR,
    }[kind](o, **options)


def run():
    store = Store("f64")
    for name, kind, given, lr, steps in CASES:
        options = {**ONE_CYCLE, **given} if kind == "one_cycle" else given
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, momentum=0.9)
        schedule = build(kind, optimizer, options)
        rates = []
        for step in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if step + 1 < steps:  # One cycle refuses to go past its last step.
                schedule.step()
        store.case(name, kind, lr=lr, **options)
        store.put(name, np.array(rates, dtype=np.float64))
    return store
