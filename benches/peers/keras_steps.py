#!/usr/bin/env python3
"""A training step in Keras 3, on TensorFlow: `train_on_batch`, or with `--variant function` a hand-written
`tf.function`, which has less overhead."""

import os

import harness

args = harness.arguments(["w2", "w3", "w4"], ["function"])
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras  # noqa: E402  After the settings above.
import tensorflow as tf  # noqa: E402
from keras import layers as L  # noqa: E402

tf.config.threading.set_intra_op_parallelism_threads(args.threads)
tf.config.threading.set_inter_op_parallelism_threads(1)
keras.utils.set_random_seed(0)


def resnet18():
    conv = lambda n, size, stride: L.Conv2D(n, size, stride, "same", use_bias=False)  # noqa: E731
    norm = lambda: L.BatchNormalization(momentum=0.9, epsilon=1e-5)  # noqa: E731
    start = keras.Input((32, 32, 3))
    x, channels = L.ReLU()(norm()(conv(64, 3, 1)(start))), 64
    for width, stride in ((64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        inner = norm()(conv(width, 3, 1)(L.ReLU()(norm()(conv(width, 3, stride)(x)))))
        shortcut = x if stride == 1 and channels == width else norm()(conv(width, 1, stride)(x))
        x, channels = L.ReLU()(L.Add()([inner, shortcut])), width
    return keras.Model(start, L.Dense(10)(L.GlobalAveragePooling2D()(x)))


x, y = harness.batch(args.workload)
if args.workload == "w2":
    model = keras.Sequential([keras.Input((784,)), L.Dense(512, "relu"), L.Dense(512, "relu"), L.Dense(10)])
    rule = keras.optimizers.Adam(1e-3)
else:
    x = x.transpose(0, 2, 3, 1).copy()  # TensorFlow's processor kernels take channels last.
    if args.workload == "w3":
        model = keras.Sequential([
            keras.Input((28, 28, 1)), L.Conv2D(32, 3, activation="relu"), L.Conv2D(64, 3, activation="relu"),
            L.MaxPooling2D(2), L.Flatten(), L.Dense(128, "relu"), L.Dense(10)])
        rule = keras.optimizers.SGD(0.01, momentum=0.9)
    else:
        model = resnet18()
        rule = keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=5e-4)
y = y.astype("int32")
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

if args.variant == "function":
    x, y = tf.constant(x), tf.constant(y)
    rule.build(model.trainable_variables)

    @tf.function(jit_compile=False)
    def train():
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        rule.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    def step():
        return float(train())
else:
    model.compile(rule, loss_of, jit_compile=False)  # XLA is slower here.

    def step():
        return float(model.train_on_batch(x, y))

harness.report(f"keras {keras.__version__} on tensorflow {tf.__version__}", args, step, float)
