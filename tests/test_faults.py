"""A sample of the points of bench.faults: a network and a server that fail at any command, held against a good day."""

from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot
from tests.support.faults import KINDS, Fault, Kind
from tests.support.kills import held_against_kills
from tests.support.points import Days, held_against


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_whatever_fails(dovecot: Dovecot, tmp_path: Path, kind: Kind) -> None:
    """Every twelfth command of a day; `python -m bench.faults` takes all, on three kinds of server."""
    with Days(dovecot, tmp_path) as days:
        golden = days.good_day()
        verbs = list(days.proxy.seen)
        assert len(verbs) >= 60
        offset = KINDS.index(kind)
        found = held_against(days, golden, [Fault(at, kind) for at in range(offset, len(verbs), 12)], verbs)
    assert found.points >= 8
    assert found.none(), found
    assert found.passes <= 2


def test_nothing_is_lost_whenever_it_is_killed(dovecot: Dovecot, tmp_path: Path) -> None:
    """Before every twenty-fourth commit or write to the wire; `python -m bench.kills` takes all, on three servers."""
    found = held_against_kills(dovecot, tmp_path, step=24, first=5)
    assert found.points >= 4
    assert found.none(), found
    assert found.passes == 2
