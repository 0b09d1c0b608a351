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
    ("polynomial", "polynomial", dict(total_iters=20, power=2.5), 0.1, 25),
    ("polynomial_line", "polynomial", dict(total_iters=10, power=1.0), 0.3, 12),
    ("inverse_time", "inverse_time", dict(rate=0.3), 0.1, 30),
    ("inverse_sqrt", "inverse_sqrt", dict(warmup=6), 0.1, 40),
    ("cosine_restarts", "cosine_restarts", dict(T_0=5, T_mult=1, eta_min=0.0), 0.1, 23),
    ("cosine_restarts_longer", "cosine_restarts", dict(T_0=4, T_mult=3, eta_min=0.002), 0.1, 60),
    ("cyclic", "cyclic", dict(base_lr=0.01, max_lr=0.1, step_size_up=5, mode="triangular"), 0.1, 40),
    ("cyclic_halves", "cyclic", dict(base_lr=0.01, max_lr=0.1, step_size_up=3, step_size_down=7, mode="triangular2"), 0.1, 45),
    ("cyclic_falls", "cyclic",
     dict(base_lr=0.01, max_lr=0.1, step_size_up=6, step_size_down=2, mode="exp_range", gamma=0.95), 0.1, 40),
    ("product", "product", dict(factor=0.3, total_iters=4, gamma=0.9), 0.1, 20),
    ("chain", "chain", dict(factor=0.5, milestones=[4, 12], gamma=0.8, T_max=8), 0.1, 25),
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
    if kind == "inverse_time":
        return S.LambdaLR(o, lambda t: 1 / (1 + options["rate"] * t))
    if kind == "inverse_sqrt":
        w = options["warmup"]
        return S.LambdaLR(o, lambda t: min((t + 1) / w, (w / (t + 1)) ** 0.5))
    if kind == "product":
        held = S.ConstantLR(o, options["factor"], options["total_iters"])
        return S.ChainedScheduler([held, S.ExponentialLR(o, options["gamma"])])
    if kind == "chain":
        first, second = options["milestones"]
        parts = [S.ConstantLR(o, options["factor"], first), S.CosineAnnealingLR(o, options["T_max"]),
                 S.ExponentialLR(o, options["gamma"])]
        return S.SequentialLR(o, parts, [first, second])
    return {
        "polynomial": S.PolynomialLR, "cosine_restarts": S.CosineAnnealingWarmRestarts, "cyclic": S.CyclicLR,
        "step": S.StepLR, "exponential": S.ExponentialLR, "cosine": S.CosineAnnealingLR,
        "linear": S.LinearLR, "multi_step": S.MultiStepLR, "one_cycle": S.OneCycleLR,
    }[kind](o, **options)


# What reduce-on-plateau hears after each epoch.
SCORES = [1.0, 0.8, 0.9, 0.79995, 0.8, 0.81, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.4, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5]
PLATEAUS = [
    ("plateau", dict(mode="min", patience=2)),
    ("plateau_absolute", dict(mode="min", factor=0.5, patience=1, threshold=0.05, threshold_mode="abs", cooldown=2)),
    ("plateau_highest", dict(mode="max", factor=0.3, patience=3, min_lr=0.002)),
    ("plateau_highest_absolute", dict(mode="max", factor=0.6, patience=0, threshold=0.1, threshold_mode="abs", eps=0.01)),
]
PLATEAU = dict(factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel", cooldown=0, min_lr=0.0, eps=1e-8)


def plateaus(store):
    """Rates after each score."""
    for name, given in PLATEAUS:
        options = {**PLATEAU, **given}
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        schedule = S.ReduceLROnPlateau(optimizer, **options)
        rates = []
        for score in SCORES:
            schedule.step(score)
            rates.append(optimizer.param_groups[0]["lr"])
        store.case(name, "plateau", lr=0.1, scores=SCORES, **options)
        store.put(name, np.array(rates, dtype=np.float64))


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
    plateaus(store)
    return store
