"""Entries to test with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from autograder.leaderboard.entry import Entry, NewEntry

START = datetime(2026, 11, 20, 9, tzinfo=UTC)


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def new_entry(team: str = "team", hours: float = 0, digest: str = "ab" * 32, **other: Any) -> NewEntry:
    values: dict[str, Any] = {
        "challenge": "cifar",
        "team": team,
        "at": hour(hours),
        "digest": digest,
        "public": 0.723,
        "private": 0.7051,
        "shown": 0.72,
        "metrics": {"accuracy": 0.1 + 0.2, "macro_f1": 1 / 3},
        "labels": np.arange(-5, 5, dtype=np.int16),
        "points": {"9.4.1": 5.0, "9.4.2": 0.0},
    }
    return NewEntry(**(values | other))


def entry(team: str, hours: float, public: float, private: float, **other: Any) -> Entry:
    """As it comes from the store; the shown score is in whole percent."""
    values: dict[str, Any] = {
        "id": int(hours * 1_000),
        "challenge": "cifar",
        "team": team,
        "at": hour(hours),
        "received": hour(hours + 0.1),
        "digest": f"{team} {hours}",
        "public": public,
        "private": private,
        "shown": round(public, 2),
        "metrics": {},
        "points": {},
    }
    return Entry(**(values | other))
