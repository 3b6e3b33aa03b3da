"""A notebook's commands, `!like this`: answered where they want what isn't here, else run without terminal.

A line of several commands, `!wget URL && unzip x.zip`, is taken apart only if one of them has to be answered;
what stands before and after it runs as it was written.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autograder.sandbox.kernel import packages
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.course import Course
from autograder.sandbox.kernel.packages import Answer
from autograder.sandbox.kernel.places import Places

KIND, NETWORK, GPU = "command", "network", "gpu"
OUTPUT_CHARS = 200_000  # of one command; the rest is dropped
_CHUNK = 65_536
_SHELLS = ("/bin/bash", "/bin/sh")
_FAR_PATH = re.compile(
    r"""(?<![\w.$/-])(?:"(?P<double>/(?:content|kaggle)(?:/[^"$`]*)?)"|'(?P<single>/(?:content|kaggle)(?:/[^']*)?)'"""
    r"""|(?P<bare>/(?:content|kaggle)(?:/(?:\\.|[^\s"'`;|&<>()$])*)?)(?![\w]))"""
)
_SEPARATORS = ("&&", "||", ";", "\n")
_CONTROL = re.compile(r"(?m)^\s*(?:if|for|while|until|case|function|select)\b|<<|\(\)|^\s*[({]")
_PIPS = re.compile(r"(?:.*/)?pip[0-9.]*|(?:.*/)?uv")
_PYTHONS = re.compile(r"(?:.*/)?python[0-9.]*")
_TARGET_OPTIONS = {"wget": ("-O", "--output-document"), "curl": ("-o", "--output")}
_GIVE_CONSENT = ("yes", "echo", "printf")  # to what is installed, in a pipe
_NVIDIA_SMI = "NVIDIA-SMI: there is no GPU where this notebook is run\n"


@dataclass
class _Run:
    """One line of commands on its way: where it stands, and where its output goes."""

    folder: Path
    write: Callable[[str], None]
    code: int = 0
    left: int = field(default=OUTPUT_CHARS)

    def put(self, text: str) -> None:
        kept, self.left = text[: max(self.left, 0)], self.left - len(text)
        if kept:
            self.write(kept)
        if self.left < 0 <= self.left + len(text):
            self.write(
                f"\n(this command printed more than {OUTPUT_CHARS:,} characters; the rest was dropped)\n"
            )


class Commands:
    def __init__(self, context: Context, places: Places) -> None:
        self._context, self._places, self._course = context, places, Course(context)

    def run(self, line: str, write: Callable[[str], None]) -> int:
        """Run a line, or answer it, and give the exit code; what it prints goes to ``write``."""
        if line.rstrip().endswith("&") and not line.rstrip().endswith("&&"):
            raise OSError("Background processes not supported.")  # IPython's own words
        line = self._with_places(line)
        run = _Run(Path.cwd(), write)
        steps = _split(line)
        if _CONTROL.search(line) or not self.is_answered(line):
            self._execute(line, run)
            return run.code
        for joint, step in steps:
            if (joint == "&&" and run.code) or (joint == "||" and not run.code):
                continue
            answer = self._answers(step)
            if answer is not None:
                self._give(answer(run.folder), step, run)
            elif _words(step)[:1] == ["cd"]:
                self._enter(_words(step)[1:], run)
            elif step.strip():
                self._execute(step, run)
        return run.code

    def is_answered(self, line: str) -> bool:
        """Whether one of a line's commands is answered and not run."""
        return any(self._answers(step) for _, step in _split(line))

    def answer(self, words: list[str]) -> Answer | None:
        """To a command that a program starts by itself, as `subprocess.run(["pip", ...])` does."""
        found = self._answers(shlex.join(words))
        return found(Path.cwd()) if found is not None else None

    def _with_places(self, line: str) -> str:
        def here(found: re.Match[str]) -> str:
            text = found["double"] or found["single"] or re.sub(r"\\(.)", r"\1", found["bare"])
            return shlex.quote(self._places.here(text))

        return _FAR_PATH.sub(here, line)

    def _enter(self, words: list[str], run: _Run) -> None:
        folder = run.folder / Path(words[0] if words else "~").expanduser()
        run.code = 0 if folder.is_dir() else 1
        if run.code:
            run.put(f"cd: {words[0]}: No such file or directory\n")
        else:
            run.folder = folder

    # --- answers ---

    def _answers(self, step: str) -> Callable[[Path], Answer] | None:
        """How a single command is answered; None when it is run."""
        words = _words(_after_consent(step).partition("|")[0])
        while words and (words[0] in ("sudo", "time") or re.match(r"\w+=", words[0])):
            del words[0]
        if not words:
            return None
        name, rest = words[0].rpartition("/")[2], words[1:]
        if _PYTHONS.fullmatch(name) and rest[:2] == ["-m", "pip"]:
            name, rest = "pip", rest[2:]
        if _PIPS.fullmatch(name):
            rest = rest[1:] if name == "uv" and rest[:1] == ["pip"] else rest
            return lambda folder: packages.answer(self._context, "pip", rest, folder)
        if name in ("conda", "mamba", "apt", "apt-get", "brew", "npm", "dpkg"):
            tool = "conda" if name == "mamba" else name
            return lambda folder: packages.answer(self._context, tool, rest, folder)
        if name == "nvidia-smi":
            return self._no_card
        if name in ("wget", "curl"):
            return lambda folder: self._download(name, rest, folder)
        if name == "git" and rest[:1] and rest[0] in ("clone", "pull", "fetch", "push", "lfs"):
            return lambda folder: self._git(rest, folder)
        if name in ("gdown", "kaggle", "aria2c", "gsutil", "huggingface-cli", "ngrok", "ping"):
            return lambda _: self._no_network(" ".join((name, *rest)))
        return None

    def _no_card(self, _: Path) -> Answer:
        self._context.used(GPU, "nvidia-smi")
        return Answer(_NVIDIA_SMI, 9)

    def _no_network(self, what: str) -> Answer:
        self._context.used(NETWORK, what)
        return Answer(f"{what[:200]}: there is no network where this notebook is run\n", 4)

    def _git(self, rest: list[str], folder: Path) -> Answer:
        words = [word for word in rest[1:] if not word.startswith("-")]
        if rest[0] == "clone" and words:
            target = (
                words[1] if len(words) > 1 else words[0].rstrip("/").rpartition("/")[2].removesuffix(".git")
            )
            if (folder / target).is_dir():
                self._context.used(NETWORK, f"git clone: {target} was handed in")
                return Answer(f"'{target}' is there already\n")
        return self._no_network(" ".join(("git", *rest)))

    def _download(self, name: str, rest: list[str], folder: Path) -> Answer:
        urls, target, to = _read_download(name, rest)
        if any(re.match(r"(?:https?://)?(?:localhost|127\.0\.0\.1)", url) for url in urls):
            return self._no_network(" ".join((name, *rest)))
        text, code = "", 0
        for url in urls:
            base = url.partition("?")[0].rstrip("/").rpartition("/")[2]
            file = folder / (target or str(Path(to) / base))
            if file.is_file():
                self._context.used(NETWORK, f"{base} was handed in")
                text += f"'{file.name}' is there already\n"
            elif self._course.fetch(url, file):
                text += f"'{file.name}' comes from the course's data folder\n"
            else:
                failed = self._no_network(f"{name} {url}")
                text, code = text + failed.text, failed.code
        return Answer(text, code) if urls else self._no_network(" ".join((name, *rest)))

    def _give(self, answer: Answer, step: str, run: _Run) -> None:
        """Where the command's output would have gone: on, to a file, or through the rest of a pipe."""
        first, piped, rest = _after_consent(step).partition("|")
        run.code = answer.code
        if any(re.match(r"[1&]?>", word) for word in _words(first)):
            return
        if piped:
            self._execute(rest, run, answer.text)
        else:
            run.put(answer.text)

    # --- real commands ---

    def _execute(self, line: str, run: _Run, given: str = "") -> None:
        """Run a line in a shell, in a session of its own so that all of it can be ended."""
        shell = next(filter(os.path.exists, _SHELLS), "/bin/sh")
        paths = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "/usr/bin:/bin")))
        process = _popen(
            [shell, "-c", line],
            stdin=subprocess.PIPE if given else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=run.folder,
            env={**os.environ, "PATH": paths, "PIP_NO_INDEX": "1", "TERM": "dumb"},
            start_new_session=True,
        )
        try:
            if given:
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(
                        given.encode("utf-8", "replace")[:_CHUNK]
                    )  # what a pipe holds: no deadlock
                    process.stdin.close()
            while chunk := os.read(process.stdout.fileno(), _CHUNK):
                run.put(chunk.decode("utf-8", "replace"))
            run.code = process.wait()
        except BaseException:  # an interrupt of the cell ends its commands too
            with contextlib.suppress(OSError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            process.stdout.close()


_Popen = subprocess.Popen  # ours, whatever becomes of the name


def _popen(words: list[str], **keywords: Any) -> Any:
    return _Popen(words, **keywords)


def _after_consent(step: str) -> str:
    """`pip uninstall x` for `yes | pip uninstall x`."""
    first, _, rest = step.partition("|")
    return rest if rest and _words(first)[:1] and _words(first)[0] in _GIVE_CONSENT else step


def _words(step: str) -> list[str]:
    try:
        return shlex.split(step, comments=True)
    except ValueError:  # quotes that don't close
        return step.split()


def _split(line: str) -> list[tuple[str, str]]:
    """The commands of a line, each with what joins it to the one before; quoted joints are none."""
    steps: list[tuple[str, str]] = []
    joint, start, at, quote = "", 0, 0, ""
    while at < len(line):
        letter = line[at]
        if letter == "\\":
            at += 2
            continue
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        else:
            found = next((one for one in _SEPARATORS if line.startswith(one, at)), "")
            if found:
                steps.append((joint, line[start:at]))
                joint, at = found, at + len(found)
                start = at
                continue
        at += 1
    return [*steps, (joint, line[start:])]


def _read_download(name: str, rest: list[str]) -> tuple[list[str], str, str]:
    """The addresses, the file to write and the folder to write to, out of wget's or curl's words."""
    urls, target, folder, left = [], "", ".", list(rest)
    while left:
        word = left.pop(0)
        if word in _TARGET_OPTIONS[name]:
            target = left.pop(0) if left else ""
        elif word in ("-P", "--directory-prefix", "--output-dir"):
            folder = left.pop(0) if left else "."
        elif word in ("--header", "-H", "--user-agent", "-A", "-U", "-o", "-a", "-e", "--load-cookies", "-X"):
            del left[:1]
        elif not word.startswith("-") and word not in (">", "2>&1", "&>", "/dev/null"):
            urls.append(word)
    return urls, target if target != "-" else "", folder
