"""Writes the cases that students get, with right answers and slips' answers in place of the reference."""

from __future__ import annotations

from pathlib import Path

from autograder.checks.cases import save_pack
from reference.conv_cases import build_pack


def make_public(folder: Path, seed: int) -> None:
    """Write the packs of the contract tier into ``folder``."""
    save_pack(build_pack("conv", "contract", seed), folder / "conv-contract.safetensors")
    save_pack(build_pack("pool", "contract", seed), folder / "pool-contract.safetensors")
