"""A stranger's mail that may be the school's stays in the inbox, and the digest asks about its writer, once."""

import json
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes, policy
from email.utils import format_datetime, localtime, parseaddr

import pytest

from tests.conftest import Household
from tests.support.cases import verdict
from triage import model as models
from triage import train
from triage.classify import perhaps_schools
from triage.corpus import Record, load_corpus
from triage.judge import Judgement
from triage.observe import kept_of
from triage.resources import corpus_path, shipped_model_path
from triage.store import Store


@pytest.fixture(scope="module")
def doubtful() -> Record:
    """A mail of the corpus about which the shipped model is in doubt."""
    few = [record for record in load_corpus(corpus_path()) if record.kind in ("teacher", "ordinary")][::7]
    judged = train.judge(few, models.load(shipped_model_path()))
    return next(one.record for one in judged if perhaps_schools(one.verdict) and one.verdict.subject)


@pytest.mark.parametrize(
    "changes",
    [
        {"scores": {"school": 0.2}},
        {"sender": "suspicious", "warnings": ("a lookalike",)},
        {"sender": "known"},
        {"language": "fr"},
        {"school": True},
        {"unsure": True},
    ],
)
def test_who_is_not_asked_about(changes: dict[str, object]) -> None:
    """Who is known, likely another or a forger, or writes in a language that the model cannot read."""
    left = replace(
        verdict(school=False, labels=(), primary="not_school", teacher=None), sender="unknown", scores={"school": 0.5}
    )
    assert perhaps_schools(left)
    assert not perhaps_schools(replace(left, **changes))  # type: ignore[arg-type]


def _of_today(record: Record, number: int) -> bytes:
    mail = message_from_bytes(record.to_bytes(), policy=policy.SMTP)
    del mail["Date"], mail["Message-ID"]
    mail["Date"], mail["Message-ID"] = format_datetime(localtime()), f"<perhaps-{number}@test.example>"
    return mail.as_bytes()


def test_it_stays_and_is_asked_about_until_the_parent_says(household: Household, doubtful: Record) -> None:
    """Nothing is moved, tagged or noted; put into a folder of School/, its writer is known."""
    address = parseaddr(dict(doubtful.headers)["From"])[1].lower()
    household.deliver(_of_today(doubtful, 1))

    def asked() -> Iterator[str]:
        return (one["address"] for one in json.loads(household.run("digest", "--format", "json").stdout)["perhaps"])

    assert household.run("once").returncode == 0
    assert household.contents() == {"INBOX": 1}
    assert list(asked()) == [address]
    shown = household.run("digest").stdout
    assert "Left in your inbox, perhaps from the school" in shown
    assert address in shown
    assert household.run("once").returncode == 0
    with household.server.client(household.user) as client:
        client.create_folder("School/Other")
        client.select_folder("INBOX")
        client.move(client.search(), "School/Other")
    assert household.run("once").returncode == 0
    with Store(household.state) as store:
        assert store.learned_senders() == {address}
    assert list(asked()) == []


def test_mail_to_oneself_is_not_asked_about() -> None:
    """What the parent sends to the own address."""
    left = replace(verdict(school=False, labels=(), primary="not_school"), sender="unknown", scores={"school": 0.5})
    judged = Judgement(verdict=left, sender_address="jo@gmail.com", sender_name="Jo")
    assert (kept_of(judged) or {})["perhaps"]["address"] == "jo@gmail.com"
    assert "perhaps" not in (kept_of(replace(judged, from_self=True)) or {})


def test_what_is_kept_of_it_is_forgotten_by_its_writer(household: Household, doubtful: Record) -> None:
    """Name, address and subject are held of such a mail, and taken out like all else."""
    address = parseaddr(dict(doubtful.headers)["From"])[1].lower()
    household.deliver(_of_today(doubtful, 2))
    assert household.run("once").returncode == 0
    assert "forgotten: 1 " in household.run("forget", "--teacher", address).stdout
    assert address.encode() not in b"".join(file.read_bytes() for file in household.state.glob("state.db*"))
    assert json.loads(household.run("digest", "--format", "json").stdout)["perhaps"] == []
