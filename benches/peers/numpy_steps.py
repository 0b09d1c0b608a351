#!/usr/bin/env python3
"""A training step in numpy, derivatives by hand: what the chain rule costs without a framework."""

import harness

args = harness.arguments(["w1", "w2"])

import numpy as np  # noqa: E402  After the harness has set the threads.

f32 = np.float32
rng = np.random.default_rng(0)
x, y = harness.batch(args.workload)


def xor():
    """2-8-1, tanh and sigmoid, mean squared error, plain gradient descent."""
    w1, b1 = rng.standard_normal((2, 8)).astype(f32), np.zeros(8, f32)
    w2, b2 = rng.standard_normal((8, 1)).astype(f32), np.zeros(1, f32)
    rate, scale = f32(0.5), f32(2 / 4)

    def step():
        nonlocal w1, b1, w2, b2
        h = np.tanh(x @ w1 + b1)
        p = 1 / (1 + np.exp(-(h @ w2 + b2)))
        error = p - y
        loss = (error * error).mean()
        dz2 = error * scale * p * (1 - p)
        dz1 = (dz2 @ w2.T) * (1 - h * h)
        w2 -= rate * (h.T @ dz2)
        b2 -= rate * dz2.sum(0)
        w1 -= rate * (x.T @ dz1)
        b1 -= rate * dz1.sum(0)
        return loss

    return step


def mlp():
    """784-512-512-10, ReLU, cross-entropy, Adam; every array that can be reused is."""
    sizes = [784, 512, 512, 10]
    params = []
    for a, b in zip(sizes, sizes[1:]):
        params += [(rng.standard_normal((a, b)) * (2 / a) ** 0.5).astype(f32), np.zeros(b, f32)]
    means, squares, work = ([np.zeros_like(p) for p in params] for _ in range(3))
    rows, t = np.arange(len(x)), 0

    def step():
        nonlocal t
        layers, a = [x], x
        for k in range(3):
            a = a @ params[2 * k]
            a += params[2 * k + 1]
            if k < 2:
                np.maximum(a, 0, out=a)
            layers.append(a)
        e = np.exp(a - a.max(1, keepdims=True))
        p = e / e.sum(1, keepdims=True)
        loss = -np.log(p[rows, y]).mean()
        p[rows, y] -= 1
        g, grads = p / f32(len(x)), [None] * 6
        for k in (2, 1, 0):
            grads[2 * k], grads[2 * k + 1] = layers[k].T @ g, g.sum(0)
            if k:
                g = g @ params[2 * k].T
                g *= layers[k] > 0
        t += 1
        rate, correct = f32(1e-3 / (1 - 0.9**t)), f32(1 / (1 - 0.999**t))
        for param, grad, m, v, q in zip(params, grads, means, squares, work):
            m *= f32(0.9)
            m += np.multiply(grad, f32(0.1), out=q)
            v *= f32(0.999)
            np.multiply(grad, grad, out=q)
            q *= f32(0.001)
            v += q
            np.multiply(v, correct, out=q)
            np.sqrt(q, out=q)
            q += f32(1e-8)
            np.divide(m, q, out=q)
            q *= rate
            param -= q
        return loss

    return step


harness.report(f"numpy {np.__version__}", args, xor() if args.workload == "w1" else mlp(), float,
               inner=100 if args.workload == "w1" else 1)
