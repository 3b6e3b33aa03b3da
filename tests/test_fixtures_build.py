"""The fixtures are what they say: every edit applies, every build is the same, nothing lies about unused."""

from __future__ import annotations

import hashlib
import tomllib
import zipfile
from pathlib import Path

import pytest

from fixtures.build import ROOT, Fixture, FixtureError, NewFile, Replace, build, load, main, names, tree
from fixtures.pack import ESCAPED, HOSTILE_FOLDER, HOSTILE_ZIP, JUNK, Pack
from reference.slips import SLIPS

FOLDER = ROOT / "gatech_convnet"
POINTS: dict[str, float] = tomllib.loads((FOLDER / "files/points.toml").read_text())
NO_POINTS = {
    "test_deliverables.py::test_deliverables",
    "test_contract.py::test_by_hand",
    "test_challenge.py::test_model",
    "test_challenge_file.py::test_predictions",
    "test_challenge_file.py::test_extra",
}
ALL = [load(name) for name in names()]
MOST_PNG_BYTES = 20_000


def digest(path: Path) -> str:
    """Of a file, or of a folder's names and contents; links and pipes by their names."""
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    lines = [
        f"{found.relative_to(path)} {found.lstat().st_mode:o} {found.lstat().st_size}"
        for found in sorted(path.rglob("*"))
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.mark.parametrize("fixture", ALL, ids=lambda fixture: fixture.name)
def test_a_build_is_deterministic(fixture: Fixture, tmp_path: Path) -> None:
    first, second = build(fixture.name, tmp_path / "1"), build(fixture.name, tmp_path / "2")
    assert first.name == second.name
    assert digest(first) == digest(second)


@pytest.mark.parametrize("fixture", ALL, ids=lambda fixture: fixture.name)
def test_the_expectation_adds_up(fixture: Fixture) -> None:
    """The score is the sum of what is not named as failing, so that a slip of the pen shows."""
    expected = fixture.expected
    assert (expected.tests.keys() | expected.says.keys() | expected.slips.keys() | set(expected.any)) <= (
        POINTS.keys() | NO_POINTS
    )
    assert not expected.tests.keys() & set(expected.any)
    lost = expected.tests.keys() | set(expected.any)
    assert expected.score == pytest.approx(
        sum(POINTS.values()) - sum(POINTS.get(t, 0) for t in lost), abs=1e-6
    )


@pytest.mark.parametrize("fixture", ALL, ids=lambda fixture: fixture.name)
def test_title_and_why_are_sentences(fixture: Fixture) -> None:
    assert 3 <= len(fixture.title) <= 80
    assert fixture.why.endswith((".", "?", "..."))


def test_no_submission_comes_twice(tmp_path: Path) -> None:
    digests: dict[str, str] = {}
    for fixture in ALL:
        content = digest(build(fixture.name, tmp_path / fixture.name))
        assert digests.setdefault(content, fixture.name) == fixture.name


def test_every_file_of_the_folder_is_used() -> None:
    used = {new.source for fixture in ALL for new in fixture.file if new.source} | {"points.toml"}
    there = {path.name for path in (FOLDER / "files").iterdir() if path.name != "__pycache__"}
    assert there == used


def test_every_way_of_packing_is_used() -> None:
    assert {option for fixture in ALL for option in fixture.pack.hostile} == (
        HOSTILE_ZIP.keys() | HOSTILE_FOLDER.keys()
    )
    assert {option for fixture in ALL for option in fixture.pack.junk} == JUNK.keys()


def test_every_known_slip_has_a_fixture() -> None:
    shown = {slip for fixture in ALL for slip in fixture.expected.slips.values()}
    assert shown == {slip.id for slip in SLIPS}


def test_the_base_is_complete_and_small() -> None:
    files = tree(load("excellent"))
    assert "1_cs231n/cs231n/conv_layers.py" in files
    pictures = [data for path, data in files.items() if path.endswith(".png")]
    assert len(pictures) == 3
    assert all(data.startswith(b"\x89PNG") and len(data) < MOST_PNG_BYTES for data in pictures)
    assert sum(map(len, files.values())) < 250_000


def test_times_and_modes_in_a_zip_are_fixed(tmp_path: Path) -> None:
    with zipfile.ZipFile(build("excellent", tmp_path)) as packed:
        assert {info.date_time for info in packed.infolist()} == {(2024, 10, 1, 12, 0, 0)}
        modes = {info.filename: info.external_attr >> 16 & 0o777 for info in packed.infolist()}
        assert packed.testzip() is None
    assert modes["2_pytorch/run_convnet.sh"] == 0o755
    assert modes["2_pytorch/train.py"] == 0o644


def test_nothing_is_written_beside_the_destination(tmp_path: Path) -> None:
    for name in names():
        build(name, tmp_path / "out")
    assert not list(tmp_path.glob(f"**/{ESCAPED}"))


def changed(**changes: object) -> Fixture:
    return load("excellent").model_copy(update=changes)


LAYERS = "1_cs231n/cs231n/conv_layers.py"


def edit(file: str, find: str, count: int = 1) -> list[Replace]:
    return [Replace.model_validate({"file": file, "find": find, "with": "", "count": count})]


@pytest.mark.parametrize(
    ("fixture", "message"),
    [
        (changed(replace=edit(LAYERS, "no such text")), "0 times"),
        (changed(replace=edit(LAYERS, "import numpy", count=2)), "not 2"),
        (changed(replace=edit("nowhere.py", "x")), "nowhere.py"),
        (changed(remove=["nowhere/*"]), "nowhere"),
        (changed(only=["nowhere/*"]), "nowhere"),
        (changed(rename={"nowhere": "x"}), "nowhere"),
        (changed(rename={LAYERS: "1_cs231n/cs231n/layers.py"}), "overwrites"),
        (changed(file=[NewFile(path="a", text="a", source="template.py")]), "both"),
    ],
)
def test_an_edit_that_does_not_fit_is_refused(fixture: Fixture, message: str) -> None:
    with pytest.raises(FixtureError, match=message):
        tree(fixture)


def test_an_unknown_name_says_what_may_have_been_meant() -> None:
    with pytest.raises(FixtureError, match="excellent"):
        load("excelent")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "excellent", "right_folder"]) == 0
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "excellent.zip"),
        str(tmp_path / "right_folder"),
    ]
    assert main([]) == 1


def test_one_file_alone(tmp_path: Path) -> None:
    path = build("right_only_the_module", tmp_path)
    assert path.name == "conv_layers.py"
    assert "def conv_forward_naive" in path.read_text()


def test_pack_refuses_unknown_keys() -> None:
    with pytest.raises(ValueError, match="wraper"):
        Pack.model_validate({"wraper": "x"})
