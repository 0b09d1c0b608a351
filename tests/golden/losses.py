"""Loss functions: value and gradient by the logits or predictions, for every option."""

import itertools

import numpy as np
import torch
import torch.nn.functional as F

from store import Store, floats, tensor

REDUCTIONS = ["mean", "sum", "none"]


def record(store, name, loss_of, inputs, rng):
    """Stores inputs, the output, the gradient that is sent in (`dout`) and the one that comes back (`dinput`)."""
    tensors = {k: tensor(v, store.dtype) for k, v in inputs.items()}
    x = tensors["input"].requires_grad_()
    out = loss_of(tensors)
    dout = tensor(floats(rng, *out.shape), store.dtype)
    out.backward(dout)
    for k, v in inputs.items():
        store.put(f"{name}/{k}", v)
    store.put(f"{name}/out", out)
    store.put(f"{name}/dout", dout)
    store.put(f"{name}/dinput", x.grad)


def mse(store, rng):
    for reduction in REDUCTIONS:
        name = f"mse_{reduction}"
        store.case(name, "mse", reduction=reduction)
        inputs = dict(input=floats(rng, 5, 3), target=floats(rng, 5, 3))
        record(store, name, lambda t: F.mse_loss(t["input"], t["target"], reduction=reduction), inputs, rng)


def cross_entropy(store, rng):
    for reduction, weighted, smoothing, ignore in itertools.product(REDUCTIONS, [False, True], [0.0, 0.1], [False, True]):
        name = "ce" + "_weight" * weighted + "_smooth" * (smoothing > 0) + "_ignore" * ignore + f"_{reduction}"
        ce_case(store, rng, name, reduction, weighted, smoothing, ignore, (8, 5), scale=2.0)
    ce_case(store, rng, "ce_large_logits", "mean", False, 0.0, False, (8, 5), scale=300.0)
    ce_case(store, rng, "ce_large_logits_smooth", "mean", False, 0.2, False, (8, 5), scale=100.0)
    ce_case(store, rng, "ce_one_row", "mean", False, 0.0, False, (1, 3), scale=1.0)
    ce_case(store, rng, "ce_positions", "mean", True, 0.1, True, (3, 4, 2), scale=2.0)


def ce_case(store, rng, name, reduction, weighted, smoothing, ignore, shape, scale):
    """`shape` is [rows, classes] or [rows, classes, positions]; ignored targets hold -100."""
    inputs = dict(input=floats(rng, *shape, scale=scale))
    target = rng.integers(0, shape[1], (shape[0], *shape[2:]))
    if ignore:
        target.reshape(-1)[[1, -1]] = -100
    inputs["target"] = target
    if weighted:
        inputs["weight"] = (0.5 + rng.random(shape[1])).astype(np.float32)
    store.case(name, "cross_entropy", reduction=reduction, label_smoothing=smoothing, ignore_index=-100 if ignore else None)
    record(store, name, lambda t: F.cross_entropy(
        t["input"], t["target"], weight=t.get("weight"), ignore_index=-100, reduction=reduction,
        label_smoothing=smoothing), inputs, rng)


def binary(store, rng):
    for reduction, weighted in itertools.product(REDUCTIONS, [False, True]):
        name = "bce" + "_weight" * weighted + f"_{reduction}"
        store.case(name, "bce", reduction=reduction)
        inputs = dict(input=rng.uniform(0.02, 0.98, (6, 4)).astype(np.float32), target=rng.integers(0, 2, (6, 4)).astype(np.float32))
        if weighted:
            inputs["weight"] = (0.5 + rng.random((6, 4))).astype(np.float32)
        record(store, name, lambda t: F.binary_cross_entropy(t["input"], t["target"], weight=t.get("weight"), reduction=reduction), inputs, rng)
    store.case("bce_soft_targets", "bce", reduction="mean")
    inputs = dict(input=rng.uniform(0.05, 0.95, (6, 4)).astype(np.float32), target=rng.random((6, 4)).astype(np.float32))
    record(store, "bce_soft_targets", lambda t: F.binary_cross_entropy(t["input"], t["target"]), inputs, rng)
    if store.dtype_name == "f32":
        # Predictions of exactly 0 and 1: logarithms stop at -100, and the gradient's divisor at 1e-12. Not in f64, where
        # the reference still rounds this 1e-12 to single precision.
        store.case("bce_certain", "bce", reduction="sum")
        certain = np.array([0, 1, 0, 1, 0.5, 1e-30], np.float32)
        inputs = dict(input=certain, target=np.array([0, 1, 1, 0, 1, 1], np.float32))
        record(store, "bce_certain", lambda t: F.binary_cross_entropy(t["input"], t["target"], reduction="sum"), inputs,
               np.random.default_rng(22))

    for reduction, weighted, positive in itertools.product(REDUCTIONS, [False, True], [False, True]):
        name = "bce_logits" + "_weight" * weighted + "_pos" * positive + f"_{reduction}"
        bce_logits_case(store, rng, name, reduction, weighted, positive, 2.0)
    bce_logits_case(store, rng, "bce_logits_large", "mean", False, True, 200.0)


def bce_logits_case(store, rng, name, reduction, weighted, positive, scale):
    store.case(name, "bce_with_logits", reduction=reduction)
    inputs = dict(input=floats(rng, 6, 4, scale=scale), target=rng.random((6, 4)).round(3).astype(np.float32))
    if weighted:
        inputs["weight"] = (0.5 + rng.random((6, 4))).astype(np.float32)
    if positive:
        inputs["pos_weight"] = (0.5 + 3 * rng.random(4)).astype(np.float32)
    record(store, name, lambda t: F.binary_cross_entropy_with_logits(
        t["input"], t["target"], weight=t.get("weight"), pos_weight=t.get("pos_weight"), reduction=reduction), inputs, rng)


def run(dtype_name):
    store = Store(dtype_name)
    rng = np.random.default_rng(21)
    mse(store, rng)
    cross_entropy(store, rng)
    binary(store, rng)
    return store
