"""Files of weights: what is in them, why they can't be read, and which network they belong to."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import struct
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.sandbox import vision

vision.install()
torch = pytest.importorskip("torch")

from autograder.sandbox.kernel import checkpoints  # noqa: E402
from autograder.sandbox.kernel.checkpoints import Checkpoint, Unreadable, read  # noqa: E402
from autograder.sandbox.kernel.fitting import Code, Fits, fit  # noqa: E402
from autograder.sandbox.kernel.weightfiles import from_file  # noqa: E402

nn = torch.nn


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Net(nn.Module):  # type: ignore[misc, name-defined]  # torch is imported by importorskip
    def __init__(self, width: int = 4, num_classes: int = 10) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, width, 3), nn.BatchNorm2d(width)
        self.out = nn.Linear(width, num_classes)

    def forward(self, x: Any) -> Any:
        return self.out(self.norm(self.conv(x)).mean((2, 3)))


class Twin(Net):
    """The same tensors, and something else computed with them."""

    def forward(self, x: Any) -> Any:
        return super().forward(x).neg()


class Needy(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, in_channels: int, n_classes: int, hidden_dim: int, dropout: float) -> None:
        super().__init__()
        self.conv, self.drop = nn.Conv2d(in_channels, hidden_dim, 3), nn.Dropout(dropout)
        self.out = nn.Linear(hidden_dim, n_classes)


class Blocks(nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, block: Any, counts: list[int]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(block() for _ in range(counts[0]))


def BlocksTwo() -> Any:  # noqa: N802  (as the networks of papers are written)
    return Blocks(Net, [2])


def train_net() -> Any:
    raise AssertionError("it was called")


def code(tree: Path, *own: Any, **knows: Any) -> Code:
    names = {getattr(one, "__name__", f"it{at}"): one for at, one in enumerate(own)}
    return Code({"__name__": __name__, **names}, tree, **knows)


def fits(state: Any, *own: Any, **knows: Any) -> Fits:
    return fit(state, code(Path("/nowhere"), *own, **knows), time.monotonic() + 30)


def equal(one: Any, other: Any) -> bool:
    mine, its = one.state_dict(), other.state_dict()
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in mine)


# --- files -------------------------------------------------------------------------------------------


def saved(value: Any, **how: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **how)
    return file.getvalue()


def opened(content: bytes, tree: Path) -> Checkpoint:
    (tree / "w.pt").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch.jit.load
        return read(tree / "w.pt", "w.pt", {"Net": Net})


def problem(content: bytes, tree: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        opened(content, tree)
    return str(caught.value)


def scripted(model: Any) -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(model), file)
    return file.getvalue()


def safetensors(state: dict[str, Any]) -> bytes:
    from safetensors.torch import save  # noqa: PLC0415

    given: bytes = save(state)
    return given


NET = Net()
STATE = NET.state_dict()
WRAPPED = {f"module.{name}": one for name, one in STATE.items()}
OPTIMIZER = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
OLD: dict[str, Any] = {"_use_new_zipfile_serialization": False}


@pytest.mark.parametrize(
    ("content", "where"),
    [
        pytest.param(saved(STATE), "", id="a state dict"),
        pytest.param(saved(STATE, **OLD), "", id="in the format of old"),
        pytest.param(safetensors(dict(STATE)), "", id="safetensors"),
        pytest.param(pickle.dumps(dict(STATE)), "", id="a plain pickle"),
        pytest.param(saved({"state_dict": WRAPPED, "epoch": 3}), "['state_dict']", id="of DataParallel"),
        pytest.param(
            saved({"optimizer_state_dict": OPTIMIZER, "model_state_dict": STATE, "loss": torch.ones(1)}),
            "['model_state_dict']",
            id="a checkpoint",
        ),
        pytest.param(saved({"acc": 0.5, "net": STATE}), "['net']", id="another name"),
        pytest.param(saved({"run": {"best": STATE}}), "['run']['best']", id="deeper"),
        pytest.param(saved({name: one.numpy() for name, one in STATE.items()}), "", id="arrays"),
    ],
)
def test_state_dicts_are_found(content: bytes, where: str, tmp_path: Path) -> None:
    found = opened(content, tmp_path)
    (state,) = (held for at, held in found.states.items() if at == where)
    (fitted,) = fits(state, Net).networks
    assert equal(fitted.module, NET)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(saved(NET), id="torch.save"),
        pytest.param(saved({"epoch": 1, "model": NET}), id="in a checkpoint"),
        pytest.param(pickle.dumps(NET), id="a plain pickle"),
    ],
)
def test_a_whole_network_is_unpickled_in_full_and_that_is_noted(content: bytes, tmp_path: Path) -> None:
    found = opened(content, tmp_path)
    (module,) = found.modules.values()
    assert equal(module, NET)
    assert "weights_only=True) refuses; it was unpickled in full, inside the sandbox" in found.notes[0]


def test_what_weights_only_refuses_is_named(tmp_path: Path) -> None:
    content = saved({"state_dict": STATE, "args": argparse.Namespace(lr=0.1, out=Path("runs"))})
    found = opened(content, tmp_path)
    assert "w.pt needs `argparse.Namespace` to be loaded" in found.notes[0]
    assert list(found.states) == ["['state_dict']"]
    assert opened(saved(STATE), tmp_path).notes == []


def test_a_class_that_was_saved_under_another_modules_name(tmp_path: Path) -> None:
    renamed = (b"tests.kernel.test_checkpoints", b"somebody.elses.notebook")
    content = rewritten(saved(NET), lambda _, data: data.replace(*renamed))
    assert equal(next(iter(opened(content, tmp_path).modules.values())), NET)


def test_torchscript(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    (module,) = opened(scripted(model), tmp_path).modules.values()
    assert equal(module, model)


class Calls:
    """A pickle of it calls a function when it is loaded."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.function, self.arguments


@pytest.mark.parametrize("how", [{}, OLD])
@pytest.mark.parametrize(
    ("function", "name"), [(os.mkdir, "posix.mkdir"), (eval, "eval")], ids=["a system call", "eval"]
)
def test_a_pickle_that_calls_what_no_weights_need(
    function: Callable[..., Any], name: str, how: dict[str, Any], tmp_path: Path
) -> None:
    mark = tmp_path / "made"
    argument = str(mark) if function is os.mkdir else f"__import__('os').mkdir({str(mark)!r})"
    said = problem(saved({**STATE, "x": Calls(function, argument)}, **how), tmp_path)
    assert f"{name}` to be called when it is loaded" in said
    assert not mark.exists()


def rewritten(content: bytes, change: Callable[[str, bytes], bytes], **more: bytes) -> bytes:
    """A zip with other entries, all of them deflated."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, change(info.filename, old.read(info)))
        for name, data in more.items():
            new.writestr(f"archive/data/{name}", data)
    return file.getvalue()


def claiming(name: str, data: bytes) -> bytes:
    """A storage of three numbers that says it has 10 to the 12th."""
    if not name.endswith("data.pkl"):
        return data
    count = b"\x8a\x06" + struct.pack("<q", 10**12)[:6]
    assert b"K\x03tq" in data
    return data.replace(b"K\x03tq", count + b"tq", 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(
            saved({"w": torch.zeros(1).expand(10**6, 10**6)}), "claims tensors of 4,000 GB", id="stride 0"
        ),
        pytest.param(
            saved({"w": torch.zeros(1).expand(10**6, 10**6)}, **OLD), "claims tensors of 4,000 GB", id="old"
        ),
        pytest.param(
            saved({"w": nn.Parameter(torch.zeros(1).expand(10**6, 10**6))}),
            "claims tensors of 4,000 GB",
            id="a parameter",
        ),
        pytest.param(
            rewritten(saved({"w": torch.zeros(3)}), claiming),
            "claims 4,000,000,000,000 bytes of numbers, and the file holds 12",
            id="a storage that isn't there",
        ),
        pytest.param(saved(STATE)[:900], "is damaged, or was cut off", id="half a zip"),
        pytest.param(saved(STATE, **OLD)[:300], "or was cut off", id="half of the old format"),
        pytest.param(saved([1, 2]), "holds no weights: it is a list", id="a list"),
        pytest.param(
            saved({"epoch": 3}), "it is a dictionary with the keys 'epoch'", id="a checkpoint without weights"
        ),
        pytest.param(b"", "is no file that torch.save() wrote", id="empty"),
        pytest.param(b"hello world", "is no file that torch.save() wrote", id="text"),
        pytest.param(b"(hello", "or was cut off", id="no pickle"),
        pytest.param(b"\x89HDF\r\n\x1a\n", "is an HDF5 file", id="Keras"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1", "pointer of Git LFS", id="Git LFS"),
        pytest.param(b"\x09" + bytes(7) + b'{"a":{}}', "can't be read as safetensors", id="safetensors"),
    ],
)
def test_bombs_and_what_holds_no_weights(content: bytes, said: str, tmp_path: Path) -> None:
    started = time.monotonic()
    assert said in problem(content, tmp_path)
    assert time.monotonic() - started < 10


def test_a_deflated_bomb_and_a_huge_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MOST_BYTES", 1 << 20)
    content = rewritten(saved(STATE), lambda _, data: data, more=bytes(2 << 20))
    assert len(content) < 1 << 15
    assert "unpacks to 0.0 GB, and 0.0 are taken" in problem(content, tmp_path)
    with (tmp_path / "w.pt").open("wb") as file:
        file.truncate(2 << 30)
    with pytest.raises(Unreadable, match=r"has 2\.1 GB.*state_dict alone"):
        read(tmp_path / "w.pt", "w.pt", {})
    with pytest.raises(Unreadable, match="there is no file"):
        read(tmp_path / "other.pt", "other.pt", {})


def test_a_deflated_file_that_is_none_is_read(tmp_path: Path) -> None:
    found = opened(rewritten(saved(STATE), lambda _, data: data), tmp_path)
    assert torch.equal(found.states[""]["out.bias"], STATE["out.bias"])


# --- networks ----------------------------------------------------------------------------------------


def test_sizes_come_from_the_grader_or_from_the_weights() -> None:
    wide = Net(7, 5)
    for networks in (
        fits(wide.state_dict(), Net, arguments=[{"width": 3}, {"width": 7, "num_classes": 5}]).networks,
        fits(Net(num_classes=5).state_dict(), Net).networks,
    ):
        assert len(networks) == 1
    assert equal(
        fits(wide.state_dict(), Net, arguments=[{"width": 7, "num_classes": 5}]).networks[0].module, wide
    )
    needy = Needy(1, 7, 5, 0.1)
    assert equal(fits(needy.state_dict(), Needy).networks[0].module, needy)


def test_a_network_that_is_there_is_filled_in_a_copy() -> None:
    there, wide = Net(9), Net(9)
    (fitted,) = fits(wide.state_dict(), there).networks
    assert equal(fitted.module, wide)
    assert not equal(there, wide)


def test_a_function_that_makes_a_network_and_none_that_trains() -> None:
    two = BlocksTwo()
    (fitted,) = fits(two.state_dict(), Blocks, BlocksTwo, train_net).networks
    assert fitted.name == "BlocksTwo"
    assert equal(fitted.module, two)


def test_classes_with_the_same_tensors_are_all_given_the_asked_for_first() -> None:
    assert [one.name for one in fits(STATE, Net, Twin).networks] == ["Twin", "Net"]
    assert [one.name for one in fits(STATE, Net, Twin, classes=["Net"]).networks] == ["Net", "Twin"]


@pytest.mark.parametrize(
    "rename",
    [
        pytest.param(lambda name: f"module.{name}", id="DataParallel"),
        pytest.param(lambda name: f"_orig_mod.module.{name}", id="compiled"),
        pytest.param(lambda name: f"model.{name}", id="Lightning"),
    ],
)
def test_a_wrappers_prefix(rename: Callable[[str], str]) -> None:
    state = {rename(name): one for name, one in STATE.items()}
    assert equal(fits(state, Net).networks[0].module, NET)


def test_counters_may_be_missing_or_too_many() -> None:
    state = {name: one for name, one in STATE.items() if "num_batches" not in name}
    assert fits({**state, "total_ops": torch.zeros(1)}, Net).networks


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            lambda state: {name: one for name, one in state.items() if "out" not in name},
            "2 missing (first out.weight)",
            id="missing",
        ),
        pytest.param(
            lambda state: {**state, "head.weight": torch.zeros(3)},
            "1 without a place in it (first head.weight)",
            id="unexpected",
        ),
        pytest.param(
            lambda state: {**state, "conv.weight": torch.zeros(8, 1, 5, 5)},
            "1 of another shape (first conv.weight: (8, 1, 5, 5) in place of (4, 1, 3, 3))",
            id="shape",
        ),
    ],
)
def test_weights_for_another_architecture(
    change: Callable[[dict[str, Any]], dict[str, Any]], said: str, tmp_path: Path
) -> None:
    torch.save(change(dict(STATE)), tmp_path / "w.pt")
    notes: list[str] = []
    assert from_file("w.pt", code(tmp_path, Net, Needy), time.monotonic() + 30, notes) == []
    assert notes == [f"w.pt holds weights for another architecture than Net; tensors: {said}"]


def test_weights_without_any_class(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "w.pt")
    notes: list[str] = []
    assert from_file("w.pt", code(tmp_path), time.monotonic() + 30, notes) == []
    assert "your code has no class of networks" in notes[0]


def test_torchvisions_networks_are_known_by_their_tensors() -> None:
    models = pytest.importorskip("torchvision").models
    small = models.squeezenet1_1(num_classes=3)
    (fitted,) = fits(small.state_dict(), arguments=()).networks
    assert fitted.name == "torchvision's squeezenet1_1"
    assert equal(fitted.module, small)
