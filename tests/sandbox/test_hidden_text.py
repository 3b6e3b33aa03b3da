"""What an exception says is shown where nothing is hidden, and else only what can't give a value away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.sandbox.explain import Trusted, explain
from autograder.sandbox.harmless import harmless
from autograder.sandbox.sources import Sources
from tests.sandbox.boxes import calm
from tests.sandbox.test_explain import told

HIDDEN = "S3cr3t"


def test_where_nothing_is_hidden_all_of_it_is_shown(tmp_path: Path) -> None:
    problem = told(tmp_path, "raise ValueError('the whole story')", public=True)
    assert problem.message.endswith("`raise ValueError('the whole story')`.\nIt said: the whole story")
    assert problem.detail == "the whole story"


def test_what_is_shown_already_is_not_said_twice(tmp_path: Path) -> None:
    problem = told(tmp_path, "1 / 0", public=True)
    assert problem.message.count("division by zero") == 1
    assert "It said" not in problem.message


def test_an_exception_without_text_says_nothing(tmp_path: Path) -> None:
    assert "It said" not in told(tmp_path, "raise ValueError", public=True).message


def test_the_boxes_own_folder_is_not_shown() -> None:
    report = {
        "type": "OSError",
        "text": "no '/tmp/autograder-box-x1/home/tree/data/a.npy' (/x/autograder-box-q/home/b)",
    }
    assert explain(report, "f()", public=True).detail == "no 'data/a.npy' (b)"


def test_staff_see_all_of_it(tmp_path: Path) -> None:
    problem = told(tmp_path, f"secret = {HIDDEN[1]}\nraise ValueError('x = ' + {HIDDEN!r}[:6])")
    assert problem.staff == f"ValueError: x = {HIDDEN}"


LEAKS: list[Callable[[str], dict[str, Any]]] = [
    lambda secret: {"type": secret},
    lambda secret: {"type": "ValueError", "bases": [secret]},
    lambda secret: {"type": "Mine", "bases": [secret, "ValueError"]},
    lambda secret: {"type": "ValueError", "text": secret},
    lambda secret: {
        "type": "ValueError",
        "text": f"operands could not be broadcast together with shapes {secret}",
    },
    lambda secret: {"type": "NameError", "text": f"name '{secret}' is not defined"},
    lambda secret: {"type": "AttributeError", "text": f"module 'numpy' has no attribute '{secret}'"},
    lambda secret: {"type": "AttributeError", "text": f"`np.{secret}` was removed"},
    lambda secret: {"type": "AttributeError", "text": f"'numpy.ndarray' object has no attribute '{secret}'"},
    lambda secret: {"type": "AttributeError", "text": f"'{secret}' object has no attribute 'shape'"},
    lambda secret: {"type": "TypeError", "text": f"{secret}() missing 1 required positional argument: 'x'"},
    lambda secret: {"type": "TypeError", "text": f"f() missing 1 required positional argument: '{secret}'"},
    lambda secret: {"type": "KeyError", "text": f"'{secret}'"},
    lambda secret: {"type": "ModuleUnavailable", "text": f"{secret}: {secret}"},
    lambda secret: {"type": "ModuleUnavailable", "text": f"torch.{secret}: by hand"},
    lambda secret: {"type": "ModuleNotFoundError", "text": f"No module named '{secret}'"},
    lambda secret: {"type": "NameError", "text": "name 'x' is not defined", "replaced": [secret]},
    lambda secret: {"type": "ValueError", "frames": [[secret, 1, secret, secret]]},
    lambda secret: {"type": "ValueError", "frames": [["layers.py", 1, secret, secret]]},
    lambda secret: {"type": "ValueError", "frames": [["layers.py", 99, secret, secret]]},
    lambda secret: {"type": "ValueError", "frames": [[f"../{secret}", 1, "", ""]]},
    lambda secret: {"type": "ValueError", "frames": [["/etc/passwd", 1, secret, ""]]},
]


@pytest.mark.parametrize("leak", LEAKS, ids=range(len(LEAKS)))
def test_a_hidden_text_is_never_shown(tmp_path: Path, leak: Callable[[str], dict[str, Any]]) -> None:
    (tmp_path / "layers.py").write_text("from secret import *\nx = f()\n", encoding="utf-8")
    trusted = Trusted(Sources(tmp_path), forbidden=("torch",), reason="Write it by hand.")
    for secret in (HIDDEN, "x_is_0_2718281828", "(12345,6)", "root:x:0:0"):
        problem = explain(leak(secret), "f()", trusted=trusted)
        assert secret not in problem.student_text
        assert "root" not in problem.student_text
        assert problem.hint


@calm
@given(text=st.text().map(lambda text: f"§{text}§"))
def test_no_text_that_we_do_not_know_is_shown(text: str) -> None:
    report = {
        "type": text,
        "text": text,
        "bases": [text],
        "frames": [[text, 1, text, text]],
        "replaced": [text],
    }
    problem = explain(report, "f()")
    assert "§" not in problem.student_text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=10,
)
TYPES = st.sampled_from(
    ["ValueError", "NameError", "ModuleUnavailable", "AttributeError", "ImportError", "A", "len"]
)
REPORTS = JSON | st.fixed_dictionaries(
    {},
    optional={
        "type": JSON | TYPES,
        "text": JSON,
        "bases": JSON | st.lists(TYPES),
        "replaced": JSON | st.lists(st.text()),
        "frames": JSON | st.lists(st.lists(JSON, max_size=4)) | st.just([["layers.py", 1]]),
    },
)


@calm
@given(report=REPORTS, public=st.booleans())
def test_any_report_is_a_problem(report: Any, public: bool) -> None:
    problem = explain(report, "the import of layers.py", public=public)
    assert problem.message.startswith("The import of layers.py ")
    assert problem.hint
    assert len(problem.student_text) < 2000


# --- what may be shown --------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "layers.py").write_text("def conv(x, w):\n    stride = Net(x)\n", encoding="utf-8")
    return Sources(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "index 12345 is out of bounds for axis 0 with size 3",
        "operands could not be broadcast together with shapes (2,3) (4,5) and x = 0.5",
        "operands could not be broadcast together with shapes (2,3.5) (4,5)",
        "cannot reshape array of size 123456 into shape (2,3)",
        "name 'hidden' is not defined",
        "'hidden'",
        "0.123",
        "",
        "name 'stride' is not defined\x00",
        " name 'stride' is not defined",
        "conv() missing 1 required positional argument: 'hidden'",
        "hidden() missing 1 required positional argument: 'x'",
        "'hidden' object has no attribute 'stride'",
        "shapes (1,2,3,4,5,6,7,8,9) and (1,) not aligned: 1 (dim 0) != 2 (dim 0)",
    ],
)
def test_a_text_that_may_say_anything_is_kept_back(sources: Sources, text: str) -> None:
    assert harmless(text, sources) == ""


@pytest.mark.parametrize(
    "text",
    [
        "operands could not be broadcast together with shapes (2,3,4,4) (2,3,6,6) ",
        "name 'stride' is not defined",
        "'stride'",
        "'Net' object has no attribute 'stride'",
        "conv() missing 2 required positional arguments: 'x' and 'w'",
        "conv.<locals>.<lambda>() takes 1 positional argument but 2 were given",
        "maximum recursion depth exceeded in comparison",
    ],
)
def test_a_text_of_pythons_or_numpys_own_is_shown(sources: Sources, text: str) -> None:
    assert harmless(text, sources) == text.strip()


@calm
@given(st.text())
def test_any_text_is_judged(text: str) -> None:
    assert harmless(text, Sources()) in ("", text.partition("\n")[0].rstrip(" ."))


def test_judging_a_text_takes_no_time_whatever_it_is(sources: Sources) -> None:
    for piece in ("(1,", "'x', ", "a.", "((((", "1 "):
        harmless("operands could not be broadcast together with shapes " + piece * 200, sources)
        harmless("conv() missing 2 required positional arguments: " + piece * 200, sources)


# --- sources ------------------------------------------------------------------------------------------


def test_lines_are_quoted_from_what_was_handed_in(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_bytes(b"\xef\xbb\xbffirst\r\n  second \xff\rthird\x0c\n\nfifth")
    sources = Sources(tmp_path)
    assert [sources.line("layers.py", n) for n in range(7)] == [
        None, "first", "second \ufffd", "third", "", "fifth", None,
    ]  # fmt: skip
    for name in ("", "nothing.py", "../layers.py", "/etc/passwd", ".", "\0", "x" * 5000):
        assert sources.line(name, 1) is None
    assert sources.line("layers.py", 10**30) is None


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    sources = Sources(tmp_path)
    assert sources.line("link.py", 1) is None
    assert sources.line("folder/passwd", 1) is None
    assert not sources.has_word("nologin")


def test_without_a_tree_nothing_is_known() -> None:
    assert Sources().line("layers.py", 1) is None
    assert not Sources().has_word("conv_forward_naive")
    assert Sources().has_dotted("numpy.ndarray")
