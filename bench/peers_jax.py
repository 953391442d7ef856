"""JAX with jit as a contestant of run.py, without any library of layers: peers_jax.py JOB.

Variants of training: "" (one pass of the base) and "two passes" (over clean and over noisy images).
Variants of classwise inference: "loop" (jax.lax.map over the classes), or the number of passes,
images x classes, in one batch over all classes.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.nn import relu
from worker import HIDDEN, clock, data, divisor, inference, job, serve, training

LAYOUT = ("NHWC", "HWIO", "NHWC")


class Store:
    """Parameters and batch-norm averages by name. If rng is given, the first pass makes them."""

    def __init__(self, parameters, averages, training=False, half=False, rng=None):
        self.parameters, self.averages, self.rng = parameters, averages, rng
        self.training, self.dtype, self.moved = training, jnp.bfloat16 if half else jnp.float32, {}

    def get(self, name, shape, std=0.0, uniform=0.0, fill=None, kind="parameters"):
        values = getattr(self, kind)
        if self.rng is not None and name not in values:
            draw = self.rng.uniform(-uniform, uniform, shape) if uniform else self.rng.normal(0, std, shape)
            values[name] = (draw if fill is None else np.full(shape, fill)).astype(np.float32)
        return values[name]


def linear(s, name, x, out, std=0.0):
    """Applies a linear layer. It starts as U(±1/√in) like PyTorch's, or as N(0, std²) without bias."""
    n = x.shape[-1]
    bound = 0.0 if std else n**-0.5
    weight = s.get(f"{name}.weight", (n, out), std, bound)
    bias = s.get(f"{name}.bias", (out,), 0.0, bound, 0.0 if std else None)
    return x @ weight.astype(x.dtype) + bias.astype(x.dtype)


def conv(s, name, x, out, k, stride=1):
    kernel = s.get(name, (k, k, x.shape[-1], out), std=(2 / (k * k * out)) ** 0.5)
    pad = [(k // 2, k // 2)] * 2
    return jax.lax.conv_general_dilated(
        x, kernel.astype(x.dtype), (stride, stride), pad, dimension_numbers=LAYOUT
    )


def batch_norm(s, name, x):
    shape, y = x.shape[-1:], x.astype(jnp.float32)
    weight, bias = s.get(f"{name}.weight", shape, fill=1.0), s.get(f"{name}.bias", shape, fill=0.0)
    mean = s.get(f"{name}.mean", shape, fill=0.0, kind="averages")
    var = s.get(f"{name}.var", shape, fill=1.0, kind="averages")
    if s.training:
        n, old = y.size // shape[0], (mean, var)
        mean, var = y.mean((0, 1, 2)), y.var((0, 1, 2))
        s.moved[f"{name}.mean"] = 0.9 * old[0] + 0.1 * mean
        s.moved[f"{name}.var"] = 0.9 * old[1] + 0.1 * var * n / (n - 1)
    return ((y - mean) * (weight * jax.lax.rsqrt(var + 1e-5)) + bias).astype(x.dtype)


def mlp(s, name, x, sizes, std=0.0):
    x = x.reshape(len(x), -1)
    for i, size in enumerate(sizes):
        x = linear(s, f"{name}.{i}", relu(x).astype(s.dtype) if i else x, size, std)
    return x


def stages(s, name, x, widths):
    """Applies torchvision's BasicBlocks, two of each width. Every later stage begins with stride 2."""
    for i, width in enumerate(widths):
        for j in range(2):
            n, stride = f"{name}.{i}.{j}", 2 if i and not j else 1
            y = relu(batch_norm(s, f"{n}.bn1", conv(s, f"{n}.conv1", x, width, 3, stride)))
            y = batch_norm(s, f"{n}.bn2", conv(s, f"{n}.conv2", y, width, 3))
            if stride > 1 or x.shape[-1] != width:
                x = batch_norm(s, f"{n}.bn", conv(s, f"{n}.conv", x, width, 1, stride))
            x = relu(x + y)
    return x


def resnet18(s, name, x, classes):
    x = relu(batch_norm(s, f"{name}.bn", conv(s, f"{name}.conv", x, 64, 3)))
    return linear(s, f"{name}.fc", stages(s, name, x, (64, 128, 256, 512)).mean((1, 2)), classes)


def aligned(size, n):
    """Returns bilinear interpolation with aligned corners as a matrix (size, n)."""
    at = np.arange(size) * (n - 1) / max(size - 1, 1)
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(n))).astype(np.float32)


def conv_generator(s, name, u):
    x = conv(s, f"{name}.conv", u, 64, 7, 2).astype(s.dtype)  # in float32: bfloat16 would merge the labels
    x = relu(batch_norm(s, f"{name}.bn", x))
    side = [(0, 0), (1, 1), (1, 1), (0, 0)]
    x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), side)
    x = stages(s, name, x, (64, 128, 256, 64))
    rows, columns = (aligned(u.shape[i], x.shape[i]).astype(x.dtype) for i in (1, 2))
    return conv(s, f"{name}.head", jnp.einsum("hi,wj,nijc->nhwc", rows, columns, x), u.shape[-1], 3)


def layer_norm(s, name, x):
    weight, bias = (
        s.get(f"{name}.weight", x.shape[-1:], fill=1.0),
        s.get(f"{name}.bias", x.shape[-1:], fill=0.0),
    )
    return (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-6) * weight + bias


def vit(s, name, x, classes, patch=4, width=192, depth=12, heads=3):
    """Applies timm's VisionTransformer, tiny."""
    n, h, w, c = x.shape
    x = x.reshape(n, h // patch, patch, w // patch, patch, c).swapaxes(2, 3).reshape(n, -1, patch * patch * c)
    x = linear(s, f"{name}.patch", x, width)
    token = s.get(f"{name}.token", (1, 1, width), 1e-6)
    x = jnp.concatenate([jnp.broadcast_to(token, (n, 1, width)), x], 1)
    x = x + s.get(f"{name}.positions", (1, *x.shape[1:]), 0.02)
    for i in range(depth):
        b = f"{name}.{i}"
        qkv = linear(s, f"{b}.qkv", layer_norm(s, f"{b}.norm1", x), 3 * width, 0.02)
        q, k, v = jnp.moveaxis(qkv.reshape(n, -1, 3, heads, width // heads), 2, 0)
        y = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
        x = x + linear(s, f"{b}.proj", y, width, 0.02)
        y = linear(s, f"{b}.fc1", layer_norm(s, f"{b}.norm2", x), 4 * width, 0.02)
        x = x + linear(s, f"{b}.fc2", jax.nn.gelu(y, approximate=False), width, 0.02)
    return linear(s, f"{name}.head", layer_norm(s, f"{name}.norm", x[:, 0]), classes, 0.02)


class VPN:
    """The method. parameters and averages hold base and generator. The first pass makes them."""

    def __init__(self, job):
        self.job, self.half = job, job["dtype"] == "bfloat16"
        s = self.store({}, {}, rng=np.random.default_rng(0))
        x, y = jnp.zeros((1, *job["shape"])), jnp.zeros(1, jnp.int32)
        jax.eval_shape(functools.partial(self.logits, s), x)
        if job["generator"]:
            jax.eval_shape(functools.partial(self.noisy, s), x, y, x)
        self.parameters, self.averages = jax.device_put((s.parameters, s.averages))

    def store(self, parameters, averages, training=False, rng=None):
        return Store(parameters, averages, training, self.half, rng)

    def logits(self, s, x):
        kind, k, x = self.job["base"], self.job["classes"], x.astype(s.dtype)
        if kind in ("sr", "dnn3"):
            return mlp(s, "base", x, (k,) if kind == "sr" else (HIDDEN, HIDDEN, k)).astype(jnp.float32)
        return (resnet18 if kind == "resnet18" else vit)(s, "base", x, k).astype(jnp.float32)

    def noisy(self, s, x, labels, z):
        lo, hi = self.job["std_range"]
        u = (
            x
            + (self.job["label_coefficient"] / max(self.job["classes"] - 1, 1) * labels)[:, None, None, None]
        )
        if self.job["generator"] == "dnn3":
            output = mlp(s, "generator", u, (HIDDEN, HIDDEN, u[0].size), 0.002)
        else:
            output = conv_generator(s, "generator", u)
        return x + (lo + (hi - lo) * jax.nn.sigmoid(output.astype(jnp.float32).reshape(x.shape))) * z

    def loss(self, trained, others, averages, pixels, labels, key):
        """Returns the loss and the new averages."""
        parameters, frozen = trained | others, self.job["task"] == "frozen"
        base, generator = (self.store(parameters, averages, t) for t in (not frozen, True))
        x = pixels.astype(jnp.float32) / 255
        noisy = self.noisy(generator, x, labels, jax.random.normal(key, x.shape))
        entropy = optax.softmax_cross_entropy_with_integer_labels
        if frozen:  # the loss on clean images is constant
            return entropy(self.logits(base, noisy), labels).mean(), averages | generator.moved
        if self.job["variant"] == "two passes":
            clean, dirty = self.logits(base, x), self.logits(base, noisy)
        else:
            clean, dirty = jnp.split(self.logits(base, jnp.concatenate([x, noisy])), 2)
        loss = entropy(dirty, labels).mean() + self.job["base_loss_weight"] * entropy(clean, labels).mean()
        return loss, averages | base.moved | generator.moved

    def none(self, parameters, averages, pixels):
        return self.logits(self.store(parameters, averages), pixels.astype(jnp.float32) / 255).argmax(1)

    def own(self, parameters, averages, pixels, labels, key):
        """Returns the probability (N, C) of labels (C) for each image under noise drawn for them."""
        s, n, c = self.store(parameters, averages), len(pixels), len(labels)
        x, y = jnp.repeat(pixels.astype(jnp.float32) / 255, c, 0), jnp.tile(labels, n)
        noisy = self.noisy(s, x, y, jax.random.normal(key, x.shape))
        return jnp.take_along_axis(jax.nn.softmax(self.logits(s, noisy)), y[:, None], 1).reshape(n, c)

    def classwise(self, parameters, averages, pixels, key):
        classes = jnp.arange(self.job["classes"])
        if self.job["variant"] != "loop":
            return self.own(parameters, averages, pixels, classes, key).argmax(1)

        def one(k):
            return self.own(parameters, averages, pixels, k[None], jax.random.fold_in(key, k))[:, 0]

        return jax.lax.map(one, classes).argmax(0)


def stepper(job, images, labels):
    start = clock()
    model = VPN(job)
    images, labels = jax.device_put((images, labels))
    frozen = {n: v for n, v in model.parameters.items() if job["task"] == "frozen" and n.startswith("base.")}
    adam = optax.adam(job["learning_rate"])
    trained = {n: v for n, v in model.parameters.items() if n not in frozen}
    carry = trained, adam.init(trained), model.averages, jax.random.key(0)

    @functools.partial(jax.jit, donate_argnums=0)
    def update(carry, others, images, labels, indices):
        trained, state, averages, key = carry
        key, draw = jax.random.split(key)
        gradient = jax.value_and_grad(model.loss, has_aux=True)
        (loss, averages), g = gradient(trained, others, averages, images[indices], labels[indices], draw)
        change, state = adam.update(g, state)
        return (optax.apply_updates(trained, change), state, averages, key), loss

    def step(indices):
        nonlocal carry
        carry, loss = update(carry, frozen, images, labels, indices)
        return loss.item()

    return model, training(job, clock() - start, step)


def predictor(job, images):
    model = VPN(job)
    images, key = jax.device_put(images), jax.random.key(0)
    none, classwise = jax.jit(model.none), jax.jit(model.classwise)

    def predict(i, j):
        if job["task"] == "none":
            return none(model.parameters, model.averages, images[i:j])
        return classwise(model.parameters, model.averages, images[i:j], jax.random.fold_in(key, i))

    passes = job["variant"] if job["variant"] not in ("", "loop") else None
    chunk = divisor(len(images), int(passes) // job["classes"]) if passes else job["batch"]
    return model, inference(job, chunk, predict)


def main():
    j = job()
    device = jax.devices(j["device"])[0]  # opens it
    images, labels = data(j)
    model, round_ = stepper(j, images, labels) if j["trains"] else predictor(j, images)
    parameters = sum(p.size for p in model.parameters.values())

    def device_peak():
        stats = device.memory_stats() or {} if j["device"] == "cuda" else {}
        return stats["peak_bytes_in_use"] / 2**20 if stats else None

    serve(f"jax {jax.__version__}", parameters, round_, device_peak)


if __name__ == "__main__":
    main()
