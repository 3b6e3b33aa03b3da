from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.assignment import Deliverable
from autograder.checks.deliverables import (
    Deliveries,
    find_mention,
    find_module,
    folders_of,
    match,
    others_for,
)
from autograder.checks.names import Name, folder_distance, glob_match
from autograder.intake import Tree


def wanted(key: str, *patterns: str, required: bool = True, hint: str = "") -> Deliverable:
    return Deliverable(
        key=key, title=f"The {key}", patterns=list(patterns), question="9", required=required, hint=hint
    )


HOMEWORK = [
    wanted("layers", "1_cs231n/cs231n/conv_layers.py", "1_cs231n/cs231n/layers.py"),
    wanted("notebook", "1_cs231n/convnet.ipynb"),
    wanted("convnet", "2_pytorch/models/convnet.py"),
    wanted("mymodel", "2_pytorch/models/mymodel.py"),
    wanted("train", "2_pytorch/train.py"),
    wanted("run_convnet", "2_pytorch/run_convnet.sh"),
    wanted("run_mymodel", "2_pytorch/run_mymodel.sh"),
    wanted("filter_viz", "2_pytorch/filter-viz.ipynb"),
    wanted("loss", "2_pytorch/convnet_lossvstrain.png"),
    wanted("accuracy", "2_pytorch/convnet_valaccuracy.png"),
    wanted("filters", "2_pytorch/convnet_gridfilt.png"),
    wanted("convnet_log", "2_pytorch/convnet.log", "2_pytorch/**/convnet*log*.txt"),
    wanted("mymodel_log", "2_pytorch/mymodel.log", "2_pytorch/**/mymodel*log*.txt"),
    wanted("extra", "2_pytorch/extra.md", hint="Write your name in it."),
    wanted("predictions", "2_pytorch/predictions.csv", required=False),
]
ASKED_FOR = {item.key: item.patterns[0] for item in HOMEWORK}
COURSE_FILES = [
    "1_cs231n/cs231n/fast_layers.py",
    "1_cs231n/cs231n/layer_utils.py",
    "1_cs231n/cs231n/classifiers/convnet.py",
    "1_cs231n/cs231n/solver.py",
    "1_cs231n/cs231n/vis_utils.py",
    "2_pytorch/models/softmax.py",
    "2_pytorch/models/__init__.py",
    "2_pytorch/run_softmax.sh",
    "2_pytorch/train_utils.py",
    "2_pytorch/softmax_lossvstrain.png",
    "2_pytorch/README.md",
    "2_pytorch/requirements.txt",
]


def deliveries(*files: str) -> Deliveries:
    return match(Tree(Path("/nowhere"), tuple(sorted(files)), (), (), ""), HOMEWORK)


def others(*files: str) -> list[str]:
    return others_for(Tree(Path("/nowhere"), tuple(sorted(files)), (), (), ""), HOMEWORK, "predictions")


def test_everything_in_its_place_needs_no_words() -> None:
    found = deliveries(*ASKED_FOR.values(), *COURSE_FILES)
    assert found.found == ASKED_FOR
    assert found.describe() == "15 of 15 files found, none missing."


@pytest.mark.parametrize(
    ("handed_in", "key"),
    [
        ("1_cs231n/cs231n/layers.py", "layers"),
        ("2_pytorch/predictions_84.csv", "predictions"),
        ("2_pytorch/predictions84.csv", "predictions"),
        ("2_pytorch/jdoe predictions (1).csv", "predictions"),
        ("2_pytorch/MyModel_predictions.csv", "predictions"),
        ("2_pytorch/predictions.txt", "predictions"),
        ("2_pytorch/MyModel_lossvstrain.png", "loss"),
        ("2_pytorch/lossvstrain.png", "loss"),
        ("2_pytorch/convnet_lossvstrain.PNG", "loss"),
        ("2_pytorch/convnet_lossvstrain.jpg", "loss"),
        ("2_pytorch/plots/convnet_valaccuracy_final.png", "accuracy"),
        ("2_pytorch/Extra.MD", "extra"),
        ("extra.md", "extra"),
        ("2_pytorch/docs/extra.md", "extra"),
        ("2_pytorch/extra.txt", "extra"),
        ("2_pytorch/filter_viz.ipynb", "filter_viz"),
        ("2_pytorch/FilterViz.ipynb", "filter_viz"),
        ("2_pytorch/filter-viz-Copy1.ipynb", "filter_viz"),
        ("2_pytorch/logs/convnet_log.txt", "convnet_log"),
        ("logs/convnet.log", "convnet_log"),
        ("2_pytorch/log-convnet.txt", "convnet_log"),
        ("2_pytorch/logs/MyModel.log", "mymodel_log"),
        ("2_pytorch/my_model.log", "mymodel_log"),
        ("part2/models/convnet.py", "convnet"),
        ("2_pytorch/models/convnet_v2.py", "convnet"),
        ("2_pytorch/models/my_model.py", "mymodel"),
        ("2_pytorch/conv_layers.py", "layers"),
        ("conv_layers.py", "layers"),
        ("1_cs231n/train.py", "train"),
    ],
)
def test_what_students_rename_or_move_is_found(handed_in: str, key: str) -> None:
    assert deliveries(handed_in, *COURSE_FILES).found == {key: handed_in}


@pytest.mark.parametrize(
    "arrange",
    [
        lambda path: path.rpartition("/")[2],
        lambda path: f"2_pytorch/{path.rpartition('/')[2]}",
        lambda path: f"hw2 jdoe/{path.rpartition('/')[2]}",
        lambda path: path.replace("1_cs231n", "Part 1").replace("2_pytorch", "b/torch"),
        str.upper,
        lambda path: f"submission/hw2/{path}",
    ],
    ids=["flat", "one folder", "one new folder", "renamed folders", "capitals", "wrapped"],
)
def test_a_whole_homework_is_found_however_it_is_arranged(arrange: Callable[[str], str]) -> None:
    files = {key: arrange(path) for key, path in ASKED_FOR.items()}
    found = deliveries(*files.values())
    assert found.found == files
    assert not found.missing


@pytest.mark.parametrize("key", sorted(ASKED_FOR))
def test_nothing_stands_in_for_what_is_missing(key: str) -> None:
    others = {other: path for other, path in ASKED_FOR.items() if other != key}
    found = deliveries(*others.values(), *COURSE_FILES)
    assert found.found == others
    assert [item.key for item in (*found.missing, *found.absent)] == [key]


@pytest.mark.parametrize(
    "other",
    [
        "mymodel.log",
        "mymodel_log.txt",
        "train.log",
        "log.txt",
        "softmax_log.txt",
        "run_softmax.txt",
        "net.log",
    ],
)
def test_another_models_log_is_never_the_convnets(other: str) -> None:
    assert "convnet_log" not in deliveries(f"2_pytorch/{other}", f"2_pytorch/logs/{other}").found


def test_a_better_match_is_never_given_away() -> None:
    found = deliveries("2_pytorch/MyModel_lossvstrain.png", "2_pytorch/convnet_lossvstrain.png")
    assert found.found == {"loss": "2_pytorch/convnet_lossvstrain.png"}
    found = deliveries("b/predictions.csv", "2_pytorch/predictions_1.csv", "predictions.csv")
    assert found.found == {"predictions": "predictions.csv"}
    found = deliveries("1_cs231n/cs231n/layers.py", "1_cs231n/cs231n/conv_layers.py")
    assert found.found == {"layers": "1_cs231n/cs231n/conv_layers.py"}


def test_a_file_serves_one_deliverable() -> None:
    both = "2_pytorch/convnet_lossvstrain_valaccuracy.png"
    assert deliveries(both).found == {"loss": both}


def test_the_text_says_what_was_taken_for_what_and_what_is_missing() -> None:
    files = {**ASKED_FOR, "predictions": "2_pytorch/predictions_84.csv"}
    del files["extra"], files["run_convnet"]
    found = deliveries(*files.values(), "2_pytorch/run_convnets.sh")
    assert found.describe().split("\n") == [
        "13 of 15 files found, 2 required files missing.",
        "2_pytorch/predictions_84.csv was taken for predictions.csv (2_pytorch/predictions.csv): "
        "the same name with “84” added.",
        "2_pytorch/run_convnet.sh is missing: The run_convnet. "
        "If 2_pytorch/run_convnets.sh is it, rename it.",
        "2_pytorch/extra.md is missing: The extra. Write your name in it.",
    ]


@pytest.mark.parametrize(
    ("key", "path", "told"),
    [
        ("extra", "2_pytorch/extra.pdf", "If 2_pytorch/extra.pdf is it, hand it in as a .md file."),
        ("extra", "Extra final.docx", "If Extra final.docx is it, hand it in as a .md file."),
        ("predictions", "predictions.xlsx", "If predictions.xlsx is it, hand it in as a .csv file."),
        ("predictions", "2_pytorch/predictions.csv.gz", "If 2_pytorch/predictions.csv.gz is it, hand"),
        ("extra", "2_pytorch/extra.ipynb", ""),  # another deliverable's ending
        ("extra", "2_pytorch/notes.pdf", ""),
    ],
)
def test_a_file_with_another_ending_is_named_beside_a_missing_one(key: str, path: str, told: str) -> None:
    files = [asked for name, asked in ASKED_FOR.items() if name != key]
    found = deliveries(*files, path)
    (missing,) = (*found.missing, *found.absent)
    assert missing.key == key
    assert (told or ASKED_FOR[key]) in missing.describe()
    assert bool(missing.closest) == bool(told)


def test_what_fits_a_deliverable_too_is_known() -> None:
    asked = [*ASKED_FOR.values(), "2_pytorch/predictions_84.csv", "old/predictions.csv"]
    assert others(*asked) == ["old/predictions.csv", "2_pytorch/predictions_84.csv"]
    assert others(*ASKED_FOR.values()) == []
    assert others("2_pytorch/predictions_84.csv", "2_pytorch/notes.csv") == []


def test_an_optional_file_is_not_missing() -> None:
    files = [path for key, path in ASKED_FOR.items() if key != "predictions"]
    assert deliveries(*files).describe().split("\n") == [
        "14 of 15 files found, none missing.",
        "2_pytorch/predictions.csv is not there; it is optional.",
    ]


@pytest.mark.parametrize(
    ("path", "pattern", "matches"),
    [
        ("a/b.py", "a/b.py", True),
        ("a/b.py", "a/*.py", True),
        ("a/c/b.py", "a/*.py", False),
        ("a/c/b.py", "a/**/*.py", True),
        ("a/b.py", "a/**/*.py", True),
        ("a/b.py", "**", True),
        ("a/B.py", "a/b.py", False),
        ("a/b1.py", "a/b[0-9].py", True),
        ("b.py", "a/b.py", False),
    ],
)
def test_globs_stay_within_their_folder(path: str, pattern: str, matches: bool) -> None:
    assert glob_match(path, pattern) is matches


def test_names_are_compared_by_words_and_folders() -> None:
    assert Name.of("x/MyModel_lossVsTrain-2.PNG").words == ("mymodel", "lossvstrain", "2")
    assert Name.of("logs/convnet*log*.txt").words == ("convnet", "log")
    assert folder_distance(("a", "b"), ("a", "c", "b")) == 1
    assert folder_distance(("a",), ("b",)) == 2


def test_the_homeworks_own_folders() -> None:
    assert folders_of(HOMEWORK) == {"1_cs231n", "cs231n", "2_pytorch", "models"}


WORDS = st.sampled_from("convnet mymodel log extra predictions 84 final lossvstrain train".split())
FOLDERS = st.sampled_from("1_cs231n cs231n 2_pytorch models logs x".split())
ENDINGS = st.sampled_from([".log", ".txt", ".py", ".png", ".csv", ".md", ".sh", ""])
LIKELY = st.builds(
    lambda folders, words, between, ending: "/".join([*folders, between.join(words) + ending]),
    st.lists(FOLDERS, max_size=3, unique=True),
    st.lists(WORDS, min_size=1, max_size=3),
    st.sampled_from(["_", "-", "", " "]),
    ENDINGS,
)
UNLIKELY = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1)
PATHS = LIKELY | LIKELY | st.sampled_from(sorted(ASKED_FOR.values())) | UNLIKELY


@settings(deadline=None)
@given(st.lists(PATHS, max_size=15, unique=True))
def test_any_files_are_matched_soundly(files: list[str]) -> None:
    found = deliveries(*files)
    assert set(found.found.values()) <= set(files)
    assert len(set(found.found.values())) == len(found.found), "a file serves one deliverable"
    keys = [*found.found, *(item.key for item in (*found.missing, *found.absent))]
    assert sorted(keys) == sorted(ASKED_FOR)
    for key, path in ASKED_FOR.items():
        assert path not in files or found.found[key] == path, "what is in its place is taken"
    for key in ("convnet", "convnet_log", "run_convnet"):
        assert "convnet" in found.found.get(key, "convnet").casefold()
    assert {item.path for item in found.near} <= set(found.found.values())
    assert len(found.describe().split("\n")) == 1 + len(found.near) + len(found.missing) + len(found.absent)


FUNCTIONS = ("conv_forward_naive", "conv_backward_naive")
BOTH = "def conv_forward_naive(x):\n    pass\n\ndef conv_backward_naive(d):\n    pass\n"


def find(tmp_path: Path, files: dict[str, str | bytes]) -> str | None:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return find_module(Tree(tmp_path, tuple(sorted(files)), (), (), ""), HOMEWORK[0], FUNCTIONS)


@pytest.mark.parametrize(
    "content",
    [
        BOTH,
        BOTH + "print 'python 2'\n",
        "\ufeff" + BOTH,
        (BOTH + "# caf\xe9\n").encode("latin-1"),
        "try:\n    import x\nexcept ImportError:\n    x = None\n" + BOTH + 'r = "\\d"\n',
        "if True:\n    def conv_forward_naive(x): ...\nelse:\n    def conv_backward_naive(x): ...\n",
        "def f(x): ...\nconv_forward_naive = conv_backward_naive = f\n",
        "def f(x): ...\nconv_forward_naive, conv_backward_naive = f, f\n",
        BOTH + "x = " + "-" * 100_000 + "1\n",
        BOTH + "x = a" + ".b" * 100_000 + "\n",
    ],
    ids=[
        "plain",
        "python 2",
        "bom",
        "latin-1",
        "escape",
        "branches",
        "assigned",
        "unpacked",
        "deep",
        "long chain",
    ],
)
def test_the_module_is_found_by_what_it_defines(tmp_path: Path, content: str | bytes) -> None:
    half = "def conv_forward_naive(x): ...\n"
    found = find(
        tmp_path, {"some/where.py": content, "1_cs231n/cs231n/conv_layers.py": half, "notes.txt": BOTH}
    )
    assert found == "some/where.py"


@pytest.mark.parametrize(
    "content",
    [
        "from impl import conv_forward_naive, conv_backward_naive\n",
        "'''\n" + BOTH + "'''\n",
        "class Layers:\n    def conv_forward_naive(self): ...\n",
        "",
    ],
)
def test_what_only_mentions_the_functions_is_not_the_module(tmp_path: Path, content: str) -> None:
    assert find(tmp_path, {"1_cs231n/cs231n/conv_layers.py": content}) is None


@pytest.mark.parametrize(
    "body", ["out = None\n    return out, x", "raise NotImplementedError('soon')", "..."]
)
def test_what_is_written_counts_for_more_than_an_empty_template(tmp_path: Path, body: str) -> None:
    empty = f"def conv_forward_naive(x):\n    {body}\n\ndef conv_backward_naive(d):\n    {body}\n"
    written = "def conv_forward_naive(x):\n    return x + 1\n"
    found = find(tmp_path, {"1_cs231n/cs231n/conv_layers.py": empty, "some/where.py": written})
    assert found == "some/where.py"


@pytest.mark.parametrize(
    "content", ["def conv_forward_naive(", '"source": ["x = 1\\ndef conv_forward_naive("]']
)
def test_a_file_that_mentions_the_functions_is_found(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.md").write_text("conv_forward_naive(x)")
    (tmp_path / "b.ipynb").write_text(content)
    tree = Tree(tmp_path, ("a.md", "b.ipynb"), (), (), "")
    assert find_mention(tree, FUNCTIONS) == "b.ipynb"
    assert find_mention(Tree(tmp_path, ("a.md",), (), (), ""), FUNCTIONS) is None


def test_of_equals_the_manifest_decides(tmp_path: Path) -> None:
    names = ["a.py", "old/conv_layers.py", "1_cs231n/cs231n/layers.py", "1_cs231n/cs231n/conv_layers.py"]
    expected = [names[0], names[1], names[2], names[3]]
    for count, best in enumerate(expected, start=1):
        assert find(tmp_path, dict.fromkeys(names[:count], BOTH)) == best


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    assert find(tmp_path, {"a.py": BOTH + "#" * 2_000_000}) is None
