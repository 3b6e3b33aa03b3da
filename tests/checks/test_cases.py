"""A case pack survives its file, and a file that is no case pack is refused."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from autograder.checks.cases import CasePack, load_pack, save_pack
from autograder.outcome import GraderFault
from reference.conv_cases import Layer, Tier, build_pack
from tests.checks.packs import small_pack


def same(one: CasePack, other: CasePack) -> bool:
    def bits(pack: CasePack) -> object:
        def bit(array: np.ndarray | None) -> object:
            return None if array is None else (array.dtype.str, array.shape, array.tobytes())

        return (
            (pack.layer, pack.tier, pack.seed),
            [(c.name, c.traits, dict(c.params), c.outputs, bit(c.dout)) for c in pack.cases],
            [{name: bit(array) for name, array in c.inputs.items()} for c in pack.cases],
            {output: [bit(array) for array in arrays] for output, arrays in pack.expected.items()},
            [(s.id, s.output, s.sentence, [bit(answer) for answer in s.answers]) for s in pack.slips],
        )

    return bits(one) == bits(other)


@pytest.mark.parametrize(
    ("layer", "tier"),
    [
        ("conv", "contract"),
        ("conv", "extended"),
        ("pool", "contract"),
        ("pool", "extended"),
        ("pool", "ties"),
    ],
)
def test_a_pack_survives_its_file(layer: Layer, tier: Tier, tmp_path: Path) -> None:
    pack = build_pack(layer, tier, 9)
    save_pack(pack, tmp_path / "pack.safetensors")
    assert same(load_pack(tmp_path / "pack.safetensors"), pack)
    first = (tmp_path / "pack.safetensors").read_bytes()
    save_pack(load_pack(tmp_path / "pack.safetensors"), tmp_path / "pack.safetensors")
    assert (tmp_path / "pack.safetensors").read_bytes() == first
    assert [path.name for path in tmp_path.iterdir()] == ["pack.safetensors"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", pickle.dumps({"x": 1}), b"\xff" * 64, (2**40).to_bytes(8, "little") + b"{}"],
    ids=["empty", "json", "pickle", "noise", "bomb"],
)
def test_a_file_that_is_no_pack_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "pack.safetensors"
    path.write_bytes(content)
    with pytest.raises(GraderFault, match="can't be read") as caught:
        load_pack(path)
    assert "Write the pack again" in caught.value.remedy


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraderFault, match=r"case pack '.*none' can't be read: FileNotFoundError"):
        load_pack(tmp_path / "none")


def index(**changed: object) -> dict[str, str]:
    empty = {"format": 1, "layer": "", "tier": "", "seed": 1, "cases": [], "expected": {}, "slips": []}
    return {"case_pack": json.dumps(empty | changed)}


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        (None, "Invalid JSON"),
        ({"case_pack": "{}"}, "Field required"),
        (index(format=9), "it has format 9"),
        (index(surprise=1), "Extra inputs are not permitted"),
        (index(expected={"a": 1}), "expected/a/0"),
    ],
)
def test_tensors_without_their_index_are_refused(
    metadata: dict[str, str] | None, why: str, tmp_path: Path
) -> None:
    save_file({"x": np.zeros(2)}, tmp_path / "pack", metadata=metadata)
    with pytest.raises(GraderFault, match=why):
        load_pack(tmp_path / "pack")


def test_cases_and_answers_must_match() -> None:
    pack = small_pack()
    with pytest.raises(GraderFault, match=r"too few or too many answers for \['out'"):
        replace(pack, expected={"out": pack.expected["out"][:3]})
    short = replace(pack.slips[0], answers=pack.slips[0].answers[:3])
    with pytest.raises(GraderFault, match=r"f\.out\.added"):
        replace(pack, slips=(short,))
