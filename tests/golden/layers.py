"""Single layers: output, and gradients by the input and by every parameter, for a given gradient of the output."""

import numpy as np
import torch
import torch.nn as nn

from store import Store, floats, tensor


def record(store, rng, name, op, layer, x, train=True, **options):
    """Runs `layer` on `x`, sends a random gradient back and stores everything the reader needs to repeat it."""
    store.case(name, op, train=train, **options)
    with torch.no_grad():
        for key, p in layer.named_parameters():
            scale = 0.3 if p.dim() > 1 else 0.5
            shift = 1.0 if op in ("batch_norm", "layer_norm") and key == "weight" else 0.0
            p.copy_(torch.from_numpy(floats(rng, *p.shape, scale=scale, shift=shift)))
    layer = layer.to(store.dtype).train(train)
    for key, p in layer.named_parameters():
        store.put(f"{name}/{key}", p.detach().clone())
    for key, b in layer.named_buffers():
        if b.is_floating_point():
            store.put(f"{name}/{key}", b.clone())
    store.put(f"{name}/x", x)
    x = tensor(x, store.dtype).requires_grad_()
    y = layer(x)
    dy = tensor(floats(rng, *y.shape), store.dtype)
    y.backward(dy)
    store.put(f"{name}/y", y)
    store.put(f"{name}/dy", dy)
    store.put(f"{name}/dx", x.grad)
    for key, p in layer.named_parameters():
        store.put(f"{name}/d{key}", p.grad)
    for key, b in layer.named_buffers():
        if train and b.is_floating_point():
            store.put(f"{name}/{key}_after", b)


def linear(store, rng):
    for name, shape, out, bias in [("linear", (4, 6), 5, True), ("linear_no_bias", (4, 6), 5, False),
                                   ("linear_3d", (2, 3, 6), 4, True), ("linear_one", (1, 1), 1, True)]:
        record(store, rng, name, "linear", nn.Linear(shape[-1], out, bias=bias), floats(rng, *shape),
               in_features=shape[-1], out_features=out, bias=bias)


CONVS = [
    # name, [batch, in, height, width], out, kernel, stride, padding, dilation, groups, bias
    ("conv_plain", (2, 3, 7, 6), 4, (3, 3), (1, 1), (0, 0), (1, 1), 1, True),
    ("conv_no_bias", (2, 3, 6, 6), 4, (3, 3), (1, 1), (1, 1), (1, 1), 1, False),
    ("conv_1x1", (2, 4, 5, 5), 6, (1, 1), (1, 1), (0, 0), (1, 1), 1, True),
    ("conv_stride", (2, 3, 9, 8), 4, (3, 3), (2, 2), (1, 1), (1, 1), 1, True),
    ("conv_stride_cut", (1, 2, 8, 8), 3, (3, 3), (3, 3), (0, 0), (1, 1), 1, True),
    ("conv_1x1_stride", (2, 3, 7, 7), 5, (1, 1), (2, 2), (0, 0), (1, 1), 1, True),
    ("conv_dilated", (2, 2, 9, 9), 3, (3, 3), (1, 1), (2, 2), (2, 2), 1, True),
    ("conv_groups", (2, 4, 6, 6), 6, (3, 3), (1, 1), (1, 1), (1, 1), 2, True),
    ("conv_depthwise", (2, 4, 6, 7), 4, (3, 3), (1, 1), (1, 1), (1, 1), 4, True),
    ("conv_depthwise_double", (1, 3, 6, 6), 6, (3, 3), (2, 2), (1, 1), (1, 1), 3, False),
    ("conv_uneven", (2, 2, 8, 9), 3, (2, 5), (2, 1), (1, 2), (1, 1), 1, True),
    ("conv_all", (2, 4, 11, 10), 8, (3, 2), (2, 3), (2, 1), (2, 1), 4, True),
    ("conv_whole_image", (3, 2, 5, 5), 4, (5, 5), (1, 1), (0, 0), (1, 1), 1, True),
    ("conv_wide_padding", (1, 1, 3, 3), 2, (3, 3), (1, 1), (4, 4), (1, 1), 1, True),
    ("conv_one_row", (1, 1, 1, 12), 2, (1, 3), (1, 1), (0, 1), (1, 1), 1, True),
    ("conv_many_channels", (1, 17, 9, 19), 19, (3, 3), (1, 1), (1, 1), (1, 1), 1, True),
]


def conv(store, rng):
    for name, shape, out, kernel, stride, padding, dilation, groups, bias in CONVS:
        record(store, rng, name, "conv2d", nn.Conv2d(shape[1], out, kernel, stride, padding, dilation, groups, bias),
               floats(rng, *shape), in_channels=shape[1], out_channels=out, kernel=kernel, stride=stride,
               padding=padding, dilation=dilation, groups=groups, bias=bias)


def pool(store, rng):
    for name, side, kernel, stride, padding in [
            ("max_pool", (6, 8), 2, 2, 0), ("max_pool_cut", (7, 9), 2, 2, 0), ("max_pool_overlap", (7, 7), 3, 2, 1),
            ("max_pool_stride1", (5, 6), 3, 1, 1), ("max_pool_uneven", (7, 8), (2, 3), (1, 2), (1, 0))]:
        record(store, rng, name, "max_pool2d", nn.MaxPool2d(kernel, stride, padding),
               floats(rng, 2, 3, *side), kernel=kernel, stride=stride, padding=padding)
    # All equal: the reference sends the whole gradient to the first element of a window.
    record(store, rng, "max_pool_ties", "max_pool2d", nn.MaxPool2d(2), np.full((1, 2, 4, 4), 0.5, np.float32),
           kernel=2, stride=2, padding=0)
    # Below zero everywhere: padding must not win with its zeros.
    record(store, rng, "max_pool_negative", "max_pool2d", nn.MaxPool2d(3, 2, 1),
           -1 - np.abs(floats(rng, 1, 2, 5, 5)), kernel=3, stride=2, padding=1)
    for name, side, kernel, stride, padding, include in [
            ("avg_pool", (6, 8), 2, 2, 0, True), ("avg_pool_cut", (7, 9), 2, 2, 0, True),
            ("avg_pool_pad", (7, 7), 3, 2, 1, True), ("avg_pool_pad_exclude", (7, 7), 3, 2, 1, False),
            ("avg_pool_stride1", (5, 6), 3, 1, 1, False), ("avg_pool_uneven", (6, 7), (3, 2), (2, 1), (1, 1), False)]:
        record(store, rng, name, "avg_pool2d", nn.AvgPool2d(kernel, stride, padding, False, include),
               floats(rng, 2, 3, *side), kernel=kernel, stride=stride, padding=padding, count_include_pad=include)


def norm(store, rng):
    for name, shape, affine, momentum, eps in [
            ("batch_norm1d", (6, 4), True, 0.1, 1e-5), ("batch_norm1d_3d", (4, 3, 5), True, 0.1, 1e-5),
            ("batch_norm2d", (4, 3, 5, 4), True, 0.1, 1e-5), ("batch_norm2d_momentum", (3, 2, 4, 4), True, 0.3, 1e-2),
            ("batch_norm2d_plain", (4, 3, 3, 3), False, 0.1, 1e-5)]:
        for train in [True, False]:
            kind = nn.BatchNorm2d if len(shape) == 4 else nn.BatchNorm1d
            layer = kind(shape[1], eps=eps, momentum=momentum, affine=affine)
            layer.running_mean.copy_(torch.from_numpy(floats(rng, shape[1])))
            layer.running_var.copy_(torch.from_numpy((0.5 + rng.random(shape[1])).astype(np.float32)))
            record(store, rng, name + ("" if train else "_eval"), "batch_norm", layer, floats(rng, *shape, scale=2, shift=0.7),
                   train=train, features=shape[1], momentum=momentum, eps=eps, affine=affine)
    for name, shape, over, affine, eps in [
            ("layer_norm", (5, 8), [8], True, 1e-5), ("layer_norm_3d", (2, 3, 7), [7], True, 1e-5),
            ("layer_norm_two_axes", (3, 4, 5), [4, 5], True, 1e-5), ("layer_norm_plain", (4, 6), [6], False, 1e-3),
            ("layer_norm_offset", (4, 33), [33], True, 1e-5)]:
        shift = 30.0 if name == "layer_norm_offset" else 0.5  # A large mean shows a variance computed by subtraction.
        record(store, rng, name, "layer_norm", nn.LayerNorm(over, eps, elementwise_affine=affine),
               floats(rng, *shape, scale=1.5, shift=shift), shape=over, eps=eps, affine=affine)


def activation(store, rng):
    spread = np.concatenate([floats(rng, 30, scale=2), np.array([0, -0.0, 1e-4, -1e-4, 20, -20, 60, -60, 5, -5], np.float32)])
    for name, layer in [("relu", nn.ReLU()), ("gelu", nn.GELU()), ("sigmoid", nn.Sigmoid()),
                        ("tanh", nn.Tanh())]:
        record(store, rng, name, name, layer, spread.reshape(4, 10))
    record(store, rng, "softmax", "softmax", nn.Softmax(dim=-1), floats(rng, 4, 7, scale=2), axis=1)
    record(store, rng, "softmax_first_axis", "softmax", nn.Softmax(dim=0), floats(rng, 4, 7, scale=2), axis=0)
    record(store, rng, "softmax_middle_axis", "softmax", nn.Softmax(dim=1), floats(rng, 2, 5, 3, scale=2), axis=1)
    record(store, rng, "softmax_large", "softmax", nn.Softmax(dim=-1), floats(rng, 3, 6, scale=3, shift=1000), axis=1)
    record(store, rng, "log_softmax", "log_softmax", nn.LogSoftmax(dim=-1), floats(rng, 4, 7, scale=2), axis=1)
    record(store, rng, "log_softmax_large", "log_softmax", nn.LogSoftmax(dim=-1), floats(rng, 3, 6, scale=200), axis=1)


def run(dtype_name):
    store = Store(dtype_name)
    rng = np.random.default_rng(31)
    linear(store, rng)
    conv(store, rng)
    pool(store, rng)
    norm(store, rng)
    activation(store, rng)
    return store
