#!/usr/bin/env python3
"""A training step in JAX with optax, jitted as a whole with donated state; pictures with channels last. With
`--variant scan` (w1) a thousand steps run inside one call, which is the least that a step can cost there."""

import os

import harness

args = harness.arguments(["w1", "w2", "w3", "w4", "w5"], ["scan"])
os.environ["JAX_PLATFORMS"] = "cpu"
if args.threads == 1:
    os.environ["XLA_FLAGS"] = (os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false").strip()

import jax  # noqa: E402  After the settings above.
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402
from jax import lax  # noqa: E402

keys = iter(jax.random.split(jax.random.PRNGKey(0), 200))


def normal(std, *shape):
    return jax.random.normal(next(keys), shape) * std


def dense(inputs, outputs, std=None):
    return {"w": normal(inputs**-0.5 if std is None else std, inputs, outputs), "b": jnp.zeros(outputs)}


def apply(p, x):
    return x @ p["w"] + p["b"]


def cross_entropy(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def conv(x, w, stride=1, padding="SAME"):
    return lax.conv_general_dilated(x, w, (stride, stride), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


def kernel(size, inputs, outputs):
    return normal((2 / (size * size * inputs)) ** 0.5, size, size, inputs, outputs)


def xor():
    params = {"a": dense(2, 8), "b": dense(8, 1)}

    def loss(p, state, x, y):
        out = jax.nn.sigmoid(apply(p["b"], jnp.tanh(apply(p["a"], x))))
        return jnp.square(out - y).mean(), state

    return params, {}, loss, optax.sgd(0.5)


def mlp():
    params = [dense(784, 512), dense(512, 512), dense(512, 10)]

    def loss(p, state, x, y):
        x = jax.nn.relu(apply(p[1], jax.nn.relu(apply(p[0], x))))
        return cross_entropy(apply(p[2], x), y), state

    return params, {}, loss, optax.adam(1e-3)


def cnn():
    params = {"c1": kernel(3, 1, 32), "b1": jnp.zeros(32), "c2": kernel(3, 32, 64), "b2": jnp.zeros(64),
              "f1": dense(9216, 128), "f2": dense(128, 10)}

    def loss(p, state, x, y):
        x = jax.nn.relu(conv(x, p["c1"], padding="VALID") + p["b1"])
        x = jax.nn.relu(conv(x, p["c2"], padding="VALID") + p["b2"])
        x = x.reshape(len(x), 12, 2, 12, 2, 64).max((2, 4))  # Faster here than reduce_window.
        x = jax.nn.relu(apply(p["f1"], x.reshape(len(x), -1)))
        return cross_entropy(apply(p["f2"], x), y), state

    return params, {}, loss, optax.sgd(0.01, momentum=0.9)


def resnet18():
    def norm(channels):
        return ({"g": jnp.ones(channels), "b": jnp.zeros(channels)},
                {"mean": jnp.zeros(channels), "var": jnp.ones(channels)})

    params, state, strides, channels = {"blocks": []}, {"blocks": []}, [], 64
    params["stem"], params["fc"] = kernel(3, 3, 64), dense(512, 10)
    params["bn"], state["bn"] = norm(64)
    for width, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        p, s = {"c1": kernel(3, channels, width), "c2": kernel(3, width, width)}, {}
        names = ["n1", "n2"]
        if stride != 1 or channels != width:
            p["cs"] = kernel(1, channels, width)
            names.append("ns")
        for name in names:
            p[name], s[name] = norm(width)
        params["blocks"].append(p), state["blocks"].append(s), strides.append(stride)
        channels = width

    def batch_norm(p, s, x):
        mean = x.mean((0, 1, 2))
        var = jnp.square(x).mean((0, 1, 2)) - jnp.square(mean)
        new = {"mean": 0.9 * s["mean"] + 0.1 * mean, "var": 0.9 * s["var"] + 0.1 * var}
        scale = p["g"] * lax.rsqrt(var + 1e-5)
        return x * scale + (p["b"] - mean * scale), new

    def loss(p, s, x, y):
        x, new = batch_norm(p["bn"], s["bn"], conv(x, p["stem"]))
        x, after = jax.nn.relu(x), {"bn": new, "blocks": []}
        for q, t, stride in zip(p["blocks"], s["blocks"], strides):
            u = {}
            h, u["n1"] = batch_norm(q["n1"], t["n1"], conv(x, q["c1"], stride))
            h, u["n2"] = batch_norm(q["n2"], t["n2"], conv(jax.nn.relu(h), q["c2"]))
            if "cs" in q:
                x, u["ns"] = batch_norm(q["ns"], t["ns"], conv(x, q["cs"], stride))
            x = jax.nn.relu(h + x)
            after["blocks"].append(u)
        return cross_entropy(apply(p["fc"], x.mean((1, 2))), y), after

    rule = optax.chain(optax.add_decayed_weights(5e-4), optax.sgd(0.01, momentum=0.9))
    return params, state, loss, rule


def gpt(width=384, heads=6, depth=6):
    norm = lambda: {"g": jnp.ones(width), "b": jnp.zeros(width)}  # noqa: E731
    layer = lambda: {  # noqa: E731
        "n1": norm(), "qkv": dense(width, 3 * width, 0.02), "proj": dense(width, width, 0.02),
        "n2": norm(), "fc": dense(width, 4 * width, 0.02), "out": dense(4 * width, width, 0.02)}
    params = {"tokens": normal(0.02, 65, width), "places": normal(0.02, 256, width), "n": norm(),
              "layers": [layer() for _ in range(depth)]}

    def layer_norm(p, x):
        mean = x.mean(-1, keepdims=True)
        var = jnp.square(x - mean).mean(-1, keepdims=True)
        return (x - mean) * lax.rsqrt(var + 1e-5) * p["g"] + p["b"]

    def loss(p, state, text, y):
        n, t = text.shape
        x = p["tokens"][text] + p["places"]
        for q in p["layers"]:
            qkv = apply(q["qkv"], layer_norm(q["n1"], x)).reshape(n, t, 3, heads, -1)
            a = jax.nn.dot_product_attention(qkv[:, :, 0], qkv[:, :, 1], qkv[:, :, 2], is_causal=True)
            x = x + apply(q["proj"], a.reshape(n, t, width))
            x = x + apply(q["out"], jax.nn.gelu(apply(q["fc"], layer_norm(q["n2"], x)), approximate=False))
        return cross_entropy(layer_norm(p["n"], x) @ p["tokens"].T, y), state

    return params, {}, loss, optax.adamw(1e-3, b1=0.9, b2=0.95, weight_decay=0.1)


params, state, loss, rule = {"w1": xor, "w2": mlp, "w3": cnn, "w4": resnet18, "w5": gpt}[args.workload]()
x, y = harness.batch(args.workload)
if args.workload in ("w3", "w4"):
    x = x.transpose(0, 2, 3, 1)
x, y = jnp.asarray(x), jnp.asarray(y)


def train(params, slots, state, x, y):
    (value, state), grads = jax.value_and_grad(loss, has_aux=True)(params, state, x, y)
    updates, slots = rule.update(grads, slots, params)
    return optax.apply_updates(params, updates), slots, state, value


MANY = 1000


def train_many(params, slots, state, x, y):
    def body(carry, _):
        *carry, value = train(*carry, x, y)
        return tuple(carry), value

    carry, values = lax.scan(body, (params, slots, state), None, length=MANY)
    return *carry, values[-1]


scan = args.variant == "scan"
run = jax.jit(train_many if scan else train, donate_argnums=(0, 1, 2))
carry = [params, rule.init(params), state]


def step():
    *carry[:], value = run(*carry, x, y)
    return value


harness.report(f"jax {jax.__version__}", args, step, float, wait=lambda: jax.block_until_ready(carry),
               inner=100 if args.workload == "w1" and not scan else 1, per_call=MANY if scan else 1)
