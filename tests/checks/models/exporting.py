"""Networks exported here, in the tests' own process, as the sandbox exports a student's."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from autograder.checks.models.weigh import Weighed, weigh
from autograder.sandbox.exported import Export, Reported, ReportedModule, ReportedTensor

torch.set_num_threads(1)


class Net(nn.Module):
    """Modules by name, and what a forward does with them."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self._run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Any) -> Any:
        return self._run(self, x)


def onnx_of(model: nn.Module, shape: Sequence[int]) -> bytes:
    """The model as ONNX, with a free batch dimension; ``shape`` is that of one image."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            model.eval(),
            (torch.zeros(2, *shape),),
            dynamo=True,
            optimize=False,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            verbose=False,
        )
    assert program is not None
    made: bytes = program.model_proto.SerializeToString()
    return made


def report(model: nn.Module) -> Reported:
    """What an honest box says of it."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    buffers = dict(model.named_buffers())
    names: dict[int, list[str]] = {}
    for name, one in parameters.items():
        names.setdefault(id(one), []).append(name)
    tensors = [
        ReportedTensor(name, tuple(one.shape), one.requires_grad, name in parameters)
        for name, one in (*parameters.items(), *buffers.items())
    ]
    modules = [
        ReportedModule(name, type(one).__name__, {"p": float(one.p)} if hasattr(one, "p") else {})
        for name, one in model.named_modules()
        if name
    ]
    ties = tuple(tuple(group) for group in names.values() if len(group) > 1)
    said = sum(one.numel() for one in model.parameters())
    return Reported(tuple(tensors), said, tuple(modules), ties)


def export(model: nn.Module, shape: Sequence[int] = (1, 28, 28), reported: Reported | None = None) -> Export:
    return Export(
        "model", type(model).__name__, onnx_of(model, shape), reported=reported or report(model),
        takes=tuple(shape),
    )  # fmt: skip


def weighed(
    model: nn.Module, shape: Sequence[int] = (1, 28, 28), reported: Reported | None = None
) -> Weighed:
    return weigh(export(model, shape, reported))
