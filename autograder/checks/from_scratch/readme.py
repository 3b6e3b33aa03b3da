"""What the README tells of the training, and whether its result is the log's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autograder.checks.notebooks.prose import read_text
from autograder.outcome import CheckFailed
from autograder.text import clean, quote

_NUMBER = r"\d{1,3}(?:[.,]\d{1,5})?"
_MOST_LINES = 2_000
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that a README should tell; ``hint`` is a sentence that would do."""

    key: str
    title: str
    pattern: re.Pattern[str]
    hint: str


def _topic(key: str, title: str, pattern: str, hint: str) -> Topic:
    return Topic(key, title, re.compile(pattern, re.IGNORECASE), hint)


TOPICS = (
    _topic(
        "architecture",
        "the architecture",
        r"\barchitectures?\b|\b(?:res|mobile|dense|google|efficient|squeeze|shuffle|alex|conv)\w{0,12}net\w{0,8}\b"
        r"|\bvgg|\bvit\b|\bresnext|\bconvnext|\bregnet|\binception|\btransformer\b|\bconvolution|\bconv\b"
        r"|\b(?:deit|swin|mixer|poolformer|maxvit|beit|cait|xcit|levit|dpn|xception|darknet|hrnet)\w{0,8}\b"
        r"|\b(?!image|inter|ether|tele|sub|intra|cabi|plan|mag)[a-z]\w{1,15}net(?:[-_ ]?v?\d{1,3})?\b"
        r"|模型|架构|网络|\bréseau\b"
        r"|\blayers?\b|\bblocks?\b|\bparameters\b|\bnetwork\b|\bbackbone\b|\bnetz\b|\barchitektur",
        "Our network is a ResNet-50 with 25.6 million parameters.",
    ),
    _topic(
        "schedule",
        "the schedule",
        r"\b\d{1,4}\s?epochs?\b|\bepochs?\b\W{0,4}(?:of|=|:|\|)?\W{0,3}\d|\blearning[\s-]?rate\b|\blr\b"
        r"|\bbatch(?:[\s-]?size)?\b\W{0,6}\d|\bSGD\b|\bAdamW?\b|\bcosine\b|\bwarm-?up\b|\bmomentum\b|\blamb\b"
        r"|学习率|批大小|轮|\btaux d'apprentissage\b|\bépoques?\b|\bépocas?\b"
        r"|\blernrate\b|\bone[\s-]?cycle\b|\b\d{1,4}\s?epochen\b",
        "90 epochs of SGD, learning rate 0.1, divided by 10 every 30 epochs, batches of 256.",
    ),
    _topic(
        "hardware",
        "the hardware",
        r"\b(?:GPUs?|TPUs?|CPUs?|CUDA|NVIDIA|GeForce|RTX|GTX|Tesla|Quadro|Radeon|TITAN|A100|H100|H200|V100|P100"
        r"|A6000|A10G?|T4|L4|L40S?|K80|M1|M2|M3|MI\d{3}X?|EC2|p3\.\w+|g4dn\w*|Colab|DGX|cores?|processors?"
        r"|graphics card|grafikkarten?)\b|显卡"
        r"|\b[2345]0[6789]0(?:\s?Ti)?\b|\b1080(?:\s?Ti)?\b",
        "Trained on four V100 GPUs.",
    ),
    _topic(
        "time",
        "how long it took",
        r"\d\s?(?:h|hrs?|hours?|d|days?|min|minutes?|weeks?|s|sec|seconds?|std|stunden|tagen?|minuten|wochen|heures"
        r"|jours|horas|días|dias|semaines)\b"
        r"|\d\s?(?:个?小时|天|分钟|周|時間|日)"
        r"|\b(?:a|one|two|three|four|five|six|seven|eight|nine|ten|half a)\s"
        r"(?:hours?|days?|weeks?|nights?)\b"
        r"|\b\d{1,3}:\d{2}:\d{2}\b",
        "The training took 31 hours.",
    ),
    _topic(
        "result",
        "the result",
        rf"{_NUMBER}\s?%|(?:\btop-?\s?1|(?<![a-z])acc\w*(?:@1)?)\b[^\n]{{0,40}}\d{{2}}",
        "Top-1 accuracy on the validation set: 66.1 %.",
    ),
)


@dataclass(frozen=True, slots=True)
class Told:
    """Which topics the README tells about, each with the line that does, and which it doesn't."""

    path: str
    found: tuple[tuple[Topic, str], ...]
    missing: tuple[Topic, ...]
    text: str

    def describe(self) -> str:
        told = ", ".join(topic.title for topic, _ in self.found) or "none of what is asked for"
        return f"{self.path} tells {told}."


def read_readme(text: str, path: str) -> Told:
    """Look for each topic in what a reader of ``text`` sees: prose, lists and tables, and code."""
    lines = [line for block in read_text(text).blocks for line in block.text.split("\n")][:_MOST_LINES]
    found, missing = [], []
    for topic in TOPICS:
        line = next((line for line in lines if topic.pattern.search(line[:2_000])), None)
        if line is None:
            missing.append(topic)
        else:
            found.append((topic, clean(line.strip()[:800], 200)))
    if missing and missing[-1].key == "result" and (stated := stated_results(text)):
        found.append((missing.pop(), stated[0].line))  # a table's row has no per cent sign
    return Told(path, tuple(found), tuple(missing), text)


# --- the result that it names ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stated:
    """A top-1 accuracy that the text states, a share; ``step`` is the place of its last digit."""

    value: float
    step: float
    line: str

    def is_of(self, value: float, digit: float = 0.0) -> bool:
        """Whether it is ``value``, rounded or cut off at its own digits, or at those of the log."""
        tiny = 1e-9
        step = max(self.step, digit)
        return abs(self.value - value) <= step / 2 + tiny or -tiny <= value - self.value < step


_TOP1 = re.compile(
    r"\btop[\s_-]?(?:1|one)\b|@\s?1\b|(?<![a-z])(?:acc|prec)[a-z]*_?1(?!\d)|(?<![a-z])acc(?:uracy)?(?![a-z\d@_])"
    r"|\bgenauigkeit\b",
    re.IGNORECASE,
)
_TOP5 = re.compile(r"\btop[\s_-]?(?:5|five)\b|@\s?5\b|(?<![a-z])(?:acc|prec)[a-z]*_?5(?!\d)", re.IGNORECASE)
_ERROR = re.compile(r"\berr(?:or)?s?\b|\berr@", re.IGNORECASE)
_NOT_OURS = re.compile(
    r"\bpapers?\b|\bpublished\b|\btorchvision\b|\bauthors?\b|\breported\b|\btargets?\b|\bgoals?\b|\brequire\w*"
    r"|\bhomework\b|\bassignment\b|\bat least\b|\bbaseline\b|\breference\b|\boriginal\b|\bet\sal\b"
    r"|\btrain(?:ing)?\s(?:acc\w*|top)|≥|>=",
    re.IGNORECASE,
)
_COUNTS = re.compile(
    r"\s(?:[\w-]{1,20}\s)?(?:images?|pictures?|samples|classes|parameters|epochs?|hours?|gpus?|epochen|klassen|bilder\w{0,2}"
    r"|\w{0,20}bildern?|stunden|imágenes|imagenes)\b|\s?(?:张|轮|类|个)",
    re.IGNORECASE,
)
_RESULT = re.compile(r"\b(?:reach|achiev|got|get|result|validation|val\b)", re.IGNORECASE)
_VALUE = re.compile(
    r"(?<![\w.,:/@-])(\d{1,3}(?:[.,]\d{1,5})?|0?[.,]\d{2,6})(\s?(?:%|percent\b))?(?![\w@]|[.,:]\d)"
)


def stated_results(text: str) -> tuple[Stated, ...]:
    """The top-1 accuracies that a README gives as its result, in its order.

    In a line with several numbers the label nearest before a number tells what it is, and in a table the
    column's own head.
    """
    found: list[Stated] = []
    head: list[str] = []
    for block in read_text(text).blocks:
        if block.kind == "code":
            head = []
        elif block.kind == "table":
            cells = block.text.split(" | ")
            if not any(_VALUE.fullmatch(cell.strip()) for cell in cells):
                head = cells
            found += _of_row(cells, head)
        else:
            head = []
            for line in block.text.split("\n"):
                found += _of_line(line[:4_000])
    return tuple(found[:200])


def _of_row(cells: Sequence[str], head: Sequence[str]) -> Iterator[Stated]:
    """A row of a table: labelled by its columns' heads, or by its own first cell."""
    line = " | ".join(cells)
    if _NOT_OURS.search(line):
        return
    for at, cell in enumerate(cells):
        label = head[at] if len(head) == len(cells) else ""
        if at and not (_TOP1.search(label) or _TOP5.search(label) or _ERROR.search(label)):
            label = cells[0]
        match = _VALUE.search(cell.strip().strip("*"))
        if match and _is_top1(label):
            yield from _stated(match, line, label)


def _of_line(line: str) -> Iterator[Stated]:
    for part in re.split(r"(?<=[.!?])\s", line):
        if _NOT_OURS.search(part):
            continue
        matches = [one for one in _VALUE.finditer(part) if one[2] or not _COUNTS.match(part, one.end())]
        for number, match in enumerate(matches):
            start = matches[number - 1].end() if number else 0
            end = matches[number + 1].start() if number + 1 < len(matches) else len(part)
            before, behind = (
                part[max(start, match.start() - 90) : match.start()],
                part[match.end() : end][:40],
            )
            label = before if _TOP1.search(before) or _TOP5.search(before) else f"{before} {behind}"
            said = match[2] and _RESULT.search(part) and not _TOP5.search(label)
            if _is_top1(label) or said:
                yield from _stated(match, part, label)


def _is_top1(label: str) -> bool:
    """The last of the labels in front of a number is its own; "top-5 accuracy" is no top-1."""
    ones = [found.start() for found in _TOP1.finditer(label)]
    fives = [found.start() for found in _TOP5.finditer(label)]
    if not ones:
        return False
    named = [at for at in ones if not re.match(r"acc", label[at:], re.IGNORECASE)]
    return not fives or max(named, default=-1) > max(fives)


def _stated(match: re.Match[str], line: str, label: str) -> Iterator[Stated]:
    text = match[1].replace(",", ".")
    value, places = float(text), len(text.partition(".")[2])
    step = 10.0**-places
    if match[2] or value > 1:
        value, step = value / 100, step / 100
    elif places < 2:
        return  # a lone digit: a number of something
    if _ERROR.search(label):
        value = 1 - value
    if 0.01 < value <= 1:
        yield Stated(round(value, 9), step, clean(line.strip(), 200))


def require_agreement(
    readme: Told, top1: float, others: Sequence[float], top5: float | None, digit: float = 0.0
) -> str:
    """What to note; raises CheckFailed where the README's top-1 isn't the log's.

    ``top1`` is the one that counts; ``others`` are further numbers of the log that are right to name, such as
    the last epoch's, or that without averaged weights. ``digit``: what one in the log's last place is worth.
    """
    stated = stated_results(readme.text)
    if not stated:
        raise CheckFailed(
            f"{quote(readme.path)} names no top-1 accuracy.",
            hint=f"Write down the result: the log's is {100 * top1:.3f} %.",
        )
    right = (top1, *others)
    agreeing = next((one for one in stated if any(one.is_of(value, digit) for value in right)), None)
    if agreeing is not None:
        return f"{readme.path} says {100 * agreeing.value:g} %, as the log does (“{agreeing.line}”)."
    if top5 is not None and any(one.is_of(top5) for one in stated):
        raise CheckFailed(
            f"{quote(readme.path)} gives {100 * top5:.2f} % as the top-1 accuracy; that is the log's top-5. "
            f"Its top-1 is {100 * top1:.3f} %.",
            hint="Top-1 counts the images whose highest score is the right class. Correct the README.",
        )
    shown = "; ".join(f"{100 * one.value:g} % (“{one.line}”)" for one in stated[:_SHOWN])
    raise CheckFailed(
        f"{quote(readme.path)} and the log disagree: the README says {shown}; the log says "
        f"{100 * top1:.3f} %.",
        hint="Correct the README, or hand in the log of the run that it is about.",
    )
