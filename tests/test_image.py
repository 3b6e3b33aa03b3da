"""Which container image an assignment's submissions run in."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.assignment import load_assignment
from autograder.image import ImageKind
from autograder.outcome import EnvironmentFault


def test_an_image_for_what_is_preloaded() -> None:
    assert ImageKind.of(("numpy",)).want == "base"
    assert ImageKind.of(("numpy", "torchvision.transforms")).want == "torch"
    assert ImageKind.of(("torch",)).command() == "./run_autograder image --torch"
    assert ImageKind.of(()).tag() != ImageKind.of(("torch",)).tag()


def test_assignments_that_ask_for_the_same_share_an_image(tmp_path: Path) -> None:
    kinds = []
    for name, text in (("a", "fastai\n"), ("b", "fastai\n"), ("c", "fastai \n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_text(text)
        kinds.append(kind_of(tmp_path / name, 'preload = ["torch"]'))
    assert {kind.want for kind in kinds} == {"own"}
    assert kinds[0].tag() == kinds[1].tag() != kinds[2].tag()
    assert kinds[0].tag().startswith("autograder-sandbox:own-")
    (tmp_path / "c" / "requirements.txt").unlink()
    assert kind_of(tmp_path / "c", 'preload = ["torch"]') == ImageKind.of(("torch",))


def test_it_is_the_same_by_the_environment_that_was_made_from_it(tmp_path: Path) -> None:
    for name in ("assignment", "environment"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.txt").write_bytes(b"\xef\xbb\xbffastai\r\n")  # byte for byte
    python = str(tmp_path / "environment" / "bin" / "python")
    assert ImageKind.of((), python) == kind_of(tmp_path / "assignment")
    with pytest.raises(EnvironmentFault):
        ImageKind.of((), str(tmp_path / "bin" / "python"))


MANIFEST = """
title = "A homework"
seed = 1
[[questions]]
number = "1"
title = "One"
points = 1
"""


def kind_of(folder: Path, sandbox: str = "") -> ImageKind:
    (folder / "assignment.toml").write_text(f"{MANIFEST}[sandbox]\n{sandbox}\n")
    (kind,) = ImageKind.all_of(load_assignment(folder), ())
    return kind


def test_each_kind_of_box_has_its_image(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("fastai\n")
    boxes = "own_environment = false\n[boxes.training]\n[boxes.room]\n"
    (tmp_path / "assignment.toml").write_text(f"{MANIFEST}[sandbox]\n{boxes}")
    assert {kind.want for kind in ImageKind.all_of(load_assignment(tmp_path), ())} == {"base", "own"}
    stored = f'{boxes}[notebook]\nmode = "stored"\nbox = "training"\nwall_s = 60\ncell_wall_s = 60\n'
    (tmp_path / "assignment.toml").write_text(f"{MANIFEST}[sandbox]\n{stored}")
    assert {kind.want for kind in ImageKind.all_of(load_assignment(tmp_path), ())} == {"base"}
