"""The corpus is what it says: it builds, always the same, and nothing in it lies about unused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from fixtures.build import FixtureError
from fixtures.hostile import BACKENDS, CATALOGUE, FOLDER, LAYERS, Attack, Known, build, load, names, tree
from fixtures.hostile.made import MADE
from fixtures.hostile.special import SPECIAL

ALL = [load(name) for name in names()]


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_a_description(attack: Attack) -> None:
    assert 3 <= len(attack.title) <= 90
    assert attack.why.endswith((".", "?", ";: }:'."))
    assert set(attack.line) <= CATALOGUE.keys()
    assert attack.line == sorted(attack.line)
    assert set(attack.open) <= {*BACKENDS, "all"}
    compile(tree(attack)[LAYERS], LAYERS, "exec")


def test_a_build_is_deterministic(tmp_path: Path) -> None:
    for attack in ALL:
        first, second = (build(attack, tmp_path / attack.name / side) for side in "ab")
        assert first.name == second.name
        if first.is_file():
            assert first.read_bytes() == second.read_bytes()


def test_no_attack_comes_twice() -> None:
    digests: dict[str, str] = {}
    for attack in ALL:
        parts = [attack.special, attack.pack.model_dump_json(), *map(repr, tree(attack).items())]
        digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        assert digests.setdefault(digest, attack.name) == attack.name


def test_everything_that_makes_files_and_zips_is_used() -> None:
    assert {new.made for attack in ALL for new in attack.file if new.made} == MADE.keys()
    assert {attack.special for attack in ALL if attack.special} == SPECIAL.keys()
    assert {path.name for path in (FOLDER / "files").iterdir() if path.is_file()} == {"layers.py", "loot.py"}


def test_an_attack_knows_what_its_builder_tells() -> None:
    known = Known(canary="/some/where.txt", tcp="4711", mark="mark-of-this-test")
    loot = tree(load("tcp"), known)["1_cs231n/cs231n/loot.py"].decode()
    assert "CANARY, LABELS = '/some/where.txt', " in loot
    assert "int('4711')" in loot
    assert "@" not in loot


def test_an_unknown_attack() -> None:
    with pytest.raises(FixtureError, match=r"no_such\.toml"):
        load("no_such")
