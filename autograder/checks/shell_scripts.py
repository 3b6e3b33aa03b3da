"""The commands of a shell script such as run_convnet.sh, read and never run.

A script of the homework's is one line, `python -u train.py --model convnet --lr 0.1 | tee convnet.log`, in as
many spellings as there are students: over several lines, with variables, in the background, under `nohup` or
`srun`, with its output sent to a file. What only a shell could work out, such as `$(date)` or a loop's
variable, stays in the words as it was written, and is named.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

MOST_CHARS = 64 * 1024  # of a script that are read
MOST_COMMANDS = 200
MOST_WORDS = 2_000  # of one command, variables worked out
MOST_WORD_CHARS = 4_096

_OPERATORS = (
    "&>>",
    "&>",
    "&&",
    "||",
    "|&",
    ">>",
    ">&",
    ">|",
    "<<",
    ";;",
    "\n",
    ";",
    "&",
    "|",
    ">",
    "<",
    "(",
    ")",
)
_ENDS = frozenset(("\n", ";", ";;", "&", "&&", "||", "(", ")"))
_PIPES = frozenset(("|", "|&"))
_TO_FILE = frozenset((">", ">>", ">|", "&>", "&>>", ">&"))
_CONTINUED = re.compile(r"\\[ \t]*\n")  # no shell takes the blanks, and everybody means it so
_ASSIGNED = re.compile(r"([A-Za-z_]\w*)\+?=(.*)", re.DOTALL)
_OPENS_ARRAY = re.compile(r"[A-Za-z_]\w*\+?=")
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?:(\[[@*]\])|:?[-=]([^{}]*))?\})")
_PYTHON = re.compile(r"(?:.*/)?(?:python|ipython|pypy)[\d.]*(?:\.exe)?")
_TAKES_VALUE = frozenset(("-W", "-X", "--check-hash-based-pycs"))
_KEYWORDS = frozenset(("then", "do", "else", "{", "!", "time", "exec", "command"))
_SETS = frozenset(("export", "declare", "local", "readonly", "set", "typeset"))


@dataclass(frozen=True, slots=True)
class Command:
    """One start of a Python script: ``python SCRIPT ARGUMENTS``.

    ``log`` is the file that its output goes to, ``folder`` the one it is started in where the script changes
    it, and ``unclear`` the words that only a shell could work out.
    """

    script: str
    arguments: tuple[str, ...]
    log: str = ""
    folder: str = ""
    unclear: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The script's name without its folder."""
        return PurePosixPath(self.script).name

    def value(self, *options: str) -> str | None:
        """What stands behind one of these options, the last time that one is given; "" where nothing does.

        As argparse reads it: ``--lr 0.1``, ``--lr=0.1``, and ``-n10`` of an option with one dash.
        """
        found: str | None = None
        for place, word in enumerate(self.arguments):
            name, equals, behind = word.partition("=")
            if name in options:
                following = self.arguments[place + 1 : place + 2]
                found = behind if equals else "".join(one for one in following if not _is_option(one))
            elif len(word) > 2 and word[0] == "-" != word[1] and word[:2] in options:
                found = word[2:]
        return found


def _is_option(word: str) -> bool:
    return word.startswith("-") and not re.fullmatch(r"-\.?\d.*", word)


def read_commands(text: str) -> tuple[Command, ...]:
    """The Python scripts that a shell script starts, in its order; comments and everything else left out."""
    reader = _Reader()
    for token in _Lexer(text[:MOST_CHARS].replace("\r\n", "\n").replace("\r", "\n"), reader.variables):
        if len(reader.commands) >= MOST_COMMANDS:
            break
        reader.take(token)
    reader.take(_Token("\n"))
    return tuple(reader.commands)


@dataclass(slots=True)
class _Token:
    """An operator, or one written word: the words that it becomes once its variables are put in."""

    operator: str = ""
    words: list[str] = field(default_factory=list)
    unclear: bool = False


class _Reader:
    """Puts tokens together: words to commands, commands to pipelines."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self.commands: list[Command] = []
        self._folder = ""
        self._pipeline: list[list[_Token]] = [[]]
        self._to_file = False  # the next word is where the output goes
        self._dropped = False  # the next word is where the input comes from
        self._log = ""
        self._array: list[str] | None = None  # the words of NAME=(...), while it is open

    def take(self, token: _Token) -> None:
        if self._array is not None:
            self._array += token.words
            if token.operator == ")":
                self._assign([f"{self._array[0]}{' '.join(self._array[1:])}"])
                self._array = None
        elif token.operator == "(" and self._opens_array():
            self._array = self._pipeline[-1].pop().words
        elif token.operator in _ENDS:
            self._end()
        elif token.operator in _PIPES:
            self._pipeline.append([])
        elif token.operator:
            self._to_file = token.operator in _TO_FILE
            self._dropped = not self._to_file
        elif self._to_file:
            word = "".join(token.words)
            self._log = self._log if word.isdigit() or word in ("/dev/null", "-") else word
            self._to_file = False
        elif self._dropped:
            self._dropped = False
        else:
            self._pipeline[-1].append(token)

    def _opens_array(self) -> bool:
        last = self._pipeline[-1][-1].words if self._pipeline[-1] else []
        return len(last) == 1 and _OPENS_ARRAY.fullmatch(last[0]) is not None

    def _end(self) -> None:
        for stage in self._pipeline:
            words = [word for token in stage for word in token.words]
            if words and PurePosixPath(words[0]).name == "tee":
                self._log = next((word for word in words[1:] if not _is_option(word)), self._log)
        for stage in self._pipeline:
            self._command(stage, alone=len(self._pipeline) == 1)
        self._pipeline, self._log, self._to_file, self._dropped = [[]], "", False, False

    def _command(self, tokens: list[_Token], *, alone: bool) -> None:
        unclear = [word for token in tokens if token.unclear for word in token.words]
        words = [word for token in tokens for word in token.words][:MOST_WORDS]
        while words and words[0] in _KEYWORDS:
            del words[0]
        if words:  # a line out of a notebook
            words[0] = words[0].lstrip("!%")
        sets = bool(words) and words[0] in _SETS
        count = 0
        while count < len(words) and (_ASSIGNED.fullmatch(words[count]) or (sets and count == 0)):
            count += 1
        if count == len(words) or sets:
            if alone:  # in a pipeline it would be another process's
                self._assign(words)
            return
        words = words[count:]
        if words[0] == "cd":
            self._folder = words[1] if len(words) > 1 else ""
            return
        found = _script_in(words)
        if found is not None:
            script, arguments = found
            told = tuple(dict.fromkeys(word for word in unclear if word in arguments))
            self.commands.append(Command(script, tuple(arguments), self._log, self._folder, told))

    def _assign(self, words: Sequence[str]) -> None:
        for word in words:
            assigned = _ASSIGNED.fullmatch(word)
            if assigned and len(self.variables) < MOST_WORDS:
                self.variables[assigned[1]] = assigned[2]


def _script_in(words: Sequence[str]) -> tuple[str, list[str]] | None:
    """The Python script that a command starts, behind whatever starts Python, and its arguments."""
    start = next((place for place, word in enumerate(words) if _PYTHON.fullmatch(word)), None)
    if start is None:
        place = next((place for place, word in enumerate(words[:1]) if word.endswith(".py")), None)
        return None if place is None else (words[place], list(words[place + 1 :]))
    place = start + 1
    while place < len(words) and words[place].startswith("-"):
        if words[place] == "-m" and place + 1 < len(words):
            return words[place + 1].replace(".", "/") + ".py", list(words[place + 2 :])
        if words[place] == "-c":
            return None
        place += 2 if words[place] in _TAKES_VALUE else 1
    return (words[place], list(words[place + 1 :])) if place < len(words) else None


class _Lexer:
    """A shell's words, with quotes, escapes, comments and the variables that are known by then."""

    def __init__(self, text: str, variables: dict[str, str]) -> None:
        self._text, self._variables = text, variables
        self._place = 0
        self._parts: list[str] = []  # the words that the present one has become so far; the last is open
        self._open = self._unclear = self._quoted = False

    def __iter__(self) -> Iterator[_Token]:
        while self._place < len(self._text):
            if continued := _CONTINUED.match(self._text, self._place):
                self._place = continued.end()
                continue
            character = self._text[self._place]
            if character in " \t":
                yield from self._finish()
                self._place += 1
            elif character == "#" and not self._open:
                end = self._text.find("\n", self._place)
                self._place = end if end >= 0 else len(self._text)
            elif operator := next((one for one in _OPERATORS if self._text.startswith(one, self._place)), ""):
                yield from self._at_operator(operator)
            else:
                self._read(character)
        yield from self._finish()

    def _at_operator(self, operator: str) -> Iterator[_Token]:
        number = "".join(self._parts)
        if operator[0] in "<>" and self._open and not self._quoted and number in ("0", "1", "2"):
            self._parts, self._open = [], False  # 2> is where the errors go, and no argument
        yield from self._finish()
        self._place += len(operator)
        yield _Token(operator)

    def _read(self, character: str) -> None:
        """One piece of a word: a quoted string, an escape, a variable, or a character."""
        self._place += 1
        if character == "'":
            end = self._until("'")
            self._add(self._text[self._place : end], quoted=True)
            self._place = end + 1
        elif character == '"':
            self._double_quoted()
        elif character == "\\":
            self._add(self._text[self._place : self._place + 1], quoted=True)
            self._place += 1
        elif character in "$`":
            self._place -= 1
            self._expand(quoted=False)
        else:
            self._add(character)

    def _double_quoted(self) -> None:
        self._add("", quoted=True)
        while self._place < len(self._text) and self._text[self._place] != '"':
            character = self._text[self._place]
            if character in "$`":
                self._expand(quoted=True)
                continue
            if character == "\\" and self._text[self._place + 1 : self._place + 2] in (
                '"',
                "\\",
                "$",
                "`",
                "\n",
            ):
                self._place += 1
                character = self._text[self._place].replace("\n", "")
            self._add(character, quoted=True)
            self._place += 1
        self._place += 1

    def _expand(self, *, quoted: bool) -> None:
        """What stands at a ``$`` or a backquote; what isn't known stays as it was written."""
        found = _VARIABLE.match(self._text, self._place)
        if found is not None:
            name = found[1] or found[2]
            value = self._variables.get(name, found[4])
            self._place = found.end()
            if value is not None:
                self._insert(value, quoted=quoted and not found[3])  # an array stays many words
                return
            self._unclear = True
            self._add(found[0], quoted=quoted)
            return
        start = self._place
        self._place = _end_of_substitution(self._text, start)
        written = self._text[start : self._place]
        if written in ("$@", "$*"):  # nobody calls the script with further arguments: no word comes of it
            self._open = bool("".join(self._parts))
            return
        self._unclear = self._unclear or len(written) > 1
        self._add(written, quoted=quoted)

    def _insert(self, value: str, *, quoted: bool) -> None:
        if quoted:
            self._add(value, quoted=True)
            return
        for number, piece in enumerate(value.split()):
            if number:
                self._parts.append("")
            self._add(piece)

    def _add(self, text: str, *, quoted: bool = False) -> None:
        self._open, self._quoted = True, self._quoted or quoted
        if not self._parts:
            self._parts.append("")
        if len(self._parts[-1]) + len(text) <= MOST_WORD_CHARS and len(self._parts) <= MOST_WORDS:
            self._parts[-1] += text

    def _until(self, mark: str) -> int:
        end = self._text.find(mark, self._place)
        return end if end >= 0 else len(self._text)

    def _finish(self) -> Iterator[_Token]:
        if self._open:
            yield _Token(words=self._parts, unclear=self._unclear)
        self._parts, self._open, self._unclear, self._quoted = [], False, False, False


def _end_of_substitution(text: str, start: int) -> int:
    """Where a ``$(...)``, a ``${...}``, a ``$@`` or a backquoted command ends."""
    opening = text[start : start + 2]
    if text[start] == "`":
        end = text.find("`", start + 1)
        return end + 1 if end >= 0 else len(text)
    if opening not in ("$(", "${"):
        return start + (2 if opening[1:] in ("@", "*", "?", "#", "$", "!") and len(opening) == 2 else 1)
    opens, closes, depth = opening[1], {"(": ")", "{": "}"}[opening[1]], 0
    for place in range(start + 1, len(text)):
        depth += (text[place] == opens) - (text[place] == closes)
        if depth == 0:
            return place + 1
    return len(text)
