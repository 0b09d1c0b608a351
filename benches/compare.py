#!/usr/bin/env python3
"""Times a training step of Talweg and of PyTorch, in turn, on this machine, and prints one table.

  compare.py                          w1, w2 and w3 at 1 and 2 threads, 3 rounds
  compare.py --workloads w2 --threads 1 --rounds 5

Needs an interpreter that has torch (pip install torch). Each measurement is a process of its own; the two programs
take turns, so that a slow spell of the machine meets both. The ratio compares the medians over the rounds; the column
"processor time" is the same ratio of the processor time of a step, all threads together, which depends less on what
else the machine does.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def ours():
    """Builds the benchmark program and returns where it lies."""
    command = ["cargo", "bench", "-q", "-p", "talweg", "--bench", "steps", "--no-run", "--message-format=json"]
    out = subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in out.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "steps":
            return message["executable"]
    raise SystemExit("compare: cargo built no program named steps")


def measure(command, threads):
    env = {**os.environ, "TALWEG_THREADS": str(threads)}
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=env).stdout
    return json.loads(out.strip().splitlines()[-1])


def machine():
    """What the numbers depend on, in a few lines."""
    model, flags = platform.processor() or platform.machine(), []
    info = pathlib.Path("/proc/cpuinfo")
    if info.exists():
        lines = [line.partition(":") for line in info.read_text().splitlines()]
        fields = {key.strip(): value.strip() for key, _, value in lines}
        model = f"{fields.get('model name', model)}, family {fields.get('cpu family')} model {fields.get('model')}"
        flags = [f for f in ("avx2", "fma", "avx512f", "avx512_bf16") if f in fields.get("flags", "").split()]
    rustc = subprocess.run(["rustc", "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=HERE, stdout=subprocess.PIPE, text=True, check=True)
    load = os.getloadavg()[0]
    lines = [
        f"date      {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip()}",
        f"machine   {model}; {len(os.sched_getaffinity(0))} cores; {' '.join(flags)}; {platform.system()} {platform.release()}",
        f"software  {rustc}; Python {platform.python_version()}",
        f"load      {load:.2f} at the start" + ("  <- busy: do not quote these numbers" if load > 0.5 else ""),
    ]
    return "\n".join(lines)


def spread(values):
    return f"{statistics.median(values):10.1f} ({min(values):.1f}-{max(values):.1f})"


def ratio_of(above, below, key):
    return statistics.median(r[key] for r in above) / statistics.median(r[key] for r in below)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default="w1,w2,w3")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    program = ours()
    print(machine(), flush=True)
    rows, versions = [], set()
    for workload in args.workloads.split(","):
        for threads in map(int, args.threads.split(",")):
            options = [workload, "--threads", str(threads), "--steps", str(args.steps)]
            mine, theirs = [], []
            for _ in range(args.rounds):
                mine.append(measure([program, "--json", *options], threads))
                theirs.append(measure([sys.executable, str(HERE / "torch_steps.py"), *options], threads))
            versions.update(r["who"] for r in mine + theirs)
            rows.append((workload, threads, mine, theirs))
    print(f"compared  {', '.join(sorted(versions))}; {args.rounds} rounds in turn, each the median of at least {args.steps} samples\n")
    columns = ["talweg, µs a step", "torch, µs a step", "torch / talweg", "processor time", "resident MB"]
    print(f"{'':4} {'threads':>7} {columns[0]:>28} {columns[1]:>28} {columns[2]:>15} {columns[3]:>15} {columns[4]:>12}")
    for workload, threads, mine, theirs in rows:
        a, b = ([r["median_us"] for r in side] for side in (mine, theirs))
        ratio, cpu = ratio_of(theirs, mine, "median_us"), ratio_of(theirs, mine, "cpu_us")
        memory = f"{mine[-1]['resident_mb']:.0f} / {theirs[-1]['resident_mb']:.0f}"
        print(f"{workload:4} {threads:7} {spread(a):>28} {spread(b):>28} {ratio:14.2f}x {cpu:14.2f}x {memory:>12}")


if __name__ == "__main__":
    main()
