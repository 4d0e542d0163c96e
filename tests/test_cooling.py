"""How long charged mail waits, on the household's wall clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.cases import verdict
from triage.config import Config
from triage.cooling import held_until, is_charged
from triage.days import digest_end

CHARGED = verdict(labels=("behavior",), primary="behavior")


def config(cooling: str, extra: str = "") -> Config:
    return Config.model_validate_json(
        f'{{"timezone": "America/New_York", "prompts": {{"cooling_off": "{cooling}"{extra}}}}}'
    )


def at(hour: int, minute: int = 0, day: int = 7) -> datetime:
    return datetime(2026, 1, day, hour, minute, tzinfo=config("none").zone)


@pytest.mark.parametrize(
    ("cooling", "received", "until"),
    [
        ("none", at(21), None),
        ("always", at(9), at(6, 30, 8)),
        ("always", at(21), at(6, 30, 8)),
        ("always", at(5), at(6, 30)),
        ("evening", at(9), None),
        ("evening", at(16, 59), None),
        ("evening", at(17), at(6, 30, 8)),
        ("evening", at(6, 29), at(6, 30)),
        ("evening", at(6, 30), None),
    ],
)
def test_it_waits_for_the_morning(cooling: str, received: datetime, until: datetime | None) -> None:
    """Always, or in the evening and the night; to the next hour of the digest."""
    assert held_until(CHARGED, received, config(cooling)) == until


def test_it_waits_no_longer_than_so_many_hours() -> None:
    """Where the configuration says so."""
    assert held_until(CHARGED, at(21), config("always", ', "cooling_hours": 2')) == at(23)
    assert held_until(CHARGED, at(5), config("always", ', "cooling_hours": 12')) == at(6, 30)


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": ("safety",)},
        {"urgent": True},
        {"labels": ("homework",), "primary": "homework"},
        {"labels": ("praise",), "primary": "praise"},
        {"school": False},
    ],
)
def test_danger_haste_and_good_news_never_wait(changes: dict[str, object]) -> None:
    """Only what stings may wait."""
    judged = verdict(**({"labels": ("behavior",), "primary": "behavior"} | changes))
    assert not is_charged(judged)
    assert held_until(judged, at(21), config("always")) is None


@given(st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)), st.sampled_from(["evening", "always"]))
def test_no_mail_waits_longer_than_a_day(naive: datetime, cooling: str) -> None:
    """Over clock changes too: it is shown at an hour of the digest, at most a day and an hour later."""
    received = naive.replace(tzinfo=UTC)
    until = held_until(CHARGED, received, config(cooling))
    if until is not None:
        assert received < until <= received + timedelta(hours=25)
        zone = config(cooling).zone
        assert until == digest_end(until.astimezone(zone).date(), config(cooling).digest.at, zone)
