"""Whole models: 20 consecutive steps of plain SGD, with the loss and every gradient of each step."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from store import Store, tensor

STEPS = 20
# Batch statistics of batch statistics blow rounding up from step to step: six steps stay within 1e-5.
STEPS_OF = {"resnet": 6}


def images(rng, steps, batch, channels, side):
    """Digits-like pictures: ten smooth class patterns plus noise, in 17 grey levels from 0 to 1."""
    coarse = rng.random((10, channels, side // 4 + 2, side // 4 + 2))
    pattern = np.repeat(np.repeat(coarse, 4, axis=2), 4, axis=3)[:, :, 2 : side + 2, 2 : side + 2]
    classes = rng.integers(0, 10, (steps, batch))
    noisy = pattern[classes] + 0.25 * rng.standard_normal((steps, batch, channels, side, side))
    return (np.clip(np.round(noisy * 16), 0, 16) / 16).astype(np.float32), classes


def mlp():
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10))


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 10))


def cnn_norm():
    # No bias straight before a batch norm: its gradient is zero but for rounding, so there is nothing to compare.
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.GELU(),
        nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=4), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(32, 16), nn.LayerNorm(16), nn.GELU(),
        nn.Linear(16, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))


class Block(nn.Module):
    """Two convolutions and a shortcut, under torchvision's names."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """Four stages of blocks behind a 3x3 stem."""

    def __init__(self, inputs, blocks, widths):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, widths[0], 3, 1, 1, bias=False), nn.BatchNorm2d(widths[0])
        channels = widths[0]
        for i in range(4):
            stage = []
            for k in range(blocks[i]):
                stage.append(Block(channels, widths[i], 2 if i > 0 and k == 0 else 1))
                channels = widths[i]
            setattr(self, f"layer{i + 1}", nn.Sequential(*stage))
        self.fc = nn.Linear(channels, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


def resnet():
    return ResNet(2, (1, 2, 1, 1), (3, 4, 4, 5))


def w2():
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))


def w3():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10))


# name: (builder, seed, batch, channels, side, flat input?, learning rate)
SMALL = {
    "mlp": (mlp, 1, 16, 1, 8, True, 0.1),
    "cnn": (cnn, 12, 16, 1, 8, False, 0.1),
    "cnn_norm": (cnn_norm, 22, 16, 2, 8, False, 0.05),
    "resnet": (resnet, 34, 16, 2, 16, False, 0.02),
}
FULL = {
    "w2": (w2, 4, 128, 1, 28, True, 0.1),
    "w3": (w3, 5, 64, 1, 28, False, 0.01),
}


def clearances(model, x):
    """For each picture, how far its closest decision is from going the other way, as a fraction of the layer's size.

    A decision is the sign that a ReLU looks at, or the choice of a maximum among positive values. A rounding error
    that turns one over changes the gradient by a jump, so that f32 results of two correct programs differ by far
    more than rounding. Twenty steps of w3 hold 70 million decisions: some are always that close, unless avoided.
    """
    nearest = torch.full((len(x),), torch.inf, dtype=x.dtype)
    with torch.no_grad():
        for m in model:
            if isinstance(m, nn.ReLU):
                gap = x.abs().flatten(1)
            elif isinstance(m, nn.MaxPool2d):
                windows = F.unfold(x.flatten(0, 1).unsqueeze(1), m.kernel_size, stride=m.stride)
                two = windows.topk(2, dim=1).values
                gap = torch.where(two[:, 0] > 0, two[:, 0] - two[:, 1], torch.inf).reshape(len(x), -1)
            else:
                x = m(x)
                continue
            nearest = torch.minimum(nearest, gap.amin(1) / x.square().mean().sqrt())
            x = m(x)
    return nearest


def choose(model, pictures, classes, batch):
    """The `batch` pictures of a pool with the most clearance, and the smallest clearance among them."""
    room, order = clearances(model, pictures).sort(descending=True)
    keep = order[:batch].sort().values
    return pictures[keep], classes[keep], room[batch - 1].item()


def steps_of(name):
    return STEPS_OF.get(name, STEPS)


def initial(name, spec):
    """The starting model in f64, with weights that f32 holds exactly, and a pool of pictures for every step."""
    build, seed, batch, channels, side, flat, _ = spec
    torch.manual_seed(seed)
    model = build()
    with torch.no_grad():
        for m in model.modules():
            if isinstance(m, (nn.Linear, nn.Conv2d)):  # He's scale: twenty plain steps then visibly learn.
                nn.init.kaiming_normal_(m.weight)
            # Ones and zeros would hide a mix-up of scale and shift.
            if isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)):
                m.weight.uniform_(0.5, 1.5)
                m.bias.normal_(0, 0.2)
    chosen = name not in ("cnn_norm", "resnet")  # Batch statistics tie the pictures together, so none can be judged alone.
    x, classes = images(np.random.default_rng(seed), steps_of(name), batch * (4 if chosen else 1), channels, side)
    x = torch.from_numpy(x.reshape(*x.shape[:2], -1) if flat else x)
    return model.double().train(), x.double(), torch.from_numpy(classes), chosen


def step(model, x, y, lr):
    """One forward, backward and plain gradient step. The gradients stay in `.grad`."""
    model.zero_grad()
    logits = model(x)
    loss = F.cross_entropy(logits, y)
    loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= lr * p.grad
    return logits, loss.item()


def batches(name, spec):
    """The twenty batches: chosen along the f64 run, so that the f32 run sees the same ones."""
    model, x, y, chosen = initial(name, spec)
    if not chosen:
        return x, y, None
    picked = []
    for i in range(STEPS):
        picked.append(choose(model, x[i], y[i], spec[2]))
        step(model, picked[-1][0], picked[-1][1], spec[6])
    xs, ys, room = zip(*picked)
    return torch.stack(xs), torch.stack(ys), min(room)


def run(name, spec, dtype_name):
    """One model's file. Weights, pictures and classes are the same numbers in both element types."""
    lr = spec[6]
    store = Store(dtype_name)
    x, y, room = batches(name, spec)
    model = initial(name, spec)[0].to(store.dtype)
    store.case(name, "model", steps=steps_of(name), batch=spec[2], lr=lr, loss="cross_entropy", clearance=room)
    store.put("x", x.float())
    store.put("y", y)
    for key, p in model.named_parameters():
        store.put(f"init/{key}", p)
    losses = []
    for i in range(steps_of(name)):
        logits, loss = step(model, x[i].to(store.dtype), y[i], lr)
        losses.append(loss)
        if i == 0:
            store.put("logits", logits)
        for key, p in model.named_parameters():
            store.put(f"grad/{i}/{key}", p.grad)
        for key, b in model.named_buffers():
            if b.is_floating_point():
                store.put(f"stat/{i}/{key}", b)
    store.put("loss", np.array(losses, dtype=np.float64))
    for key, p in model.named_parameters():
        store.put(f"final/{key}", p)
    model.eval()
    with torch.no_grad():
        store.put("logits_eval", model(x[0].to(store.dtype)))
    print(f"{name}_{dtype_name}: loss {losses[0]:.4f} -> {losses[-1]:.4f}, clearance {room}")
    return store
