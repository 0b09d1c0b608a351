"""Computes the numbers that tests/split.rs holds: a second implementation of the order of an epoch (Philox 4x32-10,
numbers below a bound by the high half of a product, Fisher and Yates' shuffle), and sums over the digits.

Run: python3 tests/split.py path/to/sklearn/datasets/data/digits.csv.gz"""

import gzip
import sys

WORD = (1 << 32) - 1
MASK = (1 << 64) - 1


def philox(seed, stream, offset):
    counter = [offset & WORD, offset >> 32, stream & WORD, stream >> 32]
    key = [seed & WORD, seed >> 32]
    for _ in range(10):
        low, high = counter[0] * 0xD2511F53, counter[2] * 0xCD9E8D57
        counter = [high >> 32 ^ counter[1] ^ key[0], high & WORD, low >> 32 ^ counter[3] ^ key[1], low & WORD]
        key = [(key[0] + 0x9E3779B9) & WORD, (key[1] + 0xBB67AE85) & WORD]
    return counter[1] << 32 | counter[0]


def permutation(length, seed, epoch):
    stream = 1 << 60 | (epoch & (MASK >> 4))
    offset = 0
    order = list(range(length))
    for last in range(length - 1, 0, -1):
        bound = last + 1
        while True:
            product = philox(seed, stream, offset) * bound
            offset += 1
            if product & MASK >= (1 << 64) % bound:
                break
        other = product >> 64
        order[last], order[other] = order[other], order[last]
    return order


print(permutation(10, 0, 0), permutation(10, 7, 3), permutation(10, MASK, MASK))
long = permutation(60_000, 1, 2)
print(long[0], long[1], long[-1])
pixels = [int(float(v)) for line in gzip.open(sys.argv[1], "rt") for v in line.split(",")[:64]]
print(sum(pixels), sum((i % 1009 + 1) * p for i, p in enumerate(pixels)))
