"""The parent moves, deletes, marks and tags mail in another client while triage works: the parent always wins."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from imapclient import IMAPClient

from tests.support.dovecot import Dovecot
from tests.support.faults import KINDS as FAULTS
from tests.support.faults import Fault, Kind, offering
from tests.support.mail import a_mail
from tests.support.points import KINDS, Days, look
from tests.support.second import SecondClient, days_with_a_second_client
from tests.support.some import LONG


@pytest.mark.parametrize("name", ["MOVE", "UIDPLUS"])
def test_what_the_parent_does_meanwhile_is_never_overwritten(dovecot: Dovecot, tmp_path: Path, name: str) -> None:
    """Before random commands of a pass another client acts; `python -m bench.second` takes 500 such acts a server."""
    with Days(dovecot, tmp_path) as days:
        if name != "MOVE":
            days.proxy.rewrite = offering("IMAP4rev1 UIDPLUS SPECIAL-USE NAMESPACE")
        found = days_with_a_second_client(days, acts=30, seed=1, expunges=name == "MOVE")
    assert sum(found.acts.values()) >= 30
    assert not found.wrong, found.wrong


@pytest.mark.parametrize("number", range(6))
def test_what_was_appended_and_taken_is_not_made_again(dovecot: Dovecot, tmp_path: Path, number: int) -> None:
    """The answer to an APPEND is lost, and the parent throws away what did arrive, or puts away the digest."""
    with Days(dovecot, tmp_path) as days:
        days.day(None)
        appends = [at for at, verb in enumerate(days.proxy.seen) if verb == "APPEND"]
        assert len(appends) == 6
        user = days.new_household()
        days.proxy.begin(Fault(appends[number], "after"))
        with days.session(user) as session, dovecot.client(user) as parent:
            assert days.attempt(session) is None
            taken = set(ours(parent))
            for folder in {folder for folder, _ in taken}:
                parent.select_folder(folder)
                uids = [uid for uid, name in own_uids(parent) if (folder, name) in taken]
                if folder == "INBOX":
                    parent.create_folder("Archive")
                    parent.move(uids, "Archive")
                else:
                    parent.add_flags(uids, [r"\Deleted"])
                    parent.uid_expunge(uids)
            for _ in range(2):
                assert days.attempt(session) is not None
            assert not {(folder, name) for folder, name in ours(parent) if (folder, name) in taken}


def ours(client: IMAPClient) -> Iterator[tuple[str, bytes]]:
    """Folder and Message-ID of what triage itself wrote."""
    for flags, _, folder in client.list_folders():
        if rb"\Noselect" in flags:
            continue
        client.select_folder(folder, readonly=True)
        yield from ((folder, name) for _, name in own_uids(client))


def own_uids(client: IMAPClient) -> Iterator[tuple[int, bytes]]:
    for uid, data in client.fetch(client.search(), ["ENVELOPE"]).items():
        if (data[b"ENVELOPE"].message_id or b"").endswith(b"@triage.invalid>"):
            yield uid, data[b"ENVELOPE"].message_id


# --- Everybody at once -----------------------------------------------------------------------------------


class Everybody(RuleBasedStateMachine):
    """Mail arrives, passes run on good and bad lines, the parent acts between and within them, triage starts anew."""

    dovecot: Dovecot

    @initialize(seed=st.integers(0, 10**6))
    def begin(self, seed: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.days = Days(self.dovecot, Path(self.folder.name))
        self.user = self.dovecot.new_user()
        self.parent = SecondClient(self.dovecot, self.user, random.Random(seed))
        self.arrived: set[str] = set()
        self._open()

    def _open(self) -> None:
        self.state = self.days.session(self.user)
        self.session = self.state.__enter__()

    def _close(self) -> None:
        self.state.__exit__(None, None, None)

    @rule(kind=st.sampled_from(KINDS), count=st.integers(1, 3))
    def mail_arrives(self, kind: str, count: int) -> None:
        with self.dovecot.client(self.user) as client:
            for _ in range(count):
                number = 1000 + len(self.arrived)
                client.append("INBOX", a_mail(kind, number=number))
                self.arrived.add(f"<{kind}-{number}@test.example>")

    @rule()
    def a_pass(self) -> None:
        self.days.proxy.begin(None)
        self.days.attempt(self.session)

    @rule(at=st.integers(5, 80), kind=st.sampled_from(FAULTS))
    def a_pass_on_a_bad_line(self, at: int, kind: Kind) -> None:
        self.days.proxy.begin(Fault(at, kind))
        self.days.attempt(self.session)

    @rule(moments=st.sets(st.integers(5, 70), min_size=1, max_size=3))
    def a_pass_while_the_parent_acts(self, moments: set[int]) -> None:
        self.days.proxy.begin(None)
        self.days.proxy.before = self.parent.at(moments)
        self.days.attempt(self.session)
        self.days.proxy.before = lambda _number, _verb: None

    @rule()
    def the_parent_acts(self) -> None:
        self.parent.act()

    @rule()
    def it_starts_anew(self) -> None:
        self._close()
        self._open()

    @invariant()
    def nothing_is_lost_and_the_parent_wins(self) -> None:
        if hasattr(self, "parent"):
            wrong = self.parent.held_against(self.arrived)
            assert not any(wrong.values()), wrong
            notes = look(self.dovecot, self.user)
            assert notes.notes <= len(self.arrived)
            assert notes.digests <= 1

    def teardown(self) -> None:
        if hasattr(self, "parent"):
            self.days.proxy.begin(None)
            for _ in range(2):
                self.days.attempt(self.session)
            wrong = self.parent.held_against(self.arrived)
            open_ops = self.session.store.open_ops("home")
            self._close()
            self.parent.close()
            self.days.__exit__(None, None, None)
            self.folder.cleanup()
            assert not any(wrong.values()), wrong
            assert open_ops == []


def test_everybody_at_once(dovecot: Dovecot) -> None:
    """Whatever order things happen in, each mail stands once, where the parent put it if the parent put it anywhere."""
    Everybody.dovecot = dovecot
    run_state_machine_as_test(
        Everybody,
        settings=settings(max_examples=60 if LONG else 4, stateful_step_count=12, deadline=None),
    )
