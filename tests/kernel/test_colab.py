"""Notebooks that were written on Colab or Kaggle."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.places import Places, is_elsewhere
from tests.kernel.cells import run_cells


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A submission whose notebook lies in a folder of its own."""
    root = tmp_path / "tree"
    (root / "hw4" / "sub").mkdir(parents=True)
    (root / "weights").mkdir()
    for name, text in (
        ("hw4/notes.csv", "1,2"),
        ("hw4/sub/helper.py", "V = 7"),
        ("weights/best.pt", ""),
        ("other.txt", ""),
    ):
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("/content", "hw4"),
        ("/content/", "hw4/"),
        ("/content/notes.csv", "hw4/notes.csv"),
        ("/content/sub", "hw4/sub"),
        ("/content/drive/MyDrive/notes.csv", "hw4/notes.csv"),
        ("/content/drive/My Drive/a/b/c/notes.csv", "hw4/notes.csv"),
        ("/content/gdrive/MyDrive/class/sub/", "hw4/sub/"),
        ("/content/drive/MyDrive/class/sub/helper.py", "hw4/sub/helper.py"),
        ("/content/drive/MyDrive/class/hw4/notes.csv", "hw4/notes.csv"),
        ("/content/drive/MyDrive/models/best.pt", "weights/best.pt"),  # by its name alone
        ("/content/drive/MyDrive/class/homework 4", "hw4"),  # the folder that the notebook lay in
        ("/content/drive/MyDrive/class/new.pt", "hw4/new.pt"),
        ("/content/drive/MyDrive/class/sub/new.pt", "hw4/sub/new.pt"),
        ("/content/drive/MyDrive/model_{}.pt", "hw4/model_{}.pt"),
        ("/content/drive/MyDrive/sub/*.py", "hw4/sub/*.py"),
        ("/content/data", "hw4/data"),  # a fresh machine's: the notebook will make it
        ("/content/runs/one/log.txt", "hw4/runs/one/log.txt"),
        ("drive/MyDrive/notes.csv", "hw4/notes.csv"),
        ("/gdrive/My Drive/notes.csv", "hw4/notes.csv"),
        ("/kaggle/working/out.csv", "hw4/out.csv"),
        ("/kaggle/input/some-set/notes.csv", "hw4/notes.csv"),
        ("../input/some-set/notes.csv", "hw4/notes.csv"),
        ("/content/../../../etc/passwd", "hw4/etc/passwd"),
    ],
)
def test_a_place_is_found_in_the_submission(
    tree: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str
) -> None:
    monkeypatch.chdir(tree / "hw4")
    context = Context(tree)
    assert is_elsewhere(text)
    found = Places(context).here(text)
    assert found == f"{tree}/{place}"
    assert [use.kind for use in context.uses] == ["colab"]


@pytest.mark.parametrize(
    ("start", "place"),
    [
        ("/content/drive/MyDrive/hw4/", "hw4/"),
        ("/content/drive/MyDrive/class/model_", "hw4/model_"),
        ("/content/ck", "hw4/ck"),
        ("/content/drive/MyDrive", "hw4"),
    ],
)
def test_the_start_of_a_name_stays_one(
    tree: Path, monkeypatch: pytest.MonkeyPatch, start: str, place: str
) -> None:
    monkeypatch.chdir(tree / "hw4")
    assert Places(Context(tree)).here(start, is_start=True) == f"{tree}/{place}"


@pytest.mark.parametrize(
    "text",
    [
        "content/x",
        "/contents/x",
        "see /content/x",
        "/content\n",
        "https://a.example/content/x",
        "drive",
        "input/x",
    ],
)
def test_other_texts_are_no_places(text: str) -> None:
    assert not is_elsewhere(text)


def test_an_input_folder_of_the_submission_is_its_own(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "input").mkdir()
    monkeypatch.chdir(tree / "hw4")
    assert Places(Context(tree)).here("../input/notes.csv") == "../input/notes.csv"


_COLAB = [
    "from google.colab import drive, files, userdata, output, auth, data_table, runtime\n"
    "from google.colab.patches import cv2_imshow\n"
    "drive.mount('/content/drive', force_remount=True); drive.flush_and_unmount()\n"
    "assert files.upload()['notes.csv'] == b'1,2' and userdata.get('KEY') == ''\n"
    "files.download('notes.csv'); auth.authenticate_user(); output.clear()",
    "import os; os.chdir('/content/drive/MyDrive/Colab Notebooks/hw')\nprint(os.path.basename(os.getcwd()))",
    "import sys; sys.path.append('/content/drive/MyDrive/hw/sub')\nimport helper; assert helper.V == 7",
    "ROOT = '/content/drive/MyDrive/hw/'\nfor n in (1, 2):\n"
    "    open(ROOT + f'a{n}.txt', 'w').close(); open(f'/content/drive/MyDrive/hw/b_{n}.txt', 'w').close()\n"
    "    open('/content/drive/MyDrive/c_' + str(n) + '.txt', 'w').close()\n"
    "    open(f'{ROOT}d.txt', 'w').close()\n"
    "print(sorted(name for name in os.listdir('.') if name.endswith('.txt')))",
    "%cd /content/drive/My Drive/nowhere\n%cd sub\n%cd /content\nprint(open('notes.csv').read())",
    '''def f(x: '/content/x' = 1):
    """/content/doc"""
    y: "/content/y" = 2
    match "/content/sub":
        case "/content/z": return 1
    return 2
assert f() == 2 and f.__doc__[1:] == "content/doc"
assert "%d of 3" % 2 == "2 of 3" and f"{1.5:.2f}" == "1.50"''',
    "!cat /content/drive/MyDrive/hw/notes.csv '/content/drive/My Drive/hw/notes.csv' "
    "&& ls -I __pycache__ /content/sub",
    "files.download('none.txt')",
    "from google.colab import nonsense",
    "if False: open('/content/never')",
]


def test_a_notebook_of_colabs(tree: Path) -> None:
    ran = run_cells(_COLAB, tree, folder=tree / "hw4")
    modules, chdir, path, texts, cd, other, shell, none, nonsense, never = ran
    assert [one.error for one in (modules, chdir, path, texts, cd, other, shell)] == [""] * 7
    assert {"drive.mount()", "files.upload()", "userdata.get('KEY') is empty"} <= {u for _, u in modules.uses}
    assert chdir.text == "hw4\n"
    assert texts.text == "['a1.txt', 'a2.txt', 'b_1.txt', 'b_2.txt', 'c_1.txt', 'c_2.txt', 'd.txt']\n"
    assert cd.text.splitlines() == [*(f"{tree}/{name}" for name in ("hw4", "hw4/sub", "hw4")), "1,2"]
    assert shell.text.startswith("1,21,2helper.py")
    assert none.error.startswith("FileNotFoundError")
    assert nonsense.error.startswith("ImportError: cannot import name 'nonsense'")
    assert never.uses == []  # named when it is used, and not before


def test_a_question_whether_this_is_colab_is_answered_truly(tree: Path) -> None:
    asked, caught = run_cells(
        [
            "try:\n    import google.colab\n    colab = True\nexcept ImportError:\n    colab = False\n"
            "assert not colab",
            "import sys\nassert 'google.colab' not in sys.modules\n"
            "assert 'google.colab' not in str(get_ipython())",
        ],
        tree,
    )
    assert [asked.error, caught.error] == ["", ""]
    assert asked.uses == caught.uses == []


def test_google_colab_lives_beside_another_google_package(tree: Path) -> None:
    (tree / "google" / "other").mkdir(parents=True)
    (tree / "google" / "other" / "__init__.py").write_text("V = 3\n")
    both = run_cells(
        ["import google.other\nfrom google.colab import drive\nassert google.other.V == 3"], tree
    )
    assert both[0].error == ""
