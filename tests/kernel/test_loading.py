"""Loaders with workers, and what was saved."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kernel.cells import Ran, run_cells

_HEAD = """
import io, warnings, torch
from torch.utils.data import DataLoader, TensorDataset
warnings.simplefilter("error")
d = TensorDataset(torch.arange(10.))
"""
_CELLS = {
    "workers": "l = DataLoader(d, 5, num_workers=4); assert l.num_workers == 0 and len(list(l)) == 2",
    "by place": "assert DataLoader(d, 5, True, None, None, 2).num_workers == 0",
    "with all": (
        "l = DataLoader(d, 5, num_workers=2, persistent_workers=True, prefetch_factor=4,\n"
        "               timeout=9, multiprocessing_context='fork')\n"
        "assert len(list(l)) == 2 and len(list(l)) == 2"
    ),
    "pinned": "assert len(list(DataLoader(d, 5, pin_memory=True))) == 2",
    "subclass": (
        "class Mine(DataLoader):\n    def __init__(self, data): super().__init__(data, 2, num_workers=1)\n"
        "assert len(list(Mine(d))) == 5"
    ),
    "plain": "assert len(list(DataLoader(d, 5, shuffle=True, num_workers=0))) == 2",
    "wrong": "DataLoader(d, no_such=1)",
    "negative": "DataLoader(d, num_workers=-1)",
    "whole object": "m = torch.nn.Linear(2, 2); torch.save(m, 'm.pt'); torch.load('m.pt').weight",
    "whole in memory": "b = io.BytesIO(); torch.save(m, b); b.seek(0); torch.load(b)",
    "refused": "torch.load('m.pt', weights_only=True)",
    "plain load": "torch.save([1], 's.pt'); torch.load('s.pt', map_location='cpu'); torch.load('s.pt')",
    "no file": "torch.load('none.pt')",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    cells = run_cells([_HEAD, *_CELLS.values()], tmp_path_factory.mktemp("loading"))
    return dict(zip(_CELLS, cells[1:], strict=True))


pytestmark = pytest.mark.xdist_group("kernel-loading")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("workers", "workers"),
        ("by place", "workers"),
        ("with all", "workers"),
        ("pinned", "gpu"),
        ("subclass", "workers"),
        ("whole object", "old spelling"),
        ("whole in memory", "old spelling"),
    ],
)
def test_loading_works_and_is_reported(ran: dict[str, Ran], name: str, kind: str) -> None:
    assert ran[name].error == ""
    assert ran[name].kinds == {kind}


@pytest.mark.parametrize("name", ["plain", "plain load"])
def test_what_needs_nothing_reports_nothing(ran: dict[str, Ran], name: str) -> None:
    assert (ran[name].error, ran[name].uses) == ("", [])


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("wrong", "TypeError"),
        ("negative", "ValueError"),
        ("refused", "UnpicklingError"),
        ("no file", "FileNotFoundError"),
    ],
)
def test_mistakes_keep_their_own_errors(ran: dict[str, Ran], name: str, error: str) -> None:
    assert ran[name].error.startswith(error)
    assert ran[name].uses == []


_FASTAI = {
    "fastai/__init__.py": "",
    "fastai/data/__init__.py": "",
    "fastai/data/load.py": (
        "class DataLoader:\n"
        "    def __init__(self, dataset=None, bs=None, num_workers=0, pin_memory=False, **kwargs):\n"
        "        self.num_workers, self.pin_memory = num_workers, pin_memory\n"
    ),
}


def test_fastais_loader_has_no_workers_either(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    for name, text in _FASTAI.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    named, placed, plain = run_cells(
        [
            "from fastai.data.load import DataLoader\nassert DataLoader(1, num_workers=3).num_workers == 0",
            "assert DataLoader(1, 64, 3).num_workers == 0",
            "assert DataLoader(1, pin_memory=True).pin_memory",
        ],
        tree,
    )
    assert [named.error, placed.error, plain.error] == ["", "", ""]
    assert named.uses == placed.uses == [("workers", "fastai: num_workers=3")]
    assert plain.uses == []
