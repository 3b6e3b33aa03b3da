"""What `run_autograder leaderboard` does: a challenge's standings, shown and written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from autograder.assignment import Assignment
from autograder.atomic import write_file
from autograder.challenge.answers import Answers, load_answers
from autograder.challenge.entering import store_of
from autograder.challenge.entry import of_labels, score_of
from autograder.challenge.preparing import form_of
from autograder.leaderboard import page, table, terminal
from autograder.leaderboard.alike import alike
from autograder.leaderboard.names import pseudonyms
from autograder.leaderboard.standings import Baseline, Standings, View, standings
from autograder.leaderboard.store import Store
from autograder.manifest_challenge import NEEDS_PROBABILITIES, ChallengeSpec
from autograder.outcome import EnvironmentFault, UsageError
from autograder.text import clean, quote

if TYPE_CHECKING:
    from autograder.leaderboard.entry import Entry

_VIEWS = {view.value: view for view in View}


def show(  # noqa: PLR0913  (what a command line says)
    assignment: Assignment,
    *,
    store_url: str = "",
    view: str = View.PUBLIC.value,
    freeze: datetime | None = None,
    csv: Path | None = None,
    html: Path | None = None,
    console: Console,
) -> None:
    """Print the standings, and write them as ``csv`` and ``html`` if that is asked for.

    Without ``freeze``, entries count until the manifest's deadline. Views for staff also list teams whose
    predictions make the same mistakes; that list is printed, and stands in no file.
    """
    wanted = _VIEWS.get(view)
    if wanted is None:
        raise UsageError(f"--view is one of {', '.join(_VIEWS)}, and not {quote(view)}.")
    for option, path in (("--csv", csv), ("--html", html)):
        if path is not None:
            _refuse_unfit(path, option)
    form = form_of(assignment)
    answers, spec = load_answers(assignment, form), assignment.challenge
    assert spec is not None
    with _opened(store_of(assignment, store_url), console) as store:
        entries = store.entries(assignment.name) if store is not None else ()
        teams = store.teams(assignment.name) if store is not None else ()
        board = board_of(assignment, answers, entries, teams, view=wanted, freeze=freeze)
        terminal.to_console(board, console)
        if store is not None and wanted is not View.PUBLIC:
            _print_alike(alike(store, entries, answers, spec, board.frozen), console)
    if csv is not None:
        _write(csv, table.to_csv(board), console, for_staff=wanted is not View.PUBLIC)
    if html is not None:
        _write(html, page.to_html(board), console, for_staff=wanted is View.PRIVATE)


def board_of(  # noqa: PLR0913  (whose entries, shown to whom: a record of them has no other use)
    assignment: Assignment,
    answers: Answers,
    entries: tuple[Entry, ...],
    teams: tuple[str, ...],
    *,
    view: View,
    freeze: datetime | None = None,
) -> Standings:
    """The board of an assignment's challenge, as its manifest has it; ``teams`` in the order they came."""
    spec = assignment.challenge
    assert spec is not None
    names = pseudonyms(teams, answers.secret) if spec.names == "pseudonym" else {}
    return standings(
        entries,
        view=view,
        metric=spec.metric,
        higher_is_better=spec.higher_is_better,
        baselines=baselines_of(answers, spec),
        final=spec.final,
        freeze=freeze or spec.deadline,
        shown_name=lambda team: names.get(team, team),
        title=assignment.title,
    )


def baselines_of(answers: Answers, spec: ChallengeSpec) -> tuple[Baseline, ...]:
    """The staff's models. Of them we have labels alone, so a metric of probabilities has no baselines."""
    if NEEDS_PROBABILITIES.fullmatch(spec.metric):
        return ()
    scores = {name: score_of(of_labels(labels), answers, spec) for name, labels in answers.staff.items()}
    return tuple(
        Baseline(name, score.public_value, score.private_value, score.shown) for name, score in scores.items()
    )


def _opened(url: str, console: Console) -> AbstractContextManager[Store | None]:
    """The store, or nothing where there is none yet: who only looks makes no file."""
    path = _file_of(url)
    if path is None or path.exists():
        return Store.open(url)
    console.print(Text(clean(f"No entries are kept in {quote(str(path))} yet."), overflow="fold"))
    return nullcontext()


def _file_of(url: str) -> Path | None:
    """The file that a path or an URL of SQLite's names; None for a server, and for what the store refuses."""
    if "://" not in url:
        return Path(url)
    scheme, _, rest = url.partition("://")
    return Path(rest[1:]) if scheme.startswith("sqlite") and len(rest) > 1 and rest[0] == "/" else None


def _print_alike(lines: Sequence[str], console: Console) -> None:
    if not lines:
        console.print(Text("No two teams' predictions make the same mistakes more often than is usual."))
        return
    console.print(
        Text("For a human to decide; no points were taken for these:", style="bold", overflow="fold")
    )
    for line in lines:
        console.print(Text(clean(f"- {line}"), overflow="fold"))


def _refuse_unfit(path: Path, option: str) -> None:
    """Before anything is computed: a file that can't be written where it is asked for."""
    if path.is_dir():
        raise UsageError(f"{option} {quote(str(path))} is a folder: name a file in it.")
    if not path.parent.is_dir():
        raise UsageError(f"{option} {quote(str(path))}: there is no such folder. Make it first.")


def _write(path: Path, text: str, console: Console, *, for_staff: bool) -> None:
    try:
        write_file(path.parent, path.name, text.encode("utf-8"))
    except OSError as error:
        raise EnvironmentFault(
            f"The standings can't be written to {quote(str(path))}: {error.strerror}.",
            remedy="Make that folder writable, or name another place.",
        ) from error
    told = f"Written for staff alone: {path}" if for_staff else f"Written: {path}"
    console.print(Text(clean(told), overflow="fold"))
