"""What `torch.cuda` and `torch.mps` answer where there is no card: nothing to wait for, no memory in use."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from autograder.sandbox.kernel.context import Context

KIND = "gpu"
_NAME = "no GPU where this notebook is run"
_TYPES = tuple(f"{kind}Tensor" for kind in "Float Double Half BFloat16 Byte Char Short Int Long Bool".split())
_MPS = tuple(
    "empty_cache synchronize current_allocated_memory driver_allocated_memory "
    "recommended_max_memory set_per_process_memory_fraction".split()
)


class Properties:
    """Of a card that isn't there."""

    name = _NAME
    total_memory = total_global_mem = 0
    major = minor = multi_processor_count = warp_size = 0
    is_integrated = is_multi_gpu_board = False


class Stream:
    """A queue of work, which is always done. Also a place for it: ``with`` does nothing."""

    device_index = 0

    def __init__(self, *_: Any, **__: Any) -> None:
        self._time = 0.0

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to leave."""

    def synchronize(self) -> None:
        """All work is done."""

    def wait_stream(self, _stream: Any) -> None:
        """All work is done."""

    def wait_event(self, _event: Any) -> None:
        """All work is done."""

    def record_event(self, event: Any = None) -> Any:
        event = event or Event()
        event.record()
        return event

    def query(self) -> bool:
        return True


class Event(Stream):
    """A moment, by the machine's clock: how cells are often timed."""

    def record(self, _stream: Any = None) -> None:
        self._time = time.perf_counter()

    def wait(self, _stream: Any = None) -> None:
        """It has happened."""

    def elapsed_time(self, end: Event) -> float:
        return (end._time - self._time) * 1000


def patch(context: Context, torch: Any) -> None:
    cuda = torch.cuda

    def answering(name: str, answer: Callable[[], Any]) -> Callable[..., Any]:
        def function(*_: Any, **__: Any) -> Any:
            context.used(KIND, name)
            return answer()

        function.__name__ = function.__qualname__ = name.rpartition(".")[2]
        return function

    answers: dict[str, Callable[[], Any]] = {
        **dict.fromkeys(
            "synchronize init ipc_collect set_device set_rng_state set_rng_state_all reset_peak_memory_stats "
            "reset_max_memory_allocated reset_max_memory_cached reset_accumulated_memory_stats "
            "set_per_process_memory_fraction set_stream".split(),
            lambda: None,
        ),
        "current_device": lambda: 0,
        "utilization": lambda: 0,
        "mem_get_info": lambda: (0, 0),
        "memory_summary": lambda: f"({_NAME})",
        "get_device_name": lambda: _NAME,
        "get_device_properties": Properties,
        "get_device_capability": lambda: (0, 0),
        "get_rng_state": torch.get_rng_state,
        "initial_seed": torch.initial_seed,
        "current_stream": Stream,
        "default_stream": Stream,
    }
    for name, answer in answers.items():
        setattr(cuda, name, answering(f"torch.cuda.{name}", answer))
    for name, base in (("Stream", Stream), ("Event", Event), ("device", Stream), ("device_of", Stream)):
        setattr(cuda, name, _noting(context, name, base))
    for name in _MPS:
        setattr(torch.mps, name, answering(f"torch.mps.{name}", lambda: 0))
    for name in ("empty_cache", "memory_allocated", "max_memory_allocated", "memory_reserved"):
        _note_call(context, cuda, name)  # they work without a card
    _answer_types(context, torch)


def _noting(context: Context, name: str, base: type[Stream]) -> type[Stream]:
    """A class, since torch asks what is one of them."""

    def __init__(self: Stream, *_: Any, **__: Any) -> None:  # noqa: N807
        context.used(KIND, f"torch.cuda.{name}")
        base.__init__(self)

    return type(name, (base,), {"__init__": __init__, "__module__": "torch.cuda"})


def _note_call(context: Context, cuda: Any, name: str) -> None:
    real = getattr(cuda, name)

    def function(*args: Any, **keywords: Any) -> Any:
        context.used(KIND, f"torch.cuda.{name}")
        return real(*args, **keywords)

    function.__name__ = function.__qualname__ = name
    setattr(cuda, name, function)


def _answer_types(context: Context, torch: Any) -> None:
    """``torch.cuda.FloatTensor`` and its like: the types of the same name that are here, once asked for."""
    names = vars(torch.cuda)
    usual = names.get("__getattr__")
    near = {name: getattr(torch, name) for name in _TYPES if hasattr(torch, name)}
    for name in near:
        names.pop(name, None)

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name in near:
            context.used(KIND, f"torch.cuda.{name}")
            return near[name]
        if usual is not None:
            return usual(name)
        raise AttributeError(f"module 'torch.cuda' has no attribute {name!r}")

    names["__getattr__"] = __getattr__
