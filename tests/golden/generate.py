#!/usr/bin/env python3
"""Writes the golden numbers that Talweg's tests compare with. See README.md beside this file.

  generate.py                 the small files, into data/
  generate.py --full FOLDER   the full-size models w2 and w3 (about 650 MB), into FOLDER
"""

import argparse
import pathlib

import torch

import layers
import losses
import models
import optimizers
import schedules
import sequences

HERE = pathlib.Path(__file__).resolve().parent


def small(folder):
    for dtype_name in ["f32", "f64"]:
        for name, spec in models.SMALL.items():
            models.run(name, spec, dtype_name).write(folder, name)
        layers.run(dtype_name).write(folder, "layers")
        losses.run(dtype_name).write(folder, "losses")
        optimizers.run(dtype_name).write(folder, "optimizers")
        optimizers.rows(dtype_name).write(folder, "rows")
        sequences.run(dtype_name).write(folder, "sequences")
    optimizers.lbfgs().write(folder, "lbfgs")
    schedules.run().write(folder, "schedules")


def full(folder):
    for name, spec in models.FULL.items():
        for dtype_name in ["f32", "f64"]:
            models.run(name, spec, dtype_name).write(folder, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", metavar="FOLDER", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)  # One thread: the same order of summation on every machine with the same instruction set.
    torch.use_deterministic_algorithms(True)
    folder = args.full or HERE / "data"
    folder.mkdir(parents=True, exist_ok=True)
    (full if args.full else small)(folder)


if __name__ == "__main__":
    main()
