#!/usr/bin/env python3
"""Dumps PyTorch's own sample inputs (`op_db`) with outputs and gradients, for crates/talweg/tests/samples.

  samples.py            writes index.json.gz and numbers.bin.gz beside this file

README.md beside this file describes the format.
"""

import gzip
import io
import json
import math
import pathlib
import sys
import warnings
from collections import Counter

import numpy as np
import torch

import torch.testing._internal.common_methods_invocations as invocations

import chosen

HERE = pathlib.Path(__file__).resolve().parent

# Sizes that the sample functions use; PyTorch's own are 5, 10, 20 and 3.
SIZES = {"S": 3, "M": 4, "L": 5, "XS": 2}
# Inputs and outputs of a sample together.
MOST_NUMBERS = 1500
MOST_SAMPLES = 28
MOST_REFERENCE = 12
MOST_INTEGER = 4
# f32 where PyTorch's own f32 is farther than this from its f64 proves nothing about anybody else's f32.
STABLE = 3e-6

# Results with free signs (of eigenvectors and the like): their absolute values are compared.
ABSOLUTE = {"linalg.qr", "linalg.eigh", "linalg.svd", "svd"}


class Skip(Exception):
    """Why a sample is not dumped."""


def shrink():
    for name, module in list(sys.modules.items()):
        if name.startswith("torch.testing._internal"):
            for size, value in SIZES.items():
                if isinstance(getattr(module, size, None), int):
                    setattr(module, size, value)


def entry_name(op):
    return op.name + (f"/{op.variant_test_name}" if op.variant_test_name else "")


def coarse(t):
    """Cuts a float64 tensor to 12 significant bits, toward zero: f32 holds the numbers exactly, domains such as
    [-1, 1] or x > 0 are not left, and the file compresses better."""
    mantissa, exponent = np.frexp(t.detach().numpy().astype(np.float64))
    cut = np.ldexp(np.trunc(mantissa * 4096.0), exponent - 12)
    return torch.from_numpy(np.where(np.isfinite(cut), cut, t.detach().numpy()).astype(np.float64)).reshape(t.shape)


def walk(value, change):
    """The same value with every tensor replaced."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        made = [walk(v, change) for v in value]
        return made if isinstance(value, list) else tuple(made)
    if isinstance(value, dict):
        return {k: walk(v, change) for k, v in value.items()}
    return value


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors(v)]
    if isinstance(value, dict):
        return [t for v in value.values() for t in tensors(v)]
    return []


def prepared(t):
    if t.is_complex() or t.is_sparse or t.layout != torch.strided:
        raise Skip("complex or sparse")
    if t.dtype in (torch.float64, torch.float32):
        wants = t.requires_grad
        t = coarse(t.to(torch.float64))
        if not torch.equal(t.float().double().nan_to_num(nan=0.5), t.nan_to_num(nan=0.5)):
            raise Skip("numbers outside the range of f32")
        return t.requires_grad_(wants)
    if t.dtype in (torch.int64, torch.bool):
        return t.detach().clone()
    if t.dtype in (torch.int32, torch.uint8, torch.int16, torch.int8):
        return t.detach().to(torch.int64)
    raise Skip(f"inputs of {t.dtype}")


def weights(t, number):
    """What output `number` is contracted with before the backward pass; README.md has the formula."""
    flat = torch.arange(t.numel(), dtype=torch.float64)
    return (((flat * 7 + 3 * number) % 11 - 5) / 4 + 0.125).reshape(t.shape).to(t.dtype)


def run(op, name, args, kwargs):
    """Outputs, and a gradient or None for every tensor among the arguments."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = op(*args, **kwargs)
    if isinstance(result, torch.Size) or not tensors(result):
        if isinstance(result, bool):
            result = torch.tensor(result)
        else:
            raise Skip("the result is no tensor")
    outputs = tensors(result)
    if any(o.is_complex() for o in outputs):
        raise Skip("complex or sparse")
    if name in ABSOLUTE:
        outputs = [o.abs() for o in outputs]
    inputs = tensors([args, kwargs])
    tracked = [t for t in inputs if t.requires_grad]
    terms = [(o * weights(o, i)).sum() for i, o in enumerate(outputs) if o.requires_grad]
    grads = {}
    if terms and tracked:
        found = torch.autograd.grad(sum(terms), tracked, allow_unused=True)
        grads = {id(t): g for t, g in zip(tracked, found)}
    return outputs, [grads.get(id(t)) for t in inputs]


def distance(got, want):
    """max |a - b| / max |b|, as the runner measures it."""
    got, want = got.detach().double(), want.detach().double()
    finite = torch.isfinite(want)
    if not torch.equal(finite, torch.isfinite(got)):
        return math.inf
    apart = (got - want)[finite].abs()
    size = want[finite].abs()
    if apart.numel() == 0 or apart.max() == 0:
        return 0.0
    return math.inf if size.max() == 0 else float(apart.max() / size.max())


def single_distance(op, name, args, kwargs, outputs, grads):
    """How far PyTorch's own f32 is from its f64, for the same sample."""
    def change(t):
        return t.detach().float().requires_grad_(t.requires_grad) if t.is_floating_point() else t
    try:
        cast = lambda v: walk(v, change)
        kwargs = {k: torch.float32 if v is torch.float64 else v for k, v in cast(kwargs).items()}
        outs, gs = run(op, name, cast(args), kwargs)
    except Exception:
        return math.inf
    if len(outs) != len(outputs) or [g is None for g in gs] != [g is None for g in grads]:
        return math.inf
    pairs = list(zip(outs, outputs)) + [(a, b) for a, b in zip(gs, grads) if a is not None]
    return max([distance(a, b) for a, b in pairs if b.is_floating_point()], default=0.0)


class Store:
    """Tensors, each once."""

    CODES = {torch.float64: "d", torch.int64: "q", torch.bool: "?", torch.float32: "f", torch.uint8: "B"}

    def __init__(self):
        self.table, self.known, self.data = [], {}, io.BytesIO()

    def put(self, t):
        t = t.detach()
        if t.dtype in (torch.int32, torch.int16, torch.int8):
            t = t.to(torch.int64)
        if t.dtype in (torch.bfloat16, torch.float16):
            t = t.to(torch.float32)
        if t.dtype not in self.CODES:
            raise Skip(f"a tensor of {t.dtype}")
        code, array = self.CODES[t.dtype], t.contiguous().numpy()
        # Inputs are short numbers: half the bytes.
        if code == "d" and array.size:
            with np.errstate(over="ignore"):
                short = array.astype(np.float32)
            if np.array_equal(short.astype(np.float64), array, equal_nan=True):
                code, array = "s", short
        data = array.astype(array.dtype.newbyteorder("<")).tobytes()
        key = (code, tuple(t.shape), data)
        if key not in self.known:
            self.known[key] = len(self.table)
            self.table.append([code, list(t.shape)])
            self.data.write(data)
        return self.known[key]


def encode(value, store, grads):
    """An argument as JSON; `grads` yields the gradient of each tensor in the order of `tensors`."""
    if isinstance(value, torch.Tensor):
        grad = next(grads)
        entry = {"t": store.put(value)}
        if value.requires_grad:
            entry["g"] = None if grad is None else store.put(grad)
        return entry
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"f": str(value)}
    if isinstance(value, (list, tuple)):
        return [encode(v, store, grads) for v in value]
    if isinstance(value, torch.dtype):
        return {"dtype": str(value).removeprefix("torch.")}
    if isinstance(value, slice):
        return {"slice": [encode(v, store, grads) for v in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if isinstance(value, torch.layout) or isinstance(value, torch.memory_format):
        return {"layout": str(value)}
    if isinstance(value, np.generic):
        return encode(value.item(), store, grads)
    raise Skip(f"an argument of type {type(value).__name__}")


def dump(op, name, sample, store):
    args, kwargs = walk((sample.input, *sample.args), prepared), walk(sample.kwargs, prepared)
    if sum(t.numel() for t in tensors([args, kwargs])) > MOST_NUMBERS:
        raise Skip(f"more than {MOST_NUMBERS} numbers")
    if sum(t.requires_grad and not t.is_leaf for t in tensors([args, kwargs])):
        raise Skip("an input that is no leaf")
    # The same generator state for every run of an operation that draws.
    torch.manual_seed(0)
    # Copies, because an operation may change its arguments (the statistics of batch norm).
    copies = walk((args, kwargs), lambda t: t.detach().clone().requires_grad_(t.requires_grad))
    outputs, grads = run(op, name, *copies)
    if sum(t.numel() for t in outputs) > MOST_NUMBERS:
        raise Skip(f"more than {MOST_NUMBERS} numbers")
    torch.manual_seed(0)
    copies = walk((args, kwargs), lambda t: t.detach().clone().requires_grad_(t.requires_grad))
    single = single_distance(op, name, *copies, outputs, grads)
    queue = iter(grads)
    line = {"a": encode(args, store, queue)}
    if kwargs:
        line["k"] = {k: encode(v, store, queue) for k, v in kwargs.items()}
    line["o"] = [store.put(o) for o in outputs]
    if single > STABLE:
        line["unstable"] = float(f"{single:.1e}") if math.isfinite(single) else "inf"
    return line


def spread(samples, most):
    """At most so many, from everywhere in the list."""
    if len(samples) <= most:
        return samples
    return [samples[i * len(samples) // most] for i in range(most)]


def candidates(op, dtype, reference, skipped):
    """Samples in one dtype; those that PyTorch itself cannot make with our sizes are counted."""
    made = []
    torch.manual_seed(1)
    np.random.seed(1)
    try:
        source = op.reference_inputs if reference else op.sample_inputs
        for sample in source("cpu", dtype, requires_grad=dtype.is_floating_point and op.supports_autograd):
            made.append(sample)
    except Exception as error:
        skipped[f"PyTorch's generator needs its own sizes ({type(error).__name__})"] += 1
    return made


def keep(op, name, samples, most, store, lines, seen, skipped):
    good = []
    for sample in samples:
        try:
            args = walk((sample.input, *sample.args), prepared), walk(sample.kwargs, prepared)
            if sum(t.numel() for t in tensors(args)) > MOST_NUMBERS:
                raise Skip(f"more than {MOST_NUMBERS} numbers")
        except Skip as why:
            skipped[str(why)] += 1
            continue
        good.append(sample)
    skipped["one of many like it"] += max(len(good) - most, 0)
    for sample in spread(good, most):
        try:
            line = dump(op, name, sample, store)
        except Skip as why:
            skipped[str(why)] += 1
            continue
        except Exception as error:
            skipped[f"PyTorch refuses its own sample ({type(error).__name__})"] += 1
            continue
        text = json.dumps(line, sort_keys=True)
        if text in seen:
            skipped["the same as another"] += 1
            continue
        seen.add(text)
        lines.append(line)


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    shrink()
    store, ops, left_out, skipped = Store(), {}, {}, Counter()
    for op in sorted(invocations.op_db, key=entry_name):
        name = entry_name(op)
        if not chosen.chosen(name):
            left_out[name] = chosen.reason(name)
            continue
        lines, seen = [], set()
        if torch.float64 in op.dtypes:
            most = MOST_SAMPLES
            keep(op, name, candidates(op, torch.float64, False, skipped), most, store, lines, seen, skipped)
            keep(op, name, candidates(op, torch.float64, True, skipped), MOST_REFERENCE, store, lines, seen, skipped)
        for dtype in (torch.int64, torch.bool):
            if dtype in op.dtypes:
                found = candidates(op, dtype, False, skipped)
                keep(op, name, found, MOST_INTEGER, store, lines, seen, skipped)
        if not lines:
            left_out[name] = "PyTorch makes no sample of it that this format holds"
            continue
        ops[name] = lines
    index = {
        "generator": f"torch {torch.__version__.split('+')[0]}, numpy {np.__version__}",
        "ops": ops,
        "tensors": store.table,
        "left_out": left_out,
        "skipped": dict(sorted(skipped.items())),
    }
    text = json.dumps(index, separators=(",", ":")).encode()
    for file, data in (("index.json.gz", text), ("numbers.bin.gz", store.data.getvalue())):
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, compresslevel=9) as zipped:
            zipped.write(data)
        (HERE / file).write_bytes(packed.getvalue())
        print(f"{file}: {len(data) / 1e6:.1f} MB, packed {len(packed.getvalue()) / 1e6:.1f} MB")
    count = sum(map(len, ops.values()))
    print(f"{len(ops)} operations, {count} samples, {len(store.table)} tensors; {len(left_out)} entries left out")
    for why, n in skipped.most_common():
        print(f"  {n:6} skipped: {why}")


if __name__ == "__main__":
    main()
