"""Notebooks in the sandbox: every cell's end is known and named, and what came before it is kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from autograder.loaders.notebook import Notebook
from autograder.outcome import LimitExceeded, ProcessEnded, SandboxFault, StudentException
from autograder.sandbox.notebook import CellEnd, NotebookModule
from tests.sandbox.boxes import KINDS, Watched, running, why_not
from tests.sandbox.notebooks import LIMITS, PLAN, SPEC, opened_notebook


@pytest.fixture(scope="module", params=["privdrop", "bubblewrap", "none"])
def backend(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Watched]:
    if why := why_not(request.param):
        pytest.skip(why)
    with running(KINDS[request.param], SPEC, scratch) as watched:
        yield watched


def ends(module: NotebookModule) -> list[str]:
    return [cell.end.value for cell in module.run.cells]


def printed(notebook: Notebook, number: int) -> str:
    return "".join(output.text for output in notebook.cells[number - 1].outputs)


def test_cells_share_a_namespace_and_scenes_see_it(backend: Watched, tmp_path: Path) -> None:
    cells = (
        "# markdown\n# Title",
        "import numpy as np\nweights = np.arange(3)",
        "def scaled(by):\n    return weights * by",
        "print('hello')\nweights.sum()",
    )
    with opened_notebook(backend, tmp_path, *cells) as module:
        assert ends(module) == ["ran"] * 3
        assert module.run.whole
        assert module.run.stopped is None
        assert printed(module.run.notebook, 4) == "hello\n" + "np.int64(3)"
        with module.scene() as scene:
            assert scene.call("scaled", 2).fetch().tolist() == [0, 2, 4]
        assert "scaled" in module.names


def test_what_a_scene_changes_ends_with_it(backend: Watched, tmp_path: Path) -> None:
    cells = ("seen = []", "def see(x):\n    seen.append(x)\n    return len(seen)")
    with opened_notebook(backend, tmp_path, *cells) as module:
        for _ in range(2):
            with module.scene() as scene:
                assert scene.call("see", 1).fetch() == 1


def test_a_scene_past_its_time_costs_no_more_than_itself(backend: Watched, tmp_path: Path) -> None:
    limits = replace(LIMITS, wall_s=1.0)
    cells = ("def spin():\n    while True: pass", "def fine():\n    return 7")
    with opened_notebook(backend, tmp_path, *cells, limits=limits) as module:
        with module.scene() as scene, pytest.raises(LimitExceeded, match="time limit of 1 seconds"):
            scene.call("spin")
        with module.scene() as scene:
            assert scene.call("fine").fetch() == 7


def test_modules_beside_the_notebook_import(backend: Watched, tmp_path: Path) -> None:
    with opened_notebook(
        backend, tmp_path, "import helper\nprint(helper.VALUE)", files={"helper.py": "VALUE = 5"}
    ) as module:
        assert printed(module.run.notebook, 1) == "5\n"


def test_an_error_is_named_with_its_line_and_the_run_goes_on(backend: Watched, tmp_path: Path) -> None:
    cells = ("x = 1", "def f():\n    return x / 0\n\nf()", "print('still here')")
    with opened_notebook(backend, tmp_path, *cells) as module:
        assert ends(module) == ["ran", "raised", "ran"]
        problem = module.run.cells[1].problem
        assert isinstance(problem, StudentException)
        assert problem.message == (
            "Cell 2 (`def f():`) raised ZeroDivisionError (division by zero) "
            "at cell 2, line 2: `return x / 0`."
        )
        assert printed(module.run.notebook, 3) == "still here\n"
        assert not module.run.whole


def test_a_syntax_error_names_the_cell(backend: Watched, tmp_path: Path) -> None:
    with opened_notebook(backend, tmp_path, "x = 1", "def f(:\n    pass") as module:
        assert ends(module) == ["ran", "raised"]
        assert "SyntaxError" in str(module.run.cells[1].problem)
        assert "cell 2, line 1: `def f(:`" in str(module.run.cells[1].problem)


def test_a_cell_past_its_time_is_interrupted_and_the_namespace_kept(backend: Watched, tmp_path: Path) -> None:
    cells = ("import time\nkept = 3", "print('begun')\ntime.sleep(60)", "print(kept)")
    plan = replace(PLAN, cell_wall_s=1.0)
    with opened_notebook(backend, tmp_path, *cells, plan=plan) as module:
        started = time.monotonic()
        assert ends(module) == ["ran", "interrupted", "ran"]
        assert time.monotonic() - started < 10
        problem = module.run.cells[1].problem
        assert isinstance(problem, LimitExceeded)
        assert problem.message == (
            "Your code went past the time limit of one cell of 1 seconds "
            "while it ran cell 2 (`print('begun')`)."
        )
        assert printed(module.run.notebook, 2).startswith("begun\n")
        assert printed(module.run.notebook, 3) == "3\n"


STUBBORN = """print('begun')
import time
time.sleep(1.2)
print('going on')
while True:
    try:
        time.sleep(1)
    except KeyboardInterrupt:
        pass
"""


def test_a_cell_that_ignores_its_interrupt_is_killed(backend: Watched, tmp_path: Path) -> None:
    plan = replace(PLAN, cell_wall_s=2.0)
    with opened_notebook(backend, tmp_path, "x = 1", STUBBORN, "print(x)", plan=plan) as module:
        assert ends(module) == ["ran", "killed", "not run"]
        assert isinstance(module.run.stopped, LimitExceeded)
        assert module.run.stopped.limit == "cell_wall_s"
        assert "cell 2 (`print('begun')`)" in module.run.stopped.message
        assert "begun" in printed(module.run.notebook, 2)
        with pytest.raises(LimitExceeded):
            module.scene()


def test_the_whole_run_has_an_end_too(backend: Watched, tmp_path: Path) -> None:
    plan = replace(PLAN, cell_wall_s=2.0, wall_s=2.0)
    cells = ("import time\ntime.sleep(1.5)", "time.sleep(60)", "print('never')")
    with opened_notebook(backend, tmp_path, *cells, plan=plan) as module:
        assert ends(module) == ["ran", "interrupted", "not run"]
        assert isinstance(module.run.stopped, LimitExceeded)
        assert module.run.stopped.limit == "notebook_wall_s"


@pytest.mark.parametrize("death", ["os._exit(0)", "os.kill(os.getpid(), 9)", "os.abort()"])
def test_a_dead_process_is_named_at_once(backend: Watched, tmp_path: Path, death: str) -> None:
    cells = ("import os, time", f"print('before')\ntime.sleep(1.1)\nprint('x')\n{death}", "print('after')")
    started = time.monotonic()
    with opened_notebook(backend, tmp_path, *cells) as module:
        assert ends(module) == ["ran", "killed", "not run"]
        assert time.monotonic() - started < 15
        assert isinstance(module.run.stopped, ProcessEnded)
        assert "cell 2 (`print('before')`)" in module.run.stopped.message
        assert "before" in printed(module.run.notebook, 2)


def test_memory_past_its_limit_is_named_at_once(backend: Watched, tmp_path: Path) -> None:
    bomb = "import numpy as np\nhoard = []\nwhile True:\n    hoard.append(np.ones(4_000_000))"
    with opened_notebook(backend, tmp_path, "x = 1", bomb) as module:
        run = module.run
        assert run.cells[0].end is CellEnd.RAN
        problem = run.cells[1].problem
        assert isinstance(problem, (LimitExceeded, StudentException))
        assert "memory" in problem.student_text.lower()
        assert run.seconds < 30


def test_a_flood_of_output_is_cut_and_both_ends_are_kept(backend: Watched, tmp_path: Path) -> None:
    flood = "for i in range(300_000):\n    print('line', i)\nprint('the end')"
    with opened_notebook(backend, tmp_path, flood, "print('after')") as module:
        assert ends(module) == ["ran", "ran"]
        text = printed(module.run.notebook, 1)
        assert text.startswith("line 0\n")
        assert text.endswith("the end\n")
        assert "cut out here" in text
        assert len(text) < 250_000


def test_a_progress_bar_is_one_line(backend: Watched, tmp_path: Path) -> None:
    bar = "for i in range(1000):\n    print(f'\\r{i}/1000', end='')\nprint()"
    with opened_notebook(backend, tmp_path, bar) as module:
        assert printed(module.run.notebook, 1) == "999/1000\n"


def test_standard_error_is_no_failure(backend: Watched, tmp_path: Path) -> None:
    cell = "import sys, warnings\nprint('odd', file=sys.stderr)\nwarnings.warn('careful')"
    with opened_notebook(backend, tmp_path, cell) as module:
        assert module.run.whole


def test_the_metadata_of_a_submission_decides_nothing(backend: Watched, tmp_path: Path) -> None:
    with opened_notebook(backend, tmp_path, "1/0") as module:
        path = tmp_path / "work.ipynb"
        text = path.read_text().replace('"metadata": {}', '"metadata": {"tags": ["raises-exception"]}')
        path.write_text(text)
        assert ends(module) == ["raised"]


def test_generators_start_from_the_plans_seed(backend: Watched, tmp_path: Path) -> None:
    cell = "import random, numpy as np\nprint(random.random(), np.random.rand())"
    seen = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with opened_notebook(backend, tmp_path / name, cell) as module:
            seen.append(printed(module.run.notebook, 1))
    assert seen[0] == seen[1]
    assert module.run.seed == PLAN.seed


def test_code_that_floods_the_channel_or_forges_an_answer_ends_its_run(
    backend: Watched, tmp_path: Path
) -> None:
    flood = (
        "import os, json, struct\n"
        "body = json.dumps({'progress': {}, 'so_far': []}).encode()\n"
        "while True:\n    os.write(3, struct.pack('>II', len(body), 0) + body)"
    )
    with opened_notebook(backend, tmp_path, flood) as module:
        try:
            assert ends(module) == ["killed"]
        except SandboxFault:
            pytest.fail("a forged message is the submission's doing")
        assert module.run.seconds < 10


def test_a_child_that_comes_back_answers_nothing(backend: Watched, tmp_path: Path) -> None:
    cells = ("import os\npid = os.fork()\nif pid:\n    os.waitpid(pid, 0)", "print('once')")
    with opened_notebook(backend, tmp_path, *cells) as module:
        assert ends(module) == ["ran", "ran"]
        assert printed(module.run.notebook, 2) == "once\n"


def test_a_shell_command_runs_in_the_box(backend: Watched, tmp_path: Path) -> None:
    with opened_notebook(backend, tmp_path, "!echo hello", "%cd .", "%%time\nx = 1") as module:
        assert ends(module) == ["ran", "ran", "ran"]
        assert "hello" in printed(module.run.notebook, 1)


PLOTS = {
    "asked for": "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "not asked for": "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([1, 2])",
    "as a window": "%matplotlib notebook\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "after a choice": "import matplotlib\nmatplotlib.use('Agg')\n%matplotlib inline\n"
    "from matplotlib import pyplot as plt\nplt.imshow([[0, 1]])",
}


@pytest.mark.parametrize("cell", PLOTS.values(), ids=PLOTS.keys())
def test_a_plot_is_kept_as_a_picture(backend: Watched, tmp_path: Path, cell: str) -> None:
    with opened_notebook(backend, tmp_path, cell) as module:
        assert module.run.whole, module.run.cells
        pictures = [output for output in module.run.notebook.cells[0].outputs if "image/png" in output.data]
        assert len(pictures) == 1
