"""The commands of ``run_autograder``, and nothing else.

Exit codes: 0 graded, 1 the command line is wrong, 2 a fault of ours (no score), 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.assignment import Assignment, find_assignment, list_assignments
from autograder.boxes import SANDBOX_VARIABLE, Mode, open_backend
from autograder.gradescope import (
    Folders,
    challenge_warnings,
    history_of,
    points_warning,
    read_metadata,
    the_assignment,
)
from autograder.grading import PAGE, Faulted, Graded, as_fault, forget_earlier, grade
from autograder.outcome import Fault, UsageError
from autograder.sandbox.backend import Backend
from autograder.sandbox.choose import AUTO, NAMES, NONE
from autograder.staff_files import READING
from autograder.streams import make_tolerant
from autograder.text import clean, one_line

if TYPE_CHECKING:
    from autograder.challenge.entering import Entering

HOME = Path(__file__).resolve().parents[1]
GRADERS = HOME / "graders"
OK, USAGE, FAULT, INTERRUPTED = 0, 1, 2, 130
_INTERRUPTS = (signal.SIGINT, signal.SIGTERM)

app = typer.Typer(
    help="Grade deep-learning homework: in a sandbox, against references, for Gradescope and for people.",
    no_args_is_help=False,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
# The root of what typer raises for a command line that it can't read; it lives in another package from one
# release to the next, so it is taken from an exception that stays.
_WrongCommandLine: Any = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
_SPEECHLESS = (
    b"The autograder broke, and could not even say how: no score was given.\n"
    b"What to do: Look for a machine or a limit (ulimit -a) with too little memory, and grade again.\n"
)
out_console = Console(highlight=False)
err_console = Console(stderr=True, highlight=False)

AssignmentName = Annotated[str, typer.Argument(help="An assignment's name (see `list`), or its folder.")]
Submissions = Annotated[list[Path], typer.Argument(help="A zip, a folder or a single file; or several.")]
Sandbox = Annotated[
    str,
    typer.Option(help=f"What student code runs in: {', '.join(NAMES)}; else {SANDBOX_VARIABLE}, or auto."),
]
StoreUrl = Annotated[
    str,
    typer.Option(help="Where the standings are kept: a file, or a database's URL; else AUTOGRADER_STORE."),
]
Out = Annotated[Path | None, typer.Option(help="Where the results go; otherwise ./results/NAME.")]


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    """Without a command: grade as Gradescope's container asks."""
    if context.invoked_subcommand is not None:
        return
    folders = Folders()
    if not folders.here:
        print(context.get_help())
        raise UsageError(
            "Give a command. (Without one, this is what Gradescope runs; "
            "here there is no /autograder/submission.)"
        )
    _on_gradescope(folders)


def _on_gradescope(folders: Folders) -> None:
    """Grade the submission in the container; what is printed here only staff can see."""
    forget_earlier(folders.results)
    assignment = the_assignment(GRADERS)
    metadata = read_metadata(folders.metadata)
    try:
        history = history_of(assignment, metadata)
        graded = grade(assignment, folders.submission, folders.results, history=history)
    except Faulted as faulted:
        print(faulted.trace)  # the container and its files go; what was printed stays
        raise
    print(f"{assignment.title}: {graded.document.score:g} points")
    warnings = [*graded.warnings, points_warning(assignment, metadata)]
    for line in filter(None, [*warnings, *challenge_warnings(assignment, metadata)]):
        print(f"Warning: {line}")
    print(graded.staff_text)


@app.command("grade")
def grade_command(  # noqa: PLR0913, PLR0917  (each is an option of its own)
    assignment: AssignmentName,
    submissions: Submissions,
    out: Out = None,
    sandbox: Sandbox = "",
    without_protection: Annotated[
        bool, typer.Option("--without-protection", help="With --sandbox none: yes, I mean it.")
    ] = False,
    team: Annotated[str | None, typer.Option(help="Enter it to the challenge, as this team's.")] = None,
    enter: Annotated[
        bool, typer.Option("--enter", help="Enter each to the challenge, as the team that it is named after.")
    ] = False,
    at: Annotated[str, typer.Option(help="When it was handed in, such as 2026-11-22T14:05Z; else now.")] = "",
    store: StoreUrl = "",
) -> None:
    """Grade submissions with every test, in a sandbox."""
    if without_protection and sandbox != NONE:
        raise UsageError(f"--without-protection goes with --sandbox none, not with {sandbox or AUTO!r}.")
    found = _assignment(assignment, submissions, out)
    entering: Entering | None = None
    if team is not None or enter:
        from autograder.challenge.entering import entering_of  # noqa: PLC0415  (most gradings are no entries)

        try:
            entering = entering_of(found, submissions, team=team, at=at, store=store)
        except (Fault, UsageError):  # nothing will be graded: then no earlier score may stand for it
            for target in _targets(submissions, out):
                forget_earlier(target)
            raise
    elif at or store:
        raise UsageError("--at and --store go with --team or --enter: without them, nothing is entered.")
    opening = open_backend(found, Mode.GRADE, sandbox=sandbox, unprotected=without_protection)
    _grade_all(found, submissions, out, Mode.GRADE, opening, entering)


@app.command()
def check(assignment: AssignmentName, submission: Path, out: Out = None, sandbox: Sandbox = "") -> None:
    """Check your own submission with the public tests, before you hand it in."""
    found = _assignment(assignment, [submission], out)
    _grade_all(found, [submission], out, Mode.CHECK, open_backend(found, Mode.CHECK, sandbox=sandbox))


def _grade_all(  # noqa: PLR0913, PLR0917  (what a command line says)
    assignment: Assignment,
    submissions: list[Path],
    out: Path | None,
    mode: Mode,
    opening: AbstractContextManager[Backend],
    entering: Entering | None = None,
) -> None:
    from autograder import report  # noqa: PLC0415  (jinja2 is no business of `list`)

    for submission in submissions:
        if not submission.exists():
            raise UsageError(
                f"There is no submission at {str(submission)!r}: give a zip, a folder or a file."
            )
    targets = _targets(submissions, out)
    for target in targets:  # first of all: should the sandbox not start, no earlier score must stand there
        forget_earlier(target)
    broken: list[str] = []
    unfit: list[str] = []
    sheets: list[Path] = []
    with opening as backend:
        for submission, target in zip(submissions, targets, strict=True):
            if len(submissions) > 1:
                out_console.rule(Text(one_line(submission.name)))
            try:
                one = partial(grade, assignment, submission, target, mode=mode, backend=backend)
                graded = one() if entering is None else _entered(entering, submission, target, one)
            except (Faulted, Fault, UsageError) as error:  # the others are graded all the same
                if isinstance(error, UsageError) and len(submissions) == 1:
                    raise
                _say_why(error)
                (unfit if isinstance(error, UsageError) else broken).append(one_line(submission.name))
                continue
            report.terminal(graded.document, out_console, for_student=mode is Mode.CHECK)
            _tell_staff(graded, mode)
            sheets += [graded.out / name for name in graded.staff_files if name == READING]
            gc.collect()  # pytest's sessions are rings of objects: without this a dozen of them pile up
    if len(sheets) > 1:  # who reads a whole class's wants them together
        out_console.print(Text("Reading sheets:"))
        for sheet in sheets:
            out_console.print(Text(clean(str(sheet))))
    if unfit:
        err_console.print(Text(f"Not entered, and without a score: {', '.join(unfit)}"))
    if broken and len(submissions) > 1:
        err_console.print(Text(f"Not graded, and to be graded again: {', '.join(broken)}"))
    if broken or unfit:
        raise typer.Exit(FAULT if broken else USAGE)


def _entered(entering: Entering, submission: Path, target: Path, one: Callable[..., Graded]) -> Graded:
    """Grade it and keep it as an entry. Where it can't be kept, or that is broken off, no score stands."""
    try:
        return entering.enter(submission, one)
    except Faulted:
        raise  # there is no score, and what stands there says why
    except BaseException:
        forget_earlier(target)
        raise


def _assignment(name: str, submissions: list[Path], out: Path | None) -> Assignment:
    """The assignment; where its manifest is broken, no earlier score may stand for what isn't given."""
    try:
        return find_assignment(name, GRADERS)
    except Fault:
        for target in _targets(submissions, out):
            forget_earlier(target)
        raise


def _targets(submissions: list[Path], out: Path | None) -> list[Path]:
    """A results folder for each submission; several below ``out``, which a single one fills itself."""
    if out is not None and len(submissions) == 1:
        return [out]
    base = out or Path("results")
    names = [_folder_for(submission) for submission in submissions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"Two submissions are called {twice[0]!r}: grade them one by one, each with its --out."
        )
    return [base / name for name in names]


def _folder_for(submission: Path) -> str:
    """A submission's name without .zip; one of nothing but dots would lead out of the results' folder."""
    name = submission.resolve().name
    stem = name.removesuffix(".zip")
    return stem if stem.strip(".") else name or "submission"


def _tell_staff(graded: Graded, mode: Mode) -> None:
    if mode is Mode.GRADE:
        for warning in graded.warnings:
            err_console.print(Text(f"Warning: {warning}"))
    out_console.print(Text(clean(f"Written: {graded.out / 'results.json'} and {graded.out / PAGE}")))
    if graded.staff_files:
        listed = " and ".join(str(graded.out / name) for name in graded.staff_files)
        out_console.print(Text(clean(f"For staff alone: {listed}")))


@app.command("list")
def list_command() -> None:
    """List the assignments."""
    table = Table("name", "title", "points", "public tests", box=None)
    for assignment in list_assignments(GRADERS):
        extra = f" + {assignment.total_extra_credit:g}" if assignment.total_extra_credit else ""
        public = "yes" if assignment.public_tests else "no"
        table.add_row(assignment.name, Text(assignment.title), f"{assignment.total_points:g}{extra}", public)
    out_console.print(table)


@app.command()
def demo() -> None:
    """Grade three submissions that come with the project: excellent, one slip, broken."""
    if not (HOME / "fixtures").is_dir():
        raise UsageError("The demo's submissions don't come with a bundle: run it in a checkout.")
    from autograder import demo as show  # noqa: PLC0415

    show.run(HOME, out_console)


@app.command()
def bundle(
    assignment: AssignmentName,
    public: Annotated[bool, typer.Option("--public", help="What students get: nothing hidden.")] = False,
    out: Annotated[Path | None, typer.Option(help="The zip; otherwise ./ASSIGNMENT-gradescope.zip.")] = None,
) -> None:
    """Write the zip for Gradescope, or with --public the one for students."""
    from autograder import bundle as bundles  # noqa: PLC0415

    found = find_assignment(assignment, GRADERS)
    kind = "public" if public else "gradescope"
    target = out or Path(f"{found.name}-{kind}.zip")
    make = bundles.public_bundle if public else bundles.gradescope_bundle
    make(found, HOME, target)
    out_console.print(Text(f"Written: {target} ({target.stat().st_size / 1024:.0f} KiB)"))


@app.command()
def image(
    assignment: Annotated[
        str | None, typer.Argument(help="The assignment whose submissions it is for; without: NumPy alone.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="The base image, if not Gradescope's.")] = None,
    torch: Annotated[bool, typer.Option("--torch", help="With PyTorch, for homework that needs it.")] = False,
) -> None:
    """Build the container image in which `--sandbox docker` runs submissions."""
    from autograder.image import ImageKind, build_image  # noqa: PLC0415

    preload = ("torch",) if torch else ()
    if assignment is None:
        kinds = frozenset({ImageKind.of(preload)})
    else:
        kinds = ImageKind.all_of(find_assignment(assignment, GRADERS), preload)
    for kind in sorted(kinds, key=lambda kind: kind.want):
        tag = build_image(kind, base, print)
        out_console.print(Text(f"Built: {tag}"))


@app.command("data")
def data_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="mnist, cifar10, ...; without: what the assignments ask for.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="The folder with the course's data; else AUTOGRADER_DATA.")
    ] = None,
) -> None:
    """Prepare the data sets that submissions are shown, so that no grading has to wait for it."""
    from autograder.data import VARIABLE, course_data, describe, prepare, prepared  # noqa: PLC0415

    if source is not None:
        os.environ[VARIABLE] = str(source)
    wanted = {"": names} if names else _asked_for()
    if not wanted:
        out_console.print("No assignment here asks for data sets.")
    for name, asked in wanted.items():
        own = find_assignment(name, GRADERS) if name else None
        folder = prepared(own) if own is not None else prepare(asked, course_data(None))
        out_console.print(Text(describe(folder)))


def _asked_for() -> dict[str, list[str]]:
    """The data sets that the assignments here ask for."""
    found = {each.name: each.notebook for each in list_assignments(GRADERS)}
    return {
        name: spec.datasets
        for name, spec in found.items()
        if spec is not None and spec.datasets and spec.mode != "stored"
    }


@app.command()
def challenge(
    assignment: AssignmentName,
    answers: Annotated[
        str, typer.Option(help="A CSV in the form of a submission, or a data set such as cifar10.")
    ] = "",
    staff: Annotated[
        list[str] | None, typer.Option(help="NAME=FILE: predictions of a model of the staff's; or several.")
    ] = None,
) -> None:
    """Prepare an assignment's challenge: the answers, their split, the staff's models; or show it."""
    from autograder.challenge.preparing import prepare_challenge  # noqa: PLC0415  (slow to import)

    told = prepare_challenge(find_assignment(assignment, GRADERS), answers, staff or [])
    out_console.print(Text(told))


@app.command()
def leaderboard(  # noqa: PLR0913, PLR0917  (each is an option of its own)
    assignment: AssignmentName,
    view: Annotated[str, typer.Option(help="public, private (for staff), or final.")] = "public",
    store: StoreUrl = "",
    freeze: Annotated[
        str, typer.Option(help="Entries after this moment don't count; else the deadline.")
    ] = "",
    csv: Annotated[Path | None, typer.Option(help="Write it as CSV, too.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write it as one page, too.")] = None,
) -> None:
    """Show the standings of an assignment's challenge."""
    from autograder.challenge.entering import moment  # noqa: PLC0415  (slow to import)
    from autograder.leaderboard.command import show  # noqa: PLC0415  (likewise)

    show(
        find_assignment(assignment, GRADERS),
        store_url=store,
        view=view,
        freeze=moment(freeze) if freeze else None,
        csv=csv,
        html=html,
        console=out_console,
    )


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Check that this machine has what a grading needs, and that the sandbox holds."""
    from autograder.doctor import examine  # noqa: PLC0415

    sound = True
    for finding in examine(GRADERS):
        sound = sound and finding.passed
        print(finding.as_json() if as_json else finding.as_text(), flush=True)
    if not sound:
        raise typer.Exit(FAULT)


def _interrupt(_number: int, _frame: object) -> None:
    for number in _INTERRUPTS:  # once is enough: another one would end the clearing away
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> None:
    """Run a command and leave with the exit code that says how it ended."""
    for number in _INTERRUPTS:  # so that the boxes and their folders are cleared away
        signal.signal(number, _interrupt)
    out = make_tolerant()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BaseException:  # such as no memory to say what broke
        code = FAULT
        os.write(2, _SPEECHLESS)
    if code == INTERRUPTED:  # also what typer makes of a KeyboardInterrupt
        err_console.print("Interrupted: what had not ended by then was given no score.")
    if out is not None:
        out.flush()
        if out.error is not None and not isinstance(out.error, BrokenPipeError):
            err_console.print(f"What belongs here could not be printed: {out.error.strerror}.")
    sys.exit(code)


def _run() -> int:
    try:
        return app(standalone_mode=False) or OK  # a number where a command left with a code of its own
    except _WrongCommandLine as error:
        _say_usage(error.format_message())
        return USAGE
    except (Faulted, Fault, UsageError) as error:
        _say_why(error)
        return USAGE if isinstance(error, UsageError) else FAULT
    except Exception as error:
        return _say_broken(error)


def _say_broken(error: Exception) -> int:
    """Whatever this is, it is ours, and a traceback alone helps nobody. Returns the exit code."""
    cause = error
    if isinstance(error, typer.Abort):  # typer's word for an EOFError, and once for a KeyboardInterrupt
        if isinstance(error.__cause__, KeyboardInterrupt):
            return INTERRUPTED
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    err_console.print_exception(show_locals=False)
    _say_one(as_fault(cause))
    return FAULT


def _say_why(error: Faulted | Fault | UsageError) -> None:
    if isinstance(error, UsageError):
        _say_usage(str(error))
    elif isinstance(error, Faulted):
        _say_fault(error)
    else:
        _say_one(error)


def _say_usage(message: str) -> None:
    err_console.print(Text(f"run_autograder: {clean(message)}"))


def _say_fault(faulted: Faulted) -> None:
    for fault in dict.fromkeys(faulted.faults):
        _say_one(fault)
    details = f"Details: {clean(str(faulted.log))}" if faulted.log is not None else faulted.trace
    err_console.print(Text(details))


def _say_one(fault: Fault) -> None:
    err_console.print(
        Text(
            "The autograder could not do this. It is not the student's fault, and no score was given.\n"
            f"{clean(fault.message)}\nWhat to do: {clean(fault.remedy)}"  # they may quote a submission
        )
    )
