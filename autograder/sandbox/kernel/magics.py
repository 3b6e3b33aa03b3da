"""The shell's own commands: `!` and `%` lines that need an answer here."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.sandbox.kernel.commands import Commands
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.places import Places, is_elsewhere

KIND = "magic"
_SHELL_CELLS = ("bash", "sh", "shell")
_QUIET = (
    "tensorboard",
    "tensorflow_version",
    "autotime",
    "nb_black",
    "wandb",
    "watermark",
    "shellcheck",
    "debug",
)
# No file changes while the notebook runs; and autoreload would look at every module, the box's own too.
_NEEDLESS = {"autoreload": ("autoreload", "aimport")}
_TOOLS = ("pip", "conda", "mamba", "micromamba", "uv")


def install(shell: Any, context: Context, places: Places, commands: Commands) -> None:
    _Magics(shell, context, places, commands).install()
    _answer_subprocesses(commands)


class _Magics:
    def __init__(self, shell: Any, context: Context, places: Places, commands: Commands) -> None:
        self._shell, self._context, self._places, self._commands = shell, context, places, commands

    def install(self) -> None:
        shell = self._shell
        shell.system, shell.getoutput = self._system, self._getoutput
        line: dict[str, Callable[..., Any]] = {
            **{tool: self._package_tool(tool) for tool in _TOOLS},
            **{name: self._noted(name) for name in _QUIET},
            "cd": self._cd,
            "matplotlib": self._matplotlib,
            "load_ext": self._load_ext,
            "reload_ext": self._load_ext,
            "shell": self._print,
        }
        for name, function in line.items():
            shell.register_magic_function(function, "line", name)
        for name in _SHELL_CELLS:
            shell.register_magic_function(self._cell, "cell", name)
        self._usual_script = shell.find_cell_magic("script")
        shell.register_magic_function(self._script, "cell", "script")

    # --- commands ---

    def _system(self, cmd: str) -> None:
        self._print(self._shell.var_expand(cmd, depth=1))

    def _print(self, line: str) -> None:
        def write(text: str) -> None:
            sys.stdout.write(text)
            sys.stdout.flush()

        self._shell.user_ns["_exit_code"] = self._commands.run(line, write)

    def _getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> Any:
        from IPython.utils.text import LSString, SList  # noqa: PLC0415

        parts: list[str] = []
        line = self._shell.var_expand(cmd, depth=depth + 1)
        self._shell.user_ns["_exit_code"] = self._commands.run(line, parts.append)
        text = "".join(parts)
        return SList(text.splitlines()) if split else LSString(text.rstrip("\n"))

    def _cell(self, _line: str, cell: str) -> None:
        """`%%bash` and its like; options such as --out are left aside."""
        self._print(cell)

    def _script(self, line: str, cell: str) -> Any:
        program = line.split()[:1]
        if program and Path(program[0]).name in _SHELL_CELLS:
            return self._print(cell)
        return self._usual_script(line, cell)

    def _package_tool(self, tool: str) -> Callable[[str], None]:
        def magic(line: str) -> None:
            self._print(f"{tool} {self._shell.var_expand(line, depth=1)}")

        return magic

    # --- the rest ---

    def _noted(self, name: str) -> Callable[..., None]:
        def magic(line: str = "") -> None:
            self._context.used(KIND, f"%{name} {line}".strip())
            print(f"%{name}: nothing to do where this notebook is run")

        return magic

    def _silent(self, _line: str = "") -> None:
        """For what changes nothing in a run from top to bottom."""

    def _cd(self, line: str) -> None:
        """As IPython's, in the student's folders; one of their Drive that isn't here is the notebook's."""
        text = self._shell.var_expand(line, depth=1).strip()
        options = [word for word in ("-q",) if text.startswith(word)]
        text = text.removeprefix("-q").strip().strip("'\"").replace("\\ ", " ")
        place = self._places.here(text) if is_elsewhere(text) else text
        if place != text and not Path(place).is_dir():
            place = str(self._places.base)
        target = Path(place or "~").expanduser()
        try:
            os.chdir(target)
        except OSError as error:
            print(f"[Errno {error.errno}] {error.strerror}: {text!r}")  # and goes on, as IPython does
        if not options:
            print(Path.cwd())

    def _matplotlib(self, line: str) -> None:
        """Plots are pictures in the output, whatever window or widget was asked for."""
        asked = line.strip()
        if asked in ("--list", "-l"):
            print("Available matplotlib backends: ['inline']")
            return
        if importlib.util.find_spec("matplotlib") is None:
            self._context.used(KIND, f"%matplotlib {asked}: matplotlib is not installed here")
            return
        if asked not in ("", "inline", "agg"):
            self._context.used(KIND, f"%matplotlib {asked}: inline")
        self._shell.enable_matplotlib("inline")

    def _load_ext(self, line: str) -> None:
        name = line.strip()
        if name in _NEEDLESS:
            for magic in _NEEDLESS[name]:
                self._shell.register_magic_function(self._silent, "line", magic)
            return
        try:
            answer = self._shell.extension_manager.load_extension(name)
        except ImportError:
            self._context.used(KIND, f"%load_ext {name}: not installed here")
            print(f"%load_ext {name}: this extension isn't installed where this notebook is run")
            self._add_unknown(name)
            return
        if answer == "no load function":
            print(f"The {name} module is not an IPython extension.")

    def _add_unknown(self, name: str) -> None:
        """A missing extension's magic, which mostly has its name, is answered too."""
        short = name.rpartition(".")[2]
        if short.isidentifier() and self._shell.find_line_magic(short) is None:
            self._shell.register_magic_function(self._noted(short), "line", short)


# --- programs that Python code starts ------------------------------------------------------------------


def _answer_subprocesses(commands: Commands) -> None:
    """`os.system("pip ...")` and `subprocess.run([sys.executable, "-m", "pip", ...])`."""
    usual = os.system
    usual_popen: Any = subprocess.Popen

    def system(command: Any) -> int:
        text = os.fsdecode(command)
        if not commands.is_answered(text):
            return usual(command)
        return commands.run(text, lambda said: print(said, end="")) << 8  # as wait() gives it

    class Popen(usual_popen):  # type: ignore[misc]  # mypy wants a class of a module's own
        def __init__(self, args: Any, *rest: Any, **keywords: Any) -> None:
            words = args.split() if isinstance(args, str) else [os.fsdecode(word) for word in _listed(args)]
            answer = commands.answer(words)
            if answer is not None:  # a process that says just that
                code = f"import sys; sys.stdout.write({answer.text!r}); sys.exit({answer.code})"
                args = [sys.executable, "-c", code]
                keywords["shell"] = False
            super().__init__(args, *rest, **keywords)

    os.system = system
    subprocess.Popen = Popen  # type: ignore[misc]


def _listed(args: Any) -> list[Any]:
    if isinstance(args, (bytes, os.PathLike)):
        return [args]
    with contextlib.suppress(TypeError):
        return [word for word in args if isinstance(word, (str, bytes, os.PathLike))]
    return []
