"""Ten steps of each optimizer on two small parameters with gradients given beforehand.

Most are PyTorch's. Muon is PyTorch's with its matrix iteration in the parameter's type in place of bf16. Those that PyTorch
does not have are optax's; they are computed in f64 for both files, because optax's own f32 runs carry the rounding of
1 - beta^t, 3e-5.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
import torch.optim._muon
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn

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
    ("adamax", "adamax", dict(lr=0.02)),
    ("adamax_all", "adamax", dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    ("nadam", "nadam", dict(lr=0.02)),
    ("nadam_weight_decay", "nadam", dict(lr=0.05, betas=(0.8, 0.95), weight_decay=0.1, momentum_decay=0.1)),
    ("nadam_decoupled", "nadam", dict(lr=0.05, eps=1e-4, weight_decay=0.3, decoupled_weight_decay=True)),
    ("radam", "radam", dict(lr=0.02)),
    ("radam_weight_decay", "radam", dict(lr=0.05, betas=(0.8, 0.95), weight_decay=0.1, eps=1e-4)),
    ("radam_decoupled", "radam", dict(lr=0.05, betas=(0.9, 0.99), weight_decay=0.3, decoupled_weight_decay=True)),
    ("adadelta", "adadelta", dict(lr=1.0)),
    ("adadelta_all", "adadelta", dict(lr=0.5, rho=0.7, eps=1e-3, weight_decay=0.1)),
    ("rprop", "rprop", dict(lr=0.01)),
    ("rprop_all", "rprop", dict(lr=0.02, etas=(0.3, 1.7), step_sizes=(0.01, 0.04))),
    ("asgd", "asgd", dict(lr=0.05)),
    ("asgd_all", "asgd", dict(lr=0.05, lambd=0.1, alpha=0.6, t0=3, weight_decay=0.1)),
    ("adafactor", "adafactor", dict(lr=0.01)),
    ("adafactor_all", "adafactor", dict(lr=0.6, beta2_decay=-0.5, eps=(1e-4, 0.2), d=1.2, weight_decay=0.1)),
    ("muon", "muon", dict(lr=0.02)),
    ("muon_plain", "muon", dict(lr=0.02, momentum=0.8, nesterov=False, ns_steps=3, weight_decay=0.0)),
    ("muon_like_adamw", "muon", dict(lr=0.02, adjust_lr_fn="match_rms_adamw", eps=2.0)),
    ("muon_spectral", "muon", dict(lr=0.02, adjust_lr_fn="spectral_unclamped")),
    ("ema", "ema", dict(lr=0.05, momentum=0.9, decay=0.8)),
    ("swa", "swa", dict(lr=0.05, momentum=0.9, start=3, every=2)),
    ("lion", "lion", dict(lr=0.01)),
    ("lion_all", "lion", dict(lr=0.02, betas=(0.8, 0.95), weight_decay=0.3)),
    ("lamb", "lamb", dict(lr=0.02)),
    ("lamb_all", "lamb", dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    ("lars", "lars", dict(lr=0.5)),
    ("lars_all", "lars", dict(lr=0.5, momentum=0.8, nesterov=True, trust=0.05, eps=0.1, weight_decay=0.1)),
    ("schedule_free_sgd", "schedule_free_sgd", dict(lr=0.1)),
    ("schedule_free_sgd_all", "schedule_free_sgd", dict(lr=0.2, beta=0.7, weight_decay=0.1)),
    ("schedule_free_adamw", "schedule_free_adamw", dict(lr=0.02)),
    ("schedule_free_adamw_all", "schedule_free_adamw",
     dict(lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.2)),
]
OPTAX = {"lion", "lamb", "lars", "schedule_free_sgd", "schedule_free_adamw"}
# Every option is written out, so that a reader needs no knowledge of the reference's defaults.
DEFAULTS = {
    "sgd": dict(momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False),
    "adam": dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False),
    "adamw": dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01, amsgrad=False),
    "rmsprop": dict(alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False),
    "adagrad": dict(lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10),
    "adamax": dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0),
    "nadam": dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, momentum_decay=4e-3, decoupled_weight_decay=False),
    "radam": dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, decoupled_weight_decay=False),
    "adadelta": dict(rho=0.9, eps=1e-6, weight_decay=0.0),
    "rprop": dict(etas=(0.5, 1.2), step_sizes=(1e-6, 50.0)),
    "asgd": dict(lambd=1e-4, alpha=0.75, t0=1e6, weight_decay=0.0),
    "adafactor": dict(beta2_decay=-0.8, eps=(None, 1e-3), d=1.0, weight_decay=0.0),
    "muon": dict(weight_decay=0.1, momentum=0.95, nesterov=True, eps=1e-7, ns_steps=5, adjust_lr_fn="original"),
    "ema": {}, "swa": {},
    "lion": dict(betas=(0.9, 0.99), weight_decay=0.0),
    "lamb": dict(betas=(0.9, 0.999), eps=1e-6, weight_decay=0.0),
    "lars": dict(momentum=0.9, nesterov=False, trust=1e-3, eps=0.0, weight_decay=0.0),
    "schedule_free_sgd": dict(beta=0.9, weight_decay=0.0),
    "schedule_free_adamw": dict(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0),
}
CLASSES = {
    "sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad, "adamax": torch.optim.Adamax,
    "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam, "adadelta": torch.optim.Adadelta,
    "rprop": torch.optim.Rprop, "asgd": torch.optim.ASGD, "adafactor": torch.optim.Adafactor,
}
# What is no matrix is moved by AdamW at this share of Muon's rate.
OTHERS_LR = 0.1


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


def newton_schulz(grad, ns_coefficients, ns_steps, eps):
    """PyTorch's iteration for Muon, in the gradient's type."""
    a, b, c = ns_coefficients
    tall = grad.size(0) > grad.size(1)
    x = grad.T if tall else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(ns_steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


torch.optim._muon._zeropower_via_newtonschulz = newton_schulz


class Both(torch.nn.Module):
    """The two parameters as a model, for averages."""

    def __init__(self, params):
        super().__init__()
        self.w, self.b = (torch.nn.Parameter(params[k].detach().clone()) for k in ("w", "b"))


def with_torch(kind, options, init, grads, dtype):
    """The parameters after each step, and the averages where there are some."""
    model = Both({k: tensor(v, dtype) for k, v in init.items()})
    params = dict(model.named_parameters())
    averaged = None
    if kind == "muon":
        rest = dict(lr=options["lr"] * OTHERS_LR, weight_decay=options["weight_decay"])
        optimizers = [torch.optim.Muon([model.w], **options), torch.optim.AdamW([model.b], foreach=False, **rest)]
    elif kind in ("ema", "swa"):
        optimizers = [torch.optim.SGD(params.values(), options["lr"], options["momentum"], foreach=False)]
        average = get_ema_avg_fn(options["decay"]) if kind == "ema" else None
        averaged = AveragedModel(model, avg_fn=average)
    else:
        optimizers = [CLASSES[kind](params.values(), foreach=False, **options)]
    after = []
    for step in range(STEPS):
        for k, p in params.items():
            p.grad = tensor(grads[k][step], dtype)
        for optimizer in optimizers:
            optimizer.step()
        evaluated = None
        if kind == "ema" or kind == "swa" and step >= options["start"] and (step - options["start"]) % options["every"] == 0:
            averaged.update_parameters(model)
        if kind == "ema" or kind == "swa" and step >= options["start"]:
            evaluated = dict(averaged.module.named_parameters())
        elif kind == "swa":
            evaluated = params
        elif kind == "asgd":
            evaluated = {k: optimizers[0].state[p]["ax"] for k, p in params.items()}
        after.append([{k: x.detach().clone() for k, x in part.items()} for part in (params, evaluated) if part is not None])
    return after


def optax_rule(kind, o):
    """The optax transformation for a case."""
    lr, beta = o["lr"], o.get("betas")
    return {
        "lion": lambda: optax.lion(lr, *beta, weight_decay=o["weight_decay"]),
        "lamb": lambda: optax.lamb(lr, *beta, eps=o["eps"], weight_decay=o["weight_decay"]),
        "lars": lambda: optax.lars(lr, o["weight_decay"], trust_coefficient=o["trust"], eps=o["eps"],
                                   momentum=o["momentum"], nesterov=o["nesterov"]),
        "schedule_free_sgd": lambda: optax.contrib.schedule_free_sgd(lr, b1=o["beta"], weight_decay=o["weight_decay"]),
        "schedule_free_adamw": lambda: optax.contrib.schedule_free_adamw(
            lr, b1=beta[0], b2=beta[1], eps=o["eps"], weight_decay=o["weight_decay"]),
    }[kind]()


def with_optax(kind, options, init, grads):
    rule = optax_rule(kind, options)
    params = {k: jnp.asarray(v, jnp.float64) for k, v in init.items()}
    state = rule.init(params)
    after = []
    for step in range(STEPS):
        slopes = {k: jnp.asarray(grads[k][step], jnp.float64) for k in params}
        updates, state = rule.update(slopes, state, params)
        params = optax.apply_updates(params, updates)
        parts = [params]
        if kind.startswith("schedule_free"):
            parts.append(optax.contrib.schedule_free_eval_params(state, params))
        after.append([{k: torch.tensor(np.array(x)) for k, x in part.items()} for part in parts])
    return after


def run(dtype_name):
    store = Store(dtype_name)
    # Scalar state of the reference, such as NAdam's product of momenta, has the default type.
    torch.set_default_dtype(store.dtype)
    jax.config.update("jax_enable_x64", True)
    init, grads = problem()
    for key in init:
        store.put(f"init/{key}", init[key])
        store.put(f"grad/{key}", grads[key])
    for name, kind, given in CASES:
        options = {**DEFAULTS[kind], **given}
        more = dict(others_lr=OTHERS_LR) if kind == "muon" else {}
        store.case(name, kind, **options, **more)
        if kind in OPTAX:
            after = [[{k: x.to(store.dtype) for k, x in part.items()} for part in parts]
                     for parts in with_optax(kind, options, init, grads)]
        else:
            after = with_torch(kind, options, init, grads, store.dtype)
        for part, prefix in enumerate([name, f"{name}/evaluated"][:len(after[0])]):
            for k in init:
                store.put(f"{prefix}/{k}", torch.stack([parts[part][k] for parts in after]))
    torch.set_default_dtype(torch.float32)
    return store


ROWS = [
    ("sparse_sgd", "sgd", dict(lr=0.1)),
    ("sparse_adagrad", "adagrad", dict(lr=0.1, lr_decay=0.05, initial_accumulator_value=0.1, eps=1e-6)),
    ("sparse_adam", "sparse_adam", dict(lr=0.05, betas=(0.9, 0.999), eps=1e-8)),
    ("sparse_adam_eps", "sparse_adam", dict(lr=0.05, betas=(0.8, 0.95), eps=1e-2)),
]


def rows(dtype_name):
    """Ten steps on a table by gradients of five rows, some of them listed twice."""
    store = Store(dtype_name)
    rng = np.random.default_rng(12)
    init, index, grads = floats(rng, 7, 3), rng.integers(0, 7, (STEPS, 5)), floats(rng, STEPS, 5, 3)
    store.put("init", init)
    store.put("index", index)
    store.put("grad", grads)
    for name, kind, given in ROWS:
        options = {**DEFAULTS.get(kind, {}), **given}
        store.case(name, kind, **options)
        table = tensor(init, store.dtype).requires_grad_()
        build = torch.optim.SparseAdam if kind == "sparse_adam" else CLASSES[kind]
        optimizer = build([table], **options)
        after = []
        for step in range(STEPS):
            values = tensor(grads[step], store.dtype)
            table.grad = torch.sparse_coo_tensor(torch.from_numpy(index[step])[None], values, table.shape)
            optimizer.step()
            after.append(table.detach().clone())
        store.put(name, torch.stack(after))
    return store


LBFGS = [
    ("search", "valley", dict(max_iter=3, line_search="strong_wolfe"), 8),
    ("search_short_history", "valley", dict(max_iter=4, history_size=2, line_search="strong_wolfe"), 6),
    ("search_small_start", "valley", dict(lr=0.01, max_iter=3, max_eval=9, line_search="strong_wolfe"), 6),
    ("search_default", "squares", dict(line_search="strong_wolfe"), 2),
    ("plain", "squares", dict(lr=0.5, max_iter=3, line_search="none"), 6),
    ("plain_default", "squares", dict(line_search="none"), 2),
]
LBFGS_DEFAULTS = dict(lr=1.0, max_iter=20, tolerance_grad=1e-7, tolerance_change=1e-9, history_size=100)


def valley(x):
    """Rosenbrock's function in several dimensions."""
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def lbfgs():
    """Losses before, and parameters after, each call of L-BFGS."""
    store = Store("f64")
    rng = np.random.default_rng(13)
    a, b = floats(rng, 8, 4), floats(rng, 8)
    store.put("a", a)
    store.put("b", b)
    start = np.array([-1.2, 1.0, 0.5, -0.5], dtype=np.float32)
    store.put("init", start)
    for name, kind, given, calls in LBFGS:
        options = {**LBFGS_DEFAULTS, **given}
        options.setdefault("max_eval", options["max_iter"] * 5 // 4)
        store.case(name, kind, **options)
        search = options.pop("line_search")
        x = tensor(start, store.dtype).requires_grad_()
        optimizer = torch.optim.LBFGS([x], line_search_fn=search if search != "none" else None, **options)
        matrix, target = tensor(a, store.dtype), tensor(b, store.dtype)

        def closure():
            optimizer.zero_grad()
            loss = valley(x) if kind == "valley" else ((matrix @ x - target) ** 2).sum()
            loss.backward()
            return loss

        losses, after = [], []
        for _ in range(calls):
            losses.append(float(optimizer.step(closure).detach()))
            after.append(x.detach().clone())
        store.put(f"{name}/loss", np.array(losses))
        store.put(f"{name}/x", torch.stack(after))
    return store
