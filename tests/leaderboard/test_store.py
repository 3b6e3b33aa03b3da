"""What is kept comes back, the limit holds, and what can't be used says what to do."""

from __future__ import annotations

import dataclasses
import math
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.challenge.limits import Allowance, admitted
from autograder.leaderboard.entry import MAX_NAME_CHARS, OverLimit, known_as
from autograder.leaderboard.store import Store
from autograder.outcome import EnvironmentFault, GraderFault, UsageError
from tests.leaderboard import postgresql
from tests.leaderboard.made import hour, new_entry

ROOT = Path(__file__).resolve().parent.parent.parent
THREE_A_DAY = Allowance(3, timedelta(hours=24))
PASSWORD = "s3cr3t-of-ours"  # noqa: S105  (to see that no message has it)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    with Store.open(store_url) as opened:
        yield opened


def test_an_entry_comes_back_as_it_was(store: Store, store_url: str) -> None:
    given_entry = new_entry(team="=SUM(A1) Zoë 'Ωmega'; DROP TABLE", hours=1 / 3)
    before = datetime.now(UTC)
    kept = store.add(given_entry)
    with Store.open(store_url) as again:
        assert again.entries("cifar") == (kept,)
        labels = again.labels(kept)
    for field in dataclasses.fields(given_entry):
        if field.name != "labels":
            assert getattr(kept, field.name) == getattr(given_entry, field.name)
    assert before <= kept.received <= datetime.now(UTC)
    assert labels.dtype == np.int16
    assert labels.tolist() == given_entry.labels.tolist()


def test_a_million_labels(store: Store) -> None:
    labels = np.random.default_rng(0).integers(0, 1_000, 1_000_000)
    kept = store.add(new_entry(labels=labels))
    assert np.array_equal(store.labels(kept), labels)


def test_entries_come_by_time_of_one_challenge_and_team(store: Store) -> None:
    later = store.add(new_entry("b", 5))
    first = store.add(new_entry("a", 1))
    middle = store.add(new_entry("b", 3))
    other = store.add(new_entry("a", 2, challenge="other"))
    assert store.entries("cifar") == (first, middle, later)
    assert store.entries("cifar", team="b") == (middle, later)
    assert store.entries("cifar", until=hour(3)) == (first, middle)
    assert store.entries("other") == (other,)
    assert store.entries("nothing") == ()
    assert store.teams("cifar") == ("b", "a")  # as they came, so that the next one is the last


def test_times_of_all_zones_are_one_time(store: Store) -> None:
    here = datetime(2026, 11, 20, 23, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=-5, minutes=-30)))
    kept = store.add(new_entry(at=here))
    assert kept.at == here
    assert kept.at.utcoffset() == timedelta(0)
    assert store.entries("cifar", until=here) == (kept,)
    assert store.entries("cifar", until=here - timedelta(microseconds=1)) == ()
    assert store.add(new_entry(at=here.astimezone(UTC))) == kept


def test_the_fourth_in_a_day_is_over_the_limit(store: Store) -> None:
    for each in range(3):
        store.add(new_entry(hours=each, digest=f"{each}"), THREE_A_DAY)
    for attempt in range(2):  # trying again puts nothing off
        with pytest.raises(OverLimit) as refused:
            store.add(new_entry(hours=23 + attempt / 2, digest=f"more {attempt}"), THREE_A_DAY)
        assert refused.value.next_at == hour(24)
        assert refused.value.count == 3
        assert refused.value.standing == store.entries("cifar")[-1]
    assert len(store.entries("cifar")) == 3
    store.add(new_entry("another", 23), THREE_A_DAY)
    store.add(new_entry(hours=23, challenge="another"), THREE_A_DAY)
    store.add(new_entry(hours=24, digest="next"), THREE_A_DAY)
    with pytest.raises(OverLimit) as refused:
        store.add(new_entry(hours=24.5, digest="after"), THREE_A_DAY)
    assert refused.value.next_at == hour(25)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=12))
def test_the_store_keeps_whom_the_rule_admits(hours: list[int]) -> None:
    ordered = sorted(hours)
    kept, waits = [], []
    with TemporaryDirectory() as folder, Store.open(Path(folder, "s.sqlite")) as store:
        for number, each in enumerate(ordered):
            try:
                store.add(new_entry(hours=each, digest=f"{number}"), THREE_A_DAY)
                kept.append(True)
            except OverLimit as refused:
                kept.append(False)
                waits.append(refused.next_at > hour(each))
    assert tuple(kept) == admitted([hour(each) for each in ordered], THREE_A_DAY)
    assert all(waits)


def test_one_that_comes_late_makes_no_window_overflow(store: Store) -> None:
    for each in (10, 11, 12):
        store.add(new_entry(hours=each, digest=f"{each}"), THREE_A_DAY)
    with pytest.raises(OverLimit) as refused:
        store.add(new_entry(hours=9, digest="late"), THREE_A_DAY)
    assert refused.value.standing is None
    assert refused.value.next_at == hour(34)


def test_staff_may_add_without_a_limit(store: Store) -> None:
    for each in range(5):
        store.add(new_entry(hours=each, digest=f"{each}"))
    with pytest.raises(OverLimit):
        store.add(new_entry(hours=6, digest="6"), THREE_A_DAY)


def test_a_regrade_uses_up_nothing_and_brings_the_new_scores(store: Store) -> None:
    kept = [store.add(new_entry(hours=each, digest=f"{each}"), THREE_A_DAY) for each in range(3)]
    same = store.add(new_entry(hours=1, digest="1"), THREE_A_DAY)
    assert same == kept[1]
    changed = store.add(new_entry(hours=1, digest="1", private=0.9, labels=np.ones(2, int)), THREE_A_DAY)
    assert changed == dataclasses.replace(kept[1], private=0.9)
    assert store.entries("cifar") == (kept[0], changed, kept[2])
    assert store.labels(changed).tolist() == [1, 1]


def test_our_faults_use_up_nothing(store: Store) -> None:
    broken = [
        store.add(new_entry(hours=each, digest=f"{each}", fault=True), THREE_A_DAY) for each in range(4)
    ]
    assert all(entry.fault for entry in store.entries("cifar"))
    mended = store.add(new_entry(hours=1, digest="1"), THREE_A_DAY)
    assert (mended.id, mended.fault) == (broken[1].id, False)
    assert store.add(new_entry(hours=1, digest="1", fault=True), THREE_A_DAY) == mended  # takes nothing away
    store.add(new_entry(hours=5, digest="5"), THREE_A_DAY)
    store.add(new_entry(hours=6, digest="6"), THREE_A_DAY)
    with pytest.raises(OverLimit) as refused:
        store.add(new_entry(hours=7, digest="7"), THREE_A_DAY)
    assert refused.value.standing is not None
    assert refused.value.standing.at == hour(6)
    with pytest.raises(OverLimit):  # a fault that is graded after all counts from then on
        store.add(new_entry(hours=2, digest="2"), THREE_A_DAY)


def test_a_team_has_one_spelling(store: Store) -> None:
    """Composed and decomposed accents, blanks and what can't be seen make no second team."""
    for number, name in enumerate(["José  K", " Jose\u0301 K ", "José\u200b K", "José\nK"]):
        store.add(new_entry(name, number, digest=f"{number}"))
    assert store.teams("cifar") == ("José K",)
    assert len(store.entries("cifar", team="Jose\u0301 K")) == 4


@given(st.text(max_size=60))
def test_a_known_name_stays_as_it_is(name: str) -> None:
    try:
        known = known_as(name, "A team")
    except UsageError:
        return
    assert known
    assert "\0" not in known
    known.encode()
    assert known_as(known, "A team") == known


@pytest.mark.parametrize("name", ["", "  ", "\0", "\u200b", "x" * (MAX_NAME_CHARS + 1)])
def test_names_that_show_nothing_are_refused(name: str, tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.sqlite") as store:
        with pytest.raises(UsageError, match=r"A team can't be called .*1 to 200 characters"):
            store.add(new_entry(name))
        assert store.entries("cifar") == ()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"private": math.nan}, "nan for 'private'"),
        ({"metrics": {"log_loss": math.inf}}, "inf for 'log_loss'"),
        ({"at": datetime(2026, 1, 1)}, "time without a zone"),
        ({"labels": np.zeros((2, 2), np.int16)}, r"labels of shape \(2, 2\)"),
        ({"labels": np.array([0.5])}, "type float64"),
        ({"labels": np.array([40_000])}, "labels from 40000 to 40000"),
    ],
)
def test_what_cannot_be_ranked_is_a_fault(wrong: dict[str, Any], says: str, tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.sqlite") as store:
        with pytest.raises(GraderFault, match=says):
            store.add(new_entry(**wrong))
        assert store.entries("cifar") == ()


def test_a_sqlite_file_is_its_owners_and_survives_a_power_cut(tmp_path: Path) -> None:
    path = tmp_path / "a name with ? and % and #.sqlite"
    umask = os.umask(0)
    try:
        with Store.open(path) as store:
            store.add(new_entry())
            with store._reading() as connection:
                assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
                assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
                assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(umask)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    with Store.open(f"sqlite:///{tmp_path / 'plain.sqlite'}") as plain:
        assert plain.entries("cifar") == ()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "forgotten at once"),
        (":memory:", "forgotten at once"),
        ("sqlite://", "forgotten at once"),
        ("sqlite:///:memory:", "forgotten at once"),
        ("sqlite:///x.sqlite?mode=ro&uri=true", "more to it than a path"),
        ("sqlite://host/x.sqlite", "more to it than a path"),
        (f"mysql://u:{PASSWORD}@host/db", "begins with 'mysql'"),
        (f"postgresql+asyncpg://u:{PASSWORD}@host/db", r"begins with 'postgresql\+asyncpg'"),
        (f"://u:{PASSWORD}@host/db", "can't be read"),
        (f"postgresql://u:{PASSWORD}@host:port/db", "can't be read"),
        ("/", "a folder"),
        ("/no/such/folder/x.sqlite", "There is no folder '/no/such/folder'"),
    ],
)
def test_urls_that_are_no_store(url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        Store.open(url)
    assert PASSWORD not in str(refused.value)


def test_files_that_are_no_store(tmp_path: Path) -> None:
    text = tmp_path / "predictions.csv"
    text.write_text("image_id,label\n" * 1_000)
    with pytest.raises(EnvironmentFault, match="not a database") as refused:
        Store.open(text)
    assert "Move it away" in refused.value.remedy
    assert text.read_text().startswith("image_id")

    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE gradebook (x)")
    connection.close()
    with pytest.raises(UsageError, match="something else, with a table 'gradebook'"):
        Store.open(other)

    with pytest.raises(EnvironmentFault, match="can't be made"):
        Store.open("/proc/standings.sqlite")


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    with Store.open(path) as store:
        for each in range(20):
            store.add(new_entry(hours=each, labels=np.random.default_rng(each).integers(0, 9_999, 5_000)))
        path.write_bytes(path.read_bytes()[:40_000] + b"\xff" * 50_000)
        with pytest.raises(EnvironmentFault, match="malformed") as refused:
            store.entries("cifar")
    assert "backup" in refused.value.remedy


def test_a_store_of_another_version(store: Store, store_url: str) -> None:
    with store._writing("") as connection:
        connection.exec_driver_sql("UPDATE challenge_schema SET version = 7")
    with pytest.raises(EnvironmentFault, match="are of version 7; this autograder knows version 1"):
        Store.open(store_url)


def test_servers_that_are_not_there(postgresql_server: postgresql.Server) -> None:
    for url, says, remedy in [
        (postgresql_server.url("nothing"), 'database "nothing" does not exist', "createdb"),
        (postgresql_server.url(user="stranger"), 'role "stranger" does not exist', "createuser"),
        (f"postgres://u:{PASSWORD}@/db?host=/no/such&password={PASSWORD}", "No such file", "server runs"),
    ]:
        with pytest.raises(EnvironmentFault, match=says) as refused:
            Store.open(url)
        assert remedy in refused.value.remedy
        assert PASSWORD not in str(refused.value) + refused.value.remedy
        assert refused.value.__cause__ is None


def test_a_user_who_may_make_no_tables(postgresql_server: postgresql.Server, postgresql_url: str) -> None:
    postgresql_server.do("CREATE ROLE reader LOGIN")
    with pytest.raises(EnvironmentFault, match="permission denied") as refused:
        Store.open(postgresql_url.replace(postgresql.USER, "reader"))
    assert "make and write tables" in refused.value.remedy


def test_without_psycopg() -> None:
    """Whoever keeps standings in SQLite does not need it; whoever does not is told how to get it."""
    code = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from autograder.leaderboard.store import Store\n"
        "from autograder.outcome import EnvironmentFault\n"
        "try: Store.open('postgresql://host/db')\n"
        "except EnvironmentFault as fault: print(fault, fault.remedy)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "need the package psycopg" in done.stdout
    assert "pip install 'psycopg[binary]'" in done.stdout
