"""The two zips: Gradescope's has everything that a grading needs, the students' has nothing hidden."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autograder.assignment import Assignment, find_assignment, list_assignments, load_assignment
from autograder.boxes import Mode
from autograder.bundle import PUBLIC_SEED, gradescope_bundle, public_bundle
from autograder.checks.cases import CasePack, load_pack
from autograder.grading import grade
from autograder.handed_in import case_seed, public_seed
from autograder.outcome import GraderFault
from fixtures.build import build
from reference.conv_cases import build_pack
from tests.challenge.small_challenge import prepared, small_challenge
from tests.runs import sandbox_setting
from tests.small import HEAD, Small, open_sandbox, plain_asserts

ROOT = Path(__file__).resolve().parent.parent
NAME = "gatech_convnet"
GRADER = f"graders/{NAME}"
BOOT = """
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.argv[0] = "run_autograder"
from autograder.cli import main
main()"""
PACKS = [f"{GRADER}/public/conv-contract.safetensors", f"{GRADER}/public/pool-contract.safetensors"]

# What students get, apart from the engine's own modules and templates.
ALLOWED = {
    "run_autograder",
    "pyproject.toml",
    "README.md",
    "autograder/checks/models/torchvision.json",  # fingerprints of public networks
    "graders/gatech_convnet/requirements.txt",
    "graders/gatech_convnet/test_challenge_file.py",
    "graders/gatech_convnet/test_numpy_convnet.py",
    "graders/gatech_convnet/test_pytorch_convnet.py",
    "scripts/__init__.py",
    "scripts/environment",
    "scripts/environment.py",
    "scripts/find-python",
    "scripts/pin",
    "scripts/test",
    "requirements/constraints.txt",
    "requirements/data.txt",
    "requirements/held.txt",
    "requirements/worker.txt",
    f"{GRADER}/assignment.toml",
    f"{GRADER}/conftest.py",
    f"{GRADER}/test_contract.py",
    f"{GRADER}/test_deliverables.py",
    *PACKS,
}
ENGINE = re.compile(r"autograder/([a-z_]+/){0,2}[a-z_0-9]+\.(py|html\.j2)")

# Lines that hidden files and public ones share because they say the same thing of something public.
SHARED_LINES = {
    "device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')",  # everybody's first line
    "@dataclass(frozen=True, slots=True)",
    'model_config = ConfigDict(extra="forbid", frozen=True, strict=True)',
    "target.parent.mkdir(parents=True, exist_ok=True)",
    'pytestmark = pytest.mark.evidence("verified")',
    'Layer: TypeAlias = Literal["conv", "pool"]',
    'Tier: TypeAlias = Literal["contract", "extended", "ties"]',
    "Array: TypeAlias = NDArray[np.float64]",
    "ROOT = Path(__file__).resolve().parent",
    "HOME = Path(__file__).resolve().parent",
    "crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)",  # CRC-32C, as everybody writes it
    'for path in sorted(folder.rglob("*"))',
    "signal.signal(number, signal.SIG_IGN)",
    '@pytest.mark.evidence("claimed")',
    '@pytest.mark.evidence("verified")',
    *(
        f"def test_{name}(judge: Judge) -> None:"
        for name in ("conv_forward", "conv_backward_dx", "conv_backward_dw", "conv_backward_db")
    ),
    "def test_pool_forward(judge: Judge) -> None:",
    "def test_pool_backward(judge: Judge) -> None:",
}
SHARED_NAMES = {"build_pack"}  # conftest.py names the reference's door, which a checkout has behind it


@pytest.fixture(scope="module")
def assignment() -> Assignment:
    return find_assignment(NAME, ROOT / "graders")


@pytest.fixture(scope="module")
def public(assignment: Assignment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return public_bundle(assignment, ROOT, tmp_path_factory.mktemp("public") / "public.zip")


@pytest.fixture(scope="module")
def full(assignment: Assignment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gradescope_bundle(assignment, ROOT, tmp_path_factory.mktemp("full") / "full.zip")


@pytest.fixture(scope="module")
def unpacked() -> Iterator[Path]:
    """An empty folder that every user can walk into."""
    folder = Path(tempfile.mkdtemp(prefix="bundle-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def contents(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def run(home: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The bundle's own command line, started as `run_autograder` starts it, in another folder."""
    return subprocess.run(
        [sys.executable, "-I", "-X", "utf8", "-c", BOOT, str(home), *arguments],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"} | sandbox_setting(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


# --- Gradescope's -------------------------------------------------------------------------------------


def test_gradescopes_bundle_has_this_grader_and_all_that_it_needs(full: Path) -> None:
    names = set(contents(full))
    assert {"run_autograder", "setup.sh", "autograder/cli.py", "reference/layers.py"} <= names
    assert {
        f"{GRADER}/{name}" for name in ("assignment.toml", "test_contract.py", "test_extended.py")
    } <= names
    graders = {name.split("/")[1] for name in names if name.startswith("graders/")}
    assert graders == {NAME}
    tops = {name.split("/")[0] for name in names}
    assert tops.isdisjoint({"tests", "fixtures", ".git", ".ci", "benchmarks"})
    assert not any("__pycache__" in name or name.endswith(".pyc") for name in names)


def test_what_must_be_executable_is(full: Path, public: Path) -> None:
    scripts = {"scripts/environment", "scripts/find-python", "scripts/pin", "scripts/test"}
    for archive, wanted in (
        (full, {"run_autograder", "setup.sh", *scripts}),
        (public, {"run_autograder", *scripts}),
    ):
        with zipfile.ZipFile(archive) as opened:
            modes = {info.filename: info.external_attr >> 16 for info in opened.infolist()}
        assert {name for name, mode in modes.items() if mode & 0o111} == wanted
        assert set(modes.values()) == {0o100755, 0o100644}


@pytest.mark.parametrize("make", [gradescope_bundle, public_bundle])
def test_the_same_checkout_gives_the_same_bytes(
    make: Any, assignment: Assignment, full: Path, public: Path, tmp_path: Path
) -> None:
    home = tmp_path / "elsewhere"
    for name in ("autograder", "graders", "reference", "requirements", "scripts"):
        shutil.copytree(ROOT / name, home / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("run_autograder", "setup.sh", "pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, home / name)  # with neither their dates nor their modes
    again = make(load_assignment(home / "graders" / NAME), home, tmp_path / "again.zip")
    first = full if make is gradescope_bundle else public
    assert again.read_bytes() == first.read_bytes()
    assert assignment.name == NAME


@pytest.mark.skipif(os.geteuid() != 0, reason="grading needs root, for the sandbox")
def test_gradescopes_bundle_grades_by_itself(full: Path, unpacked: Path, tmp_path: Path) -> None:
    home = unpacked / "full"
    shutil.unpack_archive(full, home)
    done = run(
        home, "grade", NAME, str(build("excellent", tmp_path)), "--out", str(tmp_path / "out"), cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "results.json").read_bytes())["score"] == 10.0
    shown = run(home, "demo", cwd=tmp_path)
    assert shown.returncode == 1
    assert "checkout" in shown.stderr


# --- the students' ------------------------------------------------------------------------------------


def test_the_public_bundle_holds_nothing_that_is_not_on_the_list(public: Path) -> None:
    names = set(contents(public))
    assert {name for name in names if not ENGINE.fullmatch(name)} == ALLOWED
    assert {name for name in names if ENGINE.fullmatch(name)} == {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "autograder").rglob("*")
        if path.suffix in (".py", ".j2")
    }


def test_a_challenge_is_bundled_without_its_secrets_and_without_names(tmp_path: Path) -> None:
    small = small_challenge(tmp_path)
    small.first = 'public_tests = ["test_it.py"]'
    small.more = small.more.replace("images = 300", 'ids = "image_ids.txt"')
    small.files = {"image_ids.txt": "".join(f"{number}\n" for number in range(300))}
    small.name = "with_a_challenge"
    assignment, answers = prepared(small, staff=True)
    (assignment.folder / "challenge" / "standings.sqlite").write_bytes(b"names")
    whole = contents(gradescope_bundle(assignment, ROOT, tmp_path / "full.zip"))
    mine = {name for name in whole if name.startswith("graders/")}
    assert mine == {
        f"graders/with_a_challenge/{name}"
        for name in ("assignment.toml", "test_it.py", "image_ids.txt", "challenge/answers.npz")
    }
    given = contents(public_bundle(assignment, ROOT, tmp_path / "public.zip"))
    assert {name for name in given if name.startswith("graders/")} == {
        f"graders/with_a_challenge/{name}" for name in ("assignment.toml", "test_it.py", "image_ids.txt")
    }
    assert not any(answers.secret in data for data in given.values())


def hidden_files() -> list[Path]:
    """Whatever holds answers, cases, or what a right solution looks like."""
    files = [
        path for name in ("reference", "fixtures") for path in (ROOT / name).rglob("*") if path.is_file()
    ]
    files += [ROOT / GRADER / name for name in ("test_extended.py", "make_public.py", "test_challenge.py")]
    files += [ROOT / "tests" / "naive.py", ROOT / "tests" / "slipping_students.py"]
    # The hostile ones hold attacks and no answer, and attacks are written with what everybody writes with.
    kept = [path for path in files if not {"__pycache__", "hostile"} & {*path.parts}]
    assert len(kept) > 100
    return kept


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_no_line_of_a_hidden_file_is_in_the_public_bundle(public: Path) -> None:
    shipped = "\n".join(squeezed(data.decode("latin-1")) for data in contents(public).values())
    legitimate = {squeezed(line) for line in SHARED_LINES} | slip_sentences()
    leaked = {
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in hidden_files()
        for line in path.read_bytes().decode("latin-1").splitlines()
        if len(squeezed(line)) >= 30
        and not re.match(r"\s*(from\s+\S+\s+)?import\s", line)
        and squeezed(line) not in legitimate
        and squeezed(line) in shipped
    }
    assert leaked == set()


def slip_sentences() -> set[str]:
    """The lines of what a slip is called in a message: students read that, and the packs hold it."""
    return {
        squeezed(line)
        for path in (ROOT / "reference" / "slips").glob("*.py")
        for function in ast.parse(path.read_text()).body
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        for node in ast.walk(decorator)
        if isinstance(node, ast.Constant)
        for line in str(node.value).splitlines()
    }


def test_no_name_of_the_reference_is_in_the_public_bundle(public: Path) -> None:
    """But in the packs, where a slip is called by its name."""
    names = {
        node.name
        for path in (ROOT / "reference").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and "_" in node.name.strip("_")
    }
    assert len(names) > 50
    texts = {name: data.decode() for name, data in contents(public).items() if name not in PACKS}
    leaked = {(name, word) for name, text in texts.items() for word in names & set(re.findall(r"\w+", text))}
    assert {word for _, word in leaked} == SHARED_NAMES


def test_the_secret_seed_is_not_in_the_public_bundle(public: Path, assignment: Assignment) -> None:
    files = contents(public)
    assert not any(str(assignment.seed).encode() in data for data in files.values())
    manifest = files[f"{GRADER}/assignment.toml"].decode()
    assert re.findall(r"^seed.*$", manifest, re.MULTILINE) == ["seed = 0 # students' copy"]


def test_the_public_bundle_does_not_depend_on_the_secret_seed(
    public: Path, assignment: Assignment, tmp_path: Path
) -> None:
    folder = tmp_path / NAME
    shutil.copytree(assignment.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "assignment.toml").read_text()
    assert str(assignment.seed) in text
    (folder / "assignment.toml").write_text(text.replace(str(assignment.seed), "99999"))
    other = load_assignment(folder)
    assert other.seed == 99999
    assert public_bundle(other, ROOT, tmp_path / "other.zip").read_bytes() == public.read_bytes()


@pytest.fixture(scope="module")
def packs(public: Path, tmp_path_factory: pytest.TempPathFactory) -> list[CasePack]:
    folder = tmp_path_factory.mktemp("packs")
    with zipfile.ZipFile(public) as opened:
        return [load_pack(Path(opened.extract(name, folder))) for name in PACKS]


def arrays_of(pack: CasePack) -> set[bytes]:
    inputs = {array.tobytes() for case in pack.cases for array in (*case.inputs.values(), case.dout)}
    return inputs | {array.tobytes() for arrays in pack.expected.values() for array in arrays}


def test_public_packs_hold_the_contract_alone(packs: list[CasePack], assignment: Assignment) -> None:
    assert [(pack.layer, pack.tier) for pack in packs] == [("conv", "contract"), ("pool", "contract")]
    seed = public_seed(assignment)
    for pack in packs:
        layer: Any = pack.layer
        hidden = [
            build_pack(layer, "extended", seed),
            *([build_pack("pool", "ties", seed)] if layer == "pool" else []),
        ]
        assert all(arrays_of(pack).isdisjoint(arrays_of(other)) for other in hidden)
        assert {case.name for case in pack.cases} == {
            case.name for case in build_pack(layer, "contract", seed).cases
        }


@pytest.mark.parametrize("digest", ["", "0" * 64, "any other"])
def test_hidden_cases_are_others_than_the_public_ones(
    packs: list[CasePack], assignment: Assignment, digest: str
) -> None:
    seed = case_seed(assignment, digest)
    assert seed != public_seed(assignment)
    for pack in packs:
        layer: Any = pack.layer
        hidden = build_pack(layer, "contract", seed)
        assert arrays_of(pack).isdisjoint(arrays_of(hidden))


@pytest.mark.parametrize("fixture", ["excellent", "slip_conv_dx_not_cropped", "half_todo_left"])
def test_the_public_bundle_checks_by_itself_and_says_the_same(
    fixture: str, public: Path, unpacked: Path, assignment: Assignment, tmp_path: Path
) -> None:
    home = unpacked / "public"
    if not home.exists():
        shutil.unpack_archive(public, home)
    submission = build(fixture, tmp_path)
    done = run(home, "check", NAME, str(submission), "--out", str(tmp_path / "theirs"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    with open_sandbox() as backend, plain_asserts():
        grade(assignment, submission, tmp_path / "ours", mode=Mode.CHECK, backend=backend)
    theirs, ours = (said(tmp_path / name / "results.json") for name in ("theirs", "ours"))
    assert theirs == ours
    if fixture != "excellent":
        assert "failed" in {outcome for outcome, _ in theirs.values()}


def said(results: Path) -> dict[str, tuple[str, str]]:
    tests = json.loads(results.read_bytes())["tests"]
    return {test["extra_data"]["key"]: (test["extra_data"]["outcome"], test["output"]) for test in tests}


# --- made-up assignments ------------------------------------------------------------------------------

CASE = "@number('1')\n@weight(2)\ndef test_{0}():\n    'case'\n"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    return Small(
        tmp_path,
        tests=CASE.format("secret"),
        first='public_tests = ["test_open.py"]',
        files={
            "test_open.py": HEAD + CASE.format("open"),
            "labels.csv": "1,2,3\n",
            "notes.md": "staff only\n",
        },
    )


def test_only_the_named_files_of_a_grader_are_public(small: Small) -> None:
    names = set(contents(public_bundle(small.assignment(), ROOT, small.folder / "public.zip")))
    assert {name for name in names if name.startswith("graders/")} == {
        "graders/small/assignment.toml",
        "graders/small/test_open.py",
    }


@pytest.mark.parametrize(
    "line",
    [
        "seed = 48151623",
        "seed=48151623",
        "  seed   = 48151623 # a comment",
        '"seed" = 48151623',
        "'seed'= 48_151_623",
    ],
)
def test_a_seed_is_taken_out_however_it_is_written(small: Small, line: str) -> None:
    folder = small.assignment().folder
    manifest = folder / "assignment.toml"
    manifest.write_text(manifest.read_text().replace("seed = 5", line))
    files = contents(public_bundle(load_assignment(folder), ROOT, small.folder / "public.zip"))
    text = files["graders/small/assignment.toml"].decode()
    assert "48151623" not in text.replace("_", "")
    assert "seed = 0 # students' copy" in text


def test_a_seed_that_a_comment_tells_stays_at_home(small: Small) -> None:
    folder = small.assignment().folder
    manifest = folder / "assignment.toml"
    manifest.write_text(manifest.read_text().replace("seed = 5", "# it was 48151623\nseed = 48151623"))
    with pytest.raises(GraderFault, match="seed"):
        public_bundle(load_assignment(folder), ROOT, small.folder / "public.zip")


def test_requirements_go_into_both_and_data_only_to_gradescope(small: Small, tmp_path: Path) -> None:
    small.first = 'public_tests = ["test_it.py"]'
    assignment = small.assignment()
    for path, text in (("requirements.txt", "fastai\n"), ("data/MNIST/raw/images", "pixels")):
        (assignment.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (assignment.folder / path).write_text(text)
    home = tmp_path / "home"
    shutil.copytree(
        ROOT, home, ignore=shutil.ignore_patterns(".*", "__pycache__", "fixtures", "tests", "data")
    )
    (home / "data").mkdir()
    (home / "data" / "labels").write_text("labels")
    full = contents(gradescope_bundle(assignment, home, tmp_path / "full.zip"))
    assert full["graders/small/requirements.txt"] == b"fastai\n"
    assert full["graders/small/data/MNIST/raw/images"] == b"pixels"
    assert full["data/labels"] == b"labels"
    public = contents(public_bundle(assignment, home, tmp_path / "public.zip"))
    assert public["graders/small/requirements.txt"] == b"fastai\n"
    assert not [name for name in public if "/data/" in name or name.startswith("data/")]


def test_an_assignment_without_public_tests_has_no_public_bundle(small: Small) -> None:
    small.first = ""
    with pytest.raises(GraderFault, match="no public tests") as caught:
        public_bundle(small.assignment(), ROOT, small.folder / "public.zip")
    assert "public_tests" in caught.value.remedy


def test_a_public_test_that_isnt_there_is_told_and_leaves_no_half_a_zip(small: Small) -> None:
    small.first = 'public_tests = ["test_open.py", "test_gone.py"]'
    target = small.folder / "public.zip"
    target.write_text("the one before")
    with pytest.raises(GraderFault, match=r"test_gone\.py"):
        public_bundle(small.assignment(), ROOT, target)
    assert target.read_text() == "the one before"
    assert not list(small.folder.glob(".*.partial"))


def test_links_are_left_at_home(small: Small) -> None:
    folder = small.assignment().folder
    (folder / "link.txt").symlink_to("/etc/hostname")
    names = set(contents(gradescope_bundle(small.assignment(), ROOT, small.folder / "full.zip")))
    assert "graders/small/labels.csv" in names
    assert "graders/small/link.txt" not in names


@pytest.mark.parametrize(
    "name", [each.name for each in list_assignments(ROOT / "graders") if each.public_tests]
)
def test_every_homework_has_a_bundle_for_students_without_its_seed(name: str, tmp_path: Path) -> None:
    assignment = load_assignment(ROOT / "graders" / name)
    files = contents(public_bundle(assignment, ROOT, tmp_path / "public.zip"))
    manifest = files[f"graders/{name}/assignment.toml"].decode()
    assert PUBLIC_SEED in manifest
    assert not any(str(assignment.seed).encode() in data for data in files.values())
