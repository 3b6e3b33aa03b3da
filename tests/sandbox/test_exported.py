"""Exports read on the trusted side, and made in a real box."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.loaders.network import load_network
from autograder.outcome import EnvironmentFault, LimitExceeded
from autograder.sandbox.exported import Exports, Reported, read_exports, require_exporter
from autograder.sandbox.policy import BoxLimits
from tests.sandbox.boxes import KINDS, Watched, opened, running, why_not
from tests.sandbox.notebooks import SPEC, opened_notebook

BYTES = np.arange(40, dtype=np.uint8)
PROBES = np.random.default_rng(4).integers(0, 256, (3, 28, 28), dtype=np.uint8)


def read(network: Any = None, *, arrays: dict[str, np.ndarray] | None = None, **more: Any) -> Exports:
    networks = [] if network is None else [network]
    reply = {"exports": {"networks": networks, **more}}
    return read_exports(reply, {"0": BYTES} if arrays is None else arrays, len(PROBES))


def reported(**fields: Any) -> Reported:
    return read({"reported": fields}).networks[0].reported


def test_a_sound_answer() -> None:
    (one,) = read({"name": "net", "kind": "Net", "onnx": ["array", "0"], "takes": [1, 28, 28]}).networks
    assert (one.name, one.kind, one.onnx, one.takes) == ("net", "Net", BYTES.tobytes(), (1, 28, 28))
    assert one.problem == ""


@pytest.mark.parametrize(
    "reply",
    [{}, {"exports": None}, {"exports": []}, {"exports": {"networks": {}, "notes": "x", "preparations": 3}}],
)
def test_what_is_no_answer_is_nothing(reply: dict[str, Any]) -> None:
    assert read_exports(reply, {}, 3) == Exports()


@pytest.mark.parametrize(
    "onnx", [None, "0", ["array", "7"], ["array", 0], ["handle", 0, []], ["array", "0", "0"], {"array": "0"}]
)
def test_a_file_that_isnt_there(onnx: Any) -> None:
    (one,) = read({"onnx": onnx}).networks
    assert (one.onnx, one.problem) == (None, "the sandbox gave no export")


@pytest.mark.parametrize(
    "array", [np.zeros(4, np.float32), np.zeros((2, 2), np.uint8), np.zeros(0, np.uint8), np.uint8(3)]
)
def test_a_file_that_is_none(array: Any) -> None:
    assert read({"onnx": ["array", "0"]}, arrays={"0": array}).networks[0].onnx is None


def test_one_array_makes_one_network() -> None:
    reply = {"exports": {"networks": [{"onnx": ["array", "0"]}] * 1000}}
    exports = read_exports(reply, {"0": BYTES}, 3)
    assert [one.onnx is not None for one in exports.networks] == [True] + [False] * 7


def test_texts_are_cleaned_and_cut() -> None:
    one = read({"name": "a\x1b[31m\n\u202eb", "problem": "x" * 5000}, notes=["n\x00", 3, ""]).networks[0]
    assert one.name == "a b"
    assert len(one.problem) <= 600
    assert read(notes=["n\x00\n1", 3, ""] + ["x"] * 1000).notes == ("n 1", *["x"] * 47)


def test_tensors_of_the_wrong_types_are_dropped() -> None:
    sound = ["w", [3, 4], True, True]
    wrong: list[Any] = [
        ["w", [3, -4], True, True],
        ["w", [3, 4], 1, True],
        ["w", [True], True, True],
        ["w", [1] * 9, True, True],
        ["w", [2**70], True, True],
        [3, [3, 4], True, True],
        ["w", "34", True, True],
        None,
    ]
    (one,) = reported(tensors=[*wrong, sound]).tensors
    assert (one.name, one.shape, one.numel, one.trainable, one.parameter) == ("w", (3, 4), 12, True, True)


@pytest.mark.parametrize(("said", "right"), [(7, 7), (-1, None), (True, None), (1.5, None), (10**40, None)])
def test_the_count_that_was_said(said: Any, right: int | None) -> None:
    assert reported(said=said).said == right


def test_settings_are_finite_numbers() -> None:
    settings = {"p": 0.5, "k": [3, 3], "inf": float("inf"), "text": "x", "mixed": [1, "x"], "deep": [[1]]}
    (one,) = reported(modules=[["drop", "Dropout", settings], ["x", "y"], 3]).modules
    assert (one.name, one.kind) == ("drop", "Dropout")
    assert one.settings == {"p": 0.5, "k": (3, 3)}
    assert reported(ties=[["a", "b"], ["a"], "ab", [1, 2]]).ties == (("a", "b"), ())


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 1, 4, 4), np.float32),  # another number than there were probes
        np.zeros((3, 4), np.float64),
        np.full((3, 4), np.nan, np.float32),
        np.zeros(3, np.float32),
        np.zeros((3, 0), np.float32),
    ],
)
def test_prepared_images_that_are_none(images: np.ndarray) -> None:
    prepared = [{"name": "x", "images": ["array", "0"]}]
    assert read(arrays={"0": images}, preparations=prepared).preparations == ()
    (sound,) = read(arrays={"0": np.zeros((3, 4), np.float32)}, preparations=prepared).preparations
    assert sound.images.shape == (3, 4)


def test_the_boxs_word_alone_makes_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"exports": {"networks": [{"lacks": True}]}}
    python = tmp_path / "bin" / "python"
    with pytest.raises(EnvironmentFault, match="lacks onnxscript") as caught:
        require_exporter(lacking, str(python))
    assert "requirements.txt" in caught.value.remedy
    (tmp_path / "lib" / "python3.11" / "site-packages" / "onnxscript").mkdir(parents=True)
    require_exporter(lacking, str(python))
    require_exporter({"exports": {"networks": [{"lacks": 1}, 3]}}, "")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises((EnvironmentFault, ValueError)):
        require_exporter(lacking, "")


# --- in a box ----------------------------------------------------------------------------------------

LIMITS = BoxLimits(
    wall_s=20.0, memory_mib=2000, disk_mib=8, files=50, output_kib=64, message_mib=8, notebook_wall_s=120.0
)
NETWORK = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.out = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 10)
    def forward(self, x):
        print(x.shape)
        return self.out(self.norm(self.conv(x)).relu().mean((2, 3)))
"""
TRAINED = """
class Other(Net):
    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else None
model, mean, std = Net(), 0.25, 0.5
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.rand(4, 1, 28, 28)).sum().backward()
optimizer.step()
torch.save({"state_dict": {f"module.{k}": v for k, v in model.state_dict().items()}}, "net.pt")
"""


@pytest.fixture(scope="module")
def privdrop(scratch: Path) -> Iterator[Watched]:
    if why := why_not("privdrop"):
        pytest.skip(why)
    pytest.importorskip("torch")
    with running(
        KINDS["privdrop"], replace(SPEC, limits=LIMITS, preload=(*SPEC.preload, "torch")), scratch
    ) as one:
        yield one


def test_a_notebooks_network_and_the_file_it_wrote(privdrop: Watched, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    with opened_notebook(privdrop, tmp_path, NETWORK, TRAINED, limits=LIMITS) as module:
        assert module.run.whole, module.run.first_problem
        with module.scene() as scene:
            found = scene.export(PROBES, budget_s=100.0)
            loaded = scene.export(PROBES, weights="net.pt", classes=["Net"], budget_s=100.0)
            ways = scene.predict(np.repeat(PROBES, 20, axis=0))
    (one,) = found.networks
    assert one.onnx is not None, one.problem
    held = [held.name for held in load_network(one.onnx, "n.onnx").graph.initializer]
    assert "norm.running_var" in held
    assert "pixels from 0 to 1, normalised with mean and std" in [one.name for one in found.preparations]
    net, other = loaded.networks
    assert (net.kind, net.name) == ("Net", "Net with net.pt['state_dict']")
    assert net.onnx is not None
    assert "decides by the numbers" in other.problem
    assert "(cell 2, line 3)" in other.problem
    assert ways[0].scores is not None  # the scene goes on


ENDLESS = """
class Endless(Net):
    def forward(self, x):
        import signal
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        while True:
            pass
model = Endless()
"""


def test_a_modules_network_that_takes_the_alarm_away(
    privdrop: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: dict[str, str | bytes] = {"models/net.py": NETWORK + ENDLESS}
    monkeypatch.setattr("autograder.sandbox.submission.GRACE_S", 1.0)
    with opened(privdrop, tmp_path, files, LIMITS) as module, module.scene() as scene:
        missing = scene.export(PROBES, weights="net.pt", budget_s=60.0)
        assert missing.notes == ("there is no file net.pt",)
        with pytest.raises(
            LimitExceeded, match=r"time limit of 2 seconds.*the export of your network"
        ) as caught:
            scene.export(PROBES, budget_s=1.0)
    assert caught.value.limit == "wall_s"
