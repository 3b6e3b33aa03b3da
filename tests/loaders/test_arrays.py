"""NumPy's files: numbers come back as they were, and no header, entry or object costs more than it weighs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.loaders.arrays import ArrayLimits, load_npy, load_npz
from autograder.loaders.problems import MIB, TooLarge
from tests.loaders.refusals import frugal, in_little_memory, refused
from tests.loaders.samples import npy, npy_of, npz
from tests.zipmaker import STORED, Raw, raw_zip

DTYPES = (
    hnp.boolean_dtypes()
    | hnp.integer_dtypes()
    | hnp.unsigned_integer_dtypes()
    | hnp.floating_dtypes(sizes=(16, 32, 64))
    | hnp.complex_number_dtypes(sizes=(64, 128))
)
ARRAYS = hnp.arrays(DTYPES, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))
NAMES = st.text("abcé-_0 ", min_size=1, max_size=5).filter(lambda name: name != "file")


def same(got: np.ndarray, array: np.ndarray) -> bool:
    native = array.astype(array.dtype.newbyteorder("="))
    return got.dtype == native.dtype and got.shape == array.shape and got.tobytes() == native.tobytes()


@settings(deadline=None)
@given(ARRAYS, st.booleans(), st.sampled_from([(1, 0), (2, 0), (3, 0)]))
def test_what_numpy_saves_is_read_back(array: np.ndarray, fortran: bool, version: tuple[int, int]) -> None:
    got = load_npy(npy(np.asfortranarray(array) if fortran and array.ndim else array, version), "x.npy")
    assert same(got, array)
    assert got.flags.writeable
    assert got.flags.c_contiguous
    assert got.dtype.isnative


@settings(deadline=None)
@given(st.dictionaries(NAMES, ARRAYS, max_size=3), st.booleans())
def test_what_numpy_zips_is_read_back(arrays: dict[str, np.ndarray], packed: bool) -> None:
    got = load_npz(npz(arrays, packed=packed), "x.npz")
    assert got.keys() == arrays.keys()
    assert all(same(got[name], array) for name, array in arrays.items())


def head(descr: str = "'<f8'", fortran: str = "False", shape: str = "(1,)") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    "header",
    [
        head(),
        head(shape="(1L,)"),  # as NumPy wrote it in Python 2
        '{"shape":(1,),"fortran_order":False,"descr":"<f8"}',
        "  {'descr': '<f8', 'fortran_order': True, 'shape': (1,)}   ",
    ],
)
def test_headers_as_other_programs_write_them(header: str) -> None:
    assert load_npy(npy_of(header, np.array([2.5]).tobytes()), "x.npy").tolist() == [2.5]


OBJECT = "holds Python objects where plain numbers are expected"
BAD: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "is not an .npy file (first bytes)"),
    "a pickle": (b"\x80\x04\x95" + bytes(50), "is not an .npy file (first bytes)"),
    "version 4": (npy_of(head(), bytes(8), version=4), "is not an .npy file (first bytes)"),
    "magic alone": (b"\x93NUMPY\x01\x00", "is not an .npy file (first bytes)"),
    "header past the end": (npy_of(head(), length=500), "claims a header of 500 bytes"),
    "header of 4 GB": (npy_of(head(), version=2, length=2**32 - 1), "claims a header of 4,294,967,295 bytes"),
    "objects": (npy(np.array([None, 1])), OBJECT),
    "objects in hiding": (npy_of(head("'|O8'"), bytes(8)), OBJECT),
    "text": (npy(np.array(["a"])), "holds the dtype '<U1' where plain numbers are expected"),
    "dates": (npy(np.zeros(1, "M8[s]")), "holds the dtype '<M8[s]' where plain numbers are expected"),
    "long doubles": (npy(np.zeros(1, "f16")), "holds the dtype '<f16' where plain numbers are expected"),
    "nothing of a dtype": (npy_of(head("'V0'")), "holds the dtype 'V0' where plain numbers are expected"),
    "records": (
        npy(np.zeros(1, [("a", "f8"), ("b", "O")])),
        "holds no plain array: its header says \"'descr': [('a', '<f8'), ('b', '|O')], 'f\"",
    ),
    "too little data": (npy(np.zeros(3))[:-1], "holds 23 bytes of data, where its header claims 24"),
    "too much data": (npy(np.zeros(3)) + b"x", "holds 25 bytes of data, where its header claims 24"),
    "odd bools": (npy_of(head("'|b1'"), b"\x02"), "holds an array of bools that are neither true nor false"),
    "no dict": (npy_of("[1]"), "has a header that can't be read"),
    "an entry missing": (npy_of("{'descr': '<f8', 'shape': (1,)}"), "has a header that can't be read"),
    "an entry more": (
        npy_of(head()[:-2] + "'x': (1,)}"),
        "holds no plain array: its header says \" 'x': (1,)\"",
    ),
    "order is text": (
        npy_of(head(fortran="'True'")),
        "holds no plain array: its header says \" 'fortran_order': 'True', 'shape': (1,),\"",
    ),
    "negative": (npy_of(head(shape="(-1,)")), "holds no plain array: its header says \" 'shape': (-1,),\""),
    "bools for sides": (
        npy_of(head(shape="(True,)")),
        "holds no plain array: its header says \" 'shape': (True,),\"",
    ),
    "a number": (npy_of(head(shape="(1)")), "has a header that can't be read"),
    "code": (
        npy_of(head("__import__('os').system('id')")),
        "holds no plain array: its header says \"'descr': __import__('os').system('id'), \"",
    ),
    "deep": (npy_of("{'descr': " + "(" * 3000), "has a header that can't be read"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_no_plain_array(what: str) -> None:
    data, said = BAD[what]
    assert refused(load_npy, data) == said


def test_an_entry_that_stands_twice_is_refused() -> None:
    twice = head().replace("}", "'descr': '|O', }")
    assert refused(load_npy, npy_of(twice, bytes(8))).startswith("holds no plain array")


@pytest.mark.parametrize(
    "shape",
    [
        "(10000000000000,)",  # 80 TB
        "(9999999999999999999, 9999999999999999999)",
        "(0, 4611686018427387904)",
        f"({'1, ' * 33})",
        f"({'9, ' * 60})",
    ],
)
def test_a_huge_shape_is_refused_before_memory_is_taken(shape: str) -> None:
    with frugal(1):
        assert "which is too large" in refused(load_npy, npy_of(head(shape=shape), bytes(8)), kind=TooLarge)


def test_a_large_shape_that_sounds_possible_is_held_against_the_data() -> None:
    with frugal(1):
        said = refused(load_npy, npy_of(head(shape="(1000000000000,)"), bytes(8)))
    assert said == "holds 8 bytes of data, where its header claims 8,000,000,000,000"


def test_a_long_header_of_the_right_form_is_no_work() -> None:
    for body in ("{" + "," * 4000, "{'" + "a" * 4000, "{" + " " * 4000 + "}", "{'a':(" + "1," * 2000):
        with frugal(1, seconds=1):
            refused(load_npy, npy_of(body.ljust(4090), version=2))


# --- zips of arrays -----------------------------------------------------------------------------------

ONE = npy(np.zeros(1))


def zipped(*entries: Raw) -> bytes:
    return raw_zip(list(entries))


BAD_ZIPS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "can't be read: is empty, 0 bytes long"),
    "no zip": (b"hello", "can't be read: 'x.dat' is not a zip, whatever its name says"),
    "cut off": (npz({"a": np.zeros(9)})[:-30], "can't be read: is damaged or was cut off"),
    "a script": (zipped(Raw("a.py", b"x")), "holds 'a.py', which is no .npy file"),
    "a folder": (zipped(Raw("a.npy/", b"", mode=0o40755)), "holds 'a.npy/', which is no .npy file"),
    "a link": (zipped(Raw("a.npy", b"/etc/passwd", mode=0o120777)), "holds 'a.npy', which is no .npy file"),
    "twice": (zipped(Raw("a.npy", ONE), Raw("a.npy", ONE)), "holds 'a.npy' twice"),
    "encrypted": (zipped(Raw("a.npy", ONE, flags=1)), "can't be read: is protected by a password"),
    "bzip2": (zipped(Raw("a.npy", ONE, method=12)), "can't be read: is compressed by the method bzip2"),
    "overlap": (
        raw_zip([Raw("a.npy", ONE)], hidden=[Raw("b.npy", ONE, offset=0)]),
        "can't be read: holds entries that overlap, such as 'a.npy'",
    ),
    "a wrong checksum": (zipped(Raw("a.npy", ONE, crc=1)), "can't be read: is damaged or was cut off"),
}


@pytest.mark.parametrize("what", BAD_ZIPS)
def test_what_is_no_npz(what: str) -> None:
    data, said = BAD_ZIPS[what]
    assert refused(load_npz, data) == said


def test_an_object_in_a_zip_is_named() -> None:
    said = refused(load_npz, npz({"a": np.array([None])}))
    assert said == f"'x.dat/a.npy' {OBJECT}"


def test_a_name_that_leads_out_is_a_name() -> None:
    """Nothing is written anywhere under it."""
    assert load_npz(zipped(Raw("../../a.npy", ONE)), "x.npz").keys() == {"../../a"}


def test_a_bomb_is_refused_by_what_it_unpacks_to() -> None:
    bomb = npz({"a": np.zeros(2**23)})  # 64 MiB in 65 kB
    assert len(bomb) < 100_000
    limits = ArrayLimits(max_bytes=32 * MIB)
    with frugal(2):
        said = refused(load_npz, bomb, limits, kind=TooLarge)
    assert said == "unpacks to 64.0 MiB, where 32.0 MiB are allowed"


def test_a_bomb_that_lies_about_its_size_ends_where_it_said() -> None:
    packed = Raw("a.npy", bytes(64 * MIB))
    lying = zipped(Raw("a.npy", packed.data, size=1000))
    with frugal(12):
        refused(load_npz, lying)


def test_a_directory_of_a_million_entries_is_not_read() -> None:
    entry = Raw("", b"", method=STORED).central(0)
    data = raw_zip([Raw("a.npy", ONE)]) + entry * 500_000
    with frugal(2, seconds=3):
        assert refused(load_npz, data, kind=TooLarge) == "holds more than 1,000 arrays"


def test_limits_are_met_exactly() -> None:
    limits = ArrayLimits(max_bytes=2 * len(ONE), max_arrays=2)
    two = {"a": np.zeros(1), "b": np.zeros(1)}
    assert len(load_npz(npz(two), "x", limits)) == 2
    said = refused(load_npz, npz({**two, "c": np.zeros(1)}), limits, kind=TooLarge)
    assert said == "holds 3 arrays, where 2 are allowed"
    said = refused(load_npz, npz({"a": np.zeros(1), "b": np.zeros(2)}), limits, kind=TooLarge)
    assert said == "unpacks to 280 bytes, where 272 bytes are allowed"
    limits = ArrayLimits(max_bytes=800, max_header_bytes=118)
    load_npy(npy(np.zeros(86)), "x", limits)
    refused(load_npy, npy(np.zeros(101)), limits, kind=TooLarge)
    refused(load_npy, npy_of(head().rjust(119), bytes(8)), limits)


def test_a_large_array_takes_a_few_times_its_size() -> None:
    data = npy(np.zeros(2**22))  # 32 MiB
    imports = "from autograder.loaders.arrays import load_npy"
    assert in_little_memory(imports, "load_npy(data, 'x')", data, 110) == "loaded"


def test_no_file_is_left_of_a_zip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    load_npz(npz({"a": np.zeros(1)}), "x")
    refused(load_npz, b"PK")
    assert list(tmp_path.iterdir()) == []
