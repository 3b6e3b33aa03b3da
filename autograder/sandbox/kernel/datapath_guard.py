"""Whether the libraries are still as they were when they had just been imported.

A student may replace any function between a data set and its batches, put a hook on every module, or take the
tensors' functions over. Then what we would compute isn't what their path computes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import PIL.Image
import PIL.ImageOps
import torch
from torch.nn.modules import module as modules
from torch.utils import data
from torch.utils.data._utils import collate, worker
from torchvision import (  # type: ignore[import-untyped]  # ships no types
    datasets,
    transforms,
    tv_tensors,
    utils,
)

from autograder.sandbox.kernel.datapath_known import KNOWN

_OURS = __name__.rpartition(".")[0]
_MISSING = object()
_TENSOR = "__torch_function__ clone contiguous div div_ item mul_ numpy permute sub sub_ to uniform_ view"
_TORCH = "as_tensor empty from_numpy rand randint stack tensor"
_PILLOW = "__array_interface__ convert copy crop getbands paste rotate transform transpose"
_PILLOW_MODULE = "AFFINE FLIP_LEFT_RIGHT Image frombuffer fromarray new"
_COLLATE = "collate collate_int_fn collate_tensor_fn default_collate default_collate_fn_map"


class Guard:
    """Make one right after the import, before student code could change anything."""

    def __init__(self) -> None:
        functions = sys.modules["torchvision.transforms.functional"]
        self._watched: list[tuple[Mapping[str, Any], str, Any]] = []
        self._watch(torch, _TORCH)
        self._watch(torch.Tensor, _TENSOR)
        self._watch(torch.nn.Module, "__call__ _call_impl _wrapped_call_impl __getattr__")
        self._watch(data.Subset, "__getitem__ __getitems__ __len__ __getattribute__")
        self._watch(collate, _COLLATE)
        for kind in (datasets.MNIST, datasets.FashionMNIST, datasets.KMNIST, datasets.CIFAR10):
            self._watch(kind, "__getitem__ __getitems__ __len__ __getattr__ __getattribute__")
        for base in (data.Dataset, datasets.VisionDataset):
            self._watch(base, "__getitems__ __getattr__ __getattribute__")
        for kind in KNOWN:
            self._watch(kind, ("__call__", "forward", "transform", *_functions(kind)))
        for module in (functions, transforms._functional_pil):
            self._watch(module, _functions(module))
        self._watch(transforms._functional_tensor, "normalize pad crop hflip vflip get_dimensions")
        self._watch(PIL.Image.Image, _PILLOW)
        self._watch(PIL.Image, _PILLOW_MODULE)
        self._watch(PIL.ImageOps, "expand")
        self._watch(utils, "_Image_fromarray")
        self._watch(datasets.mnist, "_Image_fromarray")
        self._watch(datasets.cifar, "Image")
        self._watch(tv_tensors._torch_function_helpers, "_TORCHFUNCTION_SUBCLASS")
        self._collated = dict(collate.default_collate_fn_map)

    def _watch(self, owner: Any, names: str | Iterable[str]) -> None:
        held = vars(owner)
        for name in names.split() if isinstance(names, str) else names:
            self._watched.append((held, name, held.get(name, _MISSING)))

    def all_is_usual(self) -> bool:
        for held, name, value in self._watched:
            if held.get(name, _MISSING) is not value:
                return False
        return (
            collate.default_collate_fn_map == self._collated
            and worker._worker_info is None
            and torch.get_default_dtype() is torch.float32
            and torch._C._len_torch_function_stack() == 0
            and torch._C._len_torch_dispatch_stack() == 0
            and not modules._global_forward_hooks
            and all(_is_ours(hook) for hook in modules._global_forward_pre_hooks.values())
        )


def _functions(owner: Any) -> list[str]:
    return [name for name, value in vars(owner).items() if inspect.isroutine(value)]


def _is_ours(hook: Any) -> bool:
    """The meter asks for the first module that is called after a batch; it means the network."""
    return str(getattr(hook, "__module__", "")).startswith(_OURS)
