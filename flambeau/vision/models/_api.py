"""Builders of models by name, and the weights that go with them."""

from __future__ import annotations

import fnmatch
import importlib
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from ... import nn
from .._download import digest, fetch
from .._torch import torch
from ._presets import ImageClassification

__all__ = ["Weights", "WeightsEnum", "get_model", "get_model_builder", "get_model_weights", "get_weight", "list_models"]

STORE = "https://download.pytorch.org/models/"
BUILTIN_MODELS: dict[str, Callable[..., nn.Module]] = {}
IMAGENET_CLASSES = 1000


class Meta(dict):
    """What is known of weights; says so when asked for the names of the classes, which are not kept."""

    def __missing__(self, key: str) -> Any:
        if key == "categories":
            raise KeyError("'categories': flambeau does not carry the names of ImageNet's classes")
        raise KeyError(key)


@dataclass(eq=False)
class Weights:
    """Where weights are, what prepares their input, and what is known of them."""

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]


class WeightsEnum(Enum):
    """The base of each model's weights."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """`obj` as a member: a member, its name, or None as it is."""
        if isinstance(obj, str):
            return cls[obj.replace(cls.__name__ + ".", "")]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received {obj.__class__.__name__}."
            )
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The weights, from the folder of downloaded ones, or downloaded; see `load_state_dict`."""
        return load_state_dict(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    # Members share the file, so that a copy or an unpickled one is the member itself.
    def __deepcopy__(self, memo: dict[int, Any]) -> WeightsEnum:
        return self

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return getattr, (type(self), self.name)

    @property
    def url(self) -> str:
        """Where the file is."""
        return self.value.url

    @property
    def transforms(self) -> Callable[..., Any]:
        """Makes what prepares the input."""
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        """What is known of the weights."""
        return self.value.meta


# ---- files


def checkpoints_folder() -> Path:
    """Where PyTorch keeps downloaded weights: hub/checkpoints in $TORCH_HOME, or in torch in the cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", os.path.join(cache, "torch"))
    return Path(home).expanduser() / "hub" / "checkpoints"


def load_state_dict(url: str, model_dir: str | os.PathLike[str] | None = None, map_location: Any = None,
                    progress: bool = True, check_hash: bool = False, file_name: str | None = None,
                    weights_only: bool = True) -> dict[str, Any]:
    """Reads the weights of this address: from `model_dir` if the file is there, else downloads it to there.

    A file's name ends in the first digits of its SHA-256, which `check_hash` compares. `progress` shows nothing here.
    Raises RuntimeError, saying which file to put where, when the download fails.
    """
    folder = Path(model_dir) if model_dir is not None else checkpoints_folder()
    name = file_name or url.rpartition("/")[2]
    path = folder / name
    wanted = Path(url).stem.rpartition("-")[2] if check_hash else None
    if path.exists():
        if wanted and not digest(path, "sha256").startswith(wanted):
            raise RuntimeError(f'invalid hash value (expected "{wanted}"): {path} is damaged, delete it')
    else:
        try:
            fetch(url, path, sha256=wanted)
        except (OSError, RuntimeError) as error:
            raise RuntimeError(
                f"Error downloading {url}: {error}\nPut the file {name} into the folder {folder} and run again"
            ) from error
    return torch.load(path, map_location=map_location or "cpu", weights_only=weights_only)


# ---- definitions


def entry(file: str, parameters: int, top1: float, top5: float, name: str = "IMAGENET1K_V1", *,
          min_size: tuple[int, int] | None = None, **preset: Any) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """One set of weights for `define`: its file, the count of parameters, the accuracies, how inputs are prepared."""
    meta: dict[str, Any] = {
        "num_params": parameters,
        "_metrics": {"ImageNet-1K": {"acc@1": top1, "acc@5": top5}},
    }
    if min_size is not None:
        meta["min_size"] = min_size
    return name, file, meta, {"crop_size": 224, **preset}


def weights_enum(name: str, module: str, min_size: tuple[int, int], entries: Iterable[Any]) -> Any:
    """The class of a model's weights; DEFAULT is the second version where there is one."""
    members = []
    for member, file, meta, preset in entries:
        known = Meta({"min_size": min_size, **meta})
        members.append((member, Weights(f"{STORE}{file}.pth", partial(ImageClassification, **preset), known)))
    default = dict(members).get("IMAGENET1K_V2", members[0][1])
    return WeightsEnum(name, [*members, ("DEFAULT", default)], module=module, qualname=name)  # type: ignore[call-arg]


def define(enum: str, name: str, module: str, make: Callable[..., nn.Module], *entries: Any,
           min_size: tuple[int, int] = (1, 1), with_weights: Callable[[Any, dict[str, Any]], Any] | None = None,
           fill: Callable[[Any, Any, Any], None] | None = None) -> tuple[Any, Callable[..., Any]]:
    """The class of weights, and the builder, of the model `name`.

    `make` takes the builder's options. `with_weights` changes the options when there are weights, and what it returns
    `fill` is given, with the model and the state, to load it.
    """
    from ._utils import _ovewrite_named_param, handle_legacy_interface

    kinds = weights_enum(enum, module, min_size, entries)

    def build(*, weights: Any = None, progress: bool = True, **kwargs: Any) -> nn.Module:
        weights = kinds.verify(weights)
        if weights is None:
            return make(**kwargs)
        asked = with_weights(weights, kwargs) if with_weights is not None else None
        _ovewrite_named_param(kwargs, "num_classes", IMAGENET_CLASSES)
        # Files that are not there are found out before the time goes into drawing initial weights.
        state = weights.get_state_dict(progress=progress, check_hash=True)
        model = make(**kwargs)
        if fill is not None:
            fill(model, state, asked)
        else:
            model.load_state_dict(state)
        return model

    build.__name__ = build.__qualname__ = name
    build.__module__ = module
    build.__doc__ = f"The model {name}; `weights` are a member of `{enum}` or its name, other options go to the class."
    build.__annotations__ = {"weights": kinds | None, "progress": bool, "kwargs": Any, "return": nn.Module}
    legacy = kinds.__members__.get("IMAGENET1K_V1")
    return kinds, register_model()(handle_legacy_interface(weights=("pretrained", legacy))(build))


# ---- by name


def register_model(name: str | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Makes a builder known under a name, its own unless said otherwise."""

    def wrapper(fn: Callable[..., Any]) -> Callable[..., Any]:
        key = name if name is not None else fn.__name__
        if key in BUILTIN_MODELS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        BUILTIN_MODELS[key] = fn
        return fn

    return wrapper


def list_models(module: ModuleType | None = None, include: Iterable[str] | str | None = None,
                exclude: Iterable[str] | str | None = None) -> list[str]:
    """The names of the models, sorted: those whose builder is in `module`, that match `include` and not `exclude`."""

    def matching(patterns: Iterable[str] | str) -> set[str]:
        return {name for pattern in ([patterns] if isinstance(patterns, str) else patterns)
                for name in fnmatch.filter(names, pattern)}

    names = {name for name, builder in BUILTIN_MODELS.items()
             if module is None or builder.__module__.rpartition(".")[0] == module.__name__}
    chosen = matching(include) if include else names
    return sorted(chosen - matching(exclude) if exclude else chosen)


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds the model of this name, in upper or lower case."""
    try:
        return BUILTIN_MODELS[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name}") from None


def get_model(name: str, **config: Any) -> nn.Module:
    """The model of this name."""
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable[..., Any] | str) -> Any:
    """The class of weights of a model, given its builder or name."""
    builder = get_model_builder(name) if isinstance(name, str) else name
    parameter = inspect.signature(builder).parameters.get("weights")
    if parameter is None:
        raise ValueError("The method is missing the 'weights' argument.")
    for kind in (parameter.annotation, *getattr(parameter.annotation, "__args__", ())):
        if isinstance(kind, type) and issubclass(kind, WeightsEnum):
            return kind
    raise ValueError(
        "The WeightsEnum class for the specific method couldn't be retrieved. "
        "Make sure the typing info are correct."
    )


def get_weight(name: str) -> WeightsEnum:
    """The weights of this full name, such as "ResNet50_Weights.IMAGENET1K_V2"."""
    kind, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    found = vars(importlib.import_module(__package__ or "")).get(kind)
    if not (isinstance(found, type) and issubclass(found, WeightsEnum)):
        raise ValueError(f"The weight enum '{kind}' for the specific method couldn't be retrieved.")
    return found[member]
