"""An assignment's own environment, and the course's data, as student code finds them in each box."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.environments import interpreter_for
from autograder.image import ImageKind
from autograder.outcome import EnvironmentFault
from autograder.sandbox.backend import BoxSpec, data_folders
from autograder.sandbox.bubblewrap import Bubblewrap
from autograder.sandbox.interpreter import interpreter
from autograder.sandbox.local import Privdrop
from autograder.sandbox.policy import Interpreter, listable_paths, mounts, readable_paths
from autograder.sandbox.preflight import prove
from autograder.sandbox.submission import Module
from tests.container.sandbox_image import sandbox_image
from tests.sandbox import notebooks
from tests.sandbox.boxes import BACKEND_PARAMS, KINDS, LIMITS, call, needs_root, opened, running, why_not

STUDENT = """
import importlib, os, sys
def prefix(): return sys.prefix
def file_of(name): return getattr(importlib.import_module(name), "__file__", None)
def read(path):
    with open(path) as file: return file.read()
def outcome(how, path):
    try:
        return "done" if how(path) is None else "done"
    except OSError as error:
        return type(error).__name__
def packages():
    import numpy
    return os.path.dirname(os.path.dirname(numpy.__file__))
def look(path): return outcome(lambda path: open(path).close(), path)
def overwrite(path): return outcome(lambda path: open(path, "r+").write("x"), path)
def add(path): return outcome(lambda path: open(path, "x").write("x"), path)
def remove(path): return outcome(os.remove, path)
def rename(path): return outcome(lambda path: os.rename(path, path + "2"), path)
def link(path): return outcome(lambda path: os.symlink("/etc", path), path)
def mode(path): return outcome(lambda path: os.chmod(path, 0o777), path)
def listing(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return type(error).__name__
"""
ISOLATING = [each for each in BACKEND_PARAMS if each != "none"]
# In these tests' images the packages of our own environment are all that can be installed.
REQUIREMENTS = "iniconfig\n"


@pytest.fixture(scope="module")
def own_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The interpreter of an environment with one small package, made once on each machine."""
    folder = tmp_path_factory.mktemp("assignment")
    (folder / "requirements.txt").write_text(REQUIREMENTS)
    return interpreter_for(folder)


@pytest.fixture
def data(scratch: Path) -> Iterator[Path]:
    """A data folder that anybody can read, with a file in a folder in it, and a secret beside it."""
    above = scratch / "data-of-the-course"
    folder = above / "data"
    (folder / "MNIST").mkdir(parents=True)
    (folder / "MNIST" / "images").write_text("pixels")
    (above / "secret").write_text("labels")
    for place in (above, folder, folder / "MNIST"):
        place.chmod(0o755)
    for file in (folder / "MNIST" / "images", above / "secret"):
        file.chmod(0o644)
    yield folder
    (folder / "MNIST" / "images").unlink()
    (above / "secret").unlink()
    for place in (folder / "MNIST", folder, above):
        place.rmdir()  # and nothing else is in them


@contextmanager
def box(name: str, spec: BoxSpec, scratch: Path, tree: Path) -> Iterator[Module]:
    if why := why_not(name):
        pytest.skip(why)
    if name == "docker" and spec.python:
        sandbox_image(ImageKind.of((), spec.python))
    with running(KINDS[name], spec, scratch) as backend:
        if name != "none":
            prove(backend)
            backend.assert_nothing_left()
        with opened(backend, tree, STUDENT) as module:
            yield module


@pytest.mark.parametrize("name", BACKEND_PARAMS)
def test_student_code_runs_in_the_assignments_environment(
    name: str, own_python: str, scratch: Path, tmp_path: Path
) -> None:
    with box(name, BoxSpec(LIMITS, python=own_python), scratch, tmp_path) as module:
        prefix = call(module, "prefix")
        inside = "/opt/autograder/own-" if name == "docker" else str(Path(own_python).parent.parent)
        assert prefix.startswith(inside)
        for package in ("iniconfig", "numpy", "IPython", "six"):
            assert call(module, "file_of", package).startswith(prefix)
        assert call(module, "file_of", "pytest") is None  # ours, and stood in for


@pytest.mark.parametrize("name", BACKEND_PARAMS)
def test_a_notebook_runs_in_it(name: str, own_python: str, scratch: Path, tmp_path: Path) -> None:
    if why := why_not(name):
        pytest.skip(why)
    if name == "docker":
        sandbox_image(ImageKind.of((), own_python))
    scaled = "def scaled(x):\n    return x * weight"
    cells = ("import iniconfig\nweight = 3", "!echo in the box", scaled, "1 / 0")
    spec = replace(notebooks.SPEC, python=own_python)
    with (
        running(KINDS[name], spec, scratch) as backend,
        notebooks.opened_notebook(backend, tmp_path, *cells) as module,
    ):
        assert [cell.end.value for cell in module.run.cells] == ["ran", "ran", "ran", "raised"]
        assert module.run.notebook.cells[1].outputs[0].text == "in the box\n"
        with module.scene() as scene:
            assert scene.call("scaled", 5).fetch() == 15


@pytest.mark.parametrize("name", ISOLATING)
def test_a_forbidden_package_is_closed_there_too(
    name: str, own_python: str, scratch: Path, tmp_path: Path
) -> None:
    spec = BoxSpec(LIMITS, python=own_python, unavailable=("iniconfig",))
    with box(name, spec, scratch, tmp_path) as module:
        packages = call(module, "packages")
        assert call(module, "look", f"{packages}/numpy/__init__.py") == "done"
        closed = call(module, "look", f"{packages}/iniconfig/__init__.py")
        assert closed in ("PermissionError", "FileNotFoundError")


@pytest.mark.parametrize("name", ISOLATING)
def test_data_can_be_read_and_not_changed(name: str, data: Path, scratch: Path, tmp_path: Path) -> None:
    file, new = str(data / "MNIST" / "images"), str(data / "new")
    with box(name, BoxSpec(LIMITS, data=(str(data),)), scratch, tmp_path) as module:
        assert call(module, "read", file) == "pixels"
        assert call(module, "listing", str(data)) == ["MNIST"]
        for function, path in (
            *(("overwrite", file), ("remove", file), ("rename", file), ("mode", file)),
            *(("add", new), ("link", new), ("mode", str(data))),
        ):
            assert call(module, function, path) in ("OSError", "PermissionError"), function
        assert call(module, "listing", str(data.parent)) in ("PermissionError", "FileNotFoundError", ["data"])
        with pytest.raises(Exception, match=r"FileNotFoundError|PermissionError"):
            call(module, "read", str(data.parent / "secret"))
    assert (data / "MNIST" / "images").read_text() == "pixels"
    assert not (data / "new").is_symlink()


@pytest.mark.parametrize("name", ISOLATING)
def test_data_that_is_not_asked_for_is_closed(name: str, data: Path, scratch: Path, tmp_path: Path) -> None:
    with box(name, BoxSpec(LIMITS), scratch, tmp_path) as module:
        assert call(module, "listing", str(data)) in ("PermissionError", "FileNotFoundError")


@needs_root
@pytest.mark.parametrize("kind", [Privdrop, Bubblewrap])
def test_a_closed_file_among_the_data_is_found_before_the_grading(
    kind: type[Privdrop], data: Path, scratch: Path
) -> None:
    (data / "MNIST" / "images").chmod(0o600)
    with (
        running(kind, BoxSpec(LIMITS, data=(str(data),)), scratch) as backend,
        pytest.raises(EnvironmentFault, match="images") as caught,
    ):
        prove(backend)
    assert "chmod -R a+rX" in caught.value.remedy


@needs_root
def test_a_closed_folder_is_named(data: Path) -> None:
    data.parent.chmod(0o700)
    with pytest.raises(EnvironmentFault, match="closed to others") as caught:
        data_folders(BoxSpec(LIMITS, data=(str(data),)))
    assert f"chmod o+rx {data.parent}" in caught.value.remedy


@pytest.mark.parametrize(
    ("folder", "why"),
    [("/nowhere/at/all", "missing"), ("/", "no submission may read"), (__file__, "missing")],
)
def test_a_folder_that_can_not_be_shown(folder: str, why: str) -> None:
    with pytest.raises(EnvironmentFault, match=why):
        data_folders(BoxSpec(LIMITS, data=(folder,)))


def test_a_link_leads_to_the_folder_itself(data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(data)
    spec = BoxSpec(LIMITS, data=(str(tmp_path / "link"), str(data)))
    assert data_folders(spec) == (str(data.resolve()),)


# --- what of an interpreter is shown ------------------------------------------------------------------


def test_only_its_own_packages_are_shown(own_python: str) -> None:
    python, ours = interpreter(own_python), Interpreter.running()
    readable = readable_paths((), python)
    assert python.packages[0] in readable
    assert ours.packages[0] not in (*readable, *listable_paths(python), *mounts((), python).shown)
    assert f"{python.prefix}/pyvenv.cfg" in readable
    assert not any(Path(path) in Path(python.prefix).parents for path in readable)


def test_what_it_says_of_itself(own_python: str) -> None:
    assert interpreter("") == Interpreter.running()
    assert interpreter(own_python).version == Interpreter.running().version  # made from the same Python
    assert interpreter(own_python).prefix != Interpreter.running().prefix


@needs_root
def test_an_interpreter_that_is_gone_is_our_fault() -> None:
    with pytest.raises(EnvironmentFault, match=r"can't be started: '/nowhere/bin/python'"):
        Privdrop(replace(BoxSpec(LIMITS), python="/nowhere/bin/python"))
