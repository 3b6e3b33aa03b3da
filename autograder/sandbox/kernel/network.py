"""No network: what a notebook asks of it stays an error, and is named. What the course has is served."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.sandbox.kernel.context import Context
from autograder.sandbox.kernel.course import Course
from autograder.sandbox.kernel.patching import patch_on_import

KIND = "network"


def install(context: Context) -> None:
    for name in ("getaddrinfo", "create_connection"):
        setattr(socket, name, _naming(context, getattr(socket, name)))
    patch_on_import(context, "urllib.request", _patch_urllib)
    patch_on_import(context, "requests.api", _patch_requests)


def _naming(context: Context, real: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(real)
    def function(host: Any, *args: Any, **keywords: Any) -> Any:
        try:
            return real(host, *args, **keywords)
        except OSError:
            context.used(KIND, str(host[0] if isinstance(host, tuple) else host))
            raise

    return function


def _patch_urllib(context: Context, request: Any) -> None:
    real, course = request.urlretrieve, Course(context)

    @functools.wraps(real)
    def urlretrieve(url: Any, filename: Any = None, *args: Any, **keywords: Any) -> Any:
        if filename is not None and course.fetch(str(url), Path(filename)):
            return str(filename), {}
        return real(url, filename, *args, **keywords)

    request.urlretrieve = urlretrieve


def _patch_requests(context: Context, api: Any) -> None:
    """`requests.get(url).content` of a file that the course has."""
    import tempfile  # noqa: PLC0415

    real, course = api.request, Course(context)

    @functools.wraps(real)
    def request(method: Any, url: Any, **keywords: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "file"
            if str(method).lower() == "get" and course.fetch(str(url), file):
                from requests import Response  # noqa: PLC0415

                answer = Response()
                answer.status_code, answer.url, answer._content = 200, str(url), file.read_bytes()
                answer.headers["Content-Length"] = str(file.stat().st_size)
                return answer
        return real(method, url, **keywords)

    api.request = request  # get() and the others call it by this name
