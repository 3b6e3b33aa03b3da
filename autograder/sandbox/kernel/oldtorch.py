"""Spellings that the libraries have given up, where what they meant is beyond doubt.

The others end in the library's own error, which a hint explains.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.patching import patch_on_import
from autograder.sandbox.kernel.students import is_students

KIND = "old spelling"
_NUMPY_TYPES: dict[str, Any] = {
    "int": int, "float": float, "bool": bool, "object": object, "str": str, "complex": complex, "long": int,
    "unicode": str,
}  # fmt: skip
_NUMPY_NAMES = {
    "Inf": "inf", "Infinity": "inf", "infty": "inf", "NaN": "nan", "NAN": "nan", "float_": "float64",
    "complex_": "complex128", "string_": "bytes_", "unicode_": "str_", "product": "prod",
    "cumproduct": "cumprod",
    "alltrue": "all", "sometrue": "any", "in1d": "isin", "trapz": "trapezoid", "row_stack": "vstack",
    "round_": "round", "asfarray": "asarray", "bool8": "bool_",
}  # fmt: skip
_TRANSFORMS = {"Scale": "Resize", "RandomSizedCrop": "RandomResizedCrop"}
_PIL = {"ANTIALIAS": "LANCZOS"}


def install(context: Context) -> None:
    for name, patch in (
        ("numpy", _patch_numpy),
        ("torch", _patch_torch),
        ("torch.optim.lr_scheduler", _patch_schedulers),
        ("torch.utils.data.dataloader", _patch_iterators),
        ("torchvision.transforms", _patch_transforms),
        ("torchvision.datasets.cifar", _patch_cifar),
        ("PIL.Image", _patch_pil),
        ("matplotlib.style", _patch_styles),
    ):
        patch_on_import(context, name, patch)


def _answer_names(context: Context, module: Any, find: Callable[[str], Any]) -> None:
    """Have ``find`` answer, to students alone, for a name that the module no longer has. None: it can't.

    Libraries ask for old names too, to learn which version is there: they get the usual answer.
    """
    usual = vars(module).get("__getattr__")
    module_name = module.__name__

    def __getattr__(name: str) -> Any:  # noqa: N807
        if not name.startswith("__") and is_students(sys._getframe(1)):
            value = find(name)
            if value is not None:
                context.used(KIND, f"{module_name}.{name}")
                return value
        if usual is not None:
            return usual(name)
        raise AttributeError(f"module {module_name!r} has no attribute {name!r}")

    module.__getattr__ = __getattr__


def _renamed(module: Any, names: Mapping[str, str]) -> Callable[[str], Any]:
    return lambda name: getattr(module, names[name], None) if name in names else None


def _patch_numpy(context: Context, numpy: Any) -> None:
    renamed = _renamed(numpy, _NUMPY_NAMES)
    _answer_names(context, numpy, lambda name: _NUMPY_TYPES.get(name) or renamed(name))


def _patch_pil(context: Context, image: Any) -> None:
    _answer_names(context, image, _renamed(image, _PIL))


def _patch_transforms(context: Context, transforms: Any) -> None:
    _answer_names(context, transforms, _renamed(transforms, _TRANSFORMS))


def _patch_torch(context: Context, torch: Any) -> None:
    """Variable() is still there, and takes ``volatile`` with a warning; that is worth naming."""
    meta = type(torch.autograd.Variable)
    usual = meta.__call__

    def __call__(cls: Any, *args: Any, **keywords: Any) -> Any:  # noqa: N807
        context.used(KIND, "Variable(volatile=...)" if "volatile" in keywords else "Variable()")
        if keywords.pop("volatile", False):
            keywords["requires_grad"] = False
        return usual(cls, *args, **keywords)

    setattr(meta, "__call__", __call__)  # noqa: B010  (a plain assignment to it has no type)
    _format_subclasses(context, torch)


def _format_subclasses(context: Context, torch: Any) -> None:
    """``f"{accuracy:.3f}"`` of fastai's tensors, which are of a class of their own, once gave the number."""
    usual = torch.Tensor.__format__

    def __format__(self: Any, spec: str) -> str:  # noqa: N807
        if spec and type(self) is not torch.Tensor and self.dim() == 0 and not self.is_meta:
            context.used(KIND, f"{type(self).__name__} in a format")
            return format(self.item(), spec)
        return str(usual(self, spec))

    torch.Tensor.__format__ = __format__


def _patch_schedulers(context: Context, schedulers: Any) -> None:
    """``verbose=`` only ever printed the learning rate."""
    for cls in list(vars(schedulers).values()):
        if (
            not inspect.isclass(cls)
            or "__init__" not in vars(cls)
            or not cls.__module__.startswith("torch.optim")
        ):
            continue
        names = inspect.signature(cls.__init__).parameters
        if "optimizer" in names and "verbose" not in names:
            cls.__init__ = _without_verbose(context, cls.__init__)  # type: ignore[method-assign]


def _without_verbose(context: Context, real: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(real)
    def __init__(self: Any, *args: Any, **keywords: Any) -> None:  # noqa: N807
        if "verbose" in keywords:
            del keywords["verbose"]
            context.used(KIND, f"{type(self).__name__}(verbose=...)")
        real(self, *args, **keywords)

    return __init__


def _patch_iterators(context: Context, loader: Any) -> None:
    def next_batch(self: Any) -> Any:
        context.used(KIND, "iter(loader).next()")
        return next(self)

    if not hasattr(loader._BaseDataLoaderIter, "next"):
        loader._BaseDataLoaderIter.next = next_batch


def _patch_cifar(context: Context, module: Any) -> None:
    def old_name(name: str, new: str) -> property:
        def get(self: Any) -> Any:
            context.used(KIND, f"CIFAR10.{name}")
            return getattr(self, new)

        return property(get)

    for part in ("train", "test"):
        for old, new in (("data", "data"), ("labels", "targets")):
            setattr(module.CIFAR10, f"{part}_{old}", old_name(f"{part}_{old}", new))


def _patch_styles(context: Context, style: Any) -> None:
    """The seaborn styles were given their version's name."""

    def patch(name: str) -> None:
        real = getattr(style, name)

        @functools.wraps(real)
        def function(chosen: Any, *args: Any, **keywords: Any) -> Any:
            if isinstance(chosen, str) and chosen.startswith("seaborn") and chosen not in style.available:
                newer = chosen.replace("seaborn", "seaborn-v0_8", 1)
                if newer in style.available:
                    context.used(KIND, f"the style {chosen!r}")
                    chosen = newer
            return real(chosen, *args, **keywords)

        setattr(style, name, function)

    patch("use")
    patch("context")
