"""What every tree that intake lets through must be, and every refusal."""

from __future__ import annotations

import stat
import unicodedata
from pathlib import Path

from autograder.assignment import IntakeLimits
from autograder.intake import Tree
from autograder.outcome import IntakeRefused

MIB = 1024 * 1024
SMALL = IntakeLimits(max_files=12, max_total_mib=1, max_depth=6, max_path_chars=60, max_nested=2)


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def check_message(refused: IntakeRefused) -> None:
    assert refused.message.isprintable(), "one line, nothing that steers a terminal"
    assert refused.message.endswith(".")
    assert len(refused.message) < 400


def check_tree(tree: Tree, scratch: Path, limits: IntakeLimits) -> None:
    """What graders and sandbox may rely on."""
    assert tree.root.resolve().is_relative_to(scratch.resolve())
    seen: set[str] = set()
    found: list[str] = []
    total = 0
    for path in sorted(scratch.rglob("*")):
        status = path.lstat()
        folded = unicodedata.normalize("NFC", str(path.relative_to(scratch))).casefold()
        assert folded not in seen
        seen.add(folded)
        assert stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
        if stat.S_ISREG(status.st_mode):
            assert stat.S_IMODE(status.st_mode) == 0o644
            assert path.is_relative_to(tree.root)
            found.append(path.relative_to(tree.root).as_posix())
            total += status.st_size
        else:
            assert stat.S_IMODE(status.st_mode) == 0o755
        within = path.relative_to(scratch / "submission").as_posix() if "/" in folded else ""
        assert len(within) <= limits.max_path_chars
        assert within.count("/") < limits.max_depth
    assert tuple(sorted(found)) == tree.files
    assert len(set(tree.files)) == len(tree.files) <= limits.max_files
    assert total <= limits.max_total_mib * MIB
    assert all(note.isprintable() for note in tree.notes)
    assert all(item.path.isprintable() for item in tree.left_out)
