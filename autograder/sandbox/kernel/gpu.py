"""Lets code that asks for a graphics card run without one.

`torch.device("cuda")` stays what it is, a name; it is made "cpu" where it would be used: by `.to()`,
`.cuda()`, a factory's `device=`, and so on. Only those functions are wrapped, so an operation on tensors
costs what it always does, types stay the types that they were, and pickles and the compiler see nothing new.
(Measured, one step of a two-layer network on one thread: 187 µs plain, 195 with these and every batch sent to
"cuda", 267 under a global TorchFunctionMode.)

`torch.cuda.is_available()` goes on saying no: most notebooks ask, and then need none of this.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from autograder.sandbox.kernel import gpu_calls
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.patching import named, patch_on_import

KIND = "gpu"
_FAR = ("cuda", "mps")  # the devices that notebooks ask for
_FACTORIES = tuple(
    "arange as_tensor asarray bartlett_window blackman_window empty empty_like empty_permuted empty_strided "
    "eye from_file full full_like hamming_window hann_window kaiser_window linspace logspace normal ones "
    "ones_like rand rand_like randint randint_like randn randn_like randperm range scalar_tensor "
    "sparse_coo_tensor sparse_csr_tensor tensor tril_indices triu_indices zeros zeros_like".split()
)
_NEW = ("new_empty", "new_empty_strided", "new_full", "new_ones", "new_tensor", "new_zeros")

Function = Callable[..., Any]


def install(context: Context) -> None:
    patch_on_import(context, "torch", _patch)


class Near:
    """Gives for a device the one that is here."""

    __slots__ = ("_context", "_device")

    def __init__(self, context: Context, device: type) -> None:
        self._context, self._device = context, device

    def __call__(self, device: Any) -> Any:
        kind = type(device)
        if kind is str:
            far = device.startswith(_FAR)
        elif kind is self._device:
            far = device.type in _FAR
        else:
            far = kind is int  # a card's number
        if not far:
            return device
        self.note(f"device {device!s}")
        return "cpu"

    def note(self, what: str) -> None:
        self._context.used(KIND, what)


def _patch(context: Context, torch: Any) -> None:
    near = Near(context, torch.device)
    for part in (_patch_factories, _patch_methods, _patch_defaults, _patch_precision):
        with named(context, part.__name__):
            part(torch, near)
    with named(context, "gpu_calls"):
        gpu_calls.patch(context, torch)


def dressed_as(real: Any, wrapper: Function, module: str, name: str) -> Function:
    """``wrapper`` with ``real``'s name, signature and text; it pickles under its public name."""
    functools.update_wrapper(wrapper, real)
    wrapper.__module__, wrapper.__qualname__, wrapper.__name__ = module, name, name
    return wrapper


def _patch_factories(torch: Any, near: Near) -> None:
    # `with torch.device(...)` compares with the real functions: it looks them up now, before they are hidden.
    importlib.import_module("torch.utils._device")._device_constructors()
    table = importlib.import_module(
        "torch.jit._builtins"
    )._builtin_table  # TorchScript knows them by identity
    for name in _FACTORIES:
        real = getattr(torch, name, None)
        if real is None:
            continue
        wrapper = dressed_as(real, _with_near_keyword(real, near), "torch", name)
        setattr(torch, name, wrapper)
        if table is not None and id(real) in table:
            table[id(wrapper)] = table[id(real)]


def _with_near_keyword(real: Function, near: Near) -> Function:
    def wrapper(*args: Any, **keywords: Any) -> Any:
        if "device" in keywords:
            keywords["device"] = near(keywords["device"])
        return real(*args, **keywords)

    return wrapper


def _with_near_device(real: Function, near: Near) -> Function:
    """A method that takes a device by name or in the first place."""

    def wrapper(self: Any, *args: Any, **keywords: Any) -> Any:
        if args:
            args = (near(args[0]), *args[1:])
        elif "device" in keywords:
            keywords["device"] = near(keywords["device"])
        return real(self, *args, **keywords)

    return wrapper


def _patch_methods(torch: Any, near: Near) -> None:
    def stay(self: Any, *_: Any, **__: Any) -> Any:
        near.note(f"{type(self).__name__}.cuda()")
        return self

    def stay_unpinned(self: Any, *_: Any, **__: Any) -> Any:
        near.note("pin_memory()")
        return self

    tensor, module = torch.Tensor, torch.nn.Module
    for owner in (tensor, module):
        owner.to = dressed_as(owner.to, _with_near_device(owner.to, near), "torch", "to")
        owner.type = dressed_as(owner.type, _with_near_type(owner.type, near), "torch", "type")
    for owner in (tensor, module, torch.storage._StorageBase, torch.storage.TypedStorage):
        owner.cuda = _named(stay, "cuda")
    to_empty = module.to_empty
    module.to_empty = dressed_as(to_empty, _with_near_keyword(to_empty, near), "torch", "to_empty")
    tensor.pin_memory = _named(stay_unpinned, "pin_memory")
    for name in _NEW:
        real = getattr(tensor, name)
        setattr(tensor, name, dressed_as(real, _with_near_keyword(real, near), "torch", name))


def _named(function: Function, name: str) -> Function:
    """What dispatches on a method's name finds the usual one."""
    function.__name__ = function.__qualname__ = name
    return function


def _with_near_type(real: Function, near: Near) -> Function:
    """``x.type("torch.cuda.FloatTensor")``; the types themselves are answered in gpu_calls.py."""

    def wrapper(self: Any, *args: Any, **keywords: Any) -> Any:
        if args and isinstance(args[0], str):
            args = (_near_type(args[0], near), *args[1:])
        return real(self, *args, **keywords)

    return wrapper


def _near_type(name: str, near: Near) -> str:
    if not name.startswith("torch.cuda."):
        return name
    near.note(name)
    return name.replace("torch.cuda.", "torch.")


def _patch_defaults(torch: Any, near: Near) -> None:
    set_device, set_type, real_generator = (
        torch.set_default_device,
        torch.set_default_tensor_type,
        torch.Generator,
    )

    def set_default_device(device: Any) -> None:
        here = near(device)
        set_device(None if here is not device else device)  # set to "cpu", every later call would cost more

    def set_default_tensor_type(kind: Any) -> None:
        set_type(_near_type(kind, near) if isinstance(kind, str) else kind)

    class OfGenerators(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, real_generator)

        def __call__(cls, device: Any = "cpu") -> Any:
            return real_generator(near(device))

    torch.set_default_device = dressed_as(set_device, set_default_device, "torch", "set_default_device")
    torch.set_default_tensor_type = dressed_as(
        set_type, set_default_tensor_type, "torch", "set_default_tensor_type"
    )
    torch.Generator = OfGenerators("Generator", (), {"__module__": "torch"})


def _patch_precision(torch: Any, near: Near) -> None:
    """Mixed precision meant for a card is left off; torch would do the same for one kind of card, with a
    warning each time, and scale the gradients for another."""

    def off_if_far(cls: Any, default: str) -> None:
        real = cls.__init__

        def __init__(self: Any, *args: Any, **keywords: Any) -> None:  # noqa: N807
            device = args[0] if args else keywords.get("device_type", keywords.get("device", default))
            if isinstance(device, torch.device):  # neither takes one, but `device_type=device` is often meant
                device = device.type
            if str(device).startswith(_FAR):
                near.note(f"{cls.__name__} on {device}")
                # By name, after what was given by place: the place of `enabled` is the third or the last.
                args, keywords = _switched_off(args, keywords, cls.__name__)
            real(self, *args, **keywords)

        cls.__init__ = functools.wraps(real)(__init__)

    off_if_far(torch.amp.autocast_mode.autocast, "")
    off_if_far(torch.amp.grad_scaler.GradScaler, "cuda")
    _note_parallel(torch.nn.DataParallel, near)


def _switched_off(args: tuple[Any, ...], keywords: dict[str, Any], name: str) -> tuple[Any, dict[str, Any]]:
    place = 2 if name == "autocast" else 5  # of `enabled` among the arguments
    device = (str(getattr(args[0], "type", args[0])),) if args else ()
    if len(args) > place:
        return (*device, *args[1:place], False, *args[place + 1 :]), keywords
    if "device_type" in keywords:
        keywords["device_type"] = str(getattr(keywords["device_type"], "type", keywords["device_type"]))
    return (*device, *args[1:]), {**keywords, "enabled": False}


def _note_parallel(cls: Any, near: Near) -> None:
    real = cls.__init__

    @functools.wraps(real)
    def __init__(self: Any, *args: Any, **keywords: Any) -> None:  # noqa: N807
        near.note("DataParallel")
        real(self, *args, **keywords)

    cls.__init__ = __init__
