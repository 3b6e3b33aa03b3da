"""Writes `torchvision.json`: what torchvision's classification models look like as graphs.

`python -m autograder.checks.models.fingerprinting`, in an environment with torch, torchvision and onnxscript;
about ten minutes. Only shapes are exported, with fake weights, so the largest model needs no more memory than
the smallest. To be run again when torchvision or the exporter changes; the tests notice.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from autograder.atomic import write_file
from autograder.checks.models.architecture import TORCHVISION, fingerprint
from autograder.checks.models.graph import read_graph
from autograder.checks.models.living import trace

if TYPE_CHECKING:
    import onnx

SIZES = {"inception_v3": 299}
_USUAL = 224
_INITIALISERS = (
    "kaiming_normal_ kaiming_uniform_ normal_ trunc_normal_ uniform_ xavier_uniform_ xavier_normal_"
)


def skeleton(name: str, **keywords: Any) -> onnx.ModelProto:
    """The graph of a torchvision model, its tensors with their shapes and without their numbers."""
    import torch  # noqa: PLC0415  (only whoever runs this has it)
    from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: PLC0415

    models = _models()
    with FakeTensorMode(), _no_initialisation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = models.get_model(name, **keywords).eval()
        side = SIZES.get(name, _USUAL)
        program = torch.onnx.export(
            model,
            (torch.randn(2, 3, side, side),),
            dynamo=True,
            optimize=False,
            external_data=False,
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
            verbose=False,
        )
    assert program is not None
    return _with_shapes(program.model)


def _with_shapes(exported: Any) -> onnx.ModelProto:
    """The exporter leaves out tensors that have no numbers; their shapes are among those of values."""
    import onnx_ir  # noqa: PLC0415

    for value in exported.graph.initializers.values():
        value.const_value = _real(value, onnx_ir)
    made: onnx.ModelProto = onnx_ir.serde.serialize_model(exported)
    defined = {output for node in made.graph.node for output in node.output}
    defined |= {one.name for one in (*made.graph.initializer, *made.graph.input)}
    for info in made.graph.value_info:
        if info.name not in defined:
            dims = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
            kind = info.type.tensor_type.elem_type
            made.graph.initializer.add(name=info.name, dims=dims, data_type=kind)
    return made


def _real(value: Any, onnx_ir: Any) -> Any:
    """A tensor's numbers, if it has any: those of the weights are fake."""
    if value.const_value is None or "Fake" in type(getattr(value.const_value, "raw", None)).__name__:
        return None
    try:
        return onnx_ir.tensor(value.const_value.numpy(), name=value.name)
    except (RuntimeError, TypeError, ValueError):
        return None


def _models() -> Any:
    import torch  # noqa: PLC0415

    try:
        from torchvision import models  # type: ignore[import-untyped]  # noqa: PLC0415
    except RuntimeError:
        # A torch for the CPU beside the usual torchvision: it misses two operators that no model here uses.
        library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for schema in ("nms(Tensor dets, Tensor scores, float iou) -> Tensor", "qnms(Tensor a) -> Tensor"):
            library.define(schema)  # type: ignore[no-untyped-call]
        _kept.append(library)
        for module in [one for one in sys.modules if one.startswith("torchvision")]:
            del sys.modules[module]
        from torchvision import models  # noqa: PLC0415
    return models


_kept: list[Any] = []


@contextmanager
def _no_initialisation() -> Iterator[None]:
    """Fake tensors have no numbers to draw; and RegNets compute their widths with real ones."""
    from torch._subclasses.fake_tensor import unset_fake_temporarily  # noqa: PLC0415
    from torch.nn import init  # noqa: PLC0415
    from torchvision.models.regnet import BlockParams  # type: ignore[import-untyped]  # noqa: PLC0415

    kept = {name: getattr(init, name) for name in _INITIALISERS.split()}
    widths = BlockParams.from_init_params

    def real(*arguments: Any, **keywords: Any) -> Any:
        with unset_fake_temporarily():
            return widths(*arguments, **keywords)

    try:
        for name in kept:
            setattr(init, name, lambda tensor, *_, **__: tensor)
        BlockParams.from_init_params = real
        yield
    finally:
        for name, function in kept.items():
            setattr(init, name, function)
        BlockParams.from_init_params = widths


def main() -> None:
    import torch  # noqa: PLC0415

    models = _models()
    import torchvision  # noqa: PLC0415

    torch.set_num_threads(1)
    found: dict[str, str] = {}
    for name in models.list_models(models):
        graph = read_graph(skeleton(name))
        found[name] = fingerprint(graph, trace(graph)).whole
        print(f"{name}: {found[name]}", file=sys.stderr, flush=True)
    told = {"torchvision": torchvision.__version__, "torch": torch.__version__, "models": found}
    write_file(TORCHVISION.parent, TORCHVISION.name, f"{json.dumps(told, indent=1)}\n".encode())


if __name__ == "__main__":
    main()
