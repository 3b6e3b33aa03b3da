"""`google.colab`, as far as homework uses it: importable, and answering with what was handed in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.places import KIND, Places
from autograder.sandbox.kernel.students import importer
from autograder.sandbox.placeholders import has_fallback

_ROOT = "google.colab"


def install(context: Context, places: Places) -> None:
    sys.meta_path.insert(0, _Finder(_Colab(context, places).modules()))


class _Finder(MetaPathFinder):
    """Finds exactly the modules that are on Colab."""

    def __init__(self, contents: dict[str, dict[str, Any]]) -> None:
        self._contents = contents

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "google" and fullname not in self._contents:
            return None
        frame = importer()
        if frame is not None and has_fallback(frame):
            # So asks who wants to know whether this is Colab. It isn't: what they do then needs less of us.
            return None
        if fullname == "google":
            return None if _has_google() else ModuleSpec(fullname, _Loader({}), is_package=True)
        return ModuleSpec(fullname, _Loader(self._contents[fullname]), is_package=fullname == _ROOT)


def _has_google() -> bool:
    """Whether an installed package, such as protobuf, brings the name."""
    return any((Path(place or ".") / "google").is_dir() for place in sys.path)


class _Loader(Loader):
    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ModuleType(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module).update(self._content)


class _Uploaded(dict[str, bytes]):
    """What a student would have chosen in the dialog: any file that they handed in, by its name."""

    def __init__(self, find: Callable[[str], str]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, name: str) -> bytes:
        file = Path(self._find(f"/content/drive/MyDrive/{name}"))
        if not file.is_file():
            raise KeyError(name)
        return file.read_bytes()


class _Colab:
    def __init__(self, context: Context, places: Places) -> None:
        self._context, self._places = context, places

    def modules(self) -> dict[str, dict[str, Any]]:
        """What each module holds."""

        def quiet(*names: str) -> dict[str, Any]:
            return {name.rpartition(".")[2]: partial(self._nothing, name) for name in names}

        contents: dict[str, dict[str, Any]] = {
            _ROOT: {},
            "drive": {"mount": self._mount, **quiet("drive.flush_and_unmount")},
            "files": {"upload": self._upload, "upload_file": self._upload, "download": self._download}
            | quiet("files.view"),
            "userdata": {
                "get": self._secret,
                "SecretNotFoundError": KeyError,
                "NotebookAccessError": KeyError,
            },
            "output": {"clear": self._clear}
            | quiet(
                "output.eval_js",
                "output.register_callback",
                "output.enable_custom_widget_manager",
                "output.disable_custom_widget_manager",
                "output.no_vertical_scroll",
                "output.serve_kernel_port_as_window",
                "output.serve_kernel_port_as_iframe",
            ),
            "auth": quiet("auth.authenticate_user"),
            "patches": {"cv2_imshow": self._imshow},
            "data_table": quiet(
                "data_table.enable_dataframe_formatter", "data_table.disable_dataframe_formatter"
            ),
            "runtime": quiet("runtime.unassign"),
        }
        return {name if name == _ROOT else f"{_ROOT}.{name}": content for name, content in contents.items()}

    def _nothing(self, name: str, *_: Any, **__: Any) -> None:
        self._context.used(KIND, f"{name}()")

    def _mount(self, mountpoint: Any = "/content/drive", *_: Any, **__: Any) -> None:
        self._context.used(KIND, "drive.mount()")
        print(f"Mounted at {mountpoint}")

    def _upload(self, *_: Any, **__: Any) -> _Uploaded:
        self._context.used(KIND, "files.upload()")
        return _Uploaded(self._places.here)

    def _download(self, filename: Any, *_: Any, **__: Any) -> None:
        self._context.used(KIND, "files.download()")
        if not Path(filename).exists():
            raise FileNotFoundError(f"Cannot find file: {filename}")

    def _secret(self, key: Any) -> str:
        self._context.used(KIND, f"userdata.get({key!r}) is empty")
        return ""

    def _clear(self, wait: bool = False, *_: Any, **__: Any) -> None:
        from IPython.display import clear_output  # noqa: PLC0415

        self._context.used(KIND, "output.clear()")
        clear_output(wait=wait)  # type: ignore[no-untyped-call]  # IPython's, here and below

    def _imshow(self, image: Any) -> None:
        """OpenCV's pictures have their colours in the other order."""
        from IPython.display import display  # noqa: PLC0415
        from PIL import Image  # noqa: PLC0415

        self._context.used(KIND, "cv2_imshow()")
        pixels = image.clip(0, 255).astype("uint8")
        if pixels.ndim == 3:
            pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
        display(Image.fromarray(pixels))  # type: ignore[no-untyped-call]
