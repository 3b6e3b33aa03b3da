"""Whatever a student wrote reaches its readers without anything that steers them, on every road there is.

A submission whose every string is hostile is really graded. What comes of it (results, page, terminal, the
file that tells of a fault) is searched for every character that must not be there and for markup that took
effect; the page by a browser, where there is one.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from autograder import report
from autograder.document import ResultsDocument
from autograder.sandbox.backend import Backend
from tests.contract import problems
from tests.runs import EARLIER, Ended, needs_root, run_apart
from tests.small import Small, entry, open_sandbox, outcomes
from tests.steering import forbidden_in

MARK = "owned-by-the-student"
# For a browser: each of these would leave its mark in the page if it were taken for HTML.
MARKUP = "".join(
    [
        f'"\'>`--></p></title></style><script>document.documentElement.className="{MARK}"</script>',
        f"<img src=x onerror=\"document.documentElement.id='{MARK}'\">",
        f'<a href="javascript:alert(1)">{MARK}</a><base href="http://example.invalid/">',
        "{{ 7 * 191 }}{% raw %}&lt;b&gt;[bold]b[/bold][link=http://example.invalid]l[/link][/]**b**=1+1",
    ]
)
STEERING = "".join(
    [
        "\x1b[31mred\x1b]0;title\x07\x1b]8;;http://example.invalid\x1b\\link\x1b]8;;\x1b\\\x1bPq#0~\x1b\\",
        "\x9b2J\x9d0;title\x9c\x90q\x9c\x1b[2J\x1b[1;1H\x1bc\x00\x07\x08\x7f\x0b\x0c\x85\u2028\u2029a\rb",
        "\u202eltr\u202c\u2066i\u2069\u200e\u200f\u061c\u200b\ufeff\u2060\u00ad\U000e0041\ufe00\u3164",
        "\ud800\udcff\ufdd0\U0001ffffz" + "\u0310\u0353\u0489" * 60 + "\u200d" * 60 + "\u05d0\u05d1",
    ]
)
HOSTILE = MARKUP + STEERING + MARKUP

WORK = f"""
import builtins, sys
HOSTILE = {HOSTILE!r}
NAME = HOSTILE.encode("utf-8", "ignore").decode().replace("\\0", "")  # what Python takes for a type's name

def say():
    for stream in (sys.stdout, sys.stderr):
        stream.buffer.write(HOSTILE.encode("utf-8", "surrogatepass") + b"\\xff\\n")
        stream.flush()
say()
KINDS = {{base: type(NAME, (base,), {{}}) for base in (ValueError, dict)}}

class Named:
    pass
Named.__name__ = Named.__qualname__ = Named.__module__ = NAME

def raises(kind):
    raise (KINDS[ValueError] if kind == "own" else getattr(builtins, kind))(HOSTILE)
def gives(what):
    say()
    return {{"text": HOSTILE, "dict": {{HOSTILE: HOSTILE, 1: [HOSTILE]}}, "object": Named(),
            "deep": KINDS[dict]({{HOSTILE: Named()}})}}[what]
globals()[HOSTILE] = raises
"""

TESTS = """
PATHS = pytest.mark.parametrize("name", ["own", "KeyError", "SyntaxError"])
@number("1")
@weight(1)
@PATHS
def test_raises(submission, name):
    '''raises'''
    with submission.module("work.py").scene() as scene:
        try:
            scene.call("raises", name)
        except Exception as problem:
            problem.message += " It said: " + problem.detail
            raise
@number("1")
@weight(1)
@visibility("hidden")
def test_told_to_staff(submission):
    '''is told to staff'''
    with submission.module("work.py").scene() as scene:
        scene.call("raises", "own")
@number("1")
@weight(1)
@pytest.mark.parametrize("what", ["text", "dict", "object", "deep"])
def test_gives(submission, what, report):
    '''gives'''
    with submission.module("work.py").scene() as scene:
        handle = scene.call("gives", what)
        value = handle.fetch()
        found = list(value) + [str(v) for v in value.values()] if isinstance(value, dict) else [value]
        report.note(f"You returned {value} of kind {handle.kind}: " + " and ".join(map(str, found)))
        report.staff(f"It returned {found}: {value}")
        raise CheckFailed(f"{value} is not right: {found[0]}", hint=str(value), staff=str(value))
@number("1")
@weight(1)
def test_asserts(submission):
    '''asserts'''
    with submission.module("work.py").scene() as scene:
        text = scene.call("gives", "text").fetch()
    assert False, text
@number("1")
@weight(1)
def test_fails(submission):
    '''fails'''
    with submission.module("work.py").scene() as scene:
        pytest.fail(scene.call("gives", "text").fetch())
@number("1")
@weight(1)
def test_skips(submission):
    '''skips'''
    with submission.module("work.py").scene() as scene:
        pytest.skip(scene.call("gives", "text").fetch())
@number("1")
@weight(1)
def test_passes(submission, report):
    '''passes'''
    report.note(submission.deliveries.describe())
    report.note(submission.read("work.py"))
    report.note("\\n".join(submission.tree.files))
@number("1")
@weight(1)
def test_import(submission):
    '''imports'''
    submission.module([name for name in submission.tree.files if "broken" in name][0]).load()
@number("1")
@weight(1)
def test_long(submission):
    '''is long'''
    submission.module("long.py").load()
"""
FAULTS = """
def chain(text):
    try:
        raise ValueError(text)
    except ValueError as error:
        raise RuntimeError(text) from error
@number("1")
@weight(4)
def test_fault(submission):
    '''breaks on what the submission says'''
    text = submission.read("said.txt")
    {how}
"""
IS_FINE = """
@number("1")
@weight(4)
def test_it(submission):
    '''works, or is a bug of the grader's'''
    assert "BUG" not in submission.read("work.py") or 1 / 0
"""
DELIVERABLES = """
[[deliverables]]
key = "layers"
title = "The layers"
question = "1"
patterns = ["layers<b>.py"]
hint = "Put it there."
[[deliverables]]
key = "predictions"
title = "The predictions"
question = "1"
patterns = ["predictions.csv"]
hint = "Write them."
"""
# Names that a disk can hold and a message can show, so that intake lets them in.
SHOWABLE = [
    "broken<img src=x onerror=alert(1)>.py",
    "[bold]=1+1[/bold].csv",
    "שלום עולם.txt",
    "{{ 7 * 191 }}&lt;.md",
    "@SUM(A1)/<script>/predictions_=1.csv",
]
# And such as none can show: the upload is refused, with the name in the message.
UNSHOWABLE = [
    b"\x1b[31mred\x1b]0;owned\x07<img src=x onerror=alert(1)>.py",
    b"z" + "\u0310".encode() * 100,
    "gpj.\u202eyp.exe".encode(),
    b"caf\xe9\xff.py",
    "a\rb\nc\u2028d\x9b2J<script>.py".encode(),
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Backend]:
    with open_sandbox() as backend:
        yield backend


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(tmp_path, work=WORK)


# --- what is looked at --------------------------------------------------------------------------------


class Parsed(HTMLParser):
    """The page's tags, as a reader of HTML takes them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.handlers: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.handlers |= {name for name, _ in attrs if name.startswith("on") or name in ("src", "href")}


def strings_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (*strings_of(key), *strings_of(item))
    elif isinstance(value, list):
        for item in value:
            yield from strings_of(item)


def check_results(out: Path) -> ResultsDocument:
    data = (out / "results.json").read_bytes()
    assert problems(data) == []
    document = json.loads(data)
    texts = list(strings_of(document))
    assert [found for text in texts if (found := forbidden_in(text))] == []
    assert {document[f"{what}_format"] for what in ("output", "test_output", "test_name")} == {"text"}
    assert {test["output_format"] for test in document["tests"]} == {"text"}
    assert max(map(len, texts)) < 30_000
    return ResultsDocument.model_validate_json(data)


def check_page(out: Path) -> str:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert forbidden_in(page) == []
    parsed = Parsed(page)
    assert not parsed.tags & {"script", "img", "a", "base", "link", "iframe", "form", "object", "svg"}
    assert parsed.handlers == set()
    return page


def check_text(text: str) -> None:
    """What a terminal or a log is given, or holds."""
    assert forbidden_in(text) == []


def check_said(ended: Ended) -> None:
    check_text(ended.out)
    check_text(ended.err)


def as_browser_sees_it(page: Path, profile: Path) -> str | None:
    """The page's elements after everything in it ran; None where there is no browser."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        return None
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"),
            *("--virtual-time-budget=2000", "--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        timeout=120,
        check=True,
    )
    return done.stdout


# --- a grading ----------------------------------------------------------------------------------------


def fill(small: Small) -> Path:
    handed_in = small.submission()
    for name in SHOWABLE:
        (handed_in / name).parent.mkdir(parents=True, exist_ok=True)
        (handed_in / name).write_text(
            f"raise ValueError({HOSTILE!r})  # {MARKUP}\n" if name.endswith(".py") else MARKUP
        )
    (handed_in / "long.py").write_text(f"raise ValueError({'w' * 3000!r})\n")
    (handed_in / "__pycache__").mkdir()
    (handed_in / f"{MARKUP[:60].replace('/', '|')}.pyc").touch()  # left out, with a note
    return handed_in


def test_a_hostile_submission_steers_no_reader(small: Small, sandbox: Backend) -> None:
    small.tests, small.more, small.questions = TESTS, DELIVERABLES, {"1": 14.0}
    fill(small)
    graded = small.graded(sandbox)
    document = check_results(small.out)
    assert len(document.tests) == 14
    assert {key: score for key, (_, score) in outcomes(document).items() if score} == {"test_passes": 1.0}
    assert not {outcome for outcome, _ in outcomes(document).values()} & {"fault", "pending"}
    check_text(graded.staff_text)
    check_page(small.out)
    for width in (44, 100):
        check_terminal(document, width)

    told = entry(document, "test_passes").output  # what does no harm is there to be read
    for name in SHOWABLE:
        assert name in told
    assert "<script>" in entry(document, "test_asserts").output
    assert "[link=http://example.invalid]l[/link][/]" in entry(document, "test_asserts").output
    assert "אב" in entry(document, "test_asserts").output


def check_terminal(document: ResultsDocument, width: int) -> None:
    for colours in (False, True):
        console = Console(
            file=io.StringIO(), width=width, force_terminal=colours, legacy_windows=False, highlight=False
        )
        report.terminal(document, console)
        assert isinstance(console.file, io.StringIO)
        shown = console.file.getvalue()
        assert colours is ("\x1b[" in shown)
        check_text(re.sub(r"\x1b\[[0-9;]*m", "", shown))  # colours of ours are all that may be there
        flat = "".join(shown.split())
        assert "[bold]b[/bold][link=http://example.invalid]l[/link][/]" in flat


def test_nothing_in_the_page_takes_effect(small: Small, sandbox: Backend, tmp_path: Path) -> None:
    small.tests, small.more, small.questions = TESTS, DELIVERABLES, {"1": 14.0}
    fill(small)
    small.grade(sandbox)
    page = small.out / "report.html"
    seen = as_browser_sees_it(page, tmp_path / "profile")
    if seen is None:
        pytest.skip("there is no browser here; the page's tags are looked at in any case")
    assert "<html" in seen
    parsed = Parsed(seen)
    assert parsed.tags == Parsed(page.read_text(encoding="utf-8")).tags
    assert parsed.handlers == set()
    assert f'class="{MARK}"' not in seen
    assert f'id="{MARK}"' not in seen
    # That it would show: the same page with one string that nobody escaped, and no policy against scripts.
    broken = tmp_path / "broken.html"
    unescaped = page.read_text(encoding="utf-8").replace("<h1>", f"<h1>{MARKUP}")
    broken.write_text(re.sub(r"<meta http-equiv.*?>", "", unescaped), encoding="utf-8")
    assert f'class="{MARK}"' in (as_browser_sees_it(broken, tmp_path / "profile") or "")


@pytest.mark.parametrize("length", [700, 3000, 100_000])
def test_what_is_cut_is_told(small: Small, sandbox: Backend, length: int) -> None:
    small.tests = TESTS[TESTS.index('@number("1")\n@weight(1)\ndef test_long') :]
    small.questions = {"1": 1.0}
    (small.submission() / "long.py").write_text(f"raise ValueError('{'w' * length}')\n")
    output = entry(small.grade(sandbox), "test_long").output
    line, _, said = output.partition("It said: ")
    for text, whole in ((line, length + len("raise ValueError('')")), (said, length)):
        shown = re.findall(r"w{20,}", text)
        left_out = [int(count.replace(",", "")) for count in re.findall(r"\(([\d,]+) (?:more )?char", text)]
        rest = len("raise ValueError('") if text is line else 0
        assert sum(map(len, shown)) + rest + sum(left_out) == whole, output
        assert sum(map(len, shown)) < 600


@needs_root
@pytest.mark.parametrize("name", UNSHOWABLE, ids=ascii)
def test_a_name_that_cant_be_shown(small: Small, sandbox: Backend, name: bytes) -> None:
    small.tests = IS_FINE
    handed_in = small.submission()
    (handed_in / os.fsdecode(name)).touch()
    document = small.grade(sandbox)
    check_results(small.out)
    check_page(small.out)
    assert document.score == 0.0
    assert "rename it and upload again" in entry(document, "test_it").output


# --- the command line ---------------------------------------------------------------------------------

FOLDERS = [
    os.fsdecode(name)
    for name in (
        b"\x1b[31mred\x1b]0;owned\x07 <img src=x onerror=alert(1)>",
        "\u202egnp.\x9b2J\x85\u2028".encode() + b"caf\xe9",
        b"[bold red]x [link=y] =1+1",
        b"z" + "\u0310".encode() * 100,
        b"a\rb\nc",
    )
]


@needs_root
def test_uploads_with_hostile_names(small: Small) -> None:
    small.tests = IS_FINE
    uploads = []
    for number, name in enumerate(FOLDERS):
        folder = small.folder / name
        folder.mkdir()
        (folder / "work.py").write_text("BUG" if number % 2 else "fine")
        uploads.append(folder)
    ended = run_apart("grade", small.assignment().folder, *uploads, "--out", small.out, cwd=small.folder)
    assert ended.code == 2, ended.err
    check_said(ended)
    assert "Not graded, and to be graded again:" in ended.told
    for number, name in enumerate(FOLDERS):
        assert (small.out / name / "results.json").exists() is not bool(number % 2)


@pytest.mark.parametrize("command", ["grade", "check"])
def test_a_file_that_is_taken_for_an_option(small: Small, command: str) -> None:
    """A `*` of the shell's hands over whatever lies in the folder."""
    name = "--\x1b]0;owned\x07\x1b[31m[bold]\u202e<b>"
    ended = run_apart(command, small.assignment().folder, name, cwd=small.folder)
    assert ended.code == 1
    check_said(ended)
    assert "[bold]" in ended.told


@needs_root
@pytest.mark.parametrize("name", ["..zip", "...zip", ".zip"])
def test_an_uploads_name_never_leads_out_of_the_results_folder(small: Small, name: str) -> None:
    small.tests = IS_FINE
    place = small.folder / "uploads"
    place.mkdir()
    for each in (name, "other.zip"):
        shutil.make_archive(str(place / "made"), "zip", small.submission())
        (place / "made.zip").rename(place / each)
    (small.folder / "results.json").write_bytes(EARLIER)  # somebody else's
    small.out.mkdir()
    (small.out / "results.json").write_bytes(EARLIER)
    ended = run_apart(
        "grade", small.assignment().folder, place / name, place / "other.zip", "--out", small.out, cwd=place
    )
    assert ended.code == 0, ended.err
    assert (small.folder / "results.json").read_bytes() == EARLIER
    assert (small.out / "results.json").read_bytes() == EARLIER
    assert len([path for path in small.out.iterdir() if path.is_dir()]) == 2


HOW = {
    "an exception of the grader's": "raise ValueError(text)",
    "a key that isn't there": "{}[text]",
    "a fault that quotes it": "raise GraderFault(f'It says {text}', remedy=text)",
    "a file that isn't there": "open('/' + text.replace(chr(0), '')[:60])",
    "one exception out of another": "chain(text)",
    "pytest is left": "pytest.exit(text)",
}


@needs_root
@pytest.mark.parametrize("how", HOW.values(), ids=HOW.keys())
def test_a_fault_that_quotes_the_submission(small: Small, how: str) -> None:
    said = (MARKUP + STEERING).encode("utf-8", "replace").decode()
    small.tests = FAULTS.format(how=how)
    (small.submission() / "said.txt").write_text(said, encoding="utf-8", newline="")
    ended = run_apart(
        "grade", small.assignment().folder, small.submission(), "--out", small.out, cwd=small.folder
    )
    assert ended.code == 2, ended.err
    assert not small.results.exists()
    check_said(ended)
    log = (small.out / "fault.txt").read_text(encoding="utf-8")
    check_text(log)
    assert "<script>" in log
    assert "<script>" in ended.told
    document = json.loads(small.partial.read_bytes())
    assert [found for text in strings_of(document) if (found := forbidden_in(text))] == []


@needs_root
def test_a_fault_before_the_first_result_is_told_in_a_file_too(small: Small) -> None:
    small.tests = "raise ValueError('\\x1b[31m<b>')\n"
    ended = run_apart(
        "grade", small.assignment().folder, small.submission(), "--out", small.out, cwd=small.folder
    )
    assert ended.code == 2
    check_said(ended)
    log = (small.out / "fault.txt").read_text(encoding="utf-8")
    check_text(log)
    assert "<b>" in log
