"""Networks exported to ONNX, with what is told of them and the probes as they were prepared."""

from __future__ import annotations

import json
import sys
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.loaders.network import load_network
from autograder.sandbox import vision, wire
from autograder.sandbox.exported import Export, Exports, read_exports
from autograder.sandbox.worker import _with_arrays

vision.install()
torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")
onnxruntime = pytest.importorskip("onnxruntime")

from autograder.sandbox.kernel.export import Asked, Exporter  # noqa: E402
from autograder.sandbox.kernel.scenes import settle  # noqa: E402

nn = torch.nn
GREY = np.random.default_rng(2).integers(0, 256, (6, 28, 28), dtype=np.uint8)
HERE = Path(__file__).parent
ASKED: dict[str, Any] = {
    "weights": "",
    "arguments": [],
    "classes": [],
    "snapshot": None,
    "input_shape": None,
    "budget_s": 120.0,
    "most_bytes": 8 << 20,
}


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(before)


def export(
    namespace: Mapping[str, Any], *, tree: Path = HERE, weights_of: Any = lambda _: None, **asked: Any
) -> Exports:
    """What the trusted side reads of an answer that went through JSON."""
    exporter = Exporter({"__name__": __name__, **namespace}, (), tree, weights_of)
    given = exporter.answer(GREY, Asked.read(ASKED | asked))
    encoder = wire.Encoder()
    reply = json.loads(json.dumps({"exports": _with_arrays(given, encoder)}))
    return read_exports(reply, encoder.arrays, len(GREY))


def only(exports: Exports) -> Export:
    (one,) = exports.networks
    return one


def initializers(one: Export) -> dict[str, tuple[int, ...]]:
    assert one.onnx is not None, one.problem
    return {held.name: tuple(held.dims) for held in load_network(one.onnx, "n.onnx").graph.initializer}


def operators(one: Export) -> list[str]:
    assert one.onnx is not None
    return [node.op_type for node in load_network(one.onnx, "n.onnx").graph.node]


def scores(one: Export, images: np.ndarray) -> np.ndarray:
    assert one.onnx is not None
    session = onnxruntime.InferenceSession(one.onnx, providers=["CPUExecutionProvider"])
    (given,) = session.run(None, {session.get_inputs()[0].name: images})
    assert isinstance(given, np.ndarray)
    return given


def scripted(*parts: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # students' files will be there for years
        return torch.jit.script(nn.Sequential(*parts))


class Honest(nn.Module):  # type: ignore[misc, name-defined]  # torch is imported by importorskip
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.25)
        self.out = nn.Linear(4, 10)

    def forward(self, x: Any) -> Any:
        print("a student's print", x.shape)
        return self.out(self.drop(self.norm(self.conv(x)).relu().mean((2, 3))))


class Crooked(nn.Module):  # type: ignore[misc, name-defined]
    """Tied, frozen, unused and hidden tensors, methods that lie, and more than scores returned."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(784, 6, bias=False), nn.Linear(784, 6, bias=False)
        self.b.weight = self.a.weight
        self.frozen = nn.Linear(6, 10).requires_grad_(False)
        self.unused = nn.Linear(3, 3)
        self.plain = torch.randn(26 * 26, 10)
        self.listed = [torch.randn(26, 26)]

    def forward(self, x: Any) -> Any:
        rows = x.flatten(1)
        hidden = (x[:, :, 1:-1, 1:-1] * self.listed[0]).flatten(1) @ self.plain
        return {"features": rows, "logits": self.frozen(self.a(rows) + self.b(rows)) + hidden}

    def parameters(self, recurse: bool = True) -> Any:
        del recurse
        return iter([self.unused.bias])


class Deciding(Honest):
    def forward(self, x: Any) -> Any:
        return super().forward(x * 2 if x.mean() > 0.5 else x)


class Looping(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(784, 7)

    def forward(self, x: Any) -> Any:
        return torch.stack([self.out(x[at]) for at in range(len(x))])


class Numpy(Honest):
    def forward(self, x: Any) -> Any:
        return super().forward(torch.from_numpy(x.detach().numpy()))


class Endless(Honest):
    def forward(self, x: Any) -> Any:
        while True:
            x = x + 1


@cache
def honest() -> tuple[Any, Exports]:
    model = nn.DataParallel(Honest()).train()
    return model, export({"model": model})


@cache
def crooked() -> tuple[Any, Export]:
    model = Crooked()
    return model, only(export({"net": model, "criterion": nn.CrossEntropyLoss()}))


def test_a_network_computes_outside_what_it_computes_inside() -> None:
    model, exports = honest()
    one = only(exports)
    assert (one.name, one.kind, one.takes, one.form, one.batch) == ("model", "Honest", (1, 28, 28), "", 0)
    images = next(given.images for given in exports.preparations if given.name == "pixels from 0 to 1")
    np.testing.assert_allclose(images[:, 0], GREY / np.float32(255), atol=1e-6)
    with torch.no_grad():
        right = model.module.eval()(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(scores(one, images), right, atol=1e-5)


def test_names_stay_and_nothing_is_folded_away(capfd: pytest.CaptureFixture[str]) -> None:
    _, exports = honest()
    one = only(exports)
    assert initializers(one).items() >= {"conv.weight": (4, 1, 3, 3), "norm.running_mean": (4,)}.items()
    assert "BatchNormalization" in operators(one)
    assert "a student's print" not in capfd.readouterr().out


def test_what_is_told_of_modules_and_tensors() -> None:
    _, exports = honest()
    told = only(exports).reported
    settings = {module.kind: module.settings for module in told.modules}
    assert settings["Dropout"]["p"] == 0.25
    assert settings["Conv2d"]["kernel_size"] == (3, 3)
    assert told.said == 40 + 8 + 50
    norm = [tensor for tensor in told.tensors if tensor.name.startswith("norm")]
    assert [tensor.parameter for tensor in norm] == [True, True, False, False, False]


# The alarm may ring while Python destroys an object: there it is printed and lost, and rings once more.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_network_stays_as_it_was() -> None:
    model = Honest().train()
    model.norm.eval()
    state, random = model.state_dict(), torch.get_rng_state()
    before = {name: one.clone() for name, one in state.items()}
    export({"model": model}, budget_s=0.5)  # whether there is time enough for it or not
    assert model.training
    assert not model.norm.training
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert not model._forward_hooks


def test_hidden_tensors_stand_in_the_graph_under_the_students_names() -> None:
    _, one = crooked()
    held = initializers(one)
    assert held["plain"] == (676, 10)
    assert held["listed[0]"] == (26, 26)
    assert not any(name.startswith("unused") for name in held)


def test_a_class_that_lies_about_its_parameters_is_seen_through() -> None:
    _, one = crooked()
    told = {tensor.name: tensor for tensor in one.reported.tensors}
    assert one.reported.said == 3
    assert told["a.weight"].shape == (6, 784)
    assert told["unused.weight"].trainable
    assert not told["frozen.weight"].trainable
    assert one.reported.ties == (("a.weight", "b.weight"),)


def test_a_patched_numel_changes_what_is_said_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "numel", lambda _: 1)
    monkeypatch.setattr(torch.Tensor, "shape", (1,), raising=False)
    one = only(export({"model": Deciding()}))
    assert one.reported.said == 6
    assert one.reported.tensors[0].shape == (4, 1, 3, 3)


def test_scores_are_the_only_output() -> None:
    model, one = crooked()
    images = (GREY[:, None] / 255).astype(np.float32)
    with torch.no_grad():
        right = model(torch.from_numpy(images))["logits"].numpy()
    np.testing.assert_allclose(scores(one, images), right, rtol=1e-4, atol=1e-3)


def test_a_network_written_by_hand_is_one_too() -> None:
    weights, bias = torch.randn(784, 10, requires_grad=True), torch.zeros(10)

    def forward(rows: Any) -> Any:
        return rows @ weights + bias

    one = only(export({"w": weights, "b": bias, "forward": forward}))
    assert (one.kind, one.takes, one.form) == ("function", (784,), "each image in one row")
    assert initializers(one) == {"w": (784, 10), "b": (10,)}
    assert [(told.name, told.trainable) for told in one.reported.tensors] == [("w", True), ("b", False)]


def test_a_loop_over_the_batch_is_exported_for_batches_of_that_size() -> None:
    one = only(export({"model": Looping()}))
    assert (one.takes, one.form, one.batch) == ((784,), "each image in one row", 2)
    assert scores(one, np.zeros((2, 784), np.float32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        pytest.param(Deciding, "decides by the numbers that it is given", id="a branch on data"),
        pytest.param(Numpy, "turns tensors into NumPy arrays", id="through NumPy"),
    ],
)
def test_what_has_no_one_graph_is_said_with_the_line(model: Callable[[], Any], problem: str) -> None:
    one = only(export({"model": model()}))
    assert one.onnx is None
    assert problem in one.problem
    assert "(test_export.py, line " in one.problem
    assert one.reported.said == 98


def test_a_network_that_takes_none_of_the_images() -> None:
    one = only(export({"model": nn.Sequential(nn.Flatten(), nn.Linear(99, 10))}))
    assert "it takes none of the prepared images: RuntimeError: mat1 and mat2" in one.problem


def test_one_that_never_ends_leaves_time_for_the_next() -> None:
    exports = export({"other": Deciding(), "model": Endless()}, budget_s=1.0)
    assert [one.kind for one in exports.networks] == ["Endless", "Deciding"]
    assert "took longer than" in exports.networks[0].problem
    assert "decides by the numbers" in exports.networks[1].problem


def test_a_file_too_large_to_be_sent_is_said() -> None:
    model = scripted(nn.Flatten(), nn.Linear(784, 10))
    one = only(export({"model": model}, most_bytes=20_000))
    assert one.problem == "its ONNX file has 0 MiB, and 0 can be sent (message_mib)"


def test_torchscript_keeps_its_batch_norm() -> None:
    body = (nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2 * 26 * 26, 10))
    one = only(export({"model": scripted(*body)}))
    assert "BatchNormalization" in operators(one)
    assert "0.weight" in initializers(one)
    assert one.kind == "Sequential"
    assert scores(one, np.zeros((3, 1, 28, 28), np.float32)).shape == (3, 10)


def test_the_weights_of_an_epoch_that_was_kept() -> None:
    model = scripted(nn.Flatten(), nn.Linear(784, 10))
    kept = {name: torch.full_like(one, 0.5) for name, one in model.state_dict().items()}

    def weights(number: int) -> tuple[Any, Mapping[str, Any]] | None:
        return (model, kept) if number == -2 else None

    one = only(export({"model": model, "other": Deciding()}, weights_of=weights, snapshot=-2))
    assert one.name == "model, 1 epoch before its last"
    np.testing.assert_allclose(scores(one, np.ones((2, 1, 28, 28), np.float32)), 392.5)
    assert not torch.equal(model.state_dict()["1.bias"], kept["1.bias"])
    none = export({"model": model}, weights_of=weights, snapshot=-3)
    assert none.networks == ()
    assert none.notes == ("of that epoch of the training no weights were kept",)


def test_an_environment_without_the_exporter_is_not_the_students_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert "no mistake of yours" in only(export({"model": Honest()})).problem


def test_without_torch_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._C")
    exports = export({"x": 3})
    assert exports.networks == ()
    assert "has imported torch" in exports.notes[0]


def test_a_scene_leaves_a_placeholder_for_torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._C")
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("placeholder"))
    settle(0)
    first = np.random.random()  # what student code uses
    settle(0)
    assert np.random.random() == first
