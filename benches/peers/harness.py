"""What the peers' programs share: the command line, the synthetic batches, timing, one line of JSON.

Import this before the framework: it sets the number of threads in the environment, where frameworks look for it.
"""

import argparse
import json
import os
import resource
import statistics
import time


def arguments(workloads, variants=()):
    """The command line: a workload, threads, and how long to time. With one thread the process is bound to one core,
    because some frameworks keep pools that no setting limits."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=workloads)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20, help="timed samples, at least")
    parser.add_argument("--warm", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="go on timing for this long")
    parser.add_argument("--variant", choices=("", *variants), default="")
    args = parser.parse_args()
    for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[key] = str(args.threads)
    if args.threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    return args


def batch(workload):
    """Inputs and targets as numpy arrays: the shapes of README.md, numbers of a fixed seed."""
    import numpy as np

    rng = np.random.default_rng(1234)
    normal = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    if workload == "w1":
        return np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), np.array([[0], [1], [1], [0]], np.float32)
    if workload == "w2":
        return normal(128, 784), rng.integers(0, 10, 128)
    if workload == "w3":
        return normal(64, 1, 28, 28), rng.integers(0, 10, 64)
    if workload == "w4":
        return normal(32, 3, 32, 32), rng.integers(0, 10, 32)
    text = rng.integers(0, 65, (12, 257))
    return text[:, :-1].copy(), text[:, 1:].copy()


def peak_rss_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def report(who, args, step, loss_of, wait=lambda: None, inner=1, per_call=1):
    """Times `step` and prints the record. A sample is `inner` calls, each of which makes `per_call` training steps;
    `wait` returns when all work that was asked for is done."""
    out = None
    for _ in range(args.warm * inner):
        out = step()
    wait()
    times, start, cpu = [], time.perf_counter(), time.process_time()
    while len(times) < args.steps or time.perf_counter() - start < args.seconds:
        t = time.perf_counter()
        for _ in range(inner):
            out = step()
        wait()
        times.append((time.perf_counter() - t) / (inner * per_call))
    cpu = (time.process_time() - cpu) / (len(times) * inner * per_call)
    print(json.dumps({
        "who": who, "workload": args.workload, "threads": args.threads, "median_us": statistics.median(times) * 1e6,
        "min_us": min(times) * 1e6, "cpu_us": cpu * 1e6, "samples": len(times), "peak_mb": round(peak_rss_mb(), 1),
        "loss": float(loss_of(out)),
    }))
