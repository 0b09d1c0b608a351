#!/usr/bin/env python3
"""Times a training step of Talweg and of its peers, in turn, on this machine, and prints one table of ratios.

  compare.py --venv FOLDER                         everything at 1 and 2 threads, 3 rounds
  compare.py --workloads w2 --threads 1 --rounds 5 --peers torch,numpy
  compare.py --venv FOLDER --install               first puts torch, jax, keras and numpy into FOLDER

Python peers run by the interpreter of --venv (default: this one), burn and candle are built as crates outside the
workspace. Each measurement is a process of its own, and the programs take turns, so that a slow spell of the machine
meets all of them. The ratio compares medians over the rounds: talweg's time over the peer's, so less than 1 means that
Talweg is faster. A peer that cannot run is named with its reason, not left out in silence.
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
import venv

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ["torch==2.15.0", "numpy==2.4.6", "jax==0.10.2", "optax==0.2.8", "tensorflow-cpu==2.21.0", "keras==3.15.1"]

# What each peer can run, at its best: (label, program, workloads, more arguments).
PYTHON = [
    ("torch", "torch_steps.py", "w1 w2 w3 w4 w5", []),
    ("torch, jemalloc", "torch_steps.py", "w3 w4", []),
    ("torch compiled", "torch_steps.py", "w2 w5", ["--variant", "compile"]),
    ("torch bf16", "torch_steps.py", "w5-bf16", ["--variant", "bf16"]),
    ("numpy", "numpy_steps.py", "w1 w2", []),
    ("jax", "jax_steps.py", "w1 w2 w3 w4 w5", []),
    ("jax, in scan", "jax_steps.py", "w1-captured", ["--variant", "scan"]),
    ("keras", "keras_steps.py", "w2 w3 w4", []),
    ("keras function", "keras_steps.py", "w2", ["--variant", "function"]),
]
RUST = [("burn", "w1 w2 w3 w5"), ("candle", "w1 w2 w3 w5")]
# Without these settings jemalloc makes torch slower: it gives pages back at once.
JEMALLOC = "oversize_threshold:0,dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always"
# Steps of half a minute, of peers far behind: one sample tells enough.
SLOW = {("candle", "w5"), ("burn", "w5"), ("jax", "w5"), ("jax", "w4")}


def build_ours():
    """Builds the benchmark program and returns where it lies."""
    command = ["cargo", "bench", "-q", "-p", "talweg", "--bench", "steps", "--no-run", "--message-format=json"]
    out = subprocess.run(command, cwd=HERE.parent, check=True, stdout=subprocess.PIPE, text=True).stdout
    for line in out.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "steps":
            return message["executable"]
    raise SystemExit("compare: cargo built no program named steps")


def build_peer(name):
    """Builds one of the Rust peers and returns its program, or why there is none."""
    command = ["cargo", "build", "-q", "--release", "--message-format=json"]
    run = subprocess.run(command, cwd=HERE / "peers" / name, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for line in run.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == f"{name}-steps":
            return message["executable"], None
    return None, f"cargo build failed: {run.stderr.strip().splitlines()[-1:] or run.returncode}"


def jemalloc():
    """The library, where Debian and Fedora put it."""
    places = ["/usr/lib/x86_64-linux-gnu/libjemalloc.so.2", "/usr/lib64/libjemalloc.so.2", "/usr/lib/libjemalloc.so.2"]
    return next((p for p in places if os.path.exists(p)), None)


def competitors(args, python, notes):
    """For each workload the programs that run it: label -> (command, environment)."""
    chosen, wanted = args.peers.split(","), args.workloads.split(",")
    table = {workload: {} for workload in wanted}

    def add(label, workloads, command, env=None):
        for workload in workloads.split():
            if workload in table:
                table[workload][label] = ([*command(workload.split("-")[0])], env or {})

    for label, program, workloads, more in PYTHON:
        name = label.split(",")[0].split(" ")[0]
        if name not in chosen:
            continue
        env = {}
        if "jemalloc" in label:
            library = jemalloc()
            if library is None:
                notes.append("torch with jemalloc: no libjemalloc.so.2 on this machine (Debian: libjemalloc2)")
                continue
            env = {"LD_PRELOAD": library, "MALLOC_CONF": JEMALLOC}
        add(label, workloads, lambda w, p=program, m=more: [python, str(HERE / "peers" / p), w, *m], env)
    for name, workloads in RUST:
        if name in chosen and any(w in table for w in workloads.split()):
            program, reason = build_peer(name)
            if program is None:
                notes.append(f"{name}: {reason}")
            else:
                add(name, workloads, lambda w, p=program: [p, w])
    return table


def measure(command, env, threads):
    """One process's record, or why it has none."""
    env = {**os.environ, **env, "TALWEG_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    if threads == 1:
        command = ["taskset", "-c", str(max(os.sched_getaffinity(0))), *command]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    lines = run.stdout.strip().splitlines()
    if run.returncode != 0 or not lines:
        return None, (run.stderr.strip().splitlines() or [f"exit status {run.returncode}"])[-1]
    return json.loads(lines[-1]), None


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
    busy = "  <- busy: do not quote these numbers" if load > 0.5 else ""
    return "\n".join([
        f"date      {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip()}",
        f"machine   {model}; {len(os.sched_getaffinity(0))} cores; {' '.join(flags)}; {platform.system()} {platform.release()}",
        f"software  {rustc}; Python {platform.python_version()}",
        f"load      {load:.2f} at the start{busy}",
    ])


def prepare(folder, install):
    """The interpreter with the Python peers."""
    if folder is None:
        return sys.executable
    python = pathlib.Path(folder) / "bin" / "python"
    if install:
        if not python.exists():
            venv.create(folder, with_pip=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=True)
    if not python.exists():
        raise SystemExit(f"compare: there is no {python}; add --install to make it")
    return str(python)


def rounds(workload, threads, peers, ours, args, notes):
    """The records of every program, Talweg's first, all in turn."""
    records = {label: [] for label in ["talweg", *peers]}
    how = ["--threads", str(threads), "--seconds", str(args.seconds)]
    for _ in range(args.rounds):
        for label in list(records):
            if label == "talweg":
                command, env, steps = [ours, "--json", workload], {}, args.steps
            else:
                (command, env), steps = peers[label], args.steps
                if (label, workload) in SLOW:
                    if records[label]:
                        continue
                    steps = 1
            record, reason = measure([*command, *how, "--steps", str(steps)], env, threads)
            if record is None:
                notes.append(f"{label}, {workload}, {threads} threads: {reason}")
                del records[label]
            else:
                records[label].append(record)
    return records


def unit(microseconds):
    return f"{microseconds:.2f} µs" if microseconds < 1000 else f"{microseconds / 1000:.2f} ms"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workloads", default="w1,w1-captured,w2,w3,w4,w5,w5-bf16")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="timed samples of each process, at least")
    parser.add_argument("--seconds", type=float, default=2.0, help="each process times at least so long")
    parser.add_argument("--peers", default="torch,numpy,jax,keras,burn,candle")
    parser.add_argument("--venv", help="the virtual environment with the Python peers")
    parser.add_argument("--install", action="store_true", help="put them there first")
    parser.add_argument("--json", help="also write every record to this file")
    args = parser.parse_args()
    python, notes = prepare(args.venv, args.install), []
    ours = build_ours()
    table = competitors(args, python, notes)
    print(machine(), flush=True)
    versions, everything = set(), []
    print(f"\n| workload | threads | program | median | fastest | talweg / it | peak memory |\n| --- | --- | --- | --- | --- | --- | --- |")
    for workload, peers in table.items():
        for threads in map(int, args.threads.split(",")):
            records = rounds(workload, threads, peers, ours, args, notes)
            if not records.get("talweg"):
                continue
            medians = {label: statistics.median(r["median_us"] for r in rs) for label, rs in records.items() if rs}
            for label in sorted(medians, key=medians.get):
                rs = records[label]
                versions.update(r["who"] for r in rs)
                everything += [{"label": label, **r} for r in rs]
                ratio = "" if label == "talweg" else f"{medians['talweg'] / medians[label]:.3f}"
                fastest, memory = unit(min(r["min_us"] for r in rs)), max(r["peak_mb"] for r in rs)
                name = f"**{label}**" if label == "talweg" else label
                print(f"| {workload} | {threads} | {name} | {unit(medians[label])} | {fastest} | {ratio} | {memory:.0f} MB |", flush=True)
    print(f"\ncompared  {', '.join(sorted(versions))}; {args.rounds} rounds in turn; load {os.getloadavg()[0]:.2f} at the end")
    for note in notes:
        print(f"not run   {note}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
