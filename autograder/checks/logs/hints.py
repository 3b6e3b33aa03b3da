"""Lines of a log that say how it was trained: on what, from what, with which machine."""

from __future__ import annotations

import re
from collections import Counter

from autograder.checks.logs.found import Hint, HintKind
from autograder.text import clean

MOST_OF_A_KIND = 40
_MOST_CHARS = 1_500
_SHOWN_CHARS = 200
# A line without any of these says nothing of the kind; one pass over a line is all that most of them get.
_ANY = re.compile(
    r"imagenet|image(?:nette|woof)|ilsvrc|cifar|mnist|classes|batch|--?b[ =]|images"
    r"|pre-?trained|weights|resum"
    r"|loaded checkpoint|world|gpu|tesla|geforce|rtx|gtx|nvidia|total \d|[avtph]\d{1,3}0\b",
    re.IGNORECASE,
)
_DATASET = re.compile(
    r"tiny[-_ ]?image-?net(?:[-_]?200)?|mini[-_ ]?image-?net|imagenette2?(?:-\d{3})?|imagewoof2?(?:-\d{3})?"
    r"|image-?net[-_]?(?:22k|21k|1k|100|200|sketch|a\b|r\b|v2)?|ilsvrc(?:[-_ ]?20\d\d)?|cifar[-_ ]?100?"
    r"|(?:fashion|k|e)?[-_]?mnist|stl[-_]?10",
    re.IGNORECASE,
)
_NUMBER = r"(\d{1,3}(?:,\d{3}){1,3}|\d{1,9})"
_CLASSES = re.compile(
    r"(?:num|n|nb|number of|no\.? of)[-_ ]?(?:class(?:es)?"
    r"|labels)['\"]?\s{0,3}[:=,\s]\s{0,3}(\d{1,6})(?![\d.])"
    r"|(?<![\w./-])(\d{1,6}) classes\b",
    re.IGNORECASE,
)
_BATCH = re.compile(
    r"(?:train_?)?batch[-_ ]?size(?:[-_ ]per[-_ "
    r"]gpu)?['\"]?\s{0,3}[:=\s]\s{0,3}(\d{1,6})(?![\d.])|(?<!\S)-b[ =](\d{1,6})(?!\S)",
    re.IGNORECASE,
)
_IMAGES = re.compile(
    r"(?P<before>train(?:ing)?|test|val(?:id(?:ation)?)?|eval(?:uation)?)?[^\d\n]{0,30}?(?<![\d.,])"
    + _NUMBER
    + r"\s(?P<behind>train(?:ing)?|test|val(?:id(?:ation)?)?)?\s?(?:images|samples|examples)\b",
    re.IGNORECASE,
)
_SIZED = re.compile(
    r"\b(?P<before>train(?:ing)?|test|val(?:id(?:ation)?)?)[-_ ]?(?:set|data(?:set)?|images|samples)?[-_ ]?"
    r"(?:size|length|len|count|images|samples)['\"]?\s{0,3}[:=]\s{0,3}" + _NUMBER + r"(?![\d.]|\s?%)",
    re.IGNORECASE,
)
_PRETRAINED = re.compile(
    r"using pre-?trained (?:model|weights)|pre-?trained['\"]?\s?[:=]\s?(?:true|1\b)"
    r"|--pretrained\b(?![= ](?:false|0))"
    r"|load(?:ed|ing) pre-?trained|weights\s?=\s?['\"]?(?:\w{1,40}\.)?(?:imagenet|default)"
    r"|pretrained (?:weights|model) (?:loaded|from)|fine-?tun(?:e|ing) from"
    r"|downloading:? [^\n]{0,200}\.pth?\b",
    re.IGNORECASE,
)
NOT_PRETRAINED = re.compile(
    r"\b(?:no|not|without|never|skip\w{0,4}|instead of)\b[^\n]{0,30}pre-?trained"
    r"|pre-?trained[^\n]{0,30}(?:\b(?:none|false|no|not|off|null|skipped|disabled)\b|[:=]\s?['\"]{2})",
    re.IGNORECASE,
)
_RESUMED = re.compile(
    r"loaded checkpoint[^\n]{0,300}?epoch\W{0,4}(\d{1,6})|resum(?:ed?"
    r"|ing)\b[^\n]{0,200}?epoch\W{0,4}(\d{1,6})"
    r"|=> loading checkpoint|--resume[ =]\S",
    re.IGNORECASE,
)
_HARDWARE = re.compile(
    r"\b(?:H200|H100|A100|A6000|A5000|A40|A30|A10G?|L40S?|L4|V100|P100|P40|T4|K80|K40|M60|M40)\b"
    r"|\b(?:RTX|GTX)[ _-]?(?:TITAN|A?\d{4})(?:[ _-]?(?:Ti|Super))?|\bTITAN (?:X|V|RTX|Xp)\b",
    re.IGNORECASE,
)
_GPUS = re.compile(
    r"world[-_ ]?size['\"]?\s?[:=]?\s?(\d{1,4})|process \d{1,4},? total (\d{1,4})"
    r"|(?<![\d.])(\d{1,4}) ?(?:x |GPUs\b)"
    r"|num[-_]?gpus['\"]?\s?[:=]\s?(\d{1,4})|--gpus[ =](\d{1,4})",
    re.IGNORECASE,
)
_NUMBERED: tuple[tuple[HintKind, re.Pattern[str]], ...] = (
    ("classes", _CLASSES),
    ("batch size", _BATCH),
    ("gpus", _GPUS),
    ("resumed", _RESUMED),
)


class Hints:
    """Collects hints, a few of each kind."""

    def __init__(self) -> None:
        self.found: list[Hint] = []
        self._seen: set[tuple[HintKind, str, int]] = set()
        self._count: Counter[HintKind] = Counter()

    def look(self, text: str, line: int) -> None:
        text = text[:_MOST_CHARS]
        if not _ANY.search(text):
            return
        for found in _DATASET.finditer(text):
            self._add("dataset", found[0].lower(), 0, line)
        for kind, pattern in _NUMBERED:
            if said := pattern.search(text):
                self._add(kind, text, _first(said), line)
        for pattern in (_IMAGES, _SIZED):
            for found in pattern.finditer(text):
                self._images(found, text, line)
        if _PRETRAINED.search(text) and not NOT_PRETRAINED.search(text):
            self._add("pretrained", text, 0, line)
        if named := _HARDWARE.search(text):
            self._add("hardware", named[0], 0, line)

    def _images(self, found: re.Match[str], text: str, line: int) -> None:
        said = (found["before"] or found.groupdict().get("behind") or "").lower()
        if said:
            number = next(int(one.replace(",", "")) for one in found.groups() if one and one[0].isdigit())
            self._add("train images" if said.startswith("train") else "images", text, number, line)

    def _add(self, kind: HintKind, text: str, number: int, line: int) -> None:
        shown = clean(text.strip(), _SHOWN_CHARS, line_limit=_SHOWN_CHARS)
        key = (kind, shown if kind in ("dataset", "hardware") else "", number)
        if self._count[kind] < MOST_OF_A_KIND and key not in self._seen:
            self._seen.add(key)
            self._count[kind] += 1
            self.found.append(Hint(kind, shown, number, line))


def _first(found: re.Match[str]) -> int:
    return next((int(one) for one in found.groups() if one), 0)
