"""The whole suite grades in the sandbox that Gradescope's container has, unless a test names another."""

from __future__ import annotations

import os

from autograder.boxes import SANDBOX_VARIABLE

if os.geteuid() == 0:  # otherwise the strongest that is there
    os.environ.setdefault(SANDBOX_VARIABLE, "privdrop")
