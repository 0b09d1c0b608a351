"""Computes the numbers that tests/split.rs holds: a second implementation of the order of an epoch, and sums over
the digits. Run: python3 tests/split.py path/to/scikit-learn/datasets/data/digits.csv.gz"""

import gzip
import sys

MASK = (1 << 64) - 1


def mix(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def permutation(length, seed, epoch):
    state = mix((mix(seed ^ 0x6A09E667F3BCC908) + epoch) & MASK)
    order = list(range(length))
    for last in range(length - 1, 0, -1):
        bound = last + 1
        while True:
            state = (state + 0x9E3779B97F4A7C15) & MASK
            wide = mix(state) * bound
            if wide & MASK >= (1 << 64) % bound:
                break
        other = wide >> 64
        order[last], order[other] = order[other], order[last]
    return order


print(permutation(10, 0, 0), permutation(10, 7, 3), permutation(10, MASK, MASK))
long = permutation(60_000, 1, 2)
print(long[0], long[1], long[-1])
pixels = [int(float(v)) for line in gzip.open(sys.argv[1], "rt") for v in line.split(",")[:64]]
print(sum(pixels), sum((i % 1009 + 1) * p for i, p in enumerate(pixels)))
