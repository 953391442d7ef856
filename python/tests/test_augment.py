"""The augmentations as configurations. vpn/augment tests what they do to images."""

import dataclasses
import json

import numpy as np
import pytest
from govpn import augment
from govpn.errors import ArgumentError, ArgumentTypeError

DEFAULTS = [  # the same as in TestJSON in vpn/augment
    (augment.RandomCrop(), {"size": None, "padding": None, "fill": 0, "padding_mode": "constant"}),
    (augment.RandomHorizontalFlip(), {"p": 0.5}),
    (
        augment.RandomRotation(15),
        {"degrees": 15, "interpolation": "nearest", "fill": 0, "center": None},
    ),
    (
        augment.RandomAffine((-10, 15)),
        {
            "degrees": [-10, 15],
            "translate": None,
            "scale": None,
            "shear": None,
            "interpolation": "nearest",
            "fill": 0,
            "center": None,
        },
    ),
    (augment.ColorJitter(), {"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}),
    (augment.GaussianBlur(3), {"kernel_size": 3, "sigma": [0.1, 2]}),
    (augment.GaussianNoise(), {"mean": 0, "sigma": 0.1, "clip": True, "fraction": 1}),
]


@pytest.mark.parametrize(("augmentation", "parameters"), DEFAULTS, ids=lambda v: type(v).__name__)
def test_defaults(augmentation, parameters):
    config = {"name": type(augmentation).__name__} | parameters
    assert augmentation.to_config() == config
    assert augment.as_config(augmentation) == [config]
    assert augment.as_config([config]) == [config]
    assert type(augmentation)(**parameters).to_config() == config


def test_every_augmentation_is_tested():
    assert [type(a).__name__ for a, _ in DEFAULTS] == list(augment.Augmentation._known)


def test_as_config_takes_one_or_many():
    crop, flip = augment.RandomCrop(padding=4), augment.RandomHorizontalFlip()
    assert augment.as_config(None) == augment.as_config([]) == []
    assert augment.as_config((crop, flip)) == [crop.to_config(), flip.to_config()]
    assert augment.as_config({"name": "RandomCrop", "padding": 4}) == [crop.to_config()]
    assert augment.as_config([crop, {"name": "RandomHorizontalFlip"}]) == augment.as_config([crop, flip])


def test_numbers_of_numpy_become_json():
    config = augment.as_config(
        [
            augment.RandomCrop(np.array([32, 32]), padding=np.int64(4), fill=(0.1, np.float32(0.5), 1)),
            augment.GaussianNoise(clip=np.bool_(False)),
        ]
    )
    assert json.loads(json.dumps(config)) == config
    assert config[0]["size"] == [32, 32]
    assert config[0]["fill"] == [0.1, 0.5, 1]
    assert config[1]["clip"] is False


def test_augmentations_do_not_change():
    flip = augment.RandomHorizontalFlip(p=0.3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        flip.p = 1
    assert flip == augment.RandomHorizontalFlip(0.3)
    assert repr(flip) == "RandomHorizontalFlip(p=0.3)"


def foreign(name):
    """Returns an object whose type has a name of torchvision."""
    return type(name, (), {"__module__": "torchvision.transforms.v2", "__repr__": lambda _: f"{name}()"})()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (foreign("RandomCrop"), r"augment is RandomCrop\(\) of type torchvision.transforms.v2.RandomCrop, "
         r"want govpn.augment.RandomCrop\(...\), which takes the same parameters"),
        (foreign("Compose"), r"augment is Compose\(\) of type .*, want a list of augmentations"),
        ([augment.RandomCrop(), foreign("MixUp")], r"augment\[1\] is MixUp\(\) .* want None, an augmentation "
         r"of govpn.augment \(RandomCrop, RandomHorizontalFlip, .*\) or a list of them"),
        (augment.RandomHorizontalFlip, r"want govpn.augment.RandomHorizontalFlip\(...\)"),
        ("flip", r"augment is 'flip' of type builtins.str, want None, an augmentation"),
        ([[]], r"augment\[0\] is \[\] of type builtins.list"),
        (augment.RandomRotation({}), r"RandomRotation.degrees is {} of type dict, want a number"),
        (augment.RandomRotation(["a"]), r"RandomRotation.degrees is \['a'\] of type list, want a number"),
        ({"name": "RandomRotation"}, r"augment: .*missing 1 required positional argument: 'degrees'"),
    ],
)  # fmt: skip
def test_wrong_types(given, message):
    with pytest.raises(ArgumentTypeError, match=message):
        augment.as_config(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "Rotate"}, r"augment\[\"name\"\] is 'Rotate', want one of RandomCrop, "),
        ([{"p": 1}], r"augment\[0\]\[\"name\"\] is None, want one of"),
        ({"name": "ColorJitter", "brightnes": 1}, r"augment: ColorJitter has no parameter 'brightnes', want "
         r"one of brightness, contrast, saturation, hue"),
        (augment.GaussianNoise(sigma=float("nan")), r"GaussianNoise.sigma is nan, want finite numbers"),
    ],
)  # fmt: skip
def test_wrong_values(given, message):
    with pytest.raises(ArgumentError, match=message):
        augment.as_config(given)
