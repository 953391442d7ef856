"""The training step in JAX, as a contestant of run.py: peers_jax.py FOLDER CONFIG."""

import functools
import json
import sys

import jax
import jax.numpy as jnp
import optax
from worker import CLASSES, initial, read_data, serve


def network(layers, x):
    for i, (weight, bias) in enumerate(layers):
        x = (jax.nn.relu(x) if i else x) @ weight.T + bias
    return x


def cross_entropy(logits, labels):
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


def objective(params, config, pixels, labels, key):
    """L_VPN + lambda L_base; the base passes once over clean and noisy images where both count."""
    base, generator = params
    x = pixels.astype(jnp.float32) / 255
    kappa = config["label_coefficient"] / (CLASSES - 1)
    lo, hi = config["std_range"]
    sigma = lo + (hi - lo) * jax.nn.sigmoid(network(generator, x + kappa * labels[:, None]))
    noisy = x + sigma * jax.random.normal(key, x.shape)
    if config["base_loss_weight"] == 0:
        return cross_entropy(network(base, noisy), labels)
    clean, dirty = jnp.split(network(base, jnp.concatenate([x, noisy])), 2)
    return cross_entropy(dirty, labels) + config["base_loss_weight"] * cross_entropy(clean, labels)


def main():
    folder, config = sys.argv[1], json.loads(sys.argv[2])
    images, labels = (jnp.asarray(a) for a in read_data(folder))
    adam = optax.adam(config["learning_rate"])
    params = jax.tree.map(jnp.asarray, initial(config))
    carry = params, adam.init(params), jax.random.key(config["seed"])

    @functools.partial(jax.jit, donate_argnums=0)
    def update(carry, images, labels, indices):
        params, state, key = carry
        key, draw = jax.random.split(key)
        loss, gradient = jax.value_and_grad(objective)(params, config, images[indices], labels[indices], draw)
        change, state = adam.update(gradient, state)
        return (optax.apply_updates(params, change), state, key), loss

    def step(indices):
        nonlocal carry
        carry, loss = update(carry, images, labels, indices)
        return loss.item()

    serve(f"jax {jax.__version__}", len(labels), config["batch_size"], step)


if __name__ == "__main__":
    main()
