"""Training logs out of files: which format each is in is told by what it holds, not by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from autograder.checks.logs.building import Surroundings, log_of
from autograder.checks.logs.choose import EVENTS, find_logs, is_likely
from autograder.checks.logs.decoys import is_of_others
from autograder.checks.logs.entries import Entry
from autograder.checks.logs.events import is_events
from autograder.checks.logs.found import Evaluation, Oddity, Refused, TrainingLog
from autograder.checks.logs.joining import runs_of
from autograder.checks.logs.lines import decode
from autograder.checks.logs.parts import join_files
from autograder.checks.logs.printed import Budget, Printed, read_printed
from autograder.checks.logs.records import entries_of_json
from autograder.checks.logs.scalars import entries_of_events, group_of
from autograder.checks.logs.scale import Scales
from autograder.checks.logs.tabular import read_table
from autograder.checks.notebooks.tables import rows_of_html
from autograder.loaders.notebook import load_notebook
from autograder.loaders.problems import MIB, Malformed

MOST_LONE_BYTES = 1 * MIB
MAX_TOTAL_BYTES = 256 * MIB  # of all files together
_PROSE = (".md", ".markdown", ".rst")
_BEST_SO_FAR = "It tells the best accuracy so far, not each epoch's own."
_NAMES = {"a table": "a Markdown table", "dictionaries": "dictionaries, one a line"}


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The logs of a submission, and what looked like one and was not read."""

    logs: tuple[TrainingLog, ...]
    refused: tuple[Refused, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()  # of files that tell of no training


def read_logs(files: Mapping[str, bytes]) -> tuple[TrainingLog, ...]:
    """Every training that the files tell of; `survey` also says what was refused."""
    return survey(files).logs


def survey(files: Mapping[str, bytes]) -> LogFiles:
    """Read the candidates among ``files``; those that are no logs are passed over."""
    logs: list[TrainingLog] = []
    evaluations: list[Evaluation] = []
    refused: list[Refused] = []
    budget, left = Budget(), MAX_TOTAL_BYTES
    events: dict[str, dict[str, bytes]] = {}
    for path in find_logs(files):
        data = files[path]
        left -= len(data)
        if left < 0:
            refused.append(Refused(path, f"All logs together are larger than {MAX_TOTAL_BYTES // MIB} MiB."))
            left += len(data)
            continue
        try:
            if EVENTS.search(path) or is_events(data):
                events.setdefault(group_of(path), {})[path] = data
            else:
                found = _parse(data, path, budget)
                logs += found
                evaluations += [] if found else _lone(data, path)
        except Malformed as problem:
            if not path.endswith(".ipynb") and is_likely(path):
                refused.append(Refused(path, problem.student_text))
    for group in events.values():
        try:
            logs += _logs(entries_of_events(group), min(group), "TensorBoard's event files", Printed())
        except Malformed as problem:
            refused.append(Refused(min(group), problem.student_text))
    return LogFiles(join_files(logs), tuple(refused), tuple(evaluations))


def _lone(data: bytes, path: str) -> list[Evaluation]:
    """The last accuracy of a short file that tells of an evaluation alone, such as ``main.py --evaluate``."""
    if len(data) > MOST_LONE_BYTES or path.lower().endswith((*_PROSE, ".ipynb")):
        return []
    entries = read_printed(decode(data, path)).entries
    told = [
        (one.number / (100 if one.number > 1 else 1), entry.line)
        for entry in entries
        for one in entry.values
        if one.quantity == "accuracy" and one.split != "train" and one.unit != "counts"
    ]
    return [Evaluation(path, *told[-1])] if told else []


def parse_log(text: str | bytes, path: str) -> tuple[TrainingLog, ...]:
    """The runs of one file; empty where it is no training's log. Raises Malformed for what can't be read."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if EVENTS.search(path) or is_events(data):
        return tuple(_logs(entries_of_events({path: data}), path, "TensorBoard's event files", Printed()))
    return tuple(_parse(data, path, Budget()))


def _parse(data: bytes, path: str, budget: Budget) -> list[TrainingLog]:
    if path.lower().endswith(".ipynb"):
        return _of_text(_notebook_text(data, path), path, budget)
    text = decode(data, path)
    head = text[:2000].lstrip()
    if head.startswith(("[", "{")) and (entries := entries_of_json(text.encode("utf-8", "replace"), path)):
        return _logs(entries, path, "JSON", Printed())
    if not path.lower().endswith(_PROSE) and (table := read_table(text, path)) is not None:
        return _logs(table.entries, path, table.format, Printed())
    return _of_text(text, path, budget)


def _of_text(text: str, path: str, budget: Budget) -> list[TrainingLog]:
    printed = read_printed(text, budget)
    if path.lower().endswith(_PROSE) and is_of_others(printed):
        return []
    found = _logs(printed.entries, path, _style(printed, text), printed)
    if not any(one.evaluated for one in found) and "best" in text.lower():
        printed = read_printed(text, budget, best=True)
        again = _logs(printed.entries, path, _style(printed, text), printed)
        if any(one.evaluated for one in again):
            return [replace(one, notes=(*one.notes, _BEST_SO_FAR)) for one in again]
    return found


def _style(printed: Printed, text: str) -> str:
    style = next((style for style, _ in printed.styles.most_common()), "printed lines")
    if style == "dictionaries" and text.lstrip().startswith("{"):
        style = "JSON lines"
    return _NAMES.get(style, style)


def _logs(entries: Iterable[Entry], path: str, form: str, printed: Printed) -> list[TrainingLog]:
    runs = runs_of(entries)
    found = []
    notes = ["Not all of it was read: it is too long."] if printed.cut else []
    for number, run in enumerate(runs, start=1):
        lines = [slot.line for slot in run.slots.values()]
        own = Surroundings(
            path,
            form,
            printed.hints.found,
            _within(printed.oddities, lines) if len(runs) > 1 else printed.oddities,
            printed.batches,
            printed.samples,
            printed.wall_s if len(runs) == 1 else None,
            printed.first,
            notes,
        )
        log = log_of(run, number, Scales([run]), own)
        if log is not None:
            found.append(log)
    return [replace(log, run=number) for number, log in enumerate(found, start=1)]


def _within(oddities: list[Oddity], lines: list[int]) -> list[Oddity]:
    return [one for one in oddities if min(lines) <= one.line <= max(lines)]


def _notebook_text(data: bytes, path: str) -> str:
    """What a notebook's cells printed, one after another, tables as lines between bars."""
    texts: list[str] = []
    for cell in load_notebook(data, path).cells:
        for output in cell.outputs:
            html = output.data.get("text/html", "")
            if "<table" in html.lower():
                texts += [f"| {' | '.join(row)} |" for row in rows_of_html(html) if row]
            elif output.kind != "error":
                texts.append(output.text)
    return "\n".join(texts)
