"""What came of each attack on each backend, kept beside pytest's cache until the table is made of it."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fixtures.hostile import BACKENDS

HELD, OPEN, REFUSED, NOT_TRIED = "held", "open", "refused at intake", "not tried here"
_FOLDER = Path(".pytest_cache/d/hostile")
_ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Shot:
    """One attack on one backend: how it ended, why if that needs saying, and how long the grading took."""

    attack: str
    backend: str
    verdict: str
    why: str = ""
    seconds: float = 0.0
    date: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """A folder with a file for each shot; several processes may write into it at once."""

    folder: Path

    @classmethod
    def below(cls, root: Path) -> Records:
        return cls(root / _FOLDER)

    def keep(self, shot: Shot) -> None:
        folder = self.folder / shot.backend
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{_ABSENT}.json").unlink(missing_ok=True)
        path = folder / f"{shot.attack}.json"
        path.write_text(json.dumps(asdict(shot) | {"date": time.strftime("%Y-%m-%d")}))

    def absent(self, backend: str, why: str) -> None:
        """A backend that can't run on this machine; what an earlier run showed of it stays."""
        folder = self.folder / backend
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.glob("*.json")):
            (folder / f"{_ABSENT}.json").write_text(json.dumps({"why": why}))

    def shots(self) -> dict[tuple[str, str], Shot]:
        found = {}
        for backend in BACKENDS:
            for path in sorted((self.folder / backend).glob("*.json")):
                if path.stem != _ABSENT:
                    found[path.stem, backend] = Shot(**json.loads(path.read_text()))
        return found

    def why_absent(self, backend: str) -> str:
        path = self.folder / backend / f"{_ABSENT}.json"
        if path.exists():
            why: str = json.loads(path.read_text())["why"]
            return why
        return "the suite has not been run with it"


def versions() -> dict[str, str]:
    """Of everything that a verdict rests on."""
    return {
        "Linux": platform.release(),
        "Python": platform.python_version(),
        "bubblewrap": _version("bwrap", "--version"),
        "Docker": _version("docker", "--version"),
    }


def _version(*command: str) -> str:
    if shutil.which(command[0]) is None:
        return "not installed"
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20).stdout
    return next((word.strip(",") for word in said.split() if word[0].isdigit()), "unknown")
