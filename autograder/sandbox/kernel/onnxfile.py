"""One network as an ONNX file: its graph as it computes in a test, every tensor under its own name.

Nothing is optimized: a batch norm stays one, nothing is folded into anything, so what the file holds is what
the network is. The number of images stays free where the network leaves it so.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import io
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.sandbox.kernel.problems import first_line

_CELL = "<cell "  # how a notebook's kernel names the code of a cell
_UNTOLD = ("pkg.torch.onnx.stack_trace", "pkg.torch.onnx.fx_node")  # long, and of no use outside


class NoExport(Exception):
    """Why a network has no ONNX file, in words for its author."""


class NoExporter(NoExport):
    """No network could be exported here."""

    def __init__(self) -> None:
        super().__init__(
            "onnxscript isn't installed where your code is run, so no network can be exported there; that is "
            "no mistake of yours"
        )


@dataclass(frozen=True, slots=True)
class OnnxFile:
    """``batch`` is the number of images that the graph takes at once, 0 for any; ``constants`` leads from the
    names of initializers that the network doesn't name to their tensors."""

    data: bytes
    batch: int
    constants: Mapping[str, Any]


def export(module: Any, sample: Any, tree: Path, names: Mapping[int, str]) -> OnnxFile:
    """The network's file, for batches like ``sample``; ``names`` holds what tensors are called that the
    network doesn't list, by their ids. Raises NoExport."""
    torch = sys.modules["torch"]
    try:
        with quiet(), torch.no_grad():
            if isinstance(module, torch.jit.ScriptModule):
                return _scripted(torch, module, sample)
            return _exported(torch, module, sample, names)
    except ImportError as error:
        raise (NoExporter() if _is_ours(error) else NoExport(_why(error, tree))) from error
    except Exception as error:  # whatever the student's forward, or torch's tracing of it, may raise
        raise NoExport(_why(error, tree)) from error


def _is_ours(error: ImportError) -> bool:
    return (error.name or "").partition(".")[0] in ("onnx", "onnxscript", "onnx_ir", "ml_dtypes")


def _exported(torch: Any, module: Any, sample: Any, names: Mapping[int, str]) -> OnnxFile:
    importlib.import_module("onnxscript")  # before the work that would be for nothing
    _remember_operators()
    free = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(module, (sample,), dynamic_shapes=free, strict=False)
    constants = {name: one for name, one in program.constants.items() if torch.is_tensor(one)}
    made = torch.onnx.export(program, dynamo=True, optimize=False, external_data=False, verbose=False)
    model = made.model
    for node in model.graph.all_nodes() if hasattr(model.graph, "all_nodes") else model.graph:
        for key in _UNTOLD:
            node.metadata_props.pop(key, None)
    with contextlib.suppress(ImportError):
        from onnx_ir.passes.common import RemoveUnusedNodesPass  # noqa: PLC0415

        RemoveUnusedNodesPass()(model)  # such as the batch's size, which nothing takes
    renamed = _rename(model.graph, constants, names)
    shape = model.graph.inputs[0].shape
    batch = int(str(shape[0])) if str(shape[0]).isdigit() else 0
    return OnnxFile(made.model_proto.SerializeToString(), batch, renamed)


def _remember_operators() -> None:
    """Have the exporter list its operators once and not for each network: half of a small one's second."""
    with contextlib.suppress(ImportError, AttributeError):  # another release may have moved anything
        apis = importlib.import_module("torch.onnx._internal.exporter._registration").onnxscript_apis
        if not hasattr(apis.get_torchlib_ops, "cache_info"):
            apis.get_torchlib_ops = functools.cache(apis.get_torchlib_ops)


def _rename(graph: Any, constants: Mapping[str, Any], names: Mapping[int, str]) -> dict[str, Any]:
    """Give constants the names that the student has for them; returns them by those that they now have."""
    renamed: dict[str, Any] = {}
    for name, tensor in constants.items():
        value = graph.initializers.get(name)
        if value is None:
            continue
        better = names.get(id(tensor), "")
        if better and better not in graph.initializers:
            del graph.initializers[name]
            value.name = better
            graph.initializers[better] = value
        renamed[str(value.name)] = tensor
    return renamed


def _scripted(torch: Any, module: Any, sample: Any) -> OnnxFile:
    """TorchScript has no other way than the exporter of old, which is kept from melting batch norms away."""
    file = io.BytesIO()
    torch.onnx.export(
        module,
        (sample,),
        file,
        dynamo=False,
        training=torch.onnx.TrainingMode.PRESERVE,
        do_constant_folding=False,
        input_names=["images"],
        dynamic_axes={"images": {0: "batch"}},
    )
    return OnnxFile(file.getvalue(), 0, {})


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing is printed: what a box prints is limited, and torch writes pages about what it can't trace."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    sink = io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


# --- why not -----------------------------------------------------------------------------------------

_DATA_DEPENDENT = (
    "its forward decides by the numbers that it is given (an `if` or a loop on a tensor's values, `.item()`, "
    "`int(...)`), so it has no one graph that could be weighed"
)
# What stands in an exception's class or text, and what that means for who wrote the network.
_MEANINGS = (
    (("data-dependent", "DataDependent", "aten._local_scalar_dense"), _DATA_DEPENDENT),
    (("numpy() is not supported", "Can't call numpy()"), "its forward turns tensors into NumPy arrays"),
    (("tolist", ".item()"), _DATA_DEPENDENT),
    (
        ("No decompositions registered", "No ONNX function found", "Unsupported: ONNX export"),
        "ONNX lacks an operator that it uses",
    ),
)


def _why(error: BaseException, tree: Path) -> str:
    chain = list(_chain(error))
    said = " ".join(f"{type(one).__name__} {one}" for one in chain)
    for marks, meaning in _MEANINGS:
        if any(mark in said for mark in marks):
            return f"{meaning}{_where(chain, tree)}"
    return f"torch can't export it{_where(chain, tree)}: {first_line(chain[-1])}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it came from, the first cause last."""
    seen: set[int] = set()
    at: BaseException | None = error
    while at is not None and id(at) not in seen:
        seen.add(id(at))
        yield at
        at = at.__cause__ or at.__context__


def _where(chain: list[BaseException], tree: Path) -> str:
    """The student's own line in a traceback, in words."""
    for error in reversed(chain):
        place = ""
        trace = error.__traceback__
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if name.startswith((f"{tree}/", _CELL)):
                place = f" ({name.removeprefix(f'{tree}/').strip('<>')}, line {trace.tb_lineno})"
            trace = trace.tb_next
        if place:
            return place
    return ""
