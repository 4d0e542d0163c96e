"""The daemon at work: how often it asks a server that fails, what it says of it, and what it never says."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

import triage.daemon
from tests.conftest import Household, account_on
from tests.support.clock import a_config, a_house
from tests.support.dovecot import PASSWORD, Dovecot
from tests.support.faults import FaultProxy
from tests.support.mail import a_mail
from tests.test_daemon import PATIENCE, quiet, until
from triage import watcher
from triage.config import Account, load_config
from triage.daemon import Daemon
from triage.errors import CredentialError, LimitedError, MailboxError, RefusedError, SignInRefusedError, StoreError
from triage.mailbox import Mailbox
from triage.observe import Report
from triage.session import Session
from triage.watcher import LONGEST_PAUSE, REFUSED_PAUSE, Pause

EVENING = datetime(2026, 1, 7, 22)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
# Stands for the words of a mail.
CANARY = "Maya-canary-4711"


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[int], str]:
    """All that was logged, by whomever, from a level on."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="triage")
    form = logging.Formatter("%(levelname)s %(message)s")
    return lambda level: "\n".join(form.format(one) for one in list(caplog.records) if one.levelno >= level)


@contextmanager
def at_work(home: Household, *ports: int, users: tuple[str, ...] = ()) -> Iterator[Daemon]:
    """A daemon in this process, for one account behind each port."""
    quiet(home)
    home.state.mkdir()
    names = users or (home.user,)
    accounts = tuple(
        account_on(
            home.server, user, name=f"home{number}", port=port, security="none",
            password_command=("echo", PASSWORD),
        )
        for number, (user, port) in enumerate(zip(names, ports, strict=True))
    )  # fmt: skip
    config = load_config(home.config_file).model_copy(update={"accounts": accounts})
    session = Session.open(config, home.state, None)
    daemon = Daemon(session)
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        yield daemon
    finally:
        daemon.end()
        thread.join(timeout=PATIENCE)
        session.close()
        assert not thread.is_alive()


def beat(daemon: Daemon) -> None:
    """A heartbeat from its order to its end: whatever had been asked for before it is over then."""
    before = daemon._beats
    daemon._beat()
    until(lambda: daemon._beats != before)


# --- A server that will not IDLE -------------------------------------------------------------------------


@pytest.mark.parametrize("reply", ["NO [NOPERM] not here", "BAD what"])
def test_a_server_that_refuses_idle_is_polled(
    household: Household, proxy: FaultProxy, said: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    """Three tries, then an hour without; one notice, and no pass for what cannot have been missed."""
    monkeypatch.setattr(watcher, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(watcher, "LONGEST_PAUSE", 0.02)
    proxy.replies = {"IDLE": reply}
    with at_work(household, proxy.port) as daemon:
        until(lambda: "again in 60 minutes" in said(logging.DEBUG))
        beat(daemon)
        assert proxy.seen.count("IDLE") == watcher.IDLE_TRIES
        # The first pass, and another one for what came before the first IDLE.
        assert proxy.seen.count("LOGIN") == watcher.IDLE_TRIES + 2
        assert said(logging.INFO).count("mail again in") == 1
        # Polling goes on, and asks nothing more of it.
        household.deliver(a_mail("homework"))
        daemon._soon(daemon._config.accounts[0])
        until(lambda: household.contents().get("School/Homework") == 1)
        beat(daemon)
        assert proxy.seen.count("IDLE") == watcher.IDLE_TRIES
        assert proxy.seen.count("LOGIN") == watcher.IDLE_TRIES + 3


def test_idle_that_ends_at_once_is_tried_ever_more_seldom(
    household: Household, proxy: FaultProxy, said: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """BYE in answer to IDLE: each pause may be twice as long as the one before, up to the longest; one notice."""
    limits: list[float] = []

    def longest(_low: float, high: float) -> float:
        limits.append(high)
        return 0.0

    monkeypatch.setattr(random, "uniform", longest)
    proxy.replies = {"IDLE": "* BYE going down"}
    with at_work(household, proxy.port) as daemon:
        until(lambda: len(limits) >= 14)
        beat(daemon)
        seen = list(proxy.seen)
    assert all(after == min(LONGEST_PAUSE, 2 * before) for before, after in pairwise(limits))
    assert limits[13] == LONGEST_PAUSE
    assert said(logging.INFO).count("mail again in") == 1
    assert seen.count("LOGIN") - seen.count("IDLE") <= 3


def test_a_line_that_was_good_is_tried_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """After ten good minutes the pauses begin anew."""
    limits: list[float] = []
    ticks = [0.0]
    # How long the connection stands, the first few times and later.
    stood = [1.0] * 5 + [watcher.GOOD_SECONDS, 1.0]

    class Standing(watcher.Watcher):
        def _listen(self) -> None:
            if not stood:
                self._over.set()
                return
            ticks[0] += stood.pop(0)
            raise MailboxError("the connection broke")

    def longest(_low: float, high: float) -> float:
        limits.append(high)
        return 0.0

    monkeypatch.setattr(time, "monotonic", lambda: ticks[0])
    monkeypatch.setattr(random, "uniform", longest)
    config = a_config(None)
    session = Session(config, None, None, None)  # type: ignore[arg-type]
    Standing(session, config.accounts[0], lambda: None, lambda: None, lambda _trouble, _next: None).run()
    assert limits == [2, 4, 8, 16, 32, 2, 4]


def test_mail_that_is_missed_between_two_connections_is_looked_for(
    household: Household, proxy: FaultProxy, said: Callable[[int], str]
) -> None:
    """What came while the line was down is found by the pass of the next connection; without such, there is none."""
    with at_work(household, proxy.port):
        until(lambda: proxy.seen.count("LOGOUT") == 2 and proxy.seen.count("IDLE") == 1)
        proxy.cut()
        until(lambda: proxy.seen.count("IDLE") == 2)
        assert proxy.seen.count("LOGIN") == 4
        came: list[int] = []

        def deliver(number: int, verb: str) -> None:
            if verb == "LOGIN" and not came:
                came.append(number)
                household.deliver(a_mail("homework"))

        proxy.before = deliver
        proxy.cut()
        until(lambda: household.contents().get("School/Homework") == 1)


# --- Pauses are kept -------------------------------------------------------------------------------------


@pytest.mark.parametrize("reply", ["NO [LIMIT] slow down", "NO [THROTTLED] later"])
def test_mail_that_is_heard_of_meanwhile_ends_no_pause(
    household: Household, proxy: FaultProxy, said: Callable[[int], str], reply: str
) -> None:
    """The server wants peace while mail arrives; neither that mail nor a watcher makes it be asked again."""
    with at_work(household, proxy.port) as daemon:
        until(lambda: proxy.seen.count("LOGOUT") == 2 and proxy.seen.count("IDLE") == 1)
        armed = threading.Event()

        def limit(_number: int, verb: str) -> None:
            if verb == "SELECT" and not armed.is_set():
                armed.set()
                heard = proxy.seen.count("IDLE")
                household.deliver(a_mail("homework"))
                until(lambda: proxy.seen.count("IDLE") > heard)
                proxy.replies = {"UID FETCH": reply, "UID SEARCH": reply}

        proxy.before = limit
        daemon._wake(daemon._config.accounts[0])
        until(lambda: "trying again in 60 minutes" in said(logging.WARNING))
        beat(daemon)
        logins = proxy.seen.count("LOGIN")
        for ask in (daemon._wake, daemon._missed, daemon._soon, lambda a: daemon._again_at(a, daemon._session.clock())):
            ask(daemon._config.accounts[0])
            beat(daemon)
        assert proxy.seen.count("LOGIN") == logins == 4


# --- Two accounts ----------------------------------------------------------------------------------------


def test_mail_that_comes_during_another_accounts_pass_does_not_wait_for_the_poll(
    household: Household, dovecot: Dovecot, said: Callable[[int], str]
) -> None:
    """Heard of while the one thread is busy with another mailbox, it is filed right after; so is what came to that."""
    other = Household(dovecot, dovecot.new_user(), household.folder)
    with ExitStack() as stack:
        ours, theirs = FaultProxy(dovecot.plain_port), FaultProxy(dovecot.plain_port)
        for standing in (ours, theirs):
            stack.callback(standing.stop)
        daemon = stack.enter_context(at_work(household, ours.port, theirs.port, users=(household.user, other.user)))
        for standing in (ours, theirs):
            until(lambda: standing.seen.count("LOGOUT") == 2 and standing.seen.count("IDLE") == 1)  # noqa: B023
        beat(daemon)
        busy, go_on = threading.Event(), threading.Event()

        def hold(_number: int, verb: str) -> None:
            if verb == "SELECT" and not busy.is_set():
                busy.set()
                go_on.wait(PATIENCE)

        theirs.before = hold
        other.deliver(a_mail("praise"))
        assert busy.wait(PATIENCE)
        for home, standing in ((household, ours), (other, theirs)):
            heard = standing.seen.count("IDLE")
            home.deliver(a_mail("homework"))
            until(lambda: standing.seen.count("IDLE") > heard)  # noqa: B023 - asked at once
        go_on.set()
        until(lambda: household.contents().get("School/Homework") == 1)
        until(lambda: other.contents().get("School/Homework") == 1)


def test_an_account_has_two_connections_at_most(
    household: Household, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that waits and one that works, also through passes and a line that breaks again and again."""
    monkeypatch.setattr(watcher, "SHORTEST_PAUSE", 0.05)
    monkeypatch.setattr(watcher, "LONGEST_PAUSE", 0.1)
    with at_work(household, proxy.port) as daemon:
        until(lambda: proxy.seen.count("IDLE") == 1)
        for number in range(1, 5):
            household.deliver(a_mail("homework"))
            until(lambda: household.contents().get("School/Homework") == number)  # noqa: B023 - asked at once
            waits = proxy.seen.count("IDLE")
            proxy.cut()
            until(lambda: proxy.seen.count("IDLE") > waits)  # noqa: B023 - asked at once
            daemon._wake(daemon._config.accounts[0])
            beat(daemon)
        assert proxy.most_at_once == 2


# --- What is said, and what is not -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "tries_a_day"),
    [
        (MailboxError("the connection broke"), 24 * 60),
        (LimitedError("it wants a pause"), 25),
        (ValueError(CANARY), 24 * 60),
    ],
    ids=["broken", "limited", "unexpected"],
)
def test_one_warning_a_day(
    tmp_path: Path, said: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, error: Exception, tries_a_day: int
) -> None:
    """A server that fails for three days and a little: as many tries as the pauses allow, and four warnings."""
    tries: list[int] = []

    def fail(_account: object, _secret: str) -> Mailbox:
        tries.append(1)
        raise error

    with a_house(tmp_path / "state", a_config(None), EVENING) as house, monkeypatch.context() as patch:
        house.live(HOUR)
        patch.setattr(Mailbox, "connect", fail)
        house.live(3 * DAY + HOUR)
        assert 3 * 23 <= len(tries) <= 3 * tries_a_day + 10
        warnings = said(logging.WARNING)
        assert len(warnings.splitlines()) == 4
        assert CANARY not in said(logging.DEBUG)


@pytest.mark.parametrize("error", [ValueError(CANARY), StoreError("full"), RefusedError("OVERQUOTA")], ids=repr)
@pytest.mark.parametrize("name", ["deliver", "due_date"])
def test_a_digest_that_fails_is_no_storm_and_quotes_nothing(
    tmp_path: Path, said: Callable[[int], str], monkeypatch: pytest.MonkeyPatch, name: str, error: Exception
) -> None:
    """Whatever it is: one warning a day with the class alone, tries ever more seldom, no pass more than the polls."""
    tries: list[int] = []

    def fail(*_arguments: object) -> None:
        tries.append(1)
        raise error

    with a_house(tmp_path / "state", a_config(None), EVENING) as house, monkeypatch.context() as patch:
        house.live(HOUR)
        passes: list[int] = []
        real = Session.run

        def run(session: Session, account: Account, name: str) -> Report:
            passes.append(1)
            return real(session, account, name)

        patch.setattr(Session, "run", run)
        patch.setattr(triage.daemon, name, fail)
        house.live(DAY)
        assert 24 * 4 <= len(tries) <= 24 * 60, len(tries)
        assert len(passes) <= 24 * 12 + 2
        (warning,) = said(logging.WARNING).splitlines()
        assert (type(error).__name__ if isinstance(error, ValueError) else str(error)) in warning
        assert CANARY not in said(logging.DEBUG)
        before = len(house.digests)
        patch.undo()
        house.live(HOUR)
        assert len(house.digests) == before + 1


def test_a_digest_does_not_wait_for_ever_for_a_pass_that_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where passes break for hours, as at one message, the digest comes all the same, once."""

    def fail(*_arguments: object, **_options: object) -> Report:
        raise error

    error: Exception = MailboxError("the connection broke")
    with a_house(tmp_path / "state", a_config(None), EVENING) as house, monkeypatch.context() as patch:
        house.live(HOUR)
        patch.setattr(Session, "run", fail)
        before = len(house.digests)
        house.live(DAY)
        assert len(house.digests) == before + 1


def test_a_job_that_fails_is_told_by_the_class_of_its_error(household: Household, said: Callable[[int], str]) -> None:
    """Whichever job it is; what the scheduler knows of it is not logged, because it may quote mail."""

    def fail() -> None:
        raise LookupError(CANARY)

    with at_work(household, household.server.plain_port) as daemon:
        for _ in range(2):
            daemon._scheduler.add_job(fail, id="some job")
            beat(daemon)
    (line,) = (line for line in said(logging.WARNING).splitlines() if "some job" in line)
    assert "LookupError" in line
    assert CANARY not in said(logging.DEBUG)


def test_what_a_watcher_meets_is_told_by_its_class(
    household: Household, said: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody foresaw does not end the watch, and its words are not logged."""
    waits: list[int] = []

    def fail(_box: Mailbox, _seconds: float) -> bool:
        waits.append(1)
        raise KeyError(CANARY)

    monkeypatch.setattr(watcher, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(watcher, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(Mailbox, "wait", fail)
    with at_work(household, household.server.plain_port):
        until(lambda: len(waits) >= 4)
    assert said(logging.INFO).count("KeyError") == 1
    assert CANARY not in said(logging.DEBUG)


def test_a_refused_first_account_keeps_no_digest_from_the_others(household: Household) -> None:
    """It goes into the inbox of the first one that works, and a file is written whatever becomes of the accounts."""
    other = household.server.new_user()
    ports = (household.server.plain_port,) * 2
    with at_work(household, *ports, users=(household.user, other)) as daemon:
        first, second = daemon._config.accounts
        until(lambda: len(daemon._looked) == 2)
        now = daemon._session.clock()
        assert daemon._for_digest(now) == first
        daemon._pauses[first.name].begin(SignInRefusedError("no"), now)
        assert daemon._for_digest(now) == second
        daemon._pauses[second.name].begin(SignInRefusedError("no"), now)
        assert daemon._for_digest(now) == first


def test_a_keyring_that_is_locked_at_first_is_asked_again_soon() -> None:
    """What fails on this machine is tried again within minutes; what the server refused, within an hour."""
    assert Pause().after(CredentialError("the keyring is locked")) <= LONGEST_PAUSE
    assert Pause().after(SignInRefusedError("no")) == REFUSED_PAUSE
