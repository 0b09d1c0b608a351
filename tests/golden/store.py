"""How the golden files are written: one safetensors file per topic and element type."""

import json
import pathlib

import numpy as np
import torch

FORMAT = "1"
DTYPES = {"f32": torch.float32, "f64": torch.float64}


TYPES = {"float32": "F32", "float64": "F64", "int64": "I64"}


def encode(arrays, meta):
    """The bytes of a safetensors file. Written here because the library's own writer shuffles the metadata, so that
    two runs with the same numbers would give different files."""
    header, parts, at = {"__metadata__": meta}, [], 0
    for key in sorted(arrays):
        data = arrays[key].astype(arrays[key].dtype.newbyteorder("<")).tobytes()
        header[key] = {"dtype": TYPES[arrays[key].dtype.name], "shape": arrays[key].shape, "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def floats(rng, *shape, scale=1.0, shift=0.0):
    """Normal numbers that f32 holds exactly, so that the f32 and f64 files start from the same values."""
    return (rng.standard_normal(shape) * scale + shift).astype(np.float32)


def tensor(array, dtype):
    """An array as a torch tensor: floats in `dtype`, integers as they are."""
    t = torch.from_numpy(np.array(array))
    return t.to(dtype) if t.is_floating_point() else t


class Store:
    """Collects named arrays and a list of cases, then writes them to one file."""

    def __init__(self, dtype_name):
        self.dtype_name = dtype_name
        self.dtype = DTYPES[dtype_name]
        self.arrays = {}
        self.cases = []

    def case(self, name, op, **options):
        """Declares a case: `op` and `options` tell the reader what to build."""
        if any(c["name"] == name for c in self.cases):
            raise ValueError(f"two cases are named {name}")
        self.cases.append({"name": name, "op": op, **options})

    def put(self, key, value):
        """Stores a tensor or array. A gradient that torch left out must not be stored as nothing."""
        if value is None:
            raise ValueError(f"{key}: no value (a parameter without gradient?)")
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        if key in self.arrays:
            raise ValueError(f"{key} stored twice")
        self.arrays[key] = np.array(value, order="C")

    def write(self, folder, topic):
        path = pathlib.Path(folder) / f"{topic}_{self.dtype_name}.safetensors"
        meta = {
            "format": FORMAT,
            "generator": f"torch {torch.__version__.split('+')[0]}, numpy {np.__version__}",
            "dtype": self.dtype_name,
            "cases": json.dumps(self.cases, separators=(",", ":")),
        }
        path.write_bytes(encode(self.arrays, meta))
        print(f"{path.name}: {len(self.cases)} cases, {len(self.arrays)} tensors, {path.stat().st_size / 1024:.0f} KiB")
