"""What a training script was asked to do: its options' defaults, the command lines, configuration files.

The example that most repositories start from has both branches in its source, ``if args.pretrained:`` and
else. Which of them ran, only the options say: a log's ``Namespace(...)``, a ``run.sh``, a README's command,
a YAML file, and else the default that ``add_argument`` gives.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from autograder.checks.notebooks.source_cells import MAX_PARSED_CHARS

_MOST_CHARS = 400_000  # of one file
_MOST_LINE = 4_000
_MOST_NAMESPACES = 50  # of one log: a run prints one
_MOST_TREES = 64  # kept: several questions are asked of each

_PAIR = re.compile(
    r"(?<![\w.])['\"]?([A-Za-z]\w{0,40})['\"]?\s{0,2}[=:]\s{0,2}('[^'\n]{0,300}'|\"[^\"\n]{0,300}\"|[^\s,(){}\[\]]{1,100})"
)
_COMMAND = re.compile(
    r"^[\s$>!%`*-]{0,12}(?:(?:CUDA_\w+|OMP_\w+|[A-Z_]{3,30})=\S{0,60}\s{1,4}){0,6}"
    r"(?:srun\b[^\n]{0,200}?|nohup\s+|time\s+|exec\s+)?"
    r"(?:\S{0,80}?(?:python[\d.]{0,4}|torchrun|accelerate|deepspeed)|\./\S{1,80}\.(?:py|sh))\s([^\n]*)",
    re.MULTILINE,
)
_FLAG = re.compile(
    r"(?<!\S)--?([A-Za-z][\w-]{0,40})(?:(?:=|\s{1,4})(?!-)('[^'\n]{0,300}'|\"[^\"\n]{0,300}\"|[^\s'\"]{1,300}))?"
)
_CONFIG = re.compile(
    r"^[\s\"'-]{0,20}([A-Za-z]\w{0,40})[\"']?\s{0,3}[:=]\s{0,3}[\"']?([^\s\"',#]{1,300})", re.MULTILINE
)
_CONFIGS = (".yaml", ".yml", ".json", ".cfg", ".ini", ".toml")
_SCRIPTS = (".sh", ".bash", ".slurm", ".sbatch", ".bat")
_PROSE = (".md", ".rst", ".markdown")
_FALSE = frozenset(("false", "none", "null", "no", "0", "off", ""))


@dataclass(frozen=True, slots=True)
class Option:
    """A value that an option had, and the file that says so."""

    value: str
    file: str

    @property
    def truth(self) -> bool:
        return self.value.casefold() not in _FALSE

    @property
    def strength(self) -> int:
        """A log tells what was run, a script what may have been, a README what can be."""
        file = self.file.casefold()
        return 0 if file.endswith(_PROSE) else 1 if file.endswith((*_SCRIPTS, *_CONFIGS)) else 2


@dataclass(frozen=True, slots=True)
class Settings:
    """The options: as they were given, and as they are where nothing is given."""

    given: Mapping[str, tuple[Option, ...]]
    defaults: Mapping[str, Option]

    def truth(self, name: str) -> bool | None:
        """Whether the option was on; None where nothing says it, and where only a README turns it on."""
        option = self.option(name)
        if option is None or (option.truth and option.strength == 0 and _key(name) in self.given):
            return None
        return option.truth

    def told(self, name: str) -> Option | None:
        """The option as a log, a script or a configuration has it: no default, and no README's example."""
        option = self.option(name)
        return option if _key(name) in self.given and option is not None and option.strength else None

    def option(self, name: str) -> Option | None:
        """The option's value by the strongest witness; of several alike, one that turns it on."""
        key = _key(name)
        given = self.given.get(key, ())
        return max(given, key=lambda one: (one.strength, one.truth), default=self.defaults.get(key))


def read_settings(sources: Mapping[str, str], texts: Mapping[str, str]) -> Settings:
    """From Python ``sources`` the defaults, from the ``texts`` beside them (logs, scripts) what was given."""
    given: dict[str, list[Option]] = {}
    for path, text in texts.items():
        for name, value in _given(path, text[:_MOST_CHARS]):
            options = given.setdefault(_key(name), [])
            if len(options) < 50:
                options.append(Option(value.strip("'\" "), path))
    defaults: dict[str, Option] = {}
    for path, source in sources.items():
        for name, value in _defaults(source[:_MOST_CHARS]):
            defaults.setdefault(_key(name), Option(value, path))
    return Settings({name: tuple(found) for name, found in given.items()}, defaults)


def _key(name: str) -> str:
    return name.replace("-", "_").casefold()


def _given(path: str, text: str) -> Iterator[tuple[str, str]]:
    if path.casefold().endswith(_CONFIGS):
        yield from ((found[1], found[2]) for found in _CONFIG.finditer(text))
        return
    for arguments in islice(_namespaces(text), _MOST_NAMESPACES):
        yield from ((found[1], found[2]) for found in _PAIR.finditer(arguments))
    for command in _COMMAND.finditer(text.replace("\\\r\n", " ").replace("\\\n", " ")):
        for flag in _FLAG.finditer(command[1][:_MOST_LINE]):
            yield flag[1], flag[2] if flag[2] is not None else "true"


def _namespaces(text: str) -> Iterator[str]:
    """What argparse's own ``Namespace(...)`` holds, where a line of the text has one."""
    at = text.find("Namespace(")
    while at >= 0:
        end = text.find("\n", at)
        end = end if end >= 0 else len(text)
        yield text[at + len("Namespace(") : min(end, at + _MOST_LINE)]
        at = text.find("Namespace(", end)


def _defaults(source: str) -> Iterator[tuple[str, str]]:
    """What ``add_argument("--name", default=…)`` gives."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
            if name in ("add_argument", "add_option", "option", "DEFINE_bool", "DEFINE_string"):
                yield from _of_argument(node)


def _of_argument(call: ast.Call) -> Iterator[tuple[str, str]]:
    flags = [one.value for one in call.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    keywords = {one.arg: one.value for one in call.keywords if one.arg}
    destination = keywords.get("dest")
    if isinstance(destination, ast.Constant):
        flags.append(str(destination.value))
    default, action = keywords.get("default"), keywords.get("action")
    value = "none"
    if isinstance(default, ast.Constant):
        value = str(default.value)
    elif default is not None:
        return  # worked out when it runs: nothing is known
    elif isinstance(action, ast.Constant) and action.value == "store_false":
        value = "true"
    for flag in flags:
        yield flag.lstrip("-"), value


@lru_cache(maxsize=_MOST_TREES)
def parsed(source: str) -> ast.Module:
    """The tree, never to be changed; an empty one where the text isn't Python 3, or is too long."""
    if len(source) > MAX_PARSED_CHARS:
        return ast.Module([], [])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a student's docstring is no concern of ours
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Module([], [])


def written(node: ast.AST) -> str:
    """The node as source; "" for one that is nested too deep to be written down."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return ""
