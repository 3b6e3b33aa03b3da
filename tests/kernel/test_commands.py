"""Commands and magics."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autograder.sandbox.kernel.commands import OUTPUT_CHARS, Commands
from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.places import Places
from tests.kernel.cells import make_mnist, run_cells


class _Run:
    def __init__(self, tree: Path, data: Path | None = None) -> None:
        self.context = Context(tree, data)
        self.commands = Commands(self.context, Places(self.context))

    def __call__(self, line: str) -> tuple[str, int]:
        parts: list[str] = []
        code = self.commands.run(line, parts.append)
        return "".join(parts), code

    @property
    def uses(self) -> list[tuple[str, str]]:
        return [(use.kind, use.detail) for use in self.context.uses]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "tree"
    (root / "repo").mkdir(parents=True)
    (root / "notes.csv").write_text("1,2\n")
    (root / "requirements.txt").write_text("numpy>=1\n# nothing\n-f x\nno-such-package==1\n")
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def run(tree: Path) -> _Run:
    return _Run(tree)


@pytest.mark.parametrize(
    "line",
    [
        "pip install numpy",
        "pip3 install -q --upgrade numpy",
        f"{sys.executable} -m pip install 'numpy>=1.0'",
        "python -m pip install numpy",
        "sudo pip install -i https://index.example/simple numpy[extra]",
        "yes | pip install numpy",
        "conda install -c conda-forge -y numpy",
        "uv pip install numpy",
        "PIP_X=1 pip install git+https://host.example/who/numpy.git@main",
        "cd repo; pip install numpy",
    ],
)
def test_a_package_that_is_there(run: _Run, line: str) -> None:
    text, code = run(line)
    assert text.startswith("Requirement already satisfied: numpy (")
    assert code == 0
    assert [detail.split(":")[0] for _, detail in run.uses] == ["numpy"]


def test_a_package_that_is_missing_is_named_and_nothing_fails(run: _Run) -> None:
    text, code = run("pip install -r requirements.txt other_missing && echo went on")
    assert "missing here: no-such-package, other_missing" in text
    assert text.endswith("went on\n")
    assert code == 0
    assert ("packages", "no-such-package: not installed here") in run.uses


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("apt-get install -y graphviz", "packages"),
        ("pip uninstall -y numpy", "packages"),
        ("nvidia-smi", "gpu"),
        ("git clone https://host.example/who/thing.git", "network"),
        ("wget -q https://host.example/x.zip -O x.zip", "network"),
        ("curl -L -o x.zip https://host.example/x.zip", "network"),
        ("gdown --id 1", "network"),
        ("kaggle datasets download -d x/y", "network"),
    ],
)
def test_what_needs_another_machine_is_answered(run: _Run, line: str, kind: str) -> None:
    text, _ = run(line)
    assert "where this notebook is run" in text
    assert [found for found, _ in run.uses] == [kind]


def test_what_was_handed_in_needs_no_download(run: _Run) -> None:
    assert run("git clone https://host.example/who/repo.git") == ("'repo' is there already\n", 0)
    assert run("wget https://host.example/a/notes.csv?x=1") == ("'notes.csv' is there already\n", 0)


@pytest.mark.parametrize(
    ("line", "text", "code"),
    [
        ("echo a; echo 'b && c' | tr b d", "a\nd && c\n", 0),
        ("wget -q https://host.example/x.zip && unzip x.zip", None, 4),
        ("wget -q https://host.example/x.zip || echo none", "none\n", 0),
        ("nvidia-smi > /dev/null; echo $((1 + 2))", "3\n", 0),
        ("nvidia-smi | wc -l", "1\n", 0),
        ("cd repo && pip install numpy >/dev/null && pwd | xargs basename", "repo\n", 0),
        ("cd nowhere && pip install numpy", "cd: nowhere: No such file or directory\n", 1),
        ("for i in 1 2; do echo $i; done", "1\n2\n", 0),
        ("cat <<X\npip install y\nX", "pip install y\n", 0),
        ("false", "", 1),
        ("echo to stderr >&2", "to stderr\n", 0),
        ("cat", "", 0),  # nobody types
        ("echo pip install x", "pip install x\n", 0),
        ("[ -t 1 ] || echo no terminal", "no terminal\n", 0),
    ],
)
def test_lines_of_commands(run: _Run, line: str, text: str | None, code: int) -> None:
    said, ended = run(line)
    assert ended == code
    if text is None:
        assert "unzip" not in said
    else:
        assert said.endswith(text)
        assert said == text or "wget" in line


def test_a_flood_is_cut_and_the_command_still_ends(run: _Run) -> None:
    text, code = run("head -c 3000000 /dev/zero | tr '\\0' x")
    assert len(text) < OUTPUT_CHARS + 200
    assert text.endswith("the rest was dropped)\n")
    assert code == 0


def test_an_interrupt_ends_the_command_and_what_it_started(run: _Run, tree: Path) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run.commands.run("sleep 60 & echo $! > pid; echo started; wait", interrupt)
    assert time.monotonic() - started < 20
    pid = int((tree / "pid").read_text())
    for _ in range(100):
        if not _runs(pid):
            return
        time.sleep(0.05)
    pytest.fail("the command's child still runs")


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_a_background_command_is_refused_as_in_jupyter(run: _Run) -> None:
    with pytest.raises(OSError, match="Background processes"):
        run("sleep 60 &")


def test_a_file_of_the_courses_is_served(tree: Path) -> None:
    data = tree.parent / "course"
    make_mnist(data, packed=False)
    make_mnist(data, packed=False, dataset="FashionMNIST")
    run = _Run(tree, data)
    text, code = run(
        "wget http://host.example/fashion-mnist/t10k-images-idx3-ubyte.gz -P d && gunzip d/*.gz && ls d"
    )
    assert (text.splitlines()[-1], code) == ("t10k-images-idx3-ubyte", 0)
    assert (tree / "d" / "t10k-images-idx3-ubyte").read_bytes()[:4] == b"\0\0\x08\x03"
    assert [kind for kind, _ in run.uses] == ["data"]


_MAGICS = {
    "bang": "x = 5\n!echo {x} $x",
    "bang missing": "!no-such-command",
    "captured": "out = !nvidia-smi\nassert len(out) == 1 and 'no GPU' in out[0]",
    "list": "files = !ls\nassert 'notes.csv' in files",
    "pip": "%pip install numpy\n%conda install numpy\n!{__import__('sys').executable} -m pip install numpy",
    "bash": "%%bash\necho one\npip install numpy >/dev/null\necho two",
    "shell": "%%shell\necho from colab",
    "script": "%%script bash\necho scripted",
    "autoreload": "%load_ext autoreload\n%autoreload 2",
    "matplotlib": "%matplotlib inline\n%matplotlib\nimport matplotlib.pyplot as plt\nplt.plot([1])",
    "matplotlib notebook": "%matplotlib notebook\n%matplotlib widget\n%matplotlib qt",
    "retina": "%config InlineBackend.figure_format = 'retina'",
    "tensorboard": "%load_ext tensorboard\n%tensorboard --logdir runs",
    "other extension": "%load_ext no_such_extension\n%no_such_extension",
    "tensorflow": "%tensorflow_version 2.x",
    "capture": "%%capture got\nprint('hidden')\n!echo also hidden",
    "captured text": "assert got.stdout.split() == ['hidden', 'also', 'hidden']",
    "time": "%time y = 1\n%timeit -n1 -r1 pass",
    "writefile": "%%writefile mine.py\nV = 3",
    "written": "import mine; assert mine.V == 3",
    "env": "%env A=3\n!echo $A",
    "os.system": "import os; assert os.system('pip install numpy') == 0 and os.system('exit 3') == 3 << 8",
    "subprocess": (
        "import subprocess, sys\n"
        "subprocess.check_call([sys.executable, '-m', 'pip', 'install', '-q', 'numpy'])\n"
        "assert subprocess.run('nvidia-smi', shell=True, capture_output=True, text=True).returncode == 9\n"
        "assert subprocess.check_output(['echo', 'x']) == b'x\\n' and isinstance(\n"
        "    subprocess.Popen(['true'], stdout=subprocess.PIPE), subprocess.Popen)"
    ),
    "input": "name = input('Your name? ')",
    "getpass": "import getpass; getpass.getpass()",
    "network": "import urllib.request; urllib.request.urlopen('https://host.invalid/x')",
    "tensorflow import": "import tensorflow",
}


def test_magics(tree: Path) -> None:
    done = run_cells(list(_MAGICS.values()), tree)
    ran = dict(zip(_MAGICS, done, strict=True))
    failing = {
        "input": "EOFError: input(): nobody can type",
        "getpass": "EOFError: getpass(): nobody can type",
        "network": "URLError",
        "tensorflow import": "ModuleNotFoundError: No module named 'tensorflow'",
    }
    for name, one in ran.items():
        assert one.error.startswith(failing.get(name, "")), (name, one)
        assert bool(one.error) == (name in failing), (name, one)
    assert ran["bang"].text == "5 5\n"
    assert ran["pip"].text.count("already satisfied: numpy") == 3
    assert ran["bash"].text == "one\ntwo\n"
    assert ran["shell"].text + ran["script"].text + ran["env"].text == "from colab\nscripted\nenv: A=3\n3\n"
    assert {kind for one in ran.values() for kind in one.kinds} == {
        "packages",
        "gpu",
        "magic",
        "input",
        "network",
    }
    for name in (
        "bang",
        "list",
        "shell",
        "autoreload",
        "matplotlib",
        "retina",
        "capture",
        "time",
        "writefile",
    ):
        assert ran[name].uses == [], name
    assert ran["network"].uses == [("network", "host.invalid")]
    assert ran["input"].uses == [("input", "input('Your name? ')")]
    assert ran["matplotlib notebook"].uses[0] == ("magic", "%matplotlib notebook: inline")


_WIDGETS = {
    "notebook": "from tqdm.notebook import tqdm, trange\nlist(tqdm(range(3), desc='e', ncols='50%'))",
    "auto": "from tqdm.auto import tqdm as auto\nassert sum(auto([1, 2])) == 3",
    "old": "from tqdm import tqdm_notebook as old\nlist(old([1]))",
    "methods": "with tqdm(total=2) as b: b.set_postfix(acc=0.5); b.update(2); b.set_description('x')",
    "display": "b = tqdm(total=2, display=False); b.display(); b.close(); assert list(trange(2)) == [0, 1]",
    "write": "tqdm.write('said')",
}


def test_progress_bars_are_text(tree: Path) -> None:
    ran = dict(zip(_WIDGETS, run_cells(list(_WIDGETS.values()), tree), strict=True))
    assert [one.error for one in ran.values()] == [""] * len(_WIDGETS)
    assert "e: 100%" in ran["notebook"].text
    assert "3/3" in ran["notebook"].text
    assert "acc=0.5" in ran["methods"].text
    assert ran["notebook"].kinds == {"widgets"}
    assert max(map(len, ran["notebook"].text.replace("\n", "\r").split("\r"))) <= 100


def test_a_failure_of_ours_is_reported_and_hurts_nobody(tmp_path: Path) -> None:
    """As when a release moves what we patch."""
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "__init__.py").write_text("from requests import api\n")
    (tmp_path / "requests" / "api.py").write_text("moved = True\n")
    (one,) = run_cells(["import requests\nassert requests.api.moved"], tmp_path)
    assert one.error == ""
    assert [kind for kind, _ in one.uses] == ["fault"]
    assert one.uses[0][1].startswith("requests.api: _patch_requests: AttributeError")


def test_importing_the_accommodations_imports_no_library() -> None:
    code = (
        "import sys, pathlib\nfrom autograder.sandbox.kernel import accommodations, context\n"
        "accommodations.install_all(context.Context(pathlib.Path('.')))\n"
        "print(*({'torch', 'torchvision', 'fastai', 'IPython', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ}
    )
    assert done.stdout == "\n"
