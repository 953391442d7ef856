"""A classifier that starts from weights in a file."""

from __future__ import annotations

import os
from typing import Any, TypeVar

import numpy as np

from . import _labels, _params, _soft
from ._fitted import Fitted
from ._model import Model
from .errors import ArgumentError

Path = str | os.PathLike[str]
Self = TypeVar("Self", bound="Pretrained")


class Pretrained(Fitted):
    """The part of VPNClassifier that takes weights over."""

    @classmethod
    def from_safetensors(
        cls: type[Self],
        path: Path,
        base: str,
        image_shape: Any,
        n_classes: int | None = None,
        *,
        replace_head: bool = False,
        classes: Any = None,
        **params: Any,
    ) -> Self:
        """An estimator with pretrained weights, ready to predict; every later fit starts from them.

        path is a safetensors file: a state dictionary of the base as torchvision or timm publish it
        (`conv1.weight`, `blocks.0.attn.qkv.weight`), or one that `export_safetensors` wrote. image_shape is
        (H, W, C). The labels of the outputs are 0 to n_classes - 1, or `classes`, in the outputs' order.
        params are parameters of VPNClassifier, such as normalize or mode.

        replace_head=True takes all but the last linear layer, which may be of other classes in the file, or
        missing: it is newly initialised, and predictions mean something after a fit. Unless the file has a
        generator, noise="classwise" also needs a fit first (mode="frozen" trains the generator alone).
        sklearn.clone makes an estimator without the weights.

        >>> clf.export_safetensors("sr.safetensors", part="base")
        >>> load = govpn.VPNClassifier.from_safetensors
        >>> load("sr.safetensors", "sr", (4, 4, 1), n_classes=2, mode="plain", device="go").score(X, y)
        1.0
        """
        _labels.given_classes(classes, n_classes)
        estimator = cls(base, **params)  # type: ignore[call-arg]
        return estimator.import_safetensors(
            path, image_shape, n_classes if classes is None else classes, replace_head
        )

    def import_safetensors(
        self: Self, path: Path, image_shape: Any = None, classes: Any = None, replace_head: bool = False
    ) -> Self:
        """Takes weights as `from_safetensors` does: the base's, the generator's (names that begin with
        generator.), or both.

        They are used at once, and every later fit starts from them (so mode="frozen" gets its base). Before
        the first fit, image_shape (H, W, C) and classes (their number, or the labels in the order of the
        outputs) say what the weights are for.

        >>> clf.export_safetensors("sr.safetensors", part="base")
        >>> sr = govpn.VPNClassifier("sr", mode="plain", device="go", verbose=0)
        >>> sr = sr.import_safetensors("sr.safetensors", (4, 4, 1), classes=["dark", "bright"])
        >>> sr.predict(X[:2])
        array(['dark', 'bright'], dtype='<U6')
        """
        options = {"replace_head": _params.truth(replace_head, "replace_head")}
        if self.__sklearn_is_fitted__():
            model, labels = self._fitted(), self.classes_
            self._check_sizes(image_shape, classes)
        elif image_shape is None or classes is None:
            raise ArgumentError(
                "image_shape or classes is None, want both: nothing was fitted yet that would tell them"
            )
        else:
            labels = _labels.given_classes(classes)
            config = _params.configuration(self.get_params())
            model = self._new_model(config, _params.shape_of(image_shape), labels)
        model.import_safetensors(path, options)
        self._imported = [*self.__dict__.get("_imported", []), (os.path.abspath(path), options)]
        named = classes is not None and not isinstance(classes, (int, np.integer))
        self._fixed_classes = self.__dict__.get("_fixed_classes", False) or named or not replace_head
        self._adopt(model, labels)
        return self

    # ---- inside --------------------------------------------------------------------------------------------

    def _import_again(self, model: Model) -> None:
        """Every fit starts from the weights that were imported."""
        for path, options in self.__dict__.get("_imported", []):
            model.import_safetensors(path, options)

    def _check_sizes(self, image_shape: Any, classes: Any) -> None:
        """Weights for a fitted model are for its images and classes."""
        if image_shape is not None and tuple(_params.shape_of(image_shape)) != self.image_shape_:
            raise ArgumentError(f"image_shape is {image_shape!r}, want {self.image_shape_} as the model's")
        if classes is not None and not np.array_equal(_labels.given_classes(classes), self.classes_):
            raise ArgumentError(f"classes is {classes!r}, want {self.classes_.tolist()} as the model's")

    def _encode(self, labels: np.ndarray, names: _soft.Names, resume: bool) -> tuple[np.ndarray, np.ndarray]:
        """The classes and each label's index among them (or its probabilities). The classes of an imported
        head stay."""
        fixed = resume or self.__dict__.get("_fixed_classes", False)
        if not fixed and not self.__dict__.get("_imported"):
            return _soft.find_classes(labels, names)
        try:
            return self.classes_, _soft.to_indices(labels, names, self.classes_)
        except ArgumentError:
            if fixed:
                raise
            return _soft.find_classes(labels, names)
