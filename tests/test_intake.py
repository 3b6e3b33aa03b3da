from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from autograder.assignment import IntakeLimits
from autograder.entries import folder_entries
from autograder.intake import LeftOut, Tree, take_in
from autograder.outcome import EnvironmentFault, IntakeRefused, UsageError
from tests.trees import MIB, SMALL, check_message, check_tree, write_folder
from tests.zipmaker import Raw, raw_zip, zip_of

LIMITS = IntakeLimits()

HOMEWORK = {
    "1_cs231n/cs231n/conv_layers.py": b"def conv_forward_naive(): ...\n",
    "1_cs231n/convnet.ipynb": b"{}",
    "2_pytorch/models/convnet.py": b"import torch\n",
    "2_pytorch/my results.csv": b"image_id,label\n",
}


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir(mode=0o700)
    return folder


@pytest.fixture
def upload(tmp_path: Path) -> Callable[[bytes | dict[str, bytes]], Path]:
    def write(content: bytes | dict[str, bytes]) -> Path:
        path = tmp_path / "upload.zip"
        path.write_bytes(content if isinstance(content, bytes) else zip_of(content))
        return path

    return write


def refusal(source: Path, scratch: Path, limits: IntakeLimits = LIMITS) -> str:
    with pytest.raises(IntakeRefused) as refused:
        take_in(source, scratch, limits)
    check_message(refused.value)
    return refused.value.message


# -- what is accepted


def test_a_homework_becomes_the_same_tree_however_it_is_packed(tmp_path: Path) -> None:
    wrapped = {f"hw2 code/{name}": content for name, content in HOMEWORK.items()}
    nested = {"hw2_code.zip": zip_of(wrapped), "__MACOSX/._hw2_code.zip": b"junk"}
    sources = {
        "plain.zip": zip_of(HOMEWORK),
        "wrapped.ZIP": zip_of(wrapped),
        "nested.zip": zip_of(nested),
        "twice.zip": zip_of({"outer/nested.zip": zip_of(nested)}),
        "windows.zip": raw_zip([Raw(name.replace("/", "\\"), data) for name, data in HOMEWORK.items()]),
    }
    folders = [write_folder(tmp_path / "folder", HOMEWORK), write_folder(tmp_path / "unzipped", nested)]
    for name, content in sources.items():
        (tmp_path / name).write_bytes(content)
    trees = []
    for source in [*(tmp_path / name for name in sources), *folders]:
        scratch = tmp_path / f"scratch of {source.name}"
        scratch.mkdir()
        trees.append(take_in(source, scratch, LIMITS))
        check_tree(trees[-1], scratch, LIMITS)
    assert {tree.files for tree in trees} == {tuple(sorted(HOMEWORK))}
    assert len({tree.digest for tree in trees}) == 1
    assert all((tree.root / name).read_bytes() == data for tree in trees for name, data in HOMEWORK.items())


def test_the_digest_is_that_of_paths_and_contents(
    upload: Callable[[dict[str, bytes]], Path], scratch: Path
) -> None:
    tree = take_in(upload({"b/x": b"2", "a": b"1"}), scratch, LIMITS)
    one, two = hashlib.sha256(b"1").digest(), hashlib.sha256(b"2").digest()
    assert tree.digest == hashlib.sha256(b"a\0" + one + b"b/x\0" + two).hexdigest()


def test_a_single_file_is_a_submission(tmp_path: Path, scratch: Path) -> None:
    source = tmp_path / "layers.py"
    source.write_bytes(b"x = 1")
    source.chmod(0o755)
    tree = take_in(source, scratch, LIMITS)
    assert tree.files == ("layers.py",)
    check_tree(tree, scratch, LIMITS)


def test_wrapper_folders_are_told_and_the_homeworks_own_are_kept(
    upload: Callable[[dict[str, bytes]], Path], tmp_path: Path
) -> None:
    source = upload({"me/hw2/1_CS231n/cs231n/layers.py": b"", "me/hw2/.DS_Store": b"", "me/empty/": b""})
    kept, bare = tmp_path / "kept", tmp_path / "bare"
    kept.mkdir()
    bare.mkdir()
    tree = take_in(source, kept, LIMITS, keep={"1_cs231n", "2_pytorch"})
    assert tree.files == ("1_CS231n/cs231n/layers.py",)
    assert tree.root == kept / "submission/me/hw2"
    assert "Your files were taken from the folder 'me/hw2'." in tree.notes
    assert take_in(source, bare, LIMITS).files == ("layers.py",)


def test_nested_zips_get_a_folder_of_their_own(
    upload: Callable[[dict[str, bytes]], Path], scratch: Path
) -> None:
    files = {
        "hw.zip": zip_of({"a.py": b"new"}),
        "hw/a.py": b"old",
        "...zip": zip_of({"dots.py": b""}),
        "__pycache__.zip": zip_of({"cache.py": b""}),
        "model.pt": zip_of({"data.pkl": b"weights"}),
        "__MACOSX/._hw.zip": b"not a zip at all",
    }
    tree = take_in(upload(files), scratch, LIMITS)
    assert tree.files == ("hw (2)/a.py", "hw/a.py", "model.pt", "zip (2)/cache.py", "zip/dots.py")
    assert "'hw.zip' was unpacked into the folder 'hw (2)'." in tree.notes
    assert not (scratch / "nested").exists()


def test_names_are_composed_as_people_type_them(
    upload: Callable[[dict[str, bytes]], Path], scratch: Path
) -> None:
    assert take_in(upload({"re\u0301sume\u0301.md": b""}), scratch, LIMITS).files == ("résumé.md",)


def test_an_ordinary_umask_and_executables_make_no_difference(
    upload: Callable[[bytes], Path], scratch: Path
) -> None:
    before = os.umask(0o077)
    try:
        tree = take_in(upload(raw_zip([Raw("a/run.sh", b"#!", mode=0o104777)])), scratch, LIMITS)
    finally:
        os.umask(before)
    check_tree(tree, scratch, LIMITS)


# -- what is left out


JUNK = {
    "a/__MACOSX/._a.py": "a/__MACOSX/",
    "b/._a.py": "b/._a.py",
    "c/.DS_Store": "c/.DS_Store",
    "d/THUMBS.DB": "d/THUMBS.DB",
    "e/desktop.ini": "e/desktop.ini",
    "f/Icon\r": "f/Icon",
    "g/.ipynb_checkpoints/a-checkpoint.ipynb": "g/.ipynb_checkpoints/",
    "h/__pycache__/layers.cpython-311.pyc": "h/__pycache__/",
    "i/layers.pyc": "i/layers.pyc",
    "j/im2col.cpython-311-x86_64-linux-gnu.so": "j/im2col.cpython-311-x86_64-linux-gnu.so",
    "k/.git/HEAD": "k/.git/",
    "l/venv/pyvenv.cfg": "l/venv/",
    "l/venv/lib/site.py": "l/venv/",
    "m/node_modules/x/y.js": "m/node_modules/",
    "n/.vscode/settings.json": "n/.vscode/",
}
KEPT = {"a.py": b"a", "env/config.py": b"not an environment", "l/a.py": b""}


def check_left_out(tree: Tree, expected: set[str]) -> None:
    assert tree.files == tuple(KEPT)
    assert {item.path for item in tree.left_out} == expected
    assert tree.notes[-1].startswith("Left out, because it is not part of what is graded: ")
    assert "h/__pycache__/ (cache)" in tree.notes[-1]


def test_what_no_student_wrote_is_left_out_of_a_zip(upload: Callable[[bytes], Path], scratch: Path) -> None:
    files = [Raw(name, data) for name, data in {**dict.fromkeys(JUNK, b"x"), **KEPT}.items()]
    links = [Raw("k/.git/link", b"/etc", mode=0o120777), Raw("x.dll", b"", mode=0o120777)]
    tree = take_in(upload(raw_zip(files + links)), scratch, LIMITS)
    check_left_out(tree, {*JUNK.values(), "x.dll"})
    check_tree(tree, scratch, LIMITS)


def test_what_no_student_wrote_is_left_out_of_a_folder(tmp_path: Path, scratch: Path) -> None:
    source = write_folder(tmp_path / "folder", {**dict.fromkeys(JUNK, b"x"), **KEPT})
    (source / "l/venv/bin").mkdir()
    (source / "l/venv/bin/python").symlink_to("/usr/bin/python3")
    (source / "x.so").symlink_to("/etc/passwd")
    check_left_out(take_in(source, scratch, LIMITS), {*JUNK.values(), "x.so"})


def test_many_left_out_files_are_summed_up(upload: Callable[[dict[str, bytes]], Path], scratch: Path) -> None:
    files = {f"build/{index}.pyc": b"" for index in range(100)}
    files |= {f"lib{index}/x.so": b"" for index in range(300)} | {"a.py": b""}
    tree = take_in(upload(files), scratch, LIMITS)
    assert LeftOut("build/", "compiled", 100) in tree.left_out
    assert tree.left_out[-1] == LeftOut("", "compiled", 251)
    assert "100 files in build/ (compiled)" in tree.notes[-1]
    assert "251 more (compiled)" in tree.notes[-1]
    assert len(tree.notes[-1]) < 5000


def test_left_out_files_count_for_nothing(upload: Callable[[dict[str, bytes]], Path], scratch: Path) -> None:
    files = {f".git/{index}": b"x" for index in range(50)} | {".git/pack": b"\0" * 3 * MIB, "a.py": b""}
    assert take_in(upload(files), scratch, SMALL).files == ("a.py",)


# -- what is refused


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (Raw("../evil.py"), "a path that leaves its folder, '../evil.py'"),
        (Raw("a/../../evil.py"), "a path that leaves its folder"),
        (Raw("__MACOSX/../evil.py"), "a path that leaves its folder"),
        (Raw("a\\..\\..\\evil.py"), "a path that leaves its folder"),
        (Raw("/etc/cron.d/evil"), "an absolute path, '/etc/cron.d/evil'"),
        (Raw("\\\\server\\share"), "an absolute path"),
        (Raw("C:\\Users\\me\\hw.py"), "an absolute path, 'C:/Users/me/hw.py'"),
        (Raw("a\0.py"), "a NUL character"),
        (Raw("a\x1b[2J.py"), "characters can't be shown"),
        (Raw("a\nb.py"), "characters can't be shown"),
        (Raw("cod\u202eyp.exe"), "characters can't be shown"),
        (Raw("link", b"/etc/passwd", mode=0o120777), "a link, 'link'; put the file itself"),
        (Raw("pipe", mode=0o010644), "'pipe', which is neither a file nor a folder"),
        (Raw("null", mode=0o020666), "neither a file nor a folder"),
        (Raw("x" * 300), "a name that is too long"),
        (Raw("d/" * 100 + "x"), "folders in folders more than 24 deep"),
        (Raw("ü" * 200), "a name that is too long"),
        (Raw("hw/A.PY"), "'hw/a.py' and 'hw/A.PY', which many computers take for one name"),
        (Raw("HW/b.py"), "'hw' and 'HW', which many"),
        (Raw("hw/a.py"), "'hw/a.py' twice"),
        (Raw("./hw//a.py"), "'hw/a.py' twice"),
        (Raw("hw/a.py/b.py"), "'hw/a.py' both as a file and as a folder"),
        (Raw("hw"), "'hw' both as a file and as a folder"),
        (Raw("hw.zip", b"no zip"), "'hw.zip' is not a zip"),
        (Raw("."), "a file without a name"),
    ],
)
def test_a_hostile_entry_is_refused_by_name(
    upload: Callable[[bytes], Path], scratch: Path, entry: Raw, words: str
) -> None:
    message = refusal(upload(raw_zip([Raw("hw/a.py", b"a = 1"), entry])), scratch)
    assert words in message


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"caf\xe9.py", "characters can't be shown"),
        (b"a\\..\\..\\b.py", "a path that leaves its folder"),
        (b"C:\\x.py", "an absolute path"),
        (b"a\x07.py", "characters can't be shown"),
    ],
)
def test_hostile_names_in_a_folder_are_refused(
    tmp_path: Path, scratch: Path, name: bytes, words: str
) -> None:
    folder = write_folder(tmp_path / "folder", {"a.py": b""})
    Path(os.fsdecode(bytes(folder) + b"/" + name)).write_bytes(b"x")
    assert words in refusal(folder, scratch)


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "a link, 'sub/thing'; put the file itself"),
        (lambda path: path.symlink_to("/etc", target_is_directory=True), "a link, 'sub/thing'"),
        (lambda path: path.symlink_to("nowhere"), "a link, 'sub/thing'"),
        (os.mkfifo, "'sub/thing', which is neither a file nor a folder"),
        (bind_socket, "'sub/thing', which is neither a file nor a folder"),
    ],
)
def test_special_files_in_a_folder_are_refused_without_being_opened(
    make: Callable[[Path], None], words: str, scratch: Path
) -> None:
    with TemporaryDirectory() as folder:  # a socket's path must be short
        Path(folder, "sub").mkdir()
        make(Path(folder, "sub/thing"))
        assert words in refusal(Path(folder), scratch)


def test_hard_links_are_copied_as_files(tmp_path: Path, scratch: Path) -> None:
    folder = write_folder(tmp_path / "folder", {"a.py": b"a"})
    (folder / "b.py").hardlink_to(folder / "a.py")
    tree = take_in(folder, scratch, LIMITS)
    assert tree.files == ("a.py", "b.py")
    assert (tree.root / "a.py").stat().st_nlink == 1


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "Your upload holds nothing; check"),
        ({"folder/": b""}, "Your upload holds nothing; check"),
        ({"hw/.DS_Store": b"", "__MACOSX/x": b""}, "nothing but files that don't count, such as '__MACOSX/'"),
    ],
)
def test_an_empty_upload_is_refused(
    upload: Callable[[dict[str, bytes]], Path], scratch: Path, files: dict[str, bytes], words: str
) -> None:
    assert words in refusal(upload(files), scratch)


def test_other_archives_are_refused(tmp_path: Path, scratch: Path) -> None:
    source = tmp_path / "hw.tar.gz"
    source.write_bytes(b"\x1f\x8b\x08\0")
    assert "'hw.tar.gz' is a gzip file (.gz or .tar.gz); export it as .zip" in refusal(source, scratch)


def test_bombs_are_refused(upload: Callable[[bytes | dict[str, bytes]], Path], tmp_path: Path) -> None:
    scratches = iter([tmp_path / str(number) for number in range(9)])

    def refused(content: bytes | dict[str, bytes], limits: IntakeLimits = SMALL) -> str:
        scratch = next(scratches)
        scratch.mkdir()
        message = refusal(upload(content), scratch, limits)
        written = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
        assert written <= limits.max_total_mib * MIB
        return message

    zeros = b"\0" * (MIB // 2)
    assert "more than 1 MiB" in refused({"a": zeros * 3})
    assert "more than 1 MiB" in refused({"a": zeros, "b": zeros, "c": b"x"})
    assert "more than 1 MiB" in refused({"a.zip": zip_of({"a": zeros}), "b.zip": zip_of({"b": zeros})})
    assert "damaged" in refused(raw_zip([Raw("a", zeros * 100, size=10)]))
    assert "more than 12 files" in refused({f"{index}": b"" for index in range(13)})
    assert "more than 12 files" in refused({f"{index}/": b"" for index in range(13)})
    assert "more than 2 deep" in refused({"a.zip": zip_of({"b.zip": zip_of({"c.zip": zip_of({})})})})
    flood = {f"{index}.zip": zip_of({f".git/{i}": b"" for i in range(9000)}) for index in range(6)}
    assert "more than 50,000 files and folders" in refused(flood, LIMITS)


def test_a_sparse_file_counts_in_full(tmp_path: Path, scratch: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with (folder / "big.bin").open("wb") as file:
        file.truncate(5 * 1024 * MIB)
    assert "more than 256 MiB" in refusal(folder, scratch)
    assert not any(path.is_file() for path in scratch.rglob("*")), "refused by its size, before copying"


def test_what_is_left_out_of_a_folder_is_not_even_listed(tmp_path: Path) -> None:
    files = [".git/objects/x", "hw/a.py", "hw/node_modules/x/y.js", "venv/lib/x.py", "venv/pyvenv.cfg"]
    folder = write_folder(tmp_path, dict.fromkeys(files, b""))
    assert [entry.name for entry in folder_entries(folder, max_depth=9)] == [
        *(".git", "hw", "hw/a.py", "hw/node_modules", "venv", "venv/pyvenv.cfg")
    ]


# -- what is not the student's doing


def test_usage_errors_are_nobodys_score(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(UsageError, match="There is no submission at"):
        take_in(tmp_path / "missing.zip", scratch, LIMITS)
    with pytest.raises(UsageError, match="working folder"):
        take_in(tmp_path, scratch, LIMITS)


def test_a_used_scratch_folder_and_a_full_disk_are_our_fault(
    upload: Callable[[dict[str, bytes]], Path], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = upload({"a.py": b"a"})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fchmod", full)
        with pytest.raises(EnvironmentFault, match="No space left") as fault:
            take_in(source, scratch, LIMITS)
    assert fault.value.remedy
    with pytest.raises(EnvironmentFault):
        take_in(source, scratch, LIMITS)
