"""The catalogue of known slips: each a mutated reference for one output of one function.

They are what teaching assistants see in hand-written layers, year after year. A slip may raise, or answer
with a wrong shape, as the student's code would; and it may be right in many cases, which is why the course's
own notebook doesn't find it. ``sentence`` is what the student reads: which line of thought to look at, and
never the code.
"""

from __future__ import annotations

from reference.slips import conv_db, conv_dw, conv_dx, conv_out, pool_dx, pool_out
from reference.slips.parts import Slip

__all__ = ["SLIPS", "Slip", "slips_of"]

SLIPS: tuple[Slip, ...] = (
    *conv_out.SLIPS,
    *conv_dx.SLIPS,
    *conv_dw.SLIPS,
    *conv_db.SLIPS,
    *pool_out.SLIPS,
    *pool_dx.SLIPS,
)


def slips_of(*functions: str) -> tuple[Slip, ...]:
    """The slips in these functions of reference.layers."""
    return tuple(slip for slip in SLIPS if slip.function in functions)
