"""Exports a scene's networks to ONNX, with what they consist of and the probes as the notebook prepares them.

What leaves the box is data: a graph with every number that it uses. What is told beside it (names, counts,
settings) was told beside student code and is no more than that. The probes are pictures of the trusted side's
own making, so nothing that is done to them can give a test away.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from autograder.sandbox.kernel import onnxfile
from autograder.sandbox.kernel.candidates import Network, is_module, networks, walk
from autograder.sandbox.kernel.deadline import OutOfTime, within
from autograder.sandbox.kernel.facts import (
    evaluating,
    facts,
    kind_of,
    requires_grad,
    restore,
    said,
    shape_of,
    tensors_of,
)
from autograder.sandbox.kernel.fitting import Code, fill, fresh
from autograder.sandbox.kernel.preparations import Preparation, preparations
from autograder.sandbox.kernel.problems import first_line
from autograder.sandbox.kernel.samples import find, scores_alone
from autograder.sandbox.kernel.weightfiles import from_file

_MOST_NOTES, _TEXT = 40, 600
_PREPARATIONS_SHARE = 4  # of what may be sent, one part in so many goes to prepared probes
_PREPARING_S = 10.0
# Classes that hold the network itself, and under what name.
_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "AveragedModel": "module",
    "OptimizedModule": "_orig_mod",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as the trusted side wrote it (see Scene.export)."""

    weights: str
    arguments: Sequence[Mapping[str, Any]]
    classes: Sequence[str]
    snapshot: int | None
    input_shape: tuple[int, ...] | None
    budget_s: float
    most_bytes: int

    @classmethod
    def read(cls, asked: Mapping[str, Any]) -> Asked:
        shape = asked["input_shape"]
        return cls(
            weights=asked["weights"],
            arguments=asked["arguments"],
            classes=asked["classes"],
            snapshot=asked["snapshot"],
            input_shape=None if shape is None else tuple(shape),
            budget_s=asked["budget_s"],
            most_bytes=asked["most_bytes"],
        )


@dataclass(slots=True)
class Exporter:
    """One namespace's.

    ``stepped`` holds the ids of each training run's parameters. ``kept`` gives a network and its weights at
    the end of one of its last epochs: -1 is the last.
    """

    namespace: Mapping[str, Any]
    stepped: Sequence[frozenset[int]]
    tree: Path
    kept: Callable[[int], tuple[Any, Mapping[str, Any]] | None] = lambda _: None
    notes: list[str] = field(default_factory=list)

    def answer(self, probes: np.ndarray, asked: Asked) -> dict[str, Any]:
        """Ready for JSON, but for the arrays in it."""
        if "torch._C" not in sys.modules:  # else "torch" may be a placeholder
            self.notes.append("no code of yours has imported torch, so there is no network of torch's")
            return {"networks": [], "preparations": [], "notes": self.notes}
        give_up = time.monotonic() + asked.budget_s
        with onnxfile.quiet(), sys.modules["torch"].random.fork_rng(devices=[]):
            prepared = self._prepared(probes, min(asked.budget_s / 4, _PREPARING_S))
            sent, left = _fitting(prepared, asked.most_bytes // _PREPARATIONS_SHARE)
            left += asked.most_bytes - asked.most_bytes // _PREPARATIONS_SHARE
            told = []
            found = self._networks(asked, give_up)
            for at, network in enumerate(found):
                until = give_up if at + 1 == len(found) else (time.monotonic() + give_up) / 2
                one = self._exported(network, [images for _, images in prepared], asked, until)
                left -= _bounded(one, left)
                told.append(one)
        notes = [note[:_TEXT] for note in self.notes[:_MOST_NOTES]]
        return {"networks": told, "preparations": sent, "notes": notes}

    # The probes

    def _prepared(self, probes: np.ndarray, budget_s: float) -> list[tuple[str, np.ndarray]]:
        """The probes by each preparation that takes them; float32, one image a row."""
        found: list[tuple[str, np.ndarray]] = []
        give_up = time.monotonic() + budget_s
        ways = self._in_time(lambda: preparations(self.namespace, probes), give_up, "your transforms")
        for one in ways or ():
            images = self._in_time(partial(_images, one, probes), give_up, one.name)
            if images is not None and images.ndim > 1 and len(images) == len(probes):
                found.append((one.name, images))
        return found

    def _in_time(self, body: Callable[[], Any], give_up: float, doing: str) -> Any:
        try:
            with within(give_up - time.monotonic()):
                return body()
        except OutOfTime:
            self.notes.append(f"{doing}: it takes too long")
        except Exception as error:  # the student's own transform, given what it may not take
            self.notes.append(f"{doing}: {first_line(error)}")
        return None

    # The networks

    def _networks(self, asked: Asked, give_up: float) -> list[Network]:
        if asked.weights:
            code = Code(self.namespace, self.tree, asked.arguments, asked.classes)
            return from_file(asked.weights, code, give_up, self.notes)
        found = networks(self.namespace, self.stepped)
        if asked.snapshot is None:
            if asked.classes and not any(one.module is not None for one in found):
                return self._fresh(asked, give_up) or found
            return found
        return self._snapshot(found, asked.snapshot)

    def _fresh(self, asked: Asked, give_up: float) -> list[Network]:
        """What one of the classes that were asked for makes: a network with random weights."""
        made = fresh(Code(self.namespace, self.tree, asked.arguments, asked.classes), give_up)
        if made is None:
            self.notes.append(f"nothing of {', '.join(asked.classes[:5])} could be made")
            return []
        return [Network(f"{made.name}, made from its source", made.module, made.module)]

    def _snapshot(self, found: Sequence[Network], number: int) -> list[Network]:
        """The network that weights were kept of, to be exported with them."""
        kept = self.kept(number)
        if kept is None:
            self.notes.append("of that epoch of the training no weights were kept")
            return []
        module, state = kept
        name = next((one.name for one in found if one.module is module), type(module).__name__)
        return [Network(f"{name}, {_epoch(number)}", module, module, state)]

    def _exported(
        self, network: Network, prepared: Sequence[np.ndarray], asked: Asked, until: float
    ) -> dict[str, Any]:
        module = _unwrapped(network.module) if network.module is not None else _wrapped(network)
        told: dict[str, Any] = {"name": network.name, "onnx": None, "problem": "", "reported": {}}
        told["kind"] = kind_of(module) if network.module is not None else "function"
        left = until - time.monotonic()
        try:
            with within(left), _as_in_a_test(module, self.namespace), _holding(network):
                sample = find(module, prepared, asked.input_shape)
                told |= {"takes": list(sample.batch.shape[1:]), "form": sample.form}
                told["reported"] = facts(module)
                with scores_alone(module, sample):
                    names = _names_of(module, self.namespace)
                    made = onnxfile.export(module, sample.batch, self.tree, names)
                if network.module is None:
                    told["reported"] = _facts_of_constants(made.constants)
                told |= {"onnx": np.frombuffer(made.data, np.uint8), "batch": made.batch}
        except OutOfTime:
            told["problem"] = f"its export took longer than the {max(left, 0.0):.0f} s that were left for it"
        except onnxfile.NoExporter as error:
            told |= {"problem": str(error), "lacks": True}
        except onnxfile.NoExport as error:
            told["problem"] = str(error)
        except Exception as error:  # the student's own forward, given what it may not take
            told["problem"] = f"it takes none of the prepared images: {first_line(error)}"
        if network.module is not None:  # also of one that takes nothing
            told["reported"] = (told["reported"] or facts(module)) | {"said": said(network.module)}
        return told


def _fitting(prepared: Sequence[tuple[str, np.ndarray]], left: int) -> tuple[list[dict[str, Any]], int]:
    """As many of the prepared probes as fit into so many bytes, and the bytes that are left."""
    sent = []
    for name, images in prepared:
        if images.nbytes <= left:
            sent.append({"name": name, "images": images})
            left -= images.nbytes
    return sent, left


def _bounded(told: dict[str, Any], left: int) -> int:
    """Take out a file that has more than so many bytes; returns the bytes of the one that stays."""
    file = told["onnx"]
    if file is None or file.nbytes <= left:
        return file.nbytes if file is not None else 0
    size = f"{file.nbytes / (1 << 20):.0f} MiB"
    told |= {"onnx": None, "problem": f"its ONNX file has {size}, and {left >> 20} can be sent (message_mib)"}
    return 0


def _images(preparation: Preparation, probes: np.ndarray) -> np.ndarray:
    torch = sys.modules["torch"]
    given = preparation.prepare(probes)
    return np.array(given.detach().to("cpu", torch.float32).numpy(), dtype=np.float32)


def _unwrapped(module: Any) -> Any:
    """The network within a wrapper that only spreads it over devices or compiles it."""
    for _ in range(3):
        held = getattr(module, _WRAPPERS.get(type(module).__name__, ""), None)
        if not is_module(held):
            break
        module = held
    return module


def _wrapped(network: Network) -> Any:
    """A function of a batch as a module, which is what torch exports."""
    torch = sys.modules["torch"]

    class Function(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch is there when this runs
        def forward(self, images: Any) -> Any:
            return network.call(images)

    return Function()


@contextlib.contextmanager
def _as_in_a_test(module: Any, namespace: Mapping[str, Any]) -> Iterator[None]:
    """Everything is in evaluation mode: a function may call any network that it can see."""
    modes: dict[int, bool] = {}
    modules = [module, *(one for _, one in walk(namespace) if is_module(one))]
    for one in modules:
        evaluating(one, modes)
    try:
        yield
    finally:
        for one in modules:
            restore(one, modes)


@contextlib.contextmanager
def _holding(network: Network) -> Iterator[None]:
    """The network with the weights that were kept of it, and afterwards with its own."""
    if network.state is None:
        yield
        return
    before = {name: one.detach().clone() for name, one, _ in tensors_of(network.module)}
    fill(network.module, network.state)
    try:
        yield
    finally:
        fill(network.module, before)


def _names_of(module: Any, namespace: Mapping[str, Any]) -> dict[int, str]:
    """What the student calls the tensors that the module doesn't list, by their ids."""
    torch = sys.modules["torch"]
    names: dict[int, str] = {}
    for name, one in walk({**namespace, **vars(module)}):
        if isinstance(one, torch.Tensor):
            names.setdefault(id(one), name)
        elif is_module(one) and one is not module:
            names |= {id(tensor): f"{name}.{inner}" for inner, tensor, _ in tensors_of(one)}
    return names


def _facts_of_constants(constants: Mapping[str, Any]) -> dict[str, Any]:
    """Of a network that is a function: the tensors that its graph took from around it."""
    tensors = [[name, list(shape_of(one)), requires_grad(one), True] for name, one in constants.items()]
    return {"tensors": tensors, "said": None, "modules": [], "ties": []}


def _epoch(number: int) -> str:
    before = -number - 1
    return f"{before} epoch{'s' * (before > 1)} before its last" if before else "after its last epoch"
