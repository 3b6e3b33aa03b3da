"""The commands of ``run_autograder``, and nothing else.

Exit codes: 0 graded, 1 the command line is wrong, 2 a fault of ours (no score), 130 interrupted.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.assignment import Assignment, find_assignment, list_assignments
from autograder.gradescope import Folders, points_warning, read_metadata, the_assignment
from autograder.grading import PAGE, Faulted, Graded, Mode, forget_earlier, grade, open_backend
from autograder.outcome import Fault, UsageError
from autograder.sandbox.choose import AUTO, NAMES, NONE

HOME = Path(__file__).resolve().parents[1]
GRADERS = HOME / "graders"
OK, USAGE, FAULT, INTERRUPTED = 0, 1, 2, 130

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
out_console = Console(highlight=False)
err_console = Console(stderr=True, highlight=False)

AssignmentName = Annotated[str, typer.Argument(help="An assignment's name (see `list`), or its folder.")]
Submissions = Annotated[list[Path], typer.Argument(help="A zip, a folder or a single file; or several.")]
Sandbox = Annotated[str, typer.Option(help=f"{', '.join(NAMES)}: what student code runs in.")]
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
    try:
        graded = grade(assignment, folders.submission, folders.results)
    except Faulted as faulted:
        print(faulted.trace)  # the container and its files go; what was printed stays
        raise
    print(f"{assignment.title}: {graded.document.score:g} points")
    for line in filter(None, [*graded.warnings, points_warning(assignment, read_metadata(folders.metadata))]):
        print(f"Warning: {line}")
    print(graded.staff_text)


@app.command("grade")
def grade_command(
    assignment: AssignmentName,
    submissions: Submissions,
    out: Out = None,
    sandbox: Sandbox = AUTO,
    without_protection: Annotated[
        bool, typer.Option("--without-protection", help="With --sandbox none: yes, I mean it.")
    ] = False,
) -> None:
    """Grade submissions with every test, in a sandbox."""
    if sandbox == NONE and not without_protection:
        raise UsageError(
            "--sandbox none runs other people's code as you, with all that you may read, write and reach. "
            "If you wrote every line of it, say --without-protection too; the results will say so."
        )
    if without_protection and sandbox != NONE:
        raise UsageError(f"--without-protection goes with --sandbox none, not with {sandbox!r}.")
    _grade_all(find_assignment(assignment, GRADERS), submissions, out, Mode.GRADE, sandbox)


@app.command()
def check(assignment: AssignmentName, submission: Path, out: Out = None, sandbox: Sandbox = AUTO) -> None:
    """Check your own submission with the public tests, before you hand it in."""
    _grade_all(find_assignment(assignment, GRADERS), [submission], out, Mode.CHECK, sandbox)


def _grade_all(
    assignment: Assignment, submissions: list[Path], out: Path | None, mode: Mode, sandbox: str
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
    with open_backend(assignment, mode, sandbox=sandbox) as backend:
        for submission, target in zip(submissions, targets, strict=True):
            if len(submissions) > 1:
                out_console.rule(Text(submission.name))
            try:
                graded = grade(assignment, submission, target, mode=mode, backend=backend)
            except Faulted as faulted:
                _say_fault(faulted)
                broken.append(submission.name)  # the others' are graded all the same
                continue
            report.terminal(graded.document, out_console, for_student=mode is Mode.CHECK)
            _tell_staff(graded, mode)
    if broken:
        if len(submissions) > 1:
            err_console.print(Text(f"Not graded, and to be graded again: {', '.join(broken)}"))
        raise typer.Exit(FAULT)


def _targets(submissions: list[Path], out: Path | None) -> list[Path]:
    """A results folder for each submission; several below ``out``, which a single one fills itself."""
    if out is not None and len(submissions) == 1:
        return [out]
    base = out or Path("results")
    names = [submission.resolve().name.removesuffix(".zip") for submission in submissions]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"Two submissions are called {twice[0]!r}: grade them one by one, each with its --out."
        )
    return [base / name for name in names]


def _tell_staff(graded: Graded, mode: Mode) -> None:
    if mode is Mode.GRADE:
        for warning in graded.warnings:
            err_console.print(Text(f"Warning: {warning}"))
    out_console.print(Text(f"Written: {graded.out / 'results.json'} and {graded.out / PAGE}"))


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
    base: Annotated[str | None, typer.Option(help="The base image, if not Gradescope's.")] = None,
    torch: Annotated[bool, typer.Option("--torch", help="With PyTorch, for homework that needs it.")] = False,
) -> None:
    """Build the container image in which `--sandbox docker` runs submissions."""
    from autograder.image import build_image  # noqa: PLC0415

    tag = build_image(("torch",) if torch else (), base, print)
    out_console.print(Text(f"Built: {tag}"))


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
    raise KeyboardInterrupt


def main() -> None:
    """Run a command and leave with the exit code that says how it ended."""
    signal.signal(signal.SIGTERM, _interrupt)  # so that the boxes and their folders are cleared away
    try:
        code = app(standalone_mode=False) or OK  # a number where a command left with a code of its own
    except (_WrongCommandLine, UsageError) as error:
        message = error.format_message() if isinstance(error, _WrongCommandLine) else str(error)
        err_console.print(Text(f"run_autograder: {message}"))
        code = USAGE
    except Faulted as faulted:
        _say_fault(faulted)
        code = FAULT
    except Fault as fault:
        _say_one(fault)
        code = FAULT
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        code = _say_broken(error)
    if code == INTERRUPTED:  # also what typer makes of a KeyboardInterrupt
        err_console.print("Interrupted: no score was given.")
    sys.exit(code)


def _say_broken(error: Exception) -> int:
    """Whatever this is, it is ours, and a traceback alone helps nobody. Returns the exit code."""
    cause = error
    if isinstance(error, typer.Abort):  # typer's word for an EOFError, and once for a KeyboardInterrupt
        if isinstance(error.__cause__, KeyboardInterrupt):
            return INTERRUPTED
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
    err_console.print_exception(show_locals=False)
    _say_one(
        Fault(
            f"The autograder itself broke: {type(cause).__name__}: {cause}",
            remedy="Report this with the traceback above; no score was given.",
        )
    )
    return FAULT


def _say_fault(faulted: Faulted) -> None:
    for fault in dict.fromkeys(faulted.faults):
        _say_one(fault)
    details = f"Details: {faulted.log}" if faulted.log is not None else faulted.trace
    err_console.print(Text(details))


def _say_one(fault: Fault) -> None:
    err_console.print(
        Text(
            "The autograder could not grade this. It is not the student's fault, and no score was given.\n"
            f"{fault.message}\nWhat to do: {fault.remedy}"
        )
    )
