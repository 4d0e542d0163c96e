"""A folder that the server builds anew: no UID of the old one is ever used on the new one."""

from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot
from tests.support.points import Days
from tests.support.renumbered import WHEN, a_renumbered_household


@pytest.mark.parametrize("when", WHEN)
def test_no_wrong_mail_is_touched(dovecot: Dovecot, tmp_path: Path, when: str) -> None:
    """Every mail ends once, in its own folder; `python -m bench.renumbered` does it with 1,000."""
    with Days(dovecot, tmp_path) as days:
        found = a_renumbered_household(days, 40, when)
    assert (found.lost, found.doubled, found.misplaced, found.corrections) == (0, 0, 0, 0), found
    assert found.places
    assert found.rejoined == found.places, found
