"""VPNClassifier: an image classifier, trained together with a generator of positive-incentive noise."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike

from . import _benefit, _card, _lib, _params, _released, _sklearn, _training
from ._fitted import FittedModel, draw_options
from ._inputs import labels as _labels
from ._inputs import sample_weights
from ._inputs.features import Layout
from ._inputs.sample_weights import ClassWeight
from ._model import Model
from ._printable import printable
from ._reading import reading, shown
from ._transform import NoiseTransform
from ._types import (
    AnyArray,
    CallbacksLike,
    Config,
    Floats,
    Foreign,
    History,
    ImagesLike,
    JsonObject,
    LabelsLike,
    Path,
    RandomState,
    Real,
    Shape,
    TrainingInfo,
)
from ._warn import warn
from .callbacks import as_callbacks
from .errors import ArgumentError, NotFittedError

Self = TypeVar("Self", bound="VPNClassifier")


class VPNClassifier(_sklearn.ClassifierMixin, _sklearn.BaseEstimator):
    """Image classifier with variational positive-incentive noise (Zhang et al., arXiv 2306.07651).

    A base classifier f and a noise generator g are trained together. For an image x with label y, g
    gives a standard deviation sigma for every pixel. f learns from x + sigma * z with z ~ N(0, 1).

    A parameter that is None takes its value from the preset. In the list below, "Preset: a / b / c"
    gives this value for the presets None, "paper" and "official". One value stands for all three.
    After fit, `config_` has the values that were used. The first parameters are those that most
    people need.

    Parameters
    ----------
    base : str
        The network f that classifies. "dnn3" has two hidden layers of 1024 units. "sr" is softmax
        regression. "resnet18", "resnet34" and "resnet50" have a 3x3 stem for images up to 64x64 and
        torchvision's stem for larger ones; "resnet18_3x3" and "resnet18_7x7" choose the stem. "vit"
        and names such as "vit_tiny_patch4" are vision transformers: tiny, small or base, with
        patches of 4, 8 or 16 pixels. govpn.build_info()["base_models"] lists all names.
    generator : {"dnn3", "resnet18"}
        The network g that gives sigma.
    mode : {"joint", "frozen", "plain", "gaussian"}
        What is trained. "joint" trains base and generator. "frozen" trains the generator for a base
        that `from_safetensors` brought; the base stays bit-identical. "plain" trains the base
        without noise, as a baseline. "gaussian" trains the base with Gaussian noise of standard
        deviation fixed_std.
    epochs : int
        How many times training passes over the images. Preset: 20 / 40, but 100 for ResNets and
        ViTs / 200.
    batch_size : int
        How many images one step uses. Preset: 256. The last batch of an epoch may be smaller. It is
        cut to a multiple of `accumulate`, `devices` and the workers of `govpn.ray.fit`, taken
        together. It is left out where a batch norm would see one value per channel.
    drop_last : bool
        Whether an epoch leaves out the images that fill no whole batch, as drop_last of
        torch.utils.data.DataLoader does and as govpn 0.1.0 did. These are other images in every
        epoch, because the order is drawn anew. A data set smaller than batch_size is one batch
        nevertheless. Preset: False.
    accumulate : int
        In how many equal parts, one after another, a step computes its batch (gradient
        accumulation). More parts need less memory and give the same result, except that batch norms
        take their statistics from each part. batch_size must be a multiple. Preset: 1.
    remat : bool
        Whether the gradient recomputes the values inside the blocks of the networks (gradient
        checkpointing). This needs less memory and more time and gives the same result. Blocks are
        those of ResNets and ViTs and the second layer of dnn3. Preset: False.
    learning_rate : float
        Preset: 0.001 / 0.001 / 0.1.
    optimizer : {"adam", "sgd"}
        Preset: "adam" / "adam" / "sgd".
    weight_decay : float
        Preset: 0 / 0 / 5e-4.
    schedule : {"constant", "cosine"}
        How the learning rate changes over the epochs. Preset: "cosine" / "constant" / "cosine".
    noise_samples : int
        How many noises are drawn per image and step, the paper's m. Preset: 1.
    base_loss_weight : float
        The weight lambda of the loss on clean images in L = L_VPN + lambda * L_base. Preset: 0.
    label_coefficient : float
        The weight kappa of the label in the generator's input. Only label_fusion "bias" uses it.
        Preset: 1 / 0.01 / 0.01.
    label_encoding : {"scaled", "index"}
        Which number stands for the label: "scaled" is label / (K - 1), "index" the label itself.
        Only label_fusion "bias" uses it. Preset: "scaled".
    std : {"abs", "bounded", "rms"}
        How the generator's output becomes sigma. "abs" takes its absolute value. "bounded" maps it
        into std_range. "rms" scales it so that each image's sigma has the root mean square std_rms
        in each channel, from the start of training. Preset: "bounded" / "abs" / "abs".
    std_range : (float, float)
        The bounds of sigma in units of the pixel range 0 to 1. Preset: (0.01, 0.3).
    preset : {None, "default", "paper", "official", "augmented"}
        Where parameters that are None take their values from. "default" is the same as None.
        "paper" is the paper's recipe, with Adam, which is our choice: the paper names no optimiser.
        "official" is the recipe of the authors' public code. "augmented" is "official" with random
        crops and flips.
    device : {"auto", "go", "cpu", "cuda"}
        Where the model computes. "auto" takes the best device that opens; fit prints which one, and
        why. See `govpn.devices`.
    devices : int or list of int
        How many devices of that kind train together, or their numbers, counted from 0. Each takes a
        part of every batch, and the result is that of one device, batch norms included. batch_size,
        or its parts with accumulate, must be a multiple. Everything but training uses the first
        device. `govpn.devices` tells how many there are. Those of "cpu" share the cores and only
        serve to try this out. The parameter may change between fits, also with resume=True.
    random_state : int, numpy.random.Generator, numpy.random.RandomState or None
        The seed. None draws a fresh one. The same int on the same device gives the same result.
    verbose : {0, 1, 2}
        What fit prints: 0 nothing, 1 a progress bar, 2 a line per epoch.
    momentum : float
        The momentum of optimizer "sgd". Preset: 0.9.
    std_rms, fixed_std : float
        sigma's root mean square with std "rms", and the standard deviation with mode "gaussian".
        Both are in units of the pixel range. The 0.1 of the authors' later code, where "rms" comes
        from, is in units of pixels normalised for CLIP: std_rms=0.027 here. That code has a learned
        mean of the same size beside it, which govpn does not have. Preset: 0.1.
    std_epsilon : float
        The number in the root of std "rms", so that a generator that puts out 0 gives sigma 0. It
        should be far below the square of any other output. govpn 0.1.0 had 1e-6, with which sigma
        could start at a tenth of std_rms. Preset: 1e-16.
    initial_values : {"torchvision", "torch"}
        How the convolutions of ResNets start, in base and generator. "torchvision" draws from
        N(0, 2 / fan_out). "torch" is PyTorch's default, as in the authors' public code: uniform
        with standard deviation 1 / sqrt(3 fan_in). Preset: "torchvision" / "torchvision" / "torch".
    normalize : dict
        How pixels are normalised. "mean" and "std" have a value per channel each. "where" is
        "image", the default, to normalise inside f and after the noise, or "input", to normalise
        before generator and noise. Preset: none.
    clip_noisy : bool
        Whether noisy pixels are clipped to 0 to 1. Preset: False.
    label_smoothing : float
        At least 0 and below 1. It applies to the training losses, as in
        torch.nn.functional.cross_entropy, and not to val_loss. Preset: 0.
    entropy_weight : float
        The weight beta of the noise's entropy. The loss gains -beta * mean(log(sigma + 1e-6)), the
        mean over images, pixels and channels, in nats per value up to a constant. It needs mode
        "joint" or "frozen". history_["loss"] contains this term and may be negative; val_loss does
        not contain it. Preset: 0.
    noise_layer : int
        Experimental. Where the noise enters: 0 is the pixels, l > 0 the output of hidden layer l of
        the base. That is 1 or 2 for dnn3 (1024 units), 1 to 4 for ResNets, 1 to 12 for ViTs. sigma
        then has the shape and the units of that layer, and so have std_range, std_rms and
        fixed_std. clip_noisy must be False. Preset: 0.
    label_fusion : {"bias", "plane", "embedding", "film"}
        How the label enters the generator. "bias", the paper's way, adds a number to every pixel.
        The others are experimental: "plane" appends a one-hot plane per class to the channels,
        "embedding" adds a learned image per class to x, "film" scales and shifts the first features
        by learned numbers per class (Perez et al., 2018). Preset: "bias".
    noise_distribution : {"normal", "laplace", "uniform"}
        The distribution of the noise, with mean 0 and standard deviation sigma. "laplace" and
        "uniform" are experimental. Preset: "normal".
    noisy_batch_norm : {"shared", "separate"}
        Whether the batch norms of ResNets see clean and noisy images as one batch, or noisy images
        have their own batch norms, as in AdvProp. "separate" needs base_loss_weight > 0. Preset:
        "shared".
    compute_dtype : {"float32", "bfloat16", "float64"}
        The precision of products. With "bfloat16", weights, noise, statistics and losses stay
        float32, and on device "go" everything does. Preset: "float32".
    patience : int
        After how many epochs without a better val_accuracy the training stops; 0 never stops early.
        Preset: 0.
    restore_best : bool
        Whether prediction uses the weights of the best epoch, if there is validation data. In mode
        "frozen", whose val_accuracy never changes, the last epoch is the best. Preset: True.
    augment : list of `govpn.augment`
        How training changes the images before they get noise, anew in every step and on the device.
        [] is no augmentation, also where the preset has some. Preset: none.
    class_weight : dict, "balanced" or None
        How much the images of a class count in the training losses. "balanced" gives class k with
        n_k of the N images the weight N / (K n_k). A dict has weights by label or class name;
        labels that it lacks have the weight 1. A key that is no label of y only brings a warning,
        because a fold of a cross-validation may lack a class.
    warm_start : bool
        Whether fit starts from the weights of the last fit. Optimiser, epochs and history start
        anew. fit(resume=True) continues them instead.
    image_shape : (int, int, int), (int, int) or None
        The shape (H, W, C) of features (N, F) as images, in C order. None takes a square with one
        channel or three if F allows it, else a row (1, F, 1). fit prints which, unless verbose=0.
    pixel_range : (float, float) or None
        The numbers that mean 0 and 1, if X is not uint8 images. Numbers outside are clipped. None
        takes (0, 1) for images, whose floats must be within it. For features None takes the range
        of the training data, but (0, 1) if that is within it and (0, 255) for uint8.
    channels : {"last", "first", None}
        "last" for images (N, H, W, C), "first" for images (N, C, H, W). None takes the order that
        has the model's shape. Before fit, None means "last"; for torch tensors it means the order
        that gives 1 or 3 channels. If that does not decide, fit raises an ArgumentError. Arrow
        tensors with dim_names such as "C", "H", "W", or with a permutation, tell it themselves.

    Attributes
    ----------
    classes_ : ndarray (K,)
        The distinct labels, sorted. With imported weights, the labels in the order of the outputs.
    class_names_ : tuple of str (K,) or None
        The names of these classes. Text labels are names. Others have those that y carried in fit
        (`govpn.datasets.Labels`, a folder, a stream, a table), or that imported weights brought.
    n_features_in_ : int
        F = H * W * C.
    feature_names_in_ : ndarray (F,)
        The columns of the data frame. Only there if X was a data frame of features.
    image_shape_ : (int, int, int)
        H, W and C.
    pixel_range_ : (float, float) or None
        The numbers that mean 0 and 1. None for images with floats from 0 to 1.
    history_ : dict of lists
        A list per column, with an entry per epoch: epoch, loss, accuracy, val_loss, val_accuracy,
        std_mean, std_min, std_max, seconds, images_per_second, data_wait (the fraction of the
        seconds spent waiting for images) and learning_rate (of the last step). Losses are in nats,
        accuracies from 0 to 1. A missing value is NaN.
    n_epochs_ : int
        The number of these epochs.
    device_ : str
        The device that computes.
    config_ : dict
        The parameters that were used, with the values of the preset.
    warnings_ : list of str
        What the library found wrong.
    data_info_ : dict
        About the training data: images, dtype, bytes_copied and why, bytes_borrowed (bytes that
        were read where the caller has them), and more.

    Notes
    -----
    Images (X) are (N, H, W, C) or (N, H, W). uint8 means 0 to 255, floats mean 0 to 1. Floats of
    another dtype are converted to float32. X may be a numpy array, a torch tensor, any array with
    `__dlpack__`, Arrow data (tensors, lists of one shape, or tables and streams with a column image
    and perhaps label, by the PyCapsule interface), a list of PIL images, of arrays or of image
    files, or the path of a folder of class folders. docs/data.md says what is copied. Arrays of
    `govpn.empty` are not even copied to the device. A `govpn.datasets.Stream` is decoded while it
    is used and is never in memory as a whole. X may also be features (N, F) as in scikit-learn: an
    array, a data frame, or rows of numbers.

    Labels (y) are whole numbers, booleans or text. For `fit` they may also be probabilities (N, K).
    None takes the label column of a table, or the labels of a stream.

    Results are numpy arrays that belong to the caller. torch.from_dlpack and `govpn.to_arrow` share
    them.

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

    classes_: AnyArray
    n_features_in_: int
    feature_names_in_: AnyArray
    image_shape_: Shape
    pixel_range_: tuple[float, float] | None
    history_: History
    n_epochs_: int
    device_: str
    config_: Config
    warnings_: list[str]
    data_info_: TrainingInfo

    _model: Model | None = None  # the model in the library
    _content: bytes | None = None  # the content of its file, if it was unpickled and is not open yet
    _imported: Sequence[_training.Import] = ()  # every fit starts from these weights
    _unused_names: tuple[str, ...] = ()  # that training data had for classes without images
    _fixed_classes = False  # whether imported weights have decided on classes_

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
        random_state: RandomState = None,
        verbose: int = 1,
        momentum: float | None = None,
        std_rms: float | None = None,
        fixed_std: float | None = None,
        normalize: Mapping[str, object] | None = None,
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
        augment: object = None,
        channels: str | None = None,
        class_weight: ClassWeight = None,
        warm_start: bool = False,
        image_shape: Sequence[int] | None = None,
        pixel_range: tuple[float, float] | None = None,
        accumulate: int | None = None,
        remat: bool | None = None,
        devices: int | Sequence[int] = 1,
        drop_last: bool | None = None,
        initial_values: str | None = None,
        std_epsilon: float | None = None,
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
        self.drop_last = drop_last
        self.initial_values = initial_values
        self.std_epsilon = std_epsilon

    @property
    def class_names_(self) -> tuple[str, ...] | None:
        """The names of classes_, in their order, or None if the labels were numbers without names.

        Labels that carry names are found by name wherever they meet a fitted classifier:
        `govpn.datasets.Labels`, streams, folders, and the label columns of tables that have names. A
        name that is not here is an error. Text labels are their own names.

        >>> named = govpn.datasets.Labels(y, ["dark", "bright"])
        >>> clf.fit(X, named).class_names_, clf.classes_
        (('dark', 'bright'), array([0, 1]))
        >>> clf.score(X, govpn.datasets.Labels(1 - y, ["bright", "dark"]))
        1.0
        """
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(f"this {type(self).__name__} has no classes yet: call fit first")
        return _labels.names_in(self.config_, self.classes_)

    # ---- training ------------------------------------------------------------------------------------------

    def fit(
        self,
        X: ImagesLike,
        y: LabelsLike = None,
        validation_data: Foreign = None,
        resume: bool = False,
        augment: object = None,
        *,
        sample_weight: ArrayLike | None = None,
        callbacks: CallbacksLike = (),
    ) -> VPNClassifier:
        """Trains the classifier, from new weights or from those that `import_safetensors` brought.

        Ctrl-C stops the training within a step, and the model keeps what it has learned so far.
        During a compilation, which cannot be stopped, Python returns within a second.

        Parameters
        ----------
        X, y : images and labels, see the Notes of the class
            y may be soft labels, floats (N, K): the probabilities of 2 or more classes, each at
            least 0. The sum of a row must be 1, within 0.001, and the row is divided by it. The
            loss is their cross-entropy, which label_smoothing smooths. The generator gets the mean
            label, sum_k y_k k. accuracy counts the largest probability as the label. The columns
            are classes_: 0 to K - 1, or the class_names that y carries (`govpn.datasets.Labels`),
            or the present classes with resume and with imported weights. Labels with names meet
            present classes with names by name (`class_names_`).
        validation_data : (X, y), a table with a label column, or a stream
            Of soft labels, the largest probability is the label.
        resume : bool
            True continues a trained or loaded model, with its weights, optimiser, epoch count and
            random state, until there are `epochs` epochs in all.
        augment : list of `govpn.augment`
            Replaces the parameter `augment` from this fit on.
        sample_weight : (N,)
            How much each image counts in the training losses, in units of their mean. At least 0.
        callbacks : `govpn.callbacks`, functions of one argument, or a list of both
            They are called after every epoch.

        Returns
        -------
        VPNClassifier : the classifier itself

        Raises
        ------
        ArgumentError, ArgumentTypeError : a parameter, X, y or another argument is wrong
        OutOfMemoryError, DeviceError : the device cannot train this model

        Examples
        --------
        >>> clf.fit(X, y, validation_data=(X[:20], y[:20])).history_["val_accuracy"][-1]
        1.0
        >>> clf.set_params(epochs=12).fit(X, y, resume=True).n_epochs_  # two more
        12
        """
        with reading("resume", resume, "a bool"):
            resume = bool(resume)
        with reading("warm_start", self.warm_start, "a bool"):
            warm = bool(self.warm_start) and not resume and self.__sklearn_is_fitted__()
        self._train(
            X,
            y,
            epochs=_params.configuration(self.get_params(deep=False)).get("epochs", 0),
            resume=resume,
            warm=warm,
            options={} if augment is None else {"augment": augment},
            sample_weight=sample_weight,
            validation_data=validation_data,
            callbacks=callbacks,
        )
        return self

    def partial_fit(
        self,
        X: ImagesLike,
        y: LabelsLike = None,
        classes: LabelsLike = None,
        sample_weight: ArrayLike | None = None,
    ) -> VPNClassifier:
        """Trains one more epoch on these images, and returns the classifier.

        The first call makes the model. It needs all labels that will ever come as classes, else it
        takes those of y. The learning rate stays the same, whatever `schedule` says. Data sets of
        the same size compile once. X, y and sample_weight are those of `fit`.

        >>> clf.partial_fit(X, y).n_epochs_  # ten of fit, and one
        11
        """
        resume = self.__sklearn_is_fitted__()
        known: _labels.Classes | None = None
        if classes is not None:
            known = _labels.as_classes(classes, np.sort(_labels.given_classes(classes)))
            own = self._classes() if resume else known
            if not _labels.in_order(known).same_as(_labels.in_order(own)):
                raise ArgumentError(
                    f"classes is {known.labels.tolist()}, want {own.labels.tolist()} as before"
                )
            known = own
        self._train(
            X,
            y,
            epochs=self.n_epochs_ + 1 if resume else 1,
            resume=resume,
            options={"schedule": "constant"},
            classes=known,
            sample_weight=sample_weight,
        )
        return self

    @classmethod
    def from_safetensors(
        cls: type[Self],
        path: Path,
        base: str,
        image_shape: Sequence[int],
        n_classes: int | None = None,
        *,
        replace_head: bool = False,
        classes: LabelsLike = None,
        flatten: str | None = None,
        **params: Any,
    ) -> Self:
        """Makes a classifier with pretrained weights.

        It can predict, and every later fit starts from them.

        Unless the file has a generator, noise="classwise" needs a fit first; mode="frozen" trains the
        generator alone. sklearn.clone makes a classifier without the weights.

        Parameters
        ----------
        path : a safetensors file
            Either a state dictionary of the base with the names of torchvision or timm
            (`conv1.weight`, `blocks.0.attn.qkv.weight`), or a file that `export_safetensors` wrote.
        base : str, as of the class
        image_shape : (H, W, C) or (H, W)
        n_classes : int
            The labels of the outputs are 0 to n_classes - 1.
        replace_head : bool
            True takes all weights but those of the last linear layer, which is newly initialised.
            The file may lack that layer or have it for other classes. Predictions mean something
            only after a fit.
        classes : labels (K,), in the order of the outputs, in place of n_classes. Text gives
            class_names_, which otherwise come from the file, if it has them
        flatten : {None, "chw", "hwc"}
            The order in which "sr", "dnn3" and generator "dnn3" find the values of a colour image in
            the file: "chw" as PyTorch flattens images (N, C, H, W), "hwc" as govpn does. None takes
            what `export_safetensors` has noted in the file. Without a note it is "chw" for names
            without prefix and "hwc" for names that begin with base. or generator.; files of govpn
            0.1.0 are "hwc", which None knows, too.
        params : other parameters of VPNClassifier, such as normalize or mode

        Examples
        --------
        >>> clf.export_safetensors("sr.safetensors", part="base")
        >>> load = govpn.VPNClassifier.from_safetensors
        >>> load("sr.safetensors", "sr", (4, 4, 1), n_classes=2, mode="plain", device="go").score(X, y)
        1.0
        """
        _labels.given_classes(classes, n_classes)
        estimator = cls(base, **params)
        return estimator.import_safetensors(
            path, image_shape, n_classes if classes is None else classes, replace_head, flatten
        )

    def import_safetensors(
        self: Self,
        path: Path,
        image_shape: Sequence[int] | None = None,
        classes: LabelsLike = None,
        replace_head: bool = False,
        flatten: str | None = None,
    ) -> Self:
        """Replaces weights by those of a file, and returns the classifier.

        The file has weights of the base, of the generator (their names begin with generator.) or of
        both. They are used at once, and every later fit starts from them. This is how mode="frozen"
        gets its base.

        Parameters
        ----------
        path, replace_head, flatten : as of `from_safetensors`
        image_shape : (H, W, C) or (H, W). Required before the first fit
        classes : the number of classes, or the labels in the order of the outputs. Required before
            the first fit

        Examples
        --------
        >>> clf.export_safetensors("sr.safetensors", part="base")
        >>> sr = govpn.VPNClassifier("sr", mode="plain", device="go", verbose=0)
        >>> sr = sr.import_safetensors("sr.safetensors", (4, 4, 1), classes=["dark", "bright"])
        >>> sr.predict(X[:2])
        array(['dark', 'bright'], dtype='<U6')
        """
        options = {
            "replace_head": _params.truth(replace_head, "replace_head"),
            "flatten": _params.flatten_of(flatten),
        }
        if self.__sklearn_is_fitted__():
            model, labels = self._opened(), self._classes()
            self._check_sizes(image_shape, classes)
        elif image_shape is None or classes is None:
            raise ArgumentError(
                "image_shape or classes is None, want both: nothing was fitted yet that would tell them"
            )
        else:
            labels = _labels.as_classes(classes, _labels.given_classes(classes))
            config = _params.configuration(self.get_params(deep=False))
            model = self._new_model(config, _params.shape_of(image_shape), labels)
        model.import_safetensors(path, options)
        self._imported = [*self._imported, (os.path.abspath(path), options)]
        named = classes is not None and not isinstance(classes, (int, np.integer))
        self._fixed_classes = self._fixed_classes or named or not replace_head
        self.__govpn_adopt__(model, labels.labels)
        return self

    def estimate_memory(self, image_shape: Sequence[int], n_classes: int, n_images: int = 0) -> JsonObject:
        """Estimates the peak memory of training and prediction, before anything is made.

        Parameters
        ----------
        image_shape : (H, W, C)
        n_classes : K
        n_images : how many uint8 images are in memory meanwhile

        Returns
        -------
        dict
            - parameters : the number of weights
            - training : a dict, for fit with validation data
            - inference : a dict, for predict
            - classwise : a dict, for predict(noise="classwise")

            Each of these dicts has host_bytes and device_bytes. They include weights, optimiser and
            images. device_bytes is 0 on devices that compute in the host's memory ("go", "cpu").

        Examples
        --------
        >>> clf.estimate_memory((28, 28, 1), 10)["parameters"]
        2664890
        """
        sizes = {"image_shape": _params.shape_of(image_shape), "classes": n_classes, "images": n_images}
        config = _params.configuration(self.get_params(deep=False))
        options = _lib.encode({"device": self.device, **sizes, **config})
        return cast(JsonObject, _lib.call_json("govpn_estimate_memory", options))

    # ---- prediction ----------------------------------------------------------------------------------------

    def predict(
        self,
        X: ImagesLike,
        noise: str = "none",
        samples: int = 1,
        random_state: RandomState = None,
        std: Real | None = None,
    ) -> AnyArray:
        """Returns the most likely label of each image (N,).

        Parameters
        ----------
        X : images, see the Notes of the class
        noise : {"none", "classwise", "gaussian"}
            "classwise" draws noise for every class and takes the class of which the classifier is
            surest under its own noise. It needs a generator. "gaussian" adds noise of standard
            deviation std to every pixel, in every mode.
        samples : int
            How many noises are drawn, for "classwise" per class: 1 to 1,000,000. The probabilities
            are averaged.
        random_state : None uses the model's seed, so that the same call gives the same result
        std : at least 0, in units of the pixel range 0 to 1. Only for "gaussian", which requires it

        Examples
        --------
        >>> clf.predict(X[:4])
        array([0, 1, 0, 1])
        >>> clf.predict(X[:4], noise="classwise", samples=3)
        array([0, 1, 0, 1])
        """
        fitted = self.__govpn_fitted__()
        return fitted.classes.labels[fitted.predict(X, "label", noise, samples, random_state, std)]

    def predict_proba(
        self,
        X: ImagesLike,
        noise: str = "none",
        samples: int = 1,
        random_state: RandomState = None,
        std: Real | None = None,
    ) -> Floats:
        """Returns probabilities, float32 (N, K), in the order of classes_. Each row has the sum 1.

        The parameters are those of `predict`. With noise="classwise" the probabilities are the
        scores of `classwise_scores`, divided by their sum.

        >>> proba = clf.predict_proba(X)
        >>> proba.shape, proba.dtype, np.allclose(proba.sum(axis=1), 1)
        ((64, 2), dtype('float32'), True)
        """
        return self.__govpn_fitted__().predict(X, "proba", noise, samples, random_state, std)

    def predict_log_proba(
        self,
        X: ImagesLike,
        noise: str = "none",
        samples: int = 1,
        random_state: RandomState = None,
        std: Real | None = None,
    ) -> Floats:
        """Returns the logarithms of `predict_proba`, float32 (N, K).

        The parameters are those of `predict`. Without noise, a probability that is too small for
        float32 still has a finite logarithm, which comes from the logits. With noise it has -inf.

        >>> bool((clf.predict_log_proba(X) == np.log(clf.predict_proba(X))).all())
        True
        """
        fitted = self.__govpn_fitted__()
        images = fitted.images(X)
        proba = fitted.predict(images, "proba", noise, samples, random_state, std)
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(proba)
        tiny = proba < np.finfo(np.float32).tiny
        if noise == "none" and tiny.any():
            logits = fitted.predict(images, "logits")
            logs[tiny] = _benefit.log_softmax(logits)[tiny]
        return logs

    def classwise_scores(self, X: ImagesLike, samples: int = 1, random_state: RandomState = None) -> Floats:
        """Returns for every class its probability under noise drawn for that class, float32 (N, K).

        The sum of a row is not 1. samples and random_state are those of `predict`.

        >>> scores = clf.classwise_scores(X)
        >>> proba = clf.predict_proba(X, noise="classwise")
        >>> np.allclose(scores / scores.sum(axis=1, keepdims=True), proba)
        True
        """
        return self.__govpn_fitted__().predict(X, "scores", "classwise", samples, random_state)

    def decision_function(self, X: ImagesLike) -> Floats:
        """Returns the base's logits without noise, float32 (N, K).

        With two classes the result is (N,) as in scikit-learn: the second logit minus the first.

        >>> clf.decision_function(X[:4]) > 0
        array([False,  True, False,  True])
        """
        logits = self.__govpn_fitted__().predict(X, "logits")
        return logits if logits.shape[1] != 2 else logits[:, 1] - logits[:, 0]

    def score(
        self,
        X: ImagesLike,
        y: LabelsLike = None,
        noise: str = "none",
        sample_weight: ArrayLike | None = None,
        std: Real | None = None,
    ) -> float:
        """Returns the accuracy, 0 to 1. noise and std are those of `evaluate`.

        Labels that are none of classes_ count as wrong, with a warning. Labels with names meet
        classes_ by name, and another name than those of class_names_ is an error.

        >>> clf.score(X, y), clf.score(X, y, noise="gaussian", std=0.1)
        (1.0, 1.0)
        """
        fitted = self.__govpn_fitted__()
        images = fitted.images(X)
        given = images.given_labels(y)
        count = len(given.values)
        weights = None if sample_weight is None else sample_weights.of_samples(sample_weight, count)
        if weights is not None:
            sample_weights.check_sum(weights)
        if noise == "label":
            truth = _labels.to_indices(given, fitted.classes)
        else:
            truth = _labels.to_known_indices(given, fitted.classes, self._unused_names)
        found = fitted.predict(images, "label", noise, std=std, truth=truth)
        return float(np.average(found == truth, weights=weights))

    def evaluate(
        self,
        X: ImagesLike,
        y: LabelsLike = None,
        noise: str = "none",
        samples: int = 1,
        random_state: RandomState = None,
        std: Real | None = None,
    ) -> JsonObject:
        """Measures the classifier and its noise on labelled images.

        The parameters are those of `predict`. noise may also be "label": the noise is drawn for
        each image's own label. This reads the label, so its accuracy is leakage and serves analysis
        only.

        Returns
        -------
        dict
            - images : how many
            - accuracy : 0 to 1
            - cross_entropy : in nats, of the probabilities averaged over samples
            - std_mean, std_rms, std_min, std_max : statistics of sigma at the true labels
            - std_cv : the coefficient of variation of sigma over the pixels
            - std_label_change, std_image_change : how much sigma changes with the label and with the
              image, relative to its mean, on average over the first 1,024 images

            The values of sigma are None if the mode has no generator.

        Examples
        --------
        >>> about = clf.evaluate(X, y)
        >>> about["accuracy"], about["images"], 0.009 < about["std_min"] < about["std_max"] < 0.301
        (1.0, 64, True)
        """
        fitted = self.__govpn_fitted__()
        data = fitted.labelled(X, y)
        fitted.warn_of_new_generator(noise)
        options = draw_options(noise=noise, samples=samples, seed=random_state, std=std)
        about = fitted.model.evaluate(data, options)
        return {k: v if v is None or k == "images" else float(v) for k, v in about.items()}

    # ---- noise ---------------------------------------------------------------------------------------------

    def noise_benefit(
        self, X: ImagesLike, y: LabelsLike = None, samples: int = 8, random_state: RandomState = None
    ) -> _benefit.NoiseBenefit:
        """Measures whether the noise helps.

        The result has estimates of H(T), H(T|E) and I(T,E), accuracies, and the same under Gaussian
        noise of the same mean sigma, for all images and by class, with standard errors. See
        `govpn.NoiseBenefit`. The images pass 2 * samples + 4 times, one time under all classes. A
        stream is decoded as often.

        Parameters
        ----------
        X, y : at least 2 labelled images that training has not seen
        samples : how many noises are drawn per image, 1 to 1,000,000
        random_state : None uses the model's seed, so that the same call gives the same result

        Examples
        --------
        >>> benefit = clf.noise_benefit(X, y, samples=2)
        >>> benefit.accuracy, benefit.per_class["images"]
        (1.0, array([32, 32]))
        """
        fitted = self.__govpn_fitted__()
        images = fitted.images(X)
        indices = fitted.indices(images, y)
        fitted.require_generator()
        fitted.warn_of_new_generator("label")
        options = draw_options(samples=samples, seed=random_state)
        return _benefit.measure(
            fitted.model,
            images.data(indices, fitted.image_shape),
            indices,
            fitted.classes.labels,
            fitted.names(images.labels if y is None else y),
            options["samples"],
            options["seed"] or self.config_["seed"],
        )

    def noise_std(self, X: ImagesLike, y: LabelsLike = None) -> Floats:
        """Returns sigma for images and labels, float32 (N, H, W, C), in units of the pixel range 0 to 1.

        With noise_layer it is (N, 1024), (N, height, width, channels) or (N, tokens, width), in
        units of that layer. A mode without a generator raises an ArgumentError.

        >>> sigma = clf.noise_std(X, y)
        >>> sigma.shape, sigma.dtype, bool(sigma.min() > 0.009)  # the lower end of std_range
        ((64, 4, 4, 1), dtype('float32'), True)
        """
        fitted = self.__govpn_fitted__()
        return fitted.model.noise(fitted.labelled(X, y), {"output": "std"})

    def input_gradient(self, X: ImagesLike, y: LabelsLike = None) -> Floats:
        """Returns the gradient of each image's loss with respect to its pixels, float32 (N, H, W, C).

        The loss is -log p(y) without noise, so the unit is nats per pixel range. Compare it with
        `noise_std`. It works in every mode.

        >>> clf.input_gradient(X, y).shape
        (64, 4, 4, 1)
        """
        fitted = self.__govpn_fitted__()
        return fitted.model.noise(fitted.labelled(X, y), {"output": "gradient"})

    def sample_noise(
        self, X: ImagesLike, y: LabelsLike = None, n: int = 1, random_state: RandomState = None
    ) -> Floats:
        """Draws noise for images and labels, float32 (n, N, H, W, C), in the units of `noise_std`.

        n is how many noises are drawn per image, 1 to 1,000,000. With noise_layer the shape is n
        times that of `noise_std`. random_state None uses the model's seed, so that the same call
        gives the same noise.

        >>> noise = clf.sample_noise(X, y, n=100)  # (100, 64, 4, 4, 1)
        >>> np.allclose(noise.std(axis=0).mean(), clf.noise_std(X, y).mean(), rtol=0.05)
        True
        """
        fitted = self.__govpn_fitted__()
        data = fitted.labelled(X, y)
        return fitted.model.noise(data, draw_options(output="sample", samples=n, seed=random_state))

    def noise_transform(
        self, scale: float = 1.0, clip: bool = False, random_state: RandomState = None
    ) -> NoiseTransform:
        """Returns a function that adds the learned noise to batches, for a training loop of your own.

        The function takes images and labels. Images are torch tensors (N, C, H, W) or numpy arrays
        (N, H, W, C), floats from 0 to 1. scale multiplies the noise. clip keeps noisy pixels within
        0 to 1. random_state None draws a fresh seed.

        >>> add_noise = clf.noise_transform(clip=True, random_state=0)
        >>> noisy = add_noise(np.float32(X[:8, ..., None] / 255), y[:8])
        >>> noisy.shape, float(noisy.min()) >= 0
        ((8, 4, 4, 1), True)
        """
        self.__govpn_fitted__().require_generator()
        if layer := self.config_["noise_layer"]:
            raise ArgumentError(f"noise_layer is {layer}, want 0: noise at a hidden layer is none for images")
        return NoiseTransform(self, scale, clip, random_state)

    # ---- files ---------------------------------------------------------------------------------------------

    def save(self, path: Path) -> None:
        """Writes weights, optimiser, configuration, history and class names to a file.

        The file is replaced in one step and keeps its mode. A symbolic link is followed. `govpn.load`
        reads it. A file that cannot be written raises a FileError.

        >>> clf.save("model.govpn")
        >>> bool((govpn.load("model.govpn", device="go").predict(X) == clf.predict(X)).all())
        True
        """
        self._opened().save(path)

    def export_safetensors(self, path: Path, part: str | None = None, flatten: str | None = None) -> None:
        """Writes the weights with PyTorch's names and layouts.

        part=None writes base and generator, with names such as base.fc1.weight (out, in) and
        generator.fc1.weight. part="base" writes the base alone, without the prefix: torchvision and
        timm load it with strict=True. Auxiliary batch norms, which they do not have, are left out.
        part="generator" writes the generator alone. The file's metadata have `class_names_`.

        flatten is the order in which "sr", "dnn3" and generator "dnn3" find the values of a colour
        image: "hwc" as govpn flattens it, or "chw" as PyTorch flattens images (N, C, H, W). None is
        "chw" with a part, which is meant for PyTorch, and "hwc" without. The file notes it, and
        `import_safetensors` reads either.

        >>> from safetensors.numpy import load_file
        >>> clf.export_safetensors("base.safetensors", part="base")
        >>> {name: weight.shape for name, weight in load_file("base.safetensors").items()}
        {'linear.bias': (2,), 'linear.weight': (2, 16)}
        """
        if part is not None and _params.text(part, "part") not in ("base", "generator"):
            raise ArgumentError(f'part is {shown(part)}, want None, "base" or "generator"')
        self._opened().export_safetensors(path, {"part": part or "", "flatten": _params.flatten_of(flatten)})

    # ---- what scikit-learn, pickle, notebooks and the rest of govpn ask for -----------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return self._model is not None or self._content is not None

    def __govpn_fitted__(self) -> FittedModel:
        model = self._opened()
        return FittedModel(
            model=model,
            classes=self._classes(),
            image_shape=self.image_shape_,
            channels=self.channels,
            owner=self,
        )

    def __govpn_adopt__(self, model: Model, classes: AnyArray | None = None) -> None:
        """Takes over a model and all that it tells of itself.

        Warnings that are new become Python's.
        """
        about = model.describe()
        config = about["config"]
        known = self.__dict__.get("warnings_", []) if self._model is model else []
        self.__dict__.pop("_content", None)
        self._model = model
        self.config_ = config
        if classes is None:
            classes = _labels.of_config(config)
        self.classes_ = classes
        self.image_shape_ = cast(Shape, tuple(config["image_shape"]))
        layout = Layout.from_attributes(config.get("attributes"), config["image_shape"])
        self.pixel_range_ = layout.pixel_range
        self.n_features_in_ = layout.n_features or int(np.prod(self.image_shape_))
        self.__dict__.pop("feature_names_in_", None)
        if layout.names:
            self.feature_names_in_ = np.array(layout.names, object)
        self.history_ = model.history()
        self.n_epochs_ = len(self.history_["epoch"])
        self.device_ = about["device"]
        self.warnings_ = [printable(text) for text in about["warnings"] or []]
        for text in self.warnings_:
            if text not in known:
                warn(text)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        model = state.pop("_model", None)
        if model is not None:
            state["_content"] = model.to_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a pickle. A parameter that it lacks has the value of the version that wrote it."""
        self.__dict__.update(_released.parameters(type(self)) | state)
        self._imported = [(p, {**_released.IMPORT_OPTIONS, **options}) for p, options in self._imported]

    def _repr_html_(self) -> str | None:
        """Returns the card that notebooks show; None if `sklearn.set_config(display="text")` wants
        text."""
        return (
            None if _card.text_wanted() else _card.card(self, self._model.describe() if self._model else None)
        )

    def _repr_mimebundle_(self, **kwargs: object) -> dict[str, str]:
        card = self._repr_html_()
        return {"text/plain": repr(self)} | ({} if card is None else {"text/html": card})

    def set_params(self: Self, **params: Any) -> Self:
        """Changes parameters and returns the classifier. They take effect at the next fit.

        A name that is no parameter raises an ArgumentError.

        >>> clf.set_params(epochs=3).epochs
        3
        """
        try:
            super().set_params(**params)
        except (ValueError, AttributeError) as error:
            raise ArgumentError(str(error)) from None
        return self

    # ---- inside --------------------------------------------------------------------------------------------

    def _opened(self) -> Model:
        """Returns the model in the library.

        A model that was unpickled is opened here, on the device that `device` names now.
        """
        if self._content is not None:
            self._model = Model.from_bytes(self._content, self.device)
            del self._content
            self.device_ = self._model.describe()["device"]
        if self._model is None:
            want = "call fit, govpn.load or import_safetensors first"
            raise NotFittedError(f"this {type(self).__name__} has no weights yet: {want}")
        return self._model

    def _classes(self) -> _labels.Classes:
        return _labels.Classes(self.classes_, self.class_names_)

    def _new_model(self, config: JsonObject, shape: Sequence[int], classes: _labels.Classes) -> Model:
        """Makes a model with new weights or with the imported ones."""
        return _training.new_model(
            config,
            shape,
            classes,
            device=self.device,
            devices=self.devices,
            random_state=self.random_state,
            verbose=self.verbose,
            imported=self._imported,
        )

    def _train(
        self,
        X: ImagesLike,
        y: LabelsLike,
        *,
        epochs: int,
        resume: bool,
        options: JsonObject,
        warm: bool = False,
        classes: _labels.Classes | None = None,
        sample_weight: ArrayLike | None = None,
        validation_data: Foreign = None,
        callbacks: CallbacksLike = (),
    ) -> None:
        """Trains a new model, or with resume the present one, until there are `epochs` epochs in all.

        options replace parameters of the same name in this training. With warm, a new model starts
        from the present weights. classes are all that will ever come, or None for those of y.
        """
        config = _params.configuration(self.get_params(deep=False))
        verbose = _params.whole(self.verbose, "verbose")
        if "augment" in options:
            options = options | {"augment": _params.augmentation(options["augment"])}
        config = {name: value for name, value in config.items() if name not in options}
        resumed, make_model = None, self._new_model
        if resume:
            fitted = self.__govpn_fitted__()
            resumed = fitted, _training.resumed_model(fitted.model, self.config_, config, self.devices)
        elif warm:
            make_model = functools.partial(_training.warm_model, self.__govpn_fitted__(), self._new_model)
        fixed = resume or self._fixed_classes
        ready = _training.prepare(
            X,
            y,
            config,
            make_model=make_model,
            resumed=resumed,
            classes=classes,
            known=self._classes() if fixed or self._imported or warm else None,
            fixed=fixed,
            whole=warm,
            class_weight=self.class_weight,
            sample_weight=sample_weight,
            validation_data=validation_data,
            channels=self.channels,
            image_shape=self.image_shape,
            pixel_range=self.pixel_range,
            verbose=verbose,
        )
        options = options | {"resume": resume}
        try:
            ready.model.fit(ready.train, ready.valid, options, epochs, verbose, as_callbacks(callbacks))
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or ready.model is self._model:
                self.__govpn_adopt__(ready.model, ready.classes.labels)  # it has learned something
            raise
        self.__govpn_adopt__(ready.model, ready.classes.labels)
        self.data_info_ = ready.images.info(ready.train)
        before = self._unused_names if resume else ()
        self._unused_names = tuple(sorted({*before, *ready.unused}))

    def _check_sizes(self, image_shape: Sequence[int] | None, classes: LabelsLike) -> None:
        """Raises ArgumentError unless weights for these images and classes fit the present model."""
        if image_shape is not None and tuple(_params.shape_of(image_shape)) != self.image_shape_:
            raise ArgumentError(
                f"image_shape is {shown(image_shape)}, want {self.image_shape_} as the model's"
            )
        if classes is None:
            return
        if not _labels.as_classes(classes, _labels.given_classes(classes)).same_as(self._classes()):
            raise ArgumentError(f"classes is {shown(classes)}, want {self.classes_.tolist()} as the model's")
