"""docs/security.md speaks of this corpus and no other, and the table is made only of what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.hostile import BACKENDS, CATALOGUE, NOT_TRIED, load, names
from tests.hostile.record import HELD, OPEN, REFUSED, Records, Shot
from tests.hostile.record import NOT_TRIED as NOT_HERE
from tests.hostile.table import PAGE, Incomplete, render, rows

PAGE_TEXT = PAGE.read_text(encoding="utf-8")


def test_the_page_lists_exactly_the_corpus() -> None:
    listed = rows(PAGE_TEXT)
    assert sorted(listed) == names()
    assert {name: lines for name, (lines, _) in listed.items()} == {n: load(n).line for n in names()}


def test_every_line_of_the_catalogue_is_tried_or_has_a_reason() -> None:
    tried = {line for name in names() for line in load(name).line}
    assert tried | NOT_TRIED.keys() == CATALOGUE.keys() == set(range(1, 39))
    assert not tried & NOT_TRIED.keys()
    assert all(f"Line {line}, " in PAGE_TEXT for line in NOT_TRIED)


def test_what_the_page_calls_open_is_open_with_its_reason() -> None:
    for name, (_, cells) in rows(PAGE_TEXT).items():
        attack = load(name)
        for backend, cell in zip(BACKENDS, cells, strict=True):
            assert cell in (HELD, OPEN, REFUSED, NOT_HERE)
            if cell != NOT_HERE:
                assert (cell == OPEN) == bool(attack.open_on(backend))
                assert (cell == REFUSED) == bool(attack.refused)
        for why in attack.open.values():
            assert why in PAGE_TEXT


@pytest.fixture
def records(tmp_path: Path) -> Records:
    """A run with bubblewrap alone."""
    found = Records.below(tmp_path)
    for name in names():
        attack = load(name)
        verdict = REFUSED if attack.refused else OPEN if attack.open_on("bubblewrap") else HELD
        found.keep(Shot(name, "bubblewrap", verdict))
    found.absent("docker", "No engine answers.")
    return found


def test_a_table_of_records(records: Records) -> None:
    page = render(records)
    listed = rows(page)
    assert sorted(listed) == names()
    assert listed["results_overwritten"] == ([1], [NOT_HERE, HELD, NOT_HERE])
    assert "* docker: No engine answers." in page


def test_an_attack_without_a_record_makes_no_table(records: Records) -> None:
    (records.folder / "bubblewrap" / "tcp.json").unlink()
    with pytest.raises(Incomplete, match="tcp on bubblewrap"):
        render(records)


def test_an_attack_that_got_through_makes_no_table(records: Records) -> None:
    records.keep(Shot("tcp", "bubblewrap", OPEN, "something reached the TCP socket"))
    with pytest.raises(Incomplete, match="something reached the TCP socket"):
        render(records)


def test_a_record_is_not_taken_away_by_a_machine_that_lacks_the_backend(records: Records) -> None:
    records.absent("bubblewrap", "There is no bwrap.")
    assert rows(render(records))["tcp"][1][1] == HELD
