"""The bundle, taken through what Gradescope does with it, in a real container.

Root, the engine's default seccomp profile, no added capabilities, 2 CPUs and 3 GB: the sandbox has to work
with no more than that. Without a container engine these tests are skipped; where AUTOGRADER_REQUIRE_DOCKER
is set, as in .ci/run, they fail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from math import fsum
from pathlib import Path

import numpy as np
import pytest

from fixtures import build
from tests.container.base_image import base_image
from tests.container.engine import docker, run, why_unreachable
from tests.container.gradescope import contents, grade, image_from_dockerfile, image_from_zip

ROOT = Path(__file__).resolve().parent.parent
ASSIGNMENT = "gatech_convnet"
PREDICTIONS = ROOT / "fixtures" / ASSIGNMENT / "base" / "2_pytorch" / "predictions.csv"
CHALLENGE_POINTS = 10  # with the extra credit; the fixtures' own scores are without the challenge
SUBMISSIONS = (
    "excellent",
    "slip_conv_dx_stride_ignored",
    "import_endless",
    "limit_memory",
    "limit_processes",
    "cheat_leaves_a_daemon",
)

pytestmark = [pytest.mark.docker, pytest.mark.xdist_group("docker")]


@pytest.fixture(scope="module")
def base() -> str:
    why = why_unreachable()
    if not why and "AUTOGRADER_TEST_BASE" not in os.environ:
        if os.geteuid() != 0:
            why = "only root can make a base image; name one in AUTOGRADER_TEST_BASE"
        elif shutil.which("debootstrap") is None:
            why = "there is no debootstrap; install it, or name a base image in AUTOGRADER_TEST_BASE"
    if why and "AUTOGRADER_REQUIRE_DOCKER" in os.environ:
        pytest.fail(why)
    if why:
        pytest.skip(why)
    return base_image()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The zip that staff upload, with a challenge of which the fixtures' predictions get 79 % right."""
    folder = tmp_path_factory.mktemp("bundle")
    path, grader = folder / "autograder.zip", folder / ASSIGNMENT
    shutil.copytree(ROOT / "graders" / ASSIGNMENT, grader, ignore=shutil.ignore_patterns("challenge"))
    answers, model = folder / "answers.csv", folder / "model.csv"
    answers.write_text(changed(0.79, seed=1))
    model.write_text(changed(0.5, seed=2))
    prepare = ["challenge", str(grader), "--answers", str(answers), "--staff", f"baseline={model}"]
    run([str(ROOT / "run_autograder"), *prepare], wait_s=120)
    run([str(ROOT / "run_autograder"), "bundle", str(grader), "--out", str(path)], wait_s=120)
    return path


def changed(share: float, seed: int) -> str:
    """The base's predictions, of which this share stays."""
    header, *lines = PREDICTIONS.read_text().splitlines()
    drawn = np.random.default_rng(seed)
    labels = np.array([int(line.split(",")[1]) for line in lines])
    others = drawn.permutation(len(labels))[round(share * len(labels)) :]
    labels[others] = (labels[others] + drawn.integers(1, 10, len(others))) % 10
    return "\n".join([header, *(f"{number},{label}" for number, label in enumerate(labels))])


@pytest.fixture(scope="module")
def built(base: str, bundle: Path) -> Iterator[tuple[str, str]]:
    with image_from_zip(bundle, base) as image_and_log:
        yield image_and_log


@pytest.fixture
def image(built: tuple[str, str]) -> str:
    return built[0]


def test_setup_ends_ready(built: tuple[str, str]) -> None:
    log = built[1]
    assert "setup.sh: ready." in log, log[-4000:]


def test_setup_leaves_the_systems_python_alone(base: str, image: str) -> None:
    ask = ["python3", "-c", "import sys, importlib.util as u; print(sys.version, u.find_spec('pydantic'))"]
    assert docker("run", "--rm", base, *ask) == docker("run", "--rm", image, *ask)


def test_only_root_can_read_the_grader(image: str) -> None:
    attempt = ["cat", "/autograder/source/pyproject.toml"]
    assert docker("run", "--rm", image, *attempt)
    refused = docker(
        "run", "--rm", "--user", "61184", image, "sh", "-c", "cat /autograder/source/* 2>&1 || true"
    )
    assert "Permission denied" in refused
    assert "[project]" not in refused


@pytest.mark.parametrize("name", SUBMISSIONS)
def test_a_submission_gets_its_score(image: str, tmp_path: Path, name: str) -> None:
    expected = build.load(name).expected
    graded = grade(image, build.build(name, tmp_path / "fixture"), tmp_path)
    assert graded.exit_code == expected.exit, graded.stdout
    assert graded.results is not None, graded.stdout
    tests = graded.results["tests"]
    assert graded.results["score"] == pytest.approx(expected.score + CHALLENGE_POINTS)
    assert fsum(test["score"] for test in tests) == pytest.approx(expected.score + CHALLENGE_POINTS)
    assert graded.results["extra_data"]["sandbox"] == "privdrop"
    assert graded.results["extra_data"]["partial"] is False


def test_the_leaderboard_is_filled_and_the_fourth_of_a_day_changes_nothing(
    image: str, tmp_path: Path
) -> None:
    submission = build.build("excellent", tmp_path / "fixture")
    first = grade(image, submission, tmp_path / "first")
    assert first.results is not None, first.stdout
    board = {column["name"]: column["value"] for column in first.results["leaderboard"]}
    assert 75 <= board["Public accuracy (%)"] <= 83  # 79 % of all images, and of 1,000 of them about as many
    assert board["Entries"] == 1

    other = tmp_path / "other"
    files = build.tree(build.load("excellent"))
    files["2_pytorch/predictions.csv"] = changed(0.1, seed=3).encode()
    for path, data in files.items():
        (other / path).parent.mkdir(parents=True, exist_ok=True)
        (other / path).write_bytes(data)
    times = [f"2024-10-01T{hour}:00:00.000000-07:00" for hour in (18, 19, 20)]
    before = [{"submission_time": time, "score": 1.0, "autograder_error": False} for time in times]
    before[-1]["results"] = first.results
    fourth = grade(image, other, tmp_path / "fourth", tuple(before))
    assert fourth.results is not None, fourth.stdout
    assert fourth.results["leaderboard"] == first.results["leaderboard"]
    assert fourth.results["score"] == first.results["score"]
    told = [test["output"] for test in fourth.results["tests"] if test["number"] == "9.4.1"]
    assert any("2024-10-03 01:00 UTC" in text for text in told), told


def test_the_dockerfile_builds_the_same_image(base: str, image: str, bundle: Path, tmp_path: Path) -> None:
    with image_from_dockerfile(bundle, base, tmp_path) as (other, log):
        assert "setup.sh: ready." in log
        assert contents(other) == contents(image)
