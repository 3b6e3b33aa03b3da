"""Measured values as text: medians with their range, and Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

__all__ = ["median", "ratios", "spread", "table"]


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Quotients of what was measured in the same round: what slows a round down slows both."""
    return [a / b for a, b in zip(above, below, strict=True)]


def spread(values: Sequence[float], unit: str = "", *, scale: float = 1.0) -> str:
    """Such as "12.4 (11.9 to 14.1) ms"."""
    middle, low, high = (f"{_short(value * scale)}" for value in (median(values), min(values), max(values)))
    return f"{middle} ({low} to {high}){f' {unit}' if unit else ''}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others figures."""
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _short(value: float) -> str:
    """Three significant digits, and never an exponent."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
