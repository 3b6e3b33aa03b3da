"""The command: whose entries, under which names, printed for whom, and written whole or not at all."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from autograder.assignment import Assignment
from autograder.challenge.answers import Answers
from autograder.challenge.entry import of_labels, score_of
from autograder.leaderboard.command import baselines_of, show
from autograder.leaderboard.entry import NewEntry
from autograder.leaderboard.names import pseudonyms
from autograder.leaderboard.store import Store
from autograder.outcome import EnvironmentFault, UsageError
from tests.challenge.small_challenge import IMAGES, prepared, small_challenge, truth, with_wrong

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Course:
    """A prepared challenge, and a store for its entries."""

    assignment: Assignment
    answers: Answers
    url: str

    def enter(self, team: str, labels: np.ndarray, hours: float = 0) -> None:
        spec = self.assignment.challenge
        assert spec is not None
        score = score_of(of_labels(labels), self.answers, spec)
        new = NewEntry(
            self.assignment.name,
            team,
            NOON + timedelta(hours=hours),
            f"{team}{hours}",
            score.public_value,
            score.private_value,
            score.shown,
            {},
            labels.astype(np.int16),
            {},
        )
        with Store.open(self.url) as store:
            store.add(new)

    def with_spec(self, **changes: object) -> Course:
        spec = self.assignment.challenge
        assert spec is not None
        changed = self.assignment.model_copy(update={"challenge": spec.model_copy(update=changes)})
        return Course(changed, self.answers, self.url)

    def show(self, **options: object) -> str:
        """What the command prints."""
        file = io.StringIO()
        console = Console(file=file, width=160, highlight=False)
        show(self.assignment, store_url=self.url, console=console, **options)  # type: ignore[arg-type]
        return file.getvalue()


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Course:
    with (
        monkeypatch.context() as always
    ):  # the same split each time: of 60 images, luck would decide the ranks
        always.setattr("autograder.challenge.answers.secrets.token_bytes", lambda count: bytes(range(count)))
        assignment, answers = prepared(small_challenge(tmp_path), staff=True)
    return Course(assignment, answers, str(tmp_path / "standings.sqlite"))


@pytest.fixture
def course(empty: Course) -> Course:
    empty.enter("owls", with_wrong(0.4))
    empty.enter("cats", with_wrong(0.1, seed=2), 1)
    empty.enter("owls", with_wrong(0.2, seed=3), 2)
    return empty


def ranking(text: str) -> list[str]:
    """The names on a printed board."""
    names = {"owls", "cats", "baseline"}
    return [word for line in text.splitlines() for word in line.split()[1:2] if word in names]


def test_the_standings_of_the_challenge(course: Course) -> None:
    text = course.show()
    assert ranking(text) == ["cats", "owls", "baseline"]
    assert "2 teams, 3 entries; the last one came 2026-11-22 14:00 UTC." in text
    assert "A small homework" in text
    other = NewEntry("another", "dogs", NOON, "d", 1.0, 1.0, 1.0, {}, np.zeros(IMAGES, np.int16), {})
    with Store.open(course.url) as store:
        store.add(other)  # to another challenge, in the same store
    assert course.show() == text


def test_students_see_nothing_private(course: Course) -> None:
    text = course.show()
    assert "private" not in text.lower()
    spec = course.assignment.challenge
    assert spec is not None
    (baseline,) = baselines_of(course.answers, spec)
    for view, there in (("public", False), ("private", True), ("final", True)):
        assert (f"{100 * baseline.private:.2f} %" in course.show(view=view)) is there


def test_pseudonyms_are_those_of_the_challenge(course: Course) -> None:
    names = pseudonyms(["owls", "cats"], course.answers.secret)
    masked = course.with_spec(names="pseudonym")
    text = masked.show()
    assert names["owls"] in text
    assert names["cats"] in text
    assert "owls" not in text
    assert "cats" not in text
    staff = masked.show(view="final")
    assert any(names["owls"] in line and "owls" in line for line in staff.splitlines())


def test_late_entries_stand_in_no_ranking(course: Course) -> None:
    course.enter("cats", truth(), 30)
    at_one = course.show(freeze=NOON + timedelta(hours=1))
    assert "2 teams, 2 entries" in at_one
    assert "2 came later and don't." in at_one
    dated = course.with_spec(deadline=NOON + timedelta(hours=29))
    assert "3 entries" in dated.show(view="final")
    assert "1 came later and doesn't." in dated.show(view="final")
    assert "Entries until 2026-11-22 13:00 UTC" in dated.show(freeze=NOON + timedelta(hours=1))
    assert "4 entries" in dated.show(view="private")  # staff see what goes on


def test_staff_are_told_who_makes_the_same_mistakes(course: Course) -> None:
    assert "make the same mistakes more often than is usual" in course.show(view="private")
    alike = with_wrong(0.2, seed=3)
    course.enter("copycats", alike, 3)
    course.enter("parrots", with_wrong(0.3), 4)  # the staff's very model
    for view in ("private", "final"):
        text = " ".join(course.show(view=view).split())
        assert "For a human to decide; no points were taken for these:" in text
        told = "- owls (2026-11-22 14:00) and copycats (2026-11-22 15:00) handed in identical predictions."
        assert told in text
        assert text.count("copycats (") == text.count("parrots and the staff's model baseline are ident") == 1
        assert "owls and copycats are" not in text  # once is enough
    assert "mistakes" not in course.show()
    assert "identical" not in course.show()


def test_a_copy_of_an_entry_that_no_longer_counts_is_found(course: Course) -> None:
    course.enter("copycats", with_wrong(0.4), 3)  # of the owls' first try
    told = "- owls (2026-11-22 12:00) and copycats (2026-11-22 15:00) handed in identical predictions."
    assert told in course.show(view="private")


def test_near_copies_are_found(course: Course) -> None:
    nearly = with_wrong(0.2, seed=3)
    nearly[:9] = (nearly[:9] + 1) % 3
    course.enter("copycats", nearly, 3)
    text = " ".join(course.show(view="private").split())
    assert "owls and copycats are nearly alike" in text or "copycats and owls are nearly alike" in text


def test_a_near_copy_of_an_entry_that_does_not_count_is_found(course: Course) -> None:
    nearly = with_wrong(0.4)  # the owls' first try; their second one counts
    nearly[:9] = (nearly[:9] + 1) % 3
    course.enter("copycats", nearly, 3)
    text = " ".join(course.show(view="private").split())
    assert "copycats and owls (2026-11-22 12:00) are nearly alike" in text
    course.enter("copycats", nearly, 3.5)
    again = " ".join(course.show(view="private").split())
    assert again.count("copycats and owls") == 1  # once for two teams


def test_guesses_are_nobodys_idea(course: Course) -> None:
    for team in ("dogs", "frogs"):
        course.enter(team, np.ones(IMAGES, np.int64), 3)
    course.enter("dogs", with_wrong(0.25, seed=7), 5)
    assert "identical" not in course.show(view="private")


def test_many_with_the_same_file_are_one_line(course: Course) -> None:
    for number in range(20):
        course.enter(f"t{number}", with_wrong(0.3, seed=9), number)
    text = " ".join(course.show(view="private").split())
    assert text.count("t0 (") == text.count("t11 (") == text.count("and 8 more handed in identical") == 1
    assert "t12 (" not in text


def test_late_entries_are_not_among_the_alike(course: Course) -> None:
    dated = course.with_spec(deadline=NOON + timedelta(hours=10))
    dated.enter("copycats", with_wrong(0.2, seed=3), 11)
    assert "identical" in dated.show(view="private")
    assert "identical" not in dated.show(view="final")


def test_the_list_of_the_alike_stands_in_no_file(course: Course, tmp_path: Path) -> None:
    course.enter("copycats", with_wrong(0.2, seed=3), 3)
    for view in ("private", "final"):
        course.show(view=view, csv=tmp_path / "board.csv", html=tmp_path / "board.html")
        assert "identical" not in (tmp_path / "board.csv").read_text()
        assert "identical" not in (tmp_path / "board.html").read_text()


@pytest.mark.parametrize(
    ("view", "csv_told", "html_told"),
    [
        ("public", "Written", "Written"),
        ("private", "Written for staff alone", "Written for staff alone"),
        ("final", "Written for staff alone", "Written"),  # the table names the teams behind pseudonyms
    ],
)
def test_what_is_for_staff_alone_is_said(
    course: Course, tmp_path: Path, view: str, csv_told: str, html_told: str
) -> None:
    hidden = course.with_spec(names="pseudonym")
    text = hidden.show(view=view, csv=tmp_path / "board.csv", html=tmp_path / "board.html")
    assert f"{csv_told}: {tmp_path / 'board.csv'}" in text
    assert f"{html_told}: {tmp_path / 'board.html'}" in text
    for name, told in (("board.csv", csv_told), ("board.html", html_told)):
        assert ("owls" in (tmp_path / name).read_text(encoding="utf-8")) == (told != "Written")


def test_files_are_written_whole(course: Course, tmp_path: Path) -> None:
    table, page = tmp_path / "board.csv", tmp_path / "board.html"
    (tmp_path / "elsewhere").write_text("somebody's")
    page.symlink_to(tmp_path / "elsewhere")
    text = course.show(csv=table, html=page)
    assert f"Written: {table}" in text
    assert f"Written: {page}" in text
    with table.open(encoding="utf-8", newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == ["cats", "owls", "baseline"]
    assert page.read_text(encoding="utf-8").endswith("</html>")
    assert not page.is_symlink()
    assert (tmp_path / "elsewhere").read_text() == "somebody's"
    assert {path.name for path in tmp_path.iterdir()} >= {"board.csv", "board.html"}
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".tmp"]


def test_the_same_entries_make_the_same_page(course: Course, tmp_path: Path) -> None:
    pages = []
    for name in ("one", "two"):
        course.show(view="final", html=tmp_path / name)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


def test_where_nobody_has_entered_the_staffs_models_stand_alone(empty: Course, tmp_path: Path) -> None:
    text = empty.show(html=tmp_path / "board.html")
    assert "No entries are kept in" in text
    assert "Nobody has handed in yet." in text
    assert "baseline (staff)" in text
    assert "Nobody has handed in yet." in (tmp_path / "board.html").read_text()
    assert not Path(empty.url).exists()  # who only looks makes no file
    assert "baseline (staff)" in empty.show(view="private")
    with Store.open(empty.url):
        pass
    assert "No entries are kept in" not in empty.show()


@pytest.mark.parametrize("prefix", ["sqlite:///", "sqlite+pysqlite:///"])
def test_a_store_that_is_not_there_is_not_made(empty: Course, prefix: str) -> None:
    linked = Course(empty.assignment, empty.answers, f"{prefix}{empty.url}")
    assert "No entries are kept in" in linked.show()
    assert not Path(empty.url).exists()
    linked.enter("owls", truth())
    assert "owls" in linked.show()
    assert Path(empty.url).exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"view": "everything"}, "--view is one of public, private, final, and not 'everything'."),
        ({"view": "PUBLIC\x1b[31m"}, "and not 'PUBLIC'."),
        ({"csv": Path("/")}, "--csv '/' is a folder: name a file in it."),
        ({"html": Path("/no/such/place/board.html")}, "there is no such folder. Make it first."),
    ],
)
def test_what_can_not_be_asked_for(course: Course, options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError) as told:
        course.show(**options)
    assert said in str(told.value)


def test_a_place_that_can_not_be_written_is_our_fault_to_tell(course: Course) -> None:
    with pytest.raises(EnvironmentFault) as told:
        course.show(csv=Path("/proc/board.csv"))
    assert "can't be written to '/proc/board.csv'" in told.value.message
    assert told.value.remedy


def test_a_challenge_that_is_not_prepared_says_what_comes_first(tmp_path: Path) -> None:
    assignment = small_challenge(tmp_path).assignment()
    with pytest.raises(EnvironmentFault) as told:
        show(assignment, console=Console(file=io.StringIO()))
    assert "run_autograder challenge small --answers" in told.value.remedy


def test_a_metric_of_probabilities_has_no_baselines(course: Course) -> None:
    spec = course.assignment.challenge
    assert spec is not None
    assert [one.name for one in baselines_of(course.answers, spec)] == ["baseline"]
    assert baselines_of(course.answers, spec.model_copy(update={"metrics": ["log_loss"]})) == ()
    assert baselines_of(course.answers, spec.model_copy(update={"metrics": ["top_2"]})) == ()


def test_the_baseline_is_scored_as_an_entry_is(course: Course) -> None:
    spec = course.assignment.challenge
    assert spec is not None
    (baseline,) = baselines_of(course.answers, spec)
    theirs = with_wrong(0.3)
    public = course.answers.public
    assert baseline.public == pytest.approx(np.mean(theirs[public] == truth()[public]))
    assert baseline.private == pytest.approx(np.mean(theirs[~public] == truth()[~public]))
    assert baseline.shown == pytest.approx(round(baseline.public / 0.05) * 0.05)  # 60 images
