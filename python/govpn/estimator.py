"""VPNClassifier: an image classifier trained together with a generator of positive-incentive noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import _labels, _lib, _params, _sklearn
from ._card import Card
from ._learning import Learning
from .errors import ArgumentError


class VPNClassifier(Card, Learning, _sklearn.ClassifierMixin, _sklearn.BaseEstimator):
    """Image classifier with variational positive-incentive noise (Zhang et al., arXiv 2306.07651).

    A base classifier f and a noise generator g are trained together: for an image x with label y, g gives a
    standard deviation sigma per pixel, and f learns from x + sigma * z, z ~ N(0, 1).

    Parameters that are None take the value of the preset, here in brackets: [preset None / "paper" /
    "official"], or one value where they agree. `config_` has the resolved ones after fit.

    Parameters
    ----------
    base : str
        "dnn3" (two hidden layers of 1024), "sr" (softmax regression), "resnet18", "resnet34", "resnet50" (a
        3x3 stem for images up to 64x64, else torchvision's; add "_3x3" or "_7x7" to choose), "vit" or
        "vit_tiny_patch4" and so on: tiny, small, base with patch 4, 8, 16. See
        govpn.build_info()["base_models"]
    generator : {"dnn3", "resnet18"}
        The network that gives sigma.
    mode : {"joint", "frozen", "plain", "gaussian"}
        "joint" trains both; "frozen" trains the generator for a base that `from_safetensors` brought, and
        leaves that bit-identical; "plain" trains the base alone (the baseline); "gaussian" the base with
        noise of fixed_std.
    epochs : int
        [20 / 40 / 200]
    batch_size : int
        [256] An epoch leaves out the images of a last partial batch (others every time: the order is drawn
        anew); evaluation and prediction see every image.
    accumulate : int
        [1] In how many equal parts, one after another, a step computes its batch (gradient accumulation):
        less memory, the same result. Batch norms take their statistics of each part. batch_size must be a
        multiple.
    remat : bool
        [False] Whether the gradient computes the values within the networks' blocks again (gradient
        checkpointing): less memory, more time, the same result. Blocks are those of ResNets and ViTs and the
        second layer of dnn3.
    learning_rate : float
        [0.001 / 0.001 / 0.1]
    optimizer : {"adam", "sgd"}
        ["adam" / "adam" / "sgd"]
    weight_decay : float
        [0 / 0 / 5e-4]
    schedule : {"constant", "cosine"}
        ["cosine" / "constant" / "cosine"]
    noise_samples : int
        [1] Noises per image and step, the paper's m.
    base_loss_weight : float
        [0] Weight lambda of the loss on clean images in L = L_VPN + lambda * L_base.
    label_coefficient : float
        [1 / 0.01 / 0.01] Weight kappa of the label in the generator's input, of label_fusion "bias" alone.
    label_encoding : {"scaled", "index"}
        ["scaled"] label / (K - 1), or the label itself; of label_fusion "bias" alone.
    std : {"abs", "bounded", "rms"}
        ["bounded" / "abs" / "abs"] How sigma comes of the generator's output: its absolute value, within
        std_range, or such that each image's sigma has the RMS std_rms.
    std_range : (float, float)
        [(0.01, 0.3)] In units of the pixel range 0 to 1.
    preset : {None, "default", "paper", "official", "augmented"}
        "default" is None; "official" the recipe of the authors' public code, "augmented" that with random
        crops and flips.
    device : {"auto", "go", "cpu", "cuda"}
        "auto" is the best that opens; fit says which, and why. See `govpn.devices`.
    devices : int or list of int
        How many devices of that kind train together, or their numbers, from 0: each takes a part of every
        batch, and the result is that of one, batch norms among it. batch_size (with accumulate, its parts)
        must be a multiple. All else computes on the first. `govpn.devices` tells how many there are; those of
        "cpu" share the cores, and are to try it out. It may change between fits, also with resume=True.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        None draws a fresh seed; the same int on the same device gives the same result.
    verbose : {0, 1, 2}
        0 shows nothing, 1 a progress bar, 2 a line per epoch.
    momentum : float
        [0.9] Of optimizer "sgd".
    std_rms, fixed_std : float
        [0.1] Of std "rms" and mode "gaussian", in units of the pixel range.
    normalize : dict
        [none] "mean" and "std", a value per channel each, and "where": "image" (inside f, after the noise:
        the default) or "input" (before generator and noise).
    clip_noisy : bool
        [False] Clip noisy pixels to 0 to 1.
    label_smoothing : float
        [0] From 0 to 1 (excluded), of the losses of training, not of val_loss, as
        torch.nn.functional.cross_entropy has it.
    entropy_weight : float
        [0] Weight beta of the noise's entropy: the loss gains -beta * mean(log(sigma + 1e-6)), the mean over
        images, pixels and channels (nats per value, up to a constant). Needs mode "joint" or "frozen";
        history_["loss"] contains it and may be negative, val_loss does not.
    noise_layer : int
        [0] Where the noise enters: 0 is the pixels, l > 0 the output of hidden layer l of the base: 1 or 2
        of dnn3 (1024 units), 1 to 4 of ResNets, 1 to 12 of ViTs. sigma then has that layer's shape and units,
        also those of std_range, std_rms and fixed_std; clip_noisy must be False.
    label_fusion : {"bias", "plane", "embedding", "film"}
        ["bias"] How the label enters the generator: as a number on every pixel (the paper's), a one-hot plane
        per class besides the channels, a learned image per class, added to x, or a learned scale and shift
        per class of the first features (Perez et al., 2018).
    noise_distribution : {"normal", "laplace", "uniform"}
        ["normal"] All have mean 0 and standard deviation sigma.
    noisy_batch_norm : {"shared", "separate"}
        ["shared"] The batch norms of ResNets see clean and noisy images as one batch, or noisy images have
        batch norms of their own, as in AdvProp; that needs base_loss_weight > 0.
    compute_dtype : {"float32", "bfloat16", "float64"}
        ["float32"] Of products; with "bfloat16", weights, noise, statistics and losses stay float32, and on
        device "go" all does.
    patience : int
        [0] Epochs without a better val_accuracy before training stops; 0 never stops early.
    restore_best : bool
        [True] With validation data, predict with the weights of the best epoch; of mode "frozen", whose
        val_accuracy never changes, of the last one.
    augment : list of `govpn.augment`
        [none] What training does to the images before they get noise, anew at every step and on the device;
        [] for none where the preset has some.
    class_weight : dict, "balanced" or None
        By which the images of a class count in the losses of training: N / (K n_k) for class k of n_k images,
        or {label: weight}, 1 for labels that it lacks.
    warm_start : bool
        Whether fit starts from the weights of the last fit; the optimiser, the epochs and the history start
        anew. resume=True of fit goes on instead.
    image_shape : (int, int, int), (int, int) or None
        What features (N, F) are as images (H, W, C), in C order. None: a square of one channel or of three
        where F allows, else a row (1, F, 1); fit says which, unless verbose=0.
    pixel_range : (float, float) or None
        What 0 and 1 are for numbers that are not uint8 images; what lies outside is clipped. None: (0, 1) for
        images, whose floats must lie within; of features the range of the training data, (0, 1) where that
        lies within, (0, 255) of uint8.
    channels : {"last", "first", None}
        "last" for images (N, H, W, C), "first" for (N, C, H, W). None: what has the model's shape; before fit
        last, of torch tensors what gives 1 or 3 channels. What is not certain is an error.

    Attributes
    ----------
    classes_ : ndarray (K,)
        The distinct labels, sorted; of imported weights, in the order of the outputs.
    n_features_in_ : int
        F = H * W * C.
    feature_names_in_ : ndarray (F,)
        The columns of a data frame; only there.
    image_shape_ : (int, int, int)
        H, W, C.
    pixel_range_ : (float, float) or None
        What numbers are scaled from; None for images from 0 to 1.
    history_ : dict of lists
        An entry per epoch of epoch, loss, accuracy, val_loss, val_accuracy, std_mean, std_min, std_max,
        seconds, images_per_second (NaN where there is none), data_wait (the fraction of the seconds spent
        waiting for images) and learning_rate (of the last step).
    n_epochs_ : int
        How many that are.
    device_ : str
        Where it runs.
    config_ : dict
        The resolved configuration.
    warnings_ : list of str
        What the library found wrong.
    data_info_ : dict
        Of the training data: images, dtype, bytes_copied and why, bytes_borrowed (read where the caller has
        them), and more.

    Notes
    -----
    Images (X) are (N, H, W, C) or (N, H, W): uint8 means 0 to 255, floats mean 0 to 1 (others than float32
    are converted to it). X is a numpy array, a torch tensor, whatever has `__dlpack__`, Arrow (tensors, lists
    of one shape, tables and streams with a column image and perhaps label, by the PyCapsule interface), a
    list of PIL images, of arrays or of image files, or the path of a folder of class folders; docs/data.md
    says what is copied. `govpn.empty` makes arrays that are not even copied to the device. A
    `govpn.datasets.Stream` is decoded while it is used, and never in memory as a whole. X may also be
    features (N, F), as scikit-learn's: an array, a data frame or rows of numbers.

    Labels (y) are whole numbers, booleans or text, for `fit` also probabilities (N, K); None takes the label
    column of a table, or the labels of a stream.

    Results are numpy arrays of the caller's own, which torch.from_dlpack and `govpn.to_arrow` share.

    Examples
    --------
    >>> import numpy as np
    >>> y = np.arange(64) % 2
    >>> X = np.uint8(200 * y[:, None, None] + np.arange(16).reshape(4, 4))  # (64, 4, 4): dark or bright
    >>> clf = VPNClassifier("sr", device="go", epochs=10, batch_size=16, random_state=0, verbose=0)
    >>> clf.set_params(learning_rate=0.05).fit(X, y).predict(X[:4])
    array([0, 1, 0, 1])
    >>> clf.noise_std(X[:4], y[:4]).shape
    (4, 4, 4, 1)
    """

    def __init__(
        self,
        base: str = "dnn3",
        generator: str = "dnn3",
        *,
        mode: str = "joint",
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        optimizer: str | None = None,
        weight_decay: float | None = None,
        schedule: str | None = None,
        noise_samples: int | None = None,
        base_loss_weight: float | None = None,
        label_coefficient: float | None = None,
        label_encoding: str | None = None,
        std: str | None = None,
        std_range: tuple[float, float] | None = None,
        preset: str | None = None,
        device: str = "auto",
        random_state: int | np.random.Generator | np.random.RandomState | None = None,
        verbose: int = 1,
        momentum: float | None = None,
        std_rms: float | None = None,
        fixed_std: float | None = None,
        normalize: Mapping[str, Any] | None = None,
        clip_noisy: bool | None = None,
        label_smoothing: float | None = None,
        entropy_weight: float | None = None,
        noise_layer: int | None = None,
        label_fusion: str | None = None,
        noise_distribution: str | None = None,
        noisy_batch_norm: str | None = None,
        compute_dtype: str | None = None,
        patience: int | None = None,
        restore_best: bool | None = None,
        augment: Any = None,
        channels: str | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        warm_start: bool = False,
        image_shape: Sequence[int] | None = None,
        pixel_range: tuple[float, float] | None = None,
        accumulate: int | None = None,
        remat: bool | None = None,
        devices: int | Sequence[int] = 1,
    ) -> None:
        self.base = base
        self.generator = generator
        self.mode = mode
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.noise_samples = noise_samples
        self.base_loss_weight = base_loss_weight
        self.label_coefficient = label_coefficient
        self.label_encoding = label_encoding
        self.std = std
        self.std_range = std_range
        self.preset = preset
        self.device = device
        self.random_state = random_state
        self.verbose = verbose
        self.momentum = momentum
        self.std_rms = std_rms
        self.fixed_std = fixed_std
        self.normalize = normalize
        self.clip_noisy = clip_noisy
        self.label_smoothing = label_smoothing
        self.entropy_weight = entropy_weight
        self.noise_layer = noise_layer
        self.label_fusion = label_fusion
        self.noise_distribution = noise_distribution
        self.noisy_batch_norm = noisy_batch_norm
        self.compute_dtype = compute_dtype
        self.patience = patience
        self.restore_best = restore_best
        self.augment = augment
        self.channels = channels
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.image_shape = image_shape
        self.pixel_range = pixel_range
        self.accumulate = accumulate
        self.remat = remat
        self.devices = devices

    def fit(
        self,
        X: Any,
        y: Any = None,
        validation_data: Any = None,
        resume: bool = False,
        augment: Any = None,
        *,
        sample_weight: Any = None,
        callbacks: Any = (),
    ) -> VPNClassifier:
        """Trains, from new weights or from those that `import_safetensors` brought; returns the estimator.

        y may be soft labels, floats (N, K): probabilities of 2 or more classes, 0 or more, each row of sum 1
        (within 0.001; it is divided by its sum). Their cross-entropy is the loss, and label_smoothing smooths
        them; the generator gets the mean label, sum_k y_k k; accuracy counts the largest as the label. The
        columns are classes_: 0 to K - 1, or the class_names that y carries (`govpn.datasets.Labels`); those
        of the model with resume or imported weights. sample_weight (N,) is how much each image counts in the
        losses of training, 0 or more, in units of their mean. callbacks, of `govpn.callbacks` or functions
        of one argument, are called after every epoch. validation_data is (X, y), a table with a label column,
        or a stream; of soft labels it takes the largest. augment, a list of
        `govpn.augment`, takes the place of the classifier's own from this fit on. resume=True goes on with a
        trained or loaded model (its weights, optimiser, epoch count and random state) until `epochs` in all.
        Ctrl-C stops within a step (during a compilation, Python returns within a second) and leaves the model
        with what it has learned so far.

        >>> clf.fit(X, y, validation_data=(X[:20], y[:20])).history_["val_accuracy"][-1]
        1.0
        >>> clf.set_params(epochs=12).fit(X, y, resume=True).n_epochs_  # two more
        12
        """
        start = self._warm_model if self.warm_start and not resume and self.__sklearn_is_fitted__() else None
        options = {
            "epochs": _params.configuration(self.get_params()).get("epochs", 0),
            "resume": bool(resume),
        }
        self._learn(
            X,
            y,
            start,
            options,
            sample_weight=sample_weight,
            validation_data=validation_data,
            augment=augment,
            callbacks=callbacks,
        )
        return self

    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None
    ) -> VPNClassifier:
        """Trains one epoch more on these images; returns the estimator. The first call makes the model; it
        wants all labels that will ever come as classes, or takes those of y. The learning rate stays the
        same, whatever `schedule` says. Sets of the same size compile once.

        >>> clf.partial_fit(X, y).n_epochs_  # ten of fit, and one
        11
        """
        options = {"epochs": 1, "resume": self.__sklearn_is_fitted__(), "schedule": "constant"}
        if options["resume"]:
            options["epochs"] += self.n_epochs_
        if classes is not None:
            classes = np.sort(_labels.given_classes(classes))
            if options["resume"] and not np.array_equal(classes, np.sort(self.classes_)):
                raise ArgumentError(f"classes is {classes.tolist()}, want {self.classes_.tolist()} as before")
            classes = self.classes_ if options["resume"] else classes
        self._learn(X, y, None, options, classes=classes, sample_weight=sample_weight)
        return self

    def estimate_memory(
        self, image_shape: tuple[int, int, int], n_classes: int, n_images: int = 0
    ) -> dict[str, Any]:
        """About how many bytes fit (with validation data), predict and predict(noise="classwise") take at
        their peak, before anything is made: {"parameters", and for "training", "inference" and "classwise"
        each {"host_bytes", "device_bytes"}}. Weights, optimiser and n_images uint8 images in memory are
        included; device_bytes is 0 where the device computes in the host's memory ("go", "cpu").

        >>> clf.estimate_memory((28, 28, 1), 10)["parameters"]
        2664890
        """
        sizes = {"image_shape": list(image_shape), "classes": n_classes, "images": n_images}
        config = _params.configuration(self.get_params())
        return _lib.call_json(
            "govpn_estimate_memory", _lib.encode({"device": self.device, **sizes, **config})
        )
