"""The process that reads strangers' mail: bounded, replaceable, and never taken on its word."""

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tests.support.mail import a_mail
from triage.config import Config
from triage.errors import JudgeError, ModelError
from triage.judge import Context, Household, RawMail
from triage.resources import shipped
from triage.worker import Worker

MODEL = shipped("models") / "triage.skops"
TODAY = date(2026, 1, 7)


def worker(model: Path = MODEL) -> Worker:
    return Worker(Household(Config(timezone="UTC"), own_addresses=("parent@mailbox.example",)), lambda: model)


def test_judgements_come_in_the_order_of_the_mail() -> None:
    """Many batches, each mail its own answer; unreadable ones are told by their error."""
    mails = [RawMail(a_mail(number=n)) for n in range(5000, 5230)]
    mails[17] = RawMail(b"\x00\x01 no mail")
    with worker() as judge:
        found = judge.judge(mails, Context(TODAY))
    assert [j.message_id for n, j in enumerate(found) if n != 17] == [
        f"<homework-{n}@test.example>" for n in range(5000, 5230) if n != 5017
    ]
    assert "no e-mail" in found[17].error
    assert found[17].verdict is None


def test_own_words_only_where_asked_for() -> None:
    """The text of a mail leaves the worker for corrections alone."""
    with worker() as judge:
        (without,) = judge.judge([RawMail(a_mail("praise"))], Context(TODAY))
        (with_words,) = judge.judge([RawMail(a_mail("praise"))], Context(TODAY), words=True)
    assert without.own_words == ""
    assert "kind to a new student" in with_words.own_words


def test_mail_of_our_own_and_of_the_parent_is_told_apart() -> None:
    """Notes, and what the parent wrote."""
    ours = (
        a_mail()
        .replace(b"To: parent", b"X-Triage: note\r\nTo: parent", 1)
        .replace(b"@test.example", b"@triage.invalid")
    )
    mine = a_mail(sender="Me <Parent@Mailbox.example>")
    with worker() as judge:
        first, second = judge.judge([RawMail(ours), RawMail(mine)], Context(TODAY))
    assert (first.ours, second.from_self) == (True, True)


def test_a_learned_sender_is_known() -> None:
    """What the parent showed goes along with each batch."""
    raw = RawMail(a_mail("not_school", sender="Kim <kim@club.example>"))
    with worker() as judge:
        (stranger,) = judge.judge([raw], Context(TODAY))
        (known,) = judge.judge([raw], Context(TODAY, ("kim@club.example",)))
    assert stranger.verdict is not None
    assert known.verdict is not None
    assert (stranger.verdict.sender, known.verdict.sender, known.verdict.school) == ("unknown", "known", True)


def test_a_mail_that_kills_the_worker_is_named_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A poisoned mail costs its own judgement and nobody else's."""
    # A sitecustomize in the worker's path dies on a mark, as a crash in a C library would.
    (tmp_path / "sitecustomize.py").write_text(
        "import os\nimport triage.message as m\nreal = m._tree\n"
        "def tree(raw):\n    if b'POISON' in raw:\n        os._exit(139)\n    return real(raw)\nm._tree = tree\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parent.parent}")
    mails = [RawMail(a_mail(number=n, extra="POISON" if n == 6003 else "")) for n in range(6000, 6006)]
    with worker() as judge:
        found = judge.judge(mails, Context(TODAY))
        assert judge.running
    assert [bool(j.error) for j in found] == [False, False, False, True, False, False]
    assert "more time or memory" in found[3].error


def test_a_mail_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The deadline is the daemon's, not the mail's."""
    (tmp_path / "sitecustomize.py").write_text(
        "import time\nimport triage.message as m\nreal = m._tree\n"
        "def tree(raw):\n    if b'SLOW' in raw:\n        time.sleep(600)\n    return real(raw)\nm._tree = tree\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parent.parent}")
    monkeypatch.setattr("triage.worker.SECONDS_PER_MAIL", 1)
    with worker() as judge:
        judge.judge([RawMail(a_mail())], Context(TODAY))
        slow, quick = judge.judge([RawMail(a_mail(extra="SLOW")), RawMail(a_mail())], Context(TODAY))
    assert slow.error
    assert not quick.error


def test_memory_is_bounded() -> None:
    """An address space that a mail could make grow has an end."""
    code = (
        "import triage.worker as w; w._limit()\n"
        "try:\n    x = bytearray(w.MEMORY_BYTES + 1)\nexcept MemoryError:\n    print('bounded')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "bounded" or sys.platform == "darwin"


def test_it_ends_when_idle_and_when_its_parent_does() -> None:
    """No process is left over."""
    with worker() as judge:
        judge.judge([RawMail(a_mail())], Context(TODAY))
        process = judge._process
        assert process is not None
        judge.close_if_idle(3600)
        assert judge.running
        judge.close_if_idle(0)
        assert not judge.running
        judge.judge([RawMail(a_mail())], Context(TODAY))
        process = judge._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_no_model_is_a_sentence(tmp_path: Path) -> None:
    """Missing and damaged models are told, with the file."""
    with worker(tmp_path / "none.skops") as judge, pytest.raises(ModelError, match=r"none\.skops"):
        judge.judge([RawMail(a_mail())], Context(TODAY))


def test_an_own_model_that_cannot_be_used_costs_nothing_but_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The shipped one serves, and the trouble is told once, with what to do; once it is made anew, all is well."""
    own = tmp_path / "own.skops"
    own.write_bytes(MODEL.read_bytes()[:-5000])
    own.with_suffix(".json").write_bytes(MODEL.with_suffix(".json").read_bytes())
    household = Household(Config(timezone="UTC"), own_addresses=("parent@mailbox.example",))
    with Worker(household, lambda: own, MODEL) as judge:
        for _ in range(2):
            (found,) = judge.judge([RawMail(a_mail("praise"))], Context(TODAY))
            assert found.verdict is not None
            assert found.verdict.primary == "praise"
            assert str(own) in judge.unfit
            judge.close()
        assert [record.getMessage() for record in caplog.records] == [judge.unfit]
        assert "`triage train`" in judge.unfit
        own.write_bytes(MODEL.read_bytes())
        judge.judge([RawMail(a_mail("praise"))], Context(TODAY))
        assert judge.unfit == ""


def test_a_worker_that_cannot_start_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation does not hang."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with worker() as judge, pytest.raises(JudgeError, match="cannot be started"):
        judge.judge([RawMail(a_mail())], Context(TODAY))


def test_the_daemon_does_not_pay_for_scikit_learn() -> None:
    """Nothing that the daemon imports loads it."""
    heavy = ("sklearn", "numpy", "scipy", "skops")
    code = f"import sys, triage.daemon, triage.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_received_stands_in_for_a_missing_date() -> None:
    """Dates are resolved against the day of arrival then."""
    raw = b"From: t@school.example\r\nSubject: Maya\r\n\r\nThe math homework is due on Friday. Please turn it in.\r\n"
    with worker() as judge:
        (found,) = judge.judge([RawMail(raw, datetime(2026, 1, 7, 15, tzinfo=UTC))], Context(TODAY))
    assert found.verdict is not None
    assert found.verdict.date == datetime(2026, 1, 7, 15, tzinfo=UTC)
    assert not found.verdict.school or [due.at for due in found.verdict.due] == ["2026-01-09"]


def test_a_module_in_the_current_folder_is_not_run(tmp_path: Path) -> None:
    """A saved attachment that is named like a library is no library."""
    (tmp_path / "pydantic.py").write_text("open('PWNED', 'w').close()")
    (tmp_path / "m.eml").write_bytes(a_mail())
    command = [sys.executable, "-P", "-m", "triage", "--state", str(tmp_path / "state"), "classify", "m.eml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "PWNED").exists()
