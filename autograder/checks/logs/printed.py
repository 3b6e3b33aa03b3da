"""What the lines of a log say: batches, epochs, summaries, tables, bars, dictionaries.

Names and numbers are read by the notebooks' grammar (`checks.notebooks.measures`). Of the batches of one pass
only the first and the last are read: the last holds the averages, and a log of ImageNet has 500,000 of them.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field, replace

from autograder.checks.logs.columns import Column, columns_of, is_log, tidied
from autograder.checks.logs.entries import Entry, Number, Part, entry_of_row, number_of, seconds_of
from autograder.checks.logs.found import Oddity
from autograder.checks.logs.hints import Hints
from autograder.checks.logs.lines import MOST_LINE_CHARS, LogLine, lines_of
from autograder.checks.logs.records import entries_of_line
from autograder.checks.notebooks.found import Split
from autograder.checks.notebooks.lines import Line, lines_in
from autograder.checks.notebooks.marks import marks_of
from autograder.checks.notebooks.measures import Measure, measures_in
from autograder.checks.notebooks.tables import cells_of_line, is_rule
from autograder.checks.notebooks.words import word

MOST_READ_CHARS = 4_000_000  # of the lines that are read word by word, about a microsecond each
LINE_CHARS = 100  # what a line costs at least
MOST_ENTRIES = 200_000
HEADED_LINES = 3
MOST_CELL_CHARS = 40

# What may stand before "[ 500/5005]": "Epoch: [12]", "Train: 12", "Epoch [1/5], Step", "Test:".
_PASS = re.compile(
    r"(?P<head>(?:[^\[\]\r\n]{0,40}(?:epoch|train)\W{0,3}\[\s{0,4}\d{1,6}\s{0,2}/\s{0,4}\d{1,6}\s{0,2}\])?"
    r"[^\[\]\r\n]{0,40}"
    r"(?:\[\s{0,6}\d{1,6}\s{0,6}\])?)[^\[\]\r\n]{0,8}\[\s{0,8}(?P<done>\d{1,9})\s{0,2}/\s{0,8}(?P<total>\d{1,9})",
    re.IGNORECASE,
)
_HEAD_EPOCH = re.compile(r"(?:epoch|ep|train(?:ing)?)\W{0,4}(\d{1,6})", re.IGNORECASE)
_COUNT = re.compile(r"\s{0,8}(\d{1,9})\s{0,2}/\s{0,8}(\d{1,9})(?!\d)")
_STEP = re.compile(r"(?<![a-z])(?:step|iter|iteration|batch|mini-?batch)(?:_id)?\W{0,3}\d", re.IGNORECASE)
_TIMM = re.compile(r"train: \d{1,6} \[")  # counts batches, with the share that is done behind them
_AVERAGES = re.compile(r"\bEMA\b|_ema\b", re.IGNORECASE)
_POINT = re.compile(r"\d\.\d")
_OF_THOUSANDS = 3  # digits behind a comma: 50,000
_COMMA = re.compile(r"(?<![\d.,])(\d{1,4}),(\d{1,6})(?=\s?%|[,;)\]\s]|$)")
_DIGITS = re.compile(r"\d[\d.,eE+-]*")
MOST_STEP_CHARS = 400
_PLAIN_EPOCH = re.compile(r"\bepochs?\W{0,4}$", re.IGNORECASE)
_WORTH = re.compile(
    r"acc|loss|err|prec|top|epoch|correct|genauigkeit|verlust|epoca|\bep\b|val|test|train|time|准|损|轮",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_PLANNED = re.compile(r"epochs?\W{0,3}\[?\s{0,4}\d{1,6}\s{0,2}(?:/|of)\s{0,2}(\d{1,6})\b", re.IGNORECASE)
_CLOSING = re.compile(
    r"\b(?:finish(?:ed)?|done|complet(?:ed?|e)|end(?:ed)?(?: of)?|took|over)\b", re.IGNORECASE
)
_BEST = re.compile(
    r"\bbest\b|\bsav(?:ed|ing)\b|checkpoint|\bresum|\bmax(?:imum)? acc|early stop|improved|schedul",
    re.IGNORECASE,
)
_TOOK = re.compile(
    r"(?:(?:epoch|total|train(?:ing)?|elapsed|wall)[ _]?time(?: taken)?|\btime(?: taken)?|took"
    r"|elapsed|duration|runtime"
    r"|(?:finished|done|completed) in)"
    r"['\"]?(?:\s?\((?:s|sec|seconds)\))?\s{0,2}[:=]?\s{0,2}(?:(?P<clock>\d{1,3}:\d\d:\d\d|\d{1,3}:\d\d)|(?P<minutes>\d{1,5})\s?m(?:in)?\s?(?P<rest>[\d.]{1,8})\s?s"
    r"|(?P<number>\d{1,8}(?:\.\d{1,6})?)\s?(?P<unit>ms|s\b|sec|min|m\b|h\b|hours?)?)",
    re.IGNORECASE,
)
_KERAS_TOOK = re.compile(r"^\s{0,4}\d{1,9}/\d{1,9} (?:\[[=>.]{1,60}\]|[━─ ]{1,60}|-)\s?-? ?(\d{1,7})s\b")
_BAR_TOOK = re.compile(r"\[(\d{1,3}:\d\d(?::\d\d)?)<")
_PER_BATCH = re.compile(
    r"(?:^|\s)(?:batch[_ "
    r"]?)?time:?\s{1,4}[\d.]{1,12}s?(?:, {1,3}[\d.]{1,9}/s)?\s{1,4}\(\s{0,4}(?P<mean>\d{1,8}\.\d{1,6})",
    re.I,
)
_RATE = re.compile(
    r"(?:\blr|learning[_ ]rate)['\"]?\s{0,2}[:=]?\s{0,2}(\d{1,6}(?:\.\d{0,12})?(?:e[-+]?\d{1,3})?)(?![\d.])",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"(?:acc(?:uracy)?|correct)['\"]?\W{0,4}(\d{1,9})\s?/\s?(\d{1,9}),?\s{0,2}[(\[]?\s?(\d{1,3}(?:\.\d{1,8})?)\s?%",
    re.IGNORECASE,
)
_OF_IMAGES = re.compile(
    r"accuracy[^\d\n]{0,60}\bon (?:the )?(?P<n>\d{1,9}) (?P<set>test|val\w{0,10}"
    r"|train\w{0,3})? ?(?:images|samples|examples)",
    re.IGNORECASE,
)
_IN_PERCENT = re.compile(r"(?<![\d.,])(\d{1,3}),(\d{1,6})(?=\s?%)")
_LONE_EPOCH = re.compile(r"\bepochs?\b", re.IGNORECASE)
_WHOLE_RUN = re.compile(
    r"training (?:time|took|complete|finished|done)|total (?:training )?time", re.IGNORECASE
)
_ABOVE_ALL = re.compile(
    r"\b(?:acc(?:uracy)?|top-?1)\b['\"]?(?:@1)?\s{0,2}[:=]\s{0,2}(\d{1,12}(?:\.\d{1,6})?)\s?%", re.IGNORECASE
)


@dataclass(slots=True)
class Printed:
    """What the text of one file gave."""

    entries: list[Entry] = field(default_factory=list)
    styles: Counter[str] = field(default_factory=Counter)
    hints: Hints = field(default_factory=Hints)
    oddities: list[Oddity] = field(default_factory=list)
    batches: dict[Split, int] = field(default_factory=dict)  # batches (or images) of one pass, by its part
    samples: dict[Split, int] = field(default_factory=dict)  # where the count is of images
    wall_s: float | None = None
    first: Entry | None = None  # the first batch of the training
    cut: bool = False
    texts: list[tuple[int, str]] = field(default_factory=list)  # prose, for who reads a README


@dataclass(slots=True)
class Budget:
    """How much is still read word by word, of all files together."""

    chars: int = MOST_READ_CHARS


def read_printed(text: str, budget: Budget | None = None, *, best: bool = False) -> Printed:
    """Read every line of ``text``; ``best``: also what is called the best so far."""
    reader = _Reader(budget or Budget(), best=best)
    for line in lines_of(text):
        reader.take(line)
    reader.end()
    return reader.found


@dataclass(slots=True)
class _Pending:
    """The last batch seen of a pass; ``before`` is the line up to the batch's number."""

    line: LogLine
    key: str
    part: Part | None
    before: str = ""
    alone: bool = True  # it is the first too, and has been read


class _Reader:
    def __init__(self, budget: Budget, *, best: bool = False) -> None:
        self.found = Printed()
        self._best = best
        self._budget = budget
        self._pending: _Pending | None = None
        self._header: tuple[Column, ...] | None = None
        self._comma = False
        self._heading: Split = "unknown"
        self._headed = 0
        self._evaluated: Split = "valid"  # what was evaluated last, for a line that begins with a star
        self._before = ""

    def take(self, line: LogLine) -> None:
        if line.text.isspace() or not line.text:
            return
        if self._goes_on(line):
            return
        found = _PASS.match(line.text) if "[" in line.text[:120] and "\r" not in line.text else None
        part = self._part(found, line.text) if found else None
        if found is not None and part is not None:
            self._before = ""
            self._batch(line, found["head"].strip().lower(), part, line.text[: found.start("done")].rstrip())
            return
        if len(line.text) < MOST_STEP_CHARS and "\r" not in line.text and _is_step(line.text):
            epoch = _HEAD_EPOCH.search(line.text)
            self._batch(line, f"{epoch[1] if epoch else ''} {_DIGITS.sub('#', line.text)}", None, "")
            return
        self._flush()
        if line.text == self._before and len(line.text) > 8:
            return  # tee, or a logger with two handlers
        self._before = line.text
        if "\r" not in line.text and "\b" not in line.text:
            self.found.hints.look(line.text, line.number)
        if not _DIGIT.search(line.text[:MOST_LINE_CHARS]):
            self._wordy(line)
            return
        self._read(line)

    def end(self) -> None:
        self._flush()

    def _part(self, found: re.Match[str], text: str) -> Part | None:
        """``[ 500/5005]`` as batches; None where it is "Epoch [3/90]"."""
        done, total = int(found["done"]), int(found["total"])
        if total == 0 or done > total or _PLAIN_EPOCH.search(found["head"]):
            return None
        before = found["head"].rstrip().lower()
        if before.endswith("%") or re.search(r"(?:acc\w{0,8}|correct)\W{0,3}$", before):
            return None
        return Part(done, total) if _WORTH.search(text[:MOST_LINE_CHARS]) else None

    def _goes_on(self, line: LogLine) -> bool:
        """Whether the line is the next batch of its pass: all that most lines are asked."""
        pending = self._pending
        if pending is None or not pending.before or not line.text.startswith(pending.before):
            return False
        found = _COUNT.match(line.text, len(pending.before))
        if not found or pending.part is None or int(found[2]) != pending.part.total:
            return False
        done = int(found[1])
        if not pending.part.done <= done <= pending.part.total:
            return False
        pending.line, pending.part = line, Part(done, pending.part.total)
        return True

    def _batch(self, line: LogLine, key: str, part: Part | None, before: str) -> None:
        pending, self._pending = self._pending, _Pending(line, key, part, before)
        if pending is not None and pending.key == key and _follows(pending.part, part):
            self._pending.alone = False
            return
        if pending is not None:
            self._close(pending)
        self._read(line, part, first=True)

    def _flush(self) -> None:
        if self._pending is not None:
            self._close(self._pending)
            self._pending = None

    def _close(self, pending: _Pending) -> None:
        if pending.part is not None or not pending.alone:
            self._read(pending.line, pending.part)

    def _read(self, line: LogLine, part: Part | None = None, *, first: bool = False) -> None:
        if len(self.found.entries) >= MOST_ENTRIES or self._budget.chars <= 0:
            self.found.cut = True
            return
        records = entries_of_line(line.text, line.number) if line.text.lstrip().startswith("{") else []
        if records:
            self._budget.chars -= max(len(line.text), LINE_CHARS)
            self.found.styles["dictionaries"] += 1
            self.found.entries += [replace(one, clock=one.clock or line.clock) for one in records]
            return
        for shown in lines_in(line.number, line.text):
            if shown.text.strip():
                self._budget.chars -= max(len(shown.text), LINE_CHARS)
                self._line(line, shown, part, first=first)

    def _wordy(self, line: LogLine) -> None:
        """A line without a number: a table's head, a heading, prose."""
        text = line.text[:1000]
        if len(text) < 1000 and self._head_of_table(text):
            return
        if not is_rule(text):
            words = [one.lower() for one in re.findall(r"[^\W\d_]{1,40}", text[:120])]
            splits = {split for one in words if (split := word(one).split)}
            if len(splits) == 1 and len(words) <= 5 and len(text) <= 80:
                self._heading, self._headed = splits.pop(), HEADED_LINES
            elif words:
                self._headed = 0
            self._prose(line.number, text)

    def _prose(self, number: int, text: str) -> None:
        if len(self.found.texts) < 2_000:
            self.found.texts.append((number, text[:400]))

    def _head_of_table(self, text: str) -> bool:
        cells = cells_of_line(text)
        if len(cells) < 2 or any(len(cell) > MOST_CELL_CHARS for cell in cells):
            return False
        columns = columns_of(cells)
        plain = "|" not in text and "│" not in text
        others = sum(1 for column in columns if column.kind == "other")
        if not is_log(columns) or (plain and others) or len(columns) - others < 2:
            return False
        self._header = columns
        self.found.styles["fastai's table" if plain else "a table"] += 1
        return True

    def _row(self, line: LogLine) -> bool:
        if self._header is None or "\r" in line.text or len(line.text) > 1_000:
            return False
        cells = cells_of_line(line.text)
        if len(cells) != len(self._header):
            self._header = None if "|" not in line.text else self._header
            return False
        numbers: list[Number | None] = []
        for column, cell in zip(self._header, cells, strict=True):
            whole = cell.partition("/")[0] if column.kind == "epoch" else cell
            took = seconds_of(cell.strip()) if column.kind == "seconds" else None
            numbers.append(Number(took, 0) if took is not None else number_of(whole, comma=True))
            if column.kind == "epoch" and numbers[-1] is None:
                return False
        entry = entry_of_row(self._header, numbers, line.number)
        if entry is None:
            return False
        self._add(replace(entry, clock=line.clock))
        return True

    def _line(self, line: LogLine, shown: Line, part: Part | None, *, first: bool) -> None:
        if not shown.bar and part is None:
            if self._row(line) or is_rule(shown.text):
                return
            if self._head_of_table(shown.text):
                return
        text = _with_points(tidied(shown.text))
        if not _WORTH.search(text):
            return
        if shown.bar and shown.step is not None:
            part = Part(shown.step, shown.steps or max(shown.step, 1))
            part = replace(part, done=min(part.done, part.total))
        entry = self._entry(line, text, shown, part)
        if entry is None:
            self._prose(line.number, shown.shown)
            return
        if first:
            self._first(entry)
            entry = replace(entry, seconds=None)
        self._add(entry)

    def _first(self, entry: Entry) -> None:
        values = entry.values
        of_train = [one for one in values if one.quantity == "loss" and one.split in ("train", "unknown")]
        if self.found.first is None and of_train and entry.part is not None:
            self.found.first = replace(entry, values=tuple(of_train))

    def _entry(self, line: LogLine, text: str, shown: Line, part: Part | None) -> Entry | None:
        marks = marks_of(text)
        measured = [one for one in measures_in(marks.rest) if not one.best or self._best]
        measured = [
            replace(one, split="valid") if one.best and one.split == "unknown" else one for one in measured
        ]
        epoch = marks.epoch
        head = text[:120].lower()
        if part is not None and not shown.bar and epoch is None:
            named = _HEAD_EPOCH.search(head)
            epoch = int(named[1]) if named else None
        found = [self._with_split(one, text, shown, part) for one in measured]
        if marks.part and not shown.bar and part is None:
            found = [replace(one, running=True) if _of_batch(one) else one for one in found]
        if part is not None:
            self._pass(found, head, part, text, shown)
        if not found and (epoch is None or _BEST.search(text)):
            self._took_all(text)
            return None
        self._checked(text, line.number)
        planned = _PLANNED.search(text)
        closes = epoch is not None and not found and _CLOSING.search(text) is not None
        rate = _RATE.search(text)
        self._style(text, shown, part, found)
        lonely = not found and part is None and _LONE_EPOCH.search(text) is None
        if lonely:
            return None
        return Entry(
            line.number,
            tuple(found),
            epoch,
            part,
            marks.step,
            self._seconds(text, shown, part),
            line.clock,
            float(rate[1]) if rate else None,
            int(planned[1]) if planned else None,
            closes=closes,
            averages=_AVERAGES.search(text) is not None,
        )

    def _pass(self, found: list[Measure], head: str, part: Part, text: str, shown: Line) -> None:
        split = found[0].split if found else "unknown"
        if split == "unknown" or split in self.found.batches:
            return
        images = (
            _TIMM.match(head) is None
            and part.total > 3000
            and "%" in text[:80]
            and not shown.bar
            and re.search(r"/\d+ \(", head)
        )
        (self.found.samples if images else self.found.batches)[split] = part.total

    def _with_split(self, one: Measure, text: str, shown: Line, part: Part | None) -> Measure:
        if one.split != "unknown":
            if one.split != "train":
                self._evaluated = one.split
            if shown.bar:
                return replace(one, running=one.split == "train")
            return replace(one, running=one.running or (part is not None))
        lower = text.lower()
        split: Split = "unknown"
        if text.lstrip().startswith("* "):
            return replace(one, split=self._evaluated, running=False)
        of_images = _OF_IMAGES.search(text)
        if of_images and of_images["set"]:
            split = word(of_images["set"]).split or "unknown"
        elif self._headed > 0:
            split = self._heading
        elif f"val_{one.label}" in lower or f"valid_{one.label}" in lower or f"test_{one.label}" in lower:
            split = "train"  # Keras: loss, accuracy, val_loss, val_accuracy
        elif part is not None:
            split = "train"
        return replace(one, split=split, running=one.running or part is not None)

    def _style(self, text: str, shown: Line, part: Part | None, found: list[Measure]) -> None:
        lower, styles = text.lower(), self.found.styles
        if not found:
            return
        if text.lstrip().startswith("* ") or (part and "epoch: [" in lower):
            styles["the pytorch ImageNet example's lines"] += 1
        elif part and lower.lstrip().startswith(("train: ", "test: [")) and "acc@1:" in lower + "acc@1:":
            styles["timm's lines"] += 1
        elif re.match(r"\s{0,4}\d{1,9}/\d{1,9}\s", shown.shown) and " - " in shown.shown:
            styles["Keras' lines"] += 1
        elif shown.bar:
            styles["progress bars"] += 1
        elif "set: average loss" in lower or lower.lstrip().startswith("train epoch:"):
            styles["the pytorch MNIST example's lines"] += 1
        else:
            styles["printed lines"] += 1

    def _seconds(self, text: str, shown: Line, part: Part | None) -> float | None:
        if part is not None and not shown.bar:
            mean = _PER_BATCH.search(text[:600])
            return float(mean["mean"]) * part.total if mean and part.mostly else None
        if shown.bar:
            bar = _BAR_TOOK.search(shown.shown)
            return seconds_of(bar[1]) if bar and part and part.complete else None
        if keras := _KERAS_TOOK.match(shown.shown):
            return float(keras[1])
        return _took(text) if "time" in text.lower() or "took" in text.lower() or " in " in text else None

    def _took_all(self, text: str) -> None:
        if _WHOLE_RUN.search(text) and (seconds := _took(text)):
            self.found.wall_s = seconds

    def _checked(self, text: str, number: int) -> None:
        """What a line contradicts itself in."""
        for counts in _COUNTED.finditer(text[:600]):
            right, of, said = int(counts[1]), int(counts[2]), float(counts[3])
            place = len(counts[3].partition(".")[2])
            if of and right <= of and abs(100 * right / of - said) > 1.001 * 10.0**-place:
                own = f"{100 * right / of:.{place + 1}f}"
                self._odd(f"{right}/{of} is {own} %, and the line says {counts[3]} %", number)
            elif right > of:
                self._odd(f"{right} right of {of}", number)
        for above in _ABOVE_ALL.finditer(text[:600]):
            if float(above[1]) > 100:
                self._odd(f"an accuracy of {above[1]} %", number)

    def _odd(self, text: str, number: int) -> None:
        if len(self.found.oddities) < 50:
            self.found.oddities.append(Oddity(text, number))

    def _add(self, entry: Entry) -> None:
        self._headed -= 1 if entry.values else 0
        self.found.entries.append(entry)


def _with_points(text: str) -> str:
    """Decimals behind a comma, where the line shows that this is what its commas are."""
    points = _POINT.search(text) is not None
    text = _IN_PERCENT.sub(r"\1.\2", text)
    if points or not any(len(found[2]) != _OF_THOUSANDS for found in _COMMA.finditer(text)):
        return text
    return _COMMA.sub(r"\1.\2", text)


def _follows(before: Part | None, part: Part | None) -> bool:
    return before is None or part is None or before.done <= part.done


def _is_step(text: str) -> bool:
    """One of many lines of an epoch, and no bar."""
    return "%|" not in text and _STEP.search(text) is not None


def _of_batch(one: Measure) -> bool:
    """Beside a step a loss and a training's accuracy are a batch's."""
    return one.quantity == "loss" or one.split == "train"


def _took(text: str) -> float | None:
    found = _TOOK.search(text[:600])
    if not found:
        return None
    if found["clock"]:
        return seconds_of(found["clock"])
    if found["minutes"]:
        return float(found["minutes"]) * 60 + _float(found["rest"])
    scale = {"ms": 0.001, "h": 3600.0, "hour": 3600.0, "hours": 3600.0, "m": 60.0, "min": 60.0}
    return float(found["number"]) * scale.get((found["unit"] or "s").lower(), 1.0)


def _float(digits: str) -> float:
    return float(digits) if digits.count(".") <= 1 and digits != "." else 0.0
