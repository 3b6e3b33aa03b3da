"""What is wrong with one field of a row: an id that nobody asked for, a label that is no class."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from autograder.checks.predictions.defects import Kind
from autograder.checks.predictions.form import UNKNOWN, Form, Labels, class_key, stripped
from autograder.text import quote

MOST_SHOWN = 40  # characters of a field
_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NUMBERS = re.compile(r"(?<![\w.])[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOTHING = frozenset("nan none null na n/a <na> nat #n/a - ? #value! #ref! #name? #div/0!".split())
_BRACKETS = ("[", "(", "{")
_CALL = re.compile(r"<?[A-Za-z_][\w.]*\s*\(")
_NAMED = re.compile(r"[A-Za-z_]\w*=[^,)\]]*")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:[,' \u00a0\u202f][0-9]{3})+")  # as a spreadsheet shows them
_MOST_READ = 2_000  # characters of one field that are looked through


def id_kind(text: str) -> Kind:
    """What kind of defect an id is that nobody asked for."""
    return Kind.FORMULA if stripped(text).startswith("=") else Kind.UNKNOWN_ID


def id_words(text: str, form: Form) -> str:
    """Why ``text`` is none of the ids that are asked for."""
    plain = stripped(text)
    if not plain:
        return "has no id"
    shown = quote(text, MOST_SHOWN)
    if plain.startswith("="):
        return f"the id {shown} is a spreadsheet formula"
    meant = id_inside(plain, form)
    return f"the id {shown} is unknown" + (f": write {quote(meant, MOST_SHOWN)} alone" if meant else "")


def id_inside(text: str, form: Form) -> str:
    """The one id that a name such as 'test/0012.png', '12.0' or '1,012' holds, or nothing."""
    text = text[:_MOST_READ]
    if _THOUSANDS.fullmatch(text):
        text = re.sub(r"[^0-9]", "", text)
    if _DECIMAL.fullmatch(text):
        value = float(text)
        whole = form.ids.index(str(int(value))) if value.is_integer() else UNKNOWN
        return form.ids.text(whole) if whole != UNKNOWN else ""
    name = re.split(r"[/\\]", text)[-1]
    stem = name.rpartition(".")[0] or name
    digits = re.findall(r"[0-9]+", stem)
    for inside in (name, stem, *(digits if len(digits) == 1 and "-" not in stem[:1] else ())):
        index = form.ids.index(inside)
        if index != UNKNOWN:
            return form.ids.text(index)
    return ""


def label_kind(text: str) -> Kind:
    """What kind of defect a label is that names no class."""
    plain = stripped(text[:_MOST_READ])
    if not plain:
        return Kind.NO_LABEL
    if plain.casefold() in _NOTHING:
        return Kind.NAN
    if plain.startswith("="):
        return Kind.FORMULA
    if _INTEGER.fullmatch(plain):
        return Kind.UNKNOWN_LABEL
    if _DECIMAL.fullmatch(plain):
        return Kind.DECIMAL
    if plain[0] in _BRACKETS or _CALL.match(plain):
        inside = _NAMED.sub("", plain)  # dtype=..., device='cuda:0'
        return Kind.SCORES if len(_NUMBERS.findall(inside)) > 1 else Kind.OBJECT
    return Kind.UNKNOWN_LABEL


def label_words(text: str, form: Form) -> str:
    """Why ``text`` is none of the classes."""
    plain, shown = stripped(text[:_MOST_READ]), quote(text, MOST_SHOWN)
    match label_kind(text):
        case Kind.NO_LABEL:
            return "has no label"
        case Kind.FORMULA:
            return f"the label {shown} is a spreadsheet formula"
        case Kind.DECIMAL:
            return f"the label {shown} is a decimal number{_whole(plain, form)}"
        case Kind.SCORES:
            return f"the label {shown} is a list of scores, where one class is asked for"
        case Kind.OBJECT:
            return f"the label {shown} is a Python object, where one class is asked for"
    if form.has_numbers and _INTEGER.fullmatch(plain):
        return f"the label {shown} is none of 0 to {len(form.classes) - 1}"
    return f"the label {shown} is no class{_nearest(plain, form)}"


def _whole(plain: str, form: Form) -> str:
    """How the number that was meant is written, if one was."""
    value = float(plain)  # of a text that is a number in full
    is_class = form.has_numbers and value.is_integer() and 0 <= value < len(form.classes)
    return f": write {int(value)}" if is_class else ""


def _nearest(plain: str, form: Form) -> str:
    names = {class_key(name): one[0] for one in form.classes for name in one}
    found = get_close_matches(class_key(plain)[:MOST_SHOWN], names, n=1, cutoff=0.6)
    return f" (did you mean {quote(names[found[0]], MOST_SHOWN)}?)" if found else ""


def all_numbers(fields: Sequence[str]) -> bool:
    return all(_DECIMAL.fullmatch(stripped(field)) for field in fields)


def looks_like_row(fields: Sequence[str], form: Form, labels: Labels) -> bool:
    """Whether these are an id and a label (or scores), so that they are no header."""
    if len(fields) < 2:
        return False
    if all_numbers(fields):
        return True
    first, second = fields[0], fields[1]
    is_id = form.ids.index(first) != UNKNOWN or bool(_DECIMAL.fullmatch(stripped(first)))
    return is_id and (labels[second] != UNKNOWN or bool(_DECIMAL.fullmatch(stripped(second))))
