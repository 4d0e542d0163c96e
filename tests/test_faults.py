"""A sample of the points of bench.faults: a network and a server that fail at any command, held against a good day."""

from pathlib import Path

import pytest

from tests.support.dovecot import Dovecot
from tests.support.faults import KINDS, Fault, Kind, offering
from tests.support.kills import held_against_kills
from tests.support.points import KINDS as MAILS
from tests.support.points import Days, held_against, look
from triage.errors import TriageError
from triage.ledger import Ledger
from triage.session import Session
from triage.undo import undo


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


@pytest.mark.parametrize("kind", ["before", "after"])
def test_what_was_forgotten_after_a_cut_stands_nowhere(dovecot: Dovecot, tmp_path: Path, kind: Kind) -> None:
    """The line breaks at the first note, and the parent has all forgotten: no text is left, no empty mail is made."""
    with Days(dovecot, tmp_path) as days:
        days.good_day()
        first = days.proxy.seen.index("APPEND")
        user = days.new_household()
        days.proxy.begin(Fault(first, kind))
        with days.session(user) as session:
            assert days.attempt(session) is None
            Ledger(session.store).forget_everything()
            assert not session.store.rows("SELECT id FROM op WHERE length(payload) > 0")
            for _ in range(2):
                days.attempt(session)
            assert not session.store.open_ops("home")
        state = look(dovecot, user)
        assert (state.notes, state.drafts) == ((1, 0) if kind == "after" else (0, 0))
        assert sorted(state.ids.values()) == [1] * len(MAILS)


def _undo(session: Session, run: str) -> bool:
    """An undo of a run; whether it came to its end."""
    this_run = session.store.begin_run("undo", session.clock())
    try:
        with session.connect(session.config.accounts[0]) as box:
            return not undo(session, box, "home", run, this_run).left
    except TriageError:
        return False


def _undone_after(days: Days, fault: Fault | None) -> bool:
    """A pass, its undo with a fault, a pass that has nothing to do, the undo once more; whether that came to an end."""
    user = days.new_household()
    days.proxy.begin(None)
    with days.session(user) as session:
        account, run = session.config.accounts[0], session.store.begin_run("once", days.now)
        assert not session.run(account, run).failed
        days.proxy.begin(fault)
        ended = _undo(session, run)
        if fault is not None:
            days.proxy.begin(None)
            report = session.run(account, session.store.begin_run("once", days.now))
            assert (report.filed, report.corrections) == (0, 0), fault
            ended |= _undo(session, run)
    state = look(days.server, user)
    assert {place for _, place in state.places} == {"INBOX"}, fault
    assert (sum(state.ids.values()), state.notes, state.drafts, state.deleted) == (len(MAILS), 0, 0, 0), fault
    return ended


@pytest.mark.parametrize("capability", ["", "IMAP4rev1 LITERAL+ UIDPLUS NAMESPACE CHILDREN SPECIAL-USE"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_undo_that_was_cut_short_is_ended_by_the_next(
    dovecot: Dovecot, tmp_path: Path, kind: Kind, capability: str
) -> None:
    """At every twenty-fourth command: all mail is home again, no note or draft of ours is left, nobody is blamed."""
    with Days(dovecot, tmp_path) as days:
        days.proxy.rewrite = offering(capability) if capability else []
        assert _undone_after(days, None)
        commands = len(days.proxy.seen)
        assert commands >= 40
        for at in range(5 * KINDS.index(kind), commands, 24):
            assert _undone_after(days, Fault(at, kind)), at
