#!/usr/bin/env python3
"""How far the reference's own f32 numbers lie from its f64 numbers: the floor of any f32 tolerance.

  spread.py [FOLDER]    prints, for each topic with both files, the worst tensors
"""

import pathlib
import sys

import numpy as np
import safetensors.numpy

folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent / "data"
for path in sorted(folder.glob("*_f32.safetensors")):
    single = safetensors.numpy.load_file(path)
    double = safetensors.numpy.load_file(path.with_name(path.name.replace("_f32", "_f64")))
    errors = []
    for key, exact in double.items():
        exact, near = exact.astype(np.float64), single[key].astype(np.float64)
        size = np.abs(exact).max(initial=0)
        apart = np.abs(exact - near).max(initial=0)
        errors.append((apart / size if size else apart, key, size))
    errors.sort(reverse=True)
    print(path.name, f"{sum(e[0] > 1e-5 for e in errors)} of {len(errors)} tensors past 1e-5")
    for error, key, size in errors[:6]:
        print(f"   {error:.2e}  {key}  (largest value {size:.3g})")
