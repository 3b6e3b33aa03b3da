"""Loading: batches in this one process, and what was saved on another machine.

A box has no shared memory, which the workers of a DataLoader hand their batches over in.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.patching import patch_on_import

WORKERS, GPU, OLD = "workers", "gpu", "old spelling"
_ONLY_WITH_WORKERS = {
    "num_workers": 0,
    "persistent_workers": False,
    "prefetch_factor": None,
    "multiprocessing_context": None,
    "timeout": 0,
}


def install(context: Context) -> None:
    patch_on_import(context, "torch", _patch_load)
    patch_on_import(context, "torch.utils.data", _patch_loader)
    patch_on_import(context, "fastai.data.load", _patch_fastai)
    patch_on_import(context, "fastcore.parallel", _patch_parallel)


def _patch_loader(context: Context, data: Any) -> None:
    real = data.DataLoader.__init__
    signature = inspect.signature(real)

    @functools.wraps(real)
    def __init__(self: Any, *args: Any, **keywords: Any) -> None:  # noqa: N807
        try:
            given = signature.bind(self, *args, **keywords)
        except TypeError:  # torch says best what is wrong
            real(self, *args, **keywords)
            return
        asked = given.arguments
        if type(asked.get("num_workers")) is int and asked["num_workers"] > 0:
            context.used(WORKERS, f"num_workers={asked['num_workers']}")
            asked.update({name: value for name, value in _ONLY_WITH_WORKERS.items() if name in asked})
        if asked.get("pin_memory"):
            context.used(GPU, "pin_memory=True")
            asked["pin_memory"] = False
        real(*given.args, **given.kwargs)

    data.DataLoader.__init__ = __init__


def _patch_fastai(context: Context, load: Any) -> None:
    real = load.DataLoader.__init__

    @functools.wraps(real)
    def __init__(self: Any, *args: Any, **keywords: Any) -> None:  # noqa: N807
        place = 2  # after the data set and the batch size
        workers = args[place] if len(args) > place else keywords.get("num_workers", 0)
        if workers:
            context.used(WORKERS, f"fastai: num_workers={workers}")
            if len(args) > place:
                args = (*args[:place], 0, *args[place + 1 :])
            off = {"num_workers": 0, "persistent_workers": False, "pin_memory": False}
            keywords.update({name: value for name, value in off.items() if name in keywords})
        real(self, *args, **keywords)

    load.DataLoader.__init__ = __init__


def _patch_parallel(context: Context, module: Any) -> None:
    """fastcore's pool of processes, with which fastai looks through folders of pictures."""
    real = module.parallel

    @functools.wraps(real)
    def parallel(*args: Any, **keywords: Any) -> Any:
        context.used(WORKERS, "fastcore.parallel")
        return real(*args, **{**keywords, "n_workers": 0})

    module.parallel = parallel


def _patch_load(context: Context, torch: Any) -> None:
    real = torch.load

    def here(storage: Any, location: str) -> Any:
        if location.startswith(("cuda", "mps")):
            context.used(GPU, f"torch.load of what was saved on {location}")
            return storage
        return None  # torch's own way

    @functools.wraps(real)
    def load(f: Any, map_location: Any = None, *args: Any, **keywords: Any) -> Any:
        where = _near_map(context, torch, map_location, here)
        start = f.tell() if hasattr(f, "tell") and hasattr(f, "seek") else None
        try:
            return real(f, where, *args, **keywords)
        except Exception as error:
            if "weights_only" in keywords or "weights_only" not in str(error):
                raise
            context.used(OLD, "torch.load of a whole object, without weights_only=False")
            if start is not None:
                f.seek(start)
        return real(f, where, *args, weights_only=False, **keywords)  # it is the student's own, in their box

    torch.load = load
    usual = torch.jit.load

    @functools.wraps(usual)
    def jit_load(f: Any, map_location: Any = None, *args: Any, **keywords: Any) -> Any:
        where = _near_map(context, torch, map_location, here)
        return usual(f, "cpu" if callable(where) else where, *args, **keywords)

    torch.jit.load = jit_load


def _near_map(context: Context, torch: Any, where: Any, here: Any) -> Any:
    """A ``map_location`` that this machine has."""
    if where is None:
        return here
    if isinstance(where, dict):
        return {key: _near_place(context, torch, value) for key, value in where.items()}
    return where if callable(where) else _near_place(context, torch, where)


def _near_place(context: Context, torch: Any, where: Any) -> Any:
    name = where.type if isinstance(where, torch.device) else where
    if isinstance(name, int) or (isinstance(name, str) and name.startswith(("cuda", "mps"))):
        context.used(GPU, f"map_location={where}")
        return "cpu"
    return where
