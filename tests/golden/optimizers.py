"""Ten steps of each optimizer on two small parameters with gradients given beforehand."""

import numpy as np
import torch

from store import Store, floats, tensor

STEPS = 10

CASES = [
    ("sgd_plain", "sgd", dict(lr=0.1)),
    ("sgd_weight_decay", "sgd", dict(lr=0.1, weight_decay=0.05)),
    ("sgd_momentum", "sgd", dict(lr=0.05, momentum=0.9)),
    ("sgd_dampening", "sgd", dict(lr=0.05, momentum=0.9, dampening=0.3)),
    ("sgd_nesterov", "sgd", dict(lr=0.05, momentum=0.9, nesterov=True)),
    ("sgd_momentum_weight_decay", "sgd", dict(lr=0.05, momentum=0.8, weight_decay=0.1)),
    ("sgd_dampening_weight_decay", "sgd", dict(lr=0.05, momentum=0.8, dampening=0.5, weight_decay=0.1)),
    ("sgd_nesterov_weight_decay", "sgd", dict(lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.01)),
    ("adam", "adam", dict(lr=0.01)),
    ("adam_weight_decay", "adam", dict(lr=0.01, weight_decay=0.1)),
    ("adam_betas_eps", "adam", dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3)),
    ("adam_beta1_zero", "adam", dict(lr=0.05, betas=(0.0, 0.9), eps=1e-6)),
    ("adam_amsgrad", "adam", dict(lr=0.05, betas=(0.5, 0.6), amsgrad=True, weight_decay=0.05)),
    ("adamw", "adamw", dict(lr=0.01)),
    ("adamw_weight_decay", "adamw", dict(lr=0.01, weight_decay=0.3)),
    ("adamw_no_decay", "adamw", dict(lr=0.02, betas=(0.9, 0.95), weight_decay=0.0)),
    ("adamw_amsgrad", "adamw", dict(lr=0.05, betas=(0.5, 0.6), amsgrad=True)),
    ("rmsprop", "rmsprop", dict(lr=0.01)),
    ("rmsprop_momentum", "rmsprop", dict(lr=0.01, alpha=0.9, momentum=0.9)),
    ("rmsprop_centered", "rmsprop", dict(lr=0.01, alpha=0.95, centered=True)),
    ("rmsprop_weight_decay", "rmsprop", dict(lr=0.01, weight_decay=0.1, eps=1e-4)),
    ("rmsprop_all", "rmsprop", dict(lr=0.01, alpha=0.9, momentum=0.8, centered=True, weight_decay=0.05)),
    ("adagrad", "adagrad", dict(lr=0.1)),
    ("adagrad_lr_decay", "adagrad", dict(lr=0.1, lr_decay=0.1)),
    ("adagrad_weight_decay", "adagrad", dict(lr=0.1, weight_decay=0.1)),
    ("adagrad_initial", "adagrad", dict(lr=0.1, initial_accumulator_value=0.5)),
    ("adagrad_all", "adagrad", dict(lr=0.1, lr_decay=0.05, weight_decay=0.02, initial_accumulator_value=0.1, eps=1e-6)),
]
# Every option is written out, so that a reader needs no knowledge of the reference's defaults.
DEFAULTS = {
    "sgd": dict(momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False),
    "adam": dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False),
    "adamw": dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, amsgrad=False),
    "rmsprop": dict(alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False),
    "adagrad": dict(lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10),
}
CLASSES = {
    "sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad,
}


def problem():
    """Initial values and ten gradients; some gradients are zero, tiny or large, to show where eps stands."""
    rng = np.random.default_rng(11)
    init = {"w": floats(rng, 3, 4), "b": floats(rng, 5, scale=0.1)}
    grads = {"w": floats(rng, STEPS, 3, 4), "b": floats(rng, STEPS, 5, scale=0.3)}
    grads["w"][:, 0, 0] *= np.float32(1e-6)
    grads["w"][:, 0, 1] *= np.float32(1e3)
    grads["w"][0, 1, :] = 0
    grads["b"][3] = 0
    return init, grads


def run(dtype_name):
    store = Store(dtype_name)
    init, grads = problem()
    for key in init:
        store.put(f"init/{key}", init[key])
        store.put(f"grad/{key}", grads[key])
    for name, kind, given in CASES:
        options = {**DEFAULTS[kind], **given}
        store.case(name, kind, **options)
        params = {k: tensor(v, store.dtype).requires_grad_() for k, v in init.items()}
        optimizer = CLASSES[kind](params.values(), foreach=False, **options)
        after = {k: [] for k in params}
        for step in range(STEPS):
            for k, p in params.items():
                p.grad = tensor(grads[k][step], store.dtype)
            optimizer.step()
            for k, p in params.items():
                after[k].append(p.detach().clone())
        for k in params:
            store.put(f"{name}/{k}", torch.stack(after[k]))
    return store
