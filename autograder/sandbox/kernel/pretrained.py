"""Pre-trained weights: named, and refused in one sentence, since nothing can be downloaded."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.course import Course
from autograder.sandbox.kernel.patching import patch_on_import

KIND = "pretrained"


def install(context: Context) -> None:
    for name, patch in (
        ("torch.hub", _patch_hub),
        ("torchvision.models._api", _patch_torchvision),
        ("timm.models._builder", _patch_timm),
        ("huggingface_hub", _patch_hugging_face),
    ):
        patch_on_import(context, name, patch)


def _refuse(context: Context, what: str) -> NoReturn:
    context.used(KIND, what)
    raise RuntimeError(
        f"{what}: pre-trained weights can't be downloaded where this notebook is run. To train from scratch, "
        "leave out `pretrained=True` or say `weights=None`."
    )


def _file_of(url: Any) -> str:
    return str(url).partition("?")[0].rstrip("/").rpartition("/")[2]


def _patch_hub(context: Context, hub: Any) -> None:
    load, course = hub.load, Course(context)
    fetch = hub.download_url_to_file

    def load_state_dict_from_url(url: str, *_: Any, **__: Any) -> NoReturn:
        _refuse(context, f"the weights {_file_of(url)}")

    @functools.wraps(load)
    def hub_load(repo_or_dir: Any, model: str, *args: Any, source: str = "github", **keywords: Any) -> Any:
        if source == "local":
            return load(repo_or_dir, model, *args, source=source, **keywords)
        return _refuse(context, f"torch.hub.load({repo_or_dir!r}, {model!r})")

    @functools.wraps(fetch)
    def download_url_to_file(url: str, dst: Any, *args: Any, **keywords: Any) -> None:
        from pathlib import Path  # noqa: PLC0415

        if not course.fetch(url, Path(dst)):
            fetch(url, dst, *args, **keywords)

    old = hub.load_state_dict_from_url
    hub.load_state_dict_from_url, hub.load = load_state_dict_from_url, hub_load
    hub.download_url_to_file = download_url_to_file
    for name, module in list(sys.modules.items()):  # who took it under its name before we came
        if name.startswith(("torchvision", "timm", "torch.")):
            for attribute in ("load_state_dict_from_url", "load_url"):
                if vars(module).get(attribute) is old:
                    setattr(module, attribute, load_state_dict_from_url)


def _patch_torchvision(context: Context, api: Any) -> None:
    def get_state_dict(self: Any, *_: Any, **__: Any) -> NoReturn:
        _refuse(context, f"torchvision's {self!r}")

    api.WeightsEnum.get_state_dict = get_state_dict


def _patch_timm(context: Context, builder: Any) -> None:
    def load_pretrained(model: Any, *_: Any, **__: Any) -> NoReturn:
        _refuse(context, f"timm's {type(model).__name__}")

    builder.load_pretrained = load_pretrained


def _patch_hugging_face(context: Context, hub: Any) -> None:
    def refusing(name: str) -> Callable[..., NoReturn]:
        def function(repo_id: Any = "", *_: Any, **__: Any) -> NoReturn:
            _refuse(context, f"{name}({repo_id!r})")

        return function

    for name in ("hf_hub_download", "snapshot_download"):
        setattr(hub, name, refusing(name))
