"""Benchmarks, run by hand: README.md says what each measures, how to run it, and what it gave."""

import os

# One thread, as in the sandbox and for every peer. NumPy's libraries read these once, when they are loaded,
# so they are set before any module of this package can import it.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
# Else nothing that a benchmark starts could keep its byte code, and every start would compile anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
