"""The settings of a run: what its command says, and for the rest what the training script takes by default.

The script is read, never run: its calls of argparse's ``add_argument`` say which options there are.
"""

from __future__ import annotations

import ast
import math
import warnings
from dataclasses import dataclass

from autograder.checks.shell_scripts import Command

MOST_SOURCE_CHARS = 128 * 1024  # Python's parser is quadratic for some sources
_STORES_NO_VALUE = frozenset("store_true store_false store_const count help version append_const".split())


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a script: its names, as `--lr`, and its default as text; None where it has none."""

    names: tuple[str, ...]
    default: str | None = None
    takes_value: bool = True

    def answers_to(self, word: str) -> bool:
        """Whether ``word`` is one of its names, as far as it is written: argparse takes ``--epoch`` too."""
        return any(name == word or (word.startswith("--") and name.startswith(word)) for name in self.names)


@dataclass(frozen=True, slots=True)
class Settings:
    """A command of a script whose options are known, or aren't: then only the command counts."""

    command: Command
    options: tuple[Option, ...] = ()

    def text(self, name: str) -> str | None:
        """The setting ``name``, such as "epochs" or "batch-size"; None where it can't be told."""
        option = self._option(f"--{name}")
        given = self.command.value(*self._spellings(option, f"--{name}"))
        if given is None:
            return option.default if option is not None and not self._hides_options() else None
        return None if given in self.command.unclear or "$" in given else given

    def number(self, name: str) -> float | None:
        """The same as a number; None for what is none."""
        try:
            value = float((self.text(name) or "").strip())
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def _hides_options(self) -> bool:
        """Whether the command has a word that only a shell could work out, and that is no option's value."""
        words = self.command.arguments
        return any(
            word in self.command.unclear and word.startswith(("$", "`")) and not before.startswith("-")
            for before, word in zip(("", *words), words, strict=False)
        )

    def _option(self, name: str) -> Option | None:
        alike = name.replace("_", "-")
        return next(
            (one for one in self.options if any(n.replace("_", "-") == alike for n in one.names)), None
        )

    def _spellings(self, option: Option | None, name: str) -> tuple[str, ...]:
        """The words of the command that mean the option."""
        words = {word.partition("=")[0] for word in self.command.arguments if word.startswith("-")}
        if option is None:
            return (name, f"--{name.removeprefix('--').replace('-', '_')}")
        exact = {name for one in self.options for name in one.names}
        short = [
            word
            for word in sorted(words)
            if word not in exact and len([one for one in self.options if one.answers_to(word)]) == 1
        ]
        return (*option.names, *(word for word in short if option.answers_to(word)))


def read_options(source: str) -> tuple[Option, ...]:
    """The options that a script declares by argparse; none where it is no Python 3 that can be parsed."""
    if len(source) > MOST_SOURCE_CHARS:
        return ()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return tuple(
        option
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr == "add_argument"
        if (option := _option(call)) is not None
    )


def _option(call: ast.Call) -> Option | None:
    names = tuple(
        one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
    )
    if not names:
        return None
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    action = _constant(given.get("action"))
    default = _constant(given.get("default"))
    return Option(names, default, action not in _STORES_NO_VALUE)


def _constant(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _constant(node.operand)
        return None if inner is None else f"-{inner}"
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float)):
        return str(node.value)
    return None
