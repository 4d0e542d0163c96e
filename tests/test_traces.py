"""A state that is lost, folder and all: what stands in the mailbox tells what was done."""

import random
import re
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import imapclient
import pytest

from tests.conftest import Household
from tests.support.dovecot import Dovecot
from tests.support.mail import a_mail
from tests.test_cycle import KINDS, note_count, once, places
from tests.test_ledger import save_draft
from triage.ledger import Ledger
from triage.store import Store


def log_of(home: Household) -> str:
    return home.run("log", "--format", "csv").stdout


def take(home: Household, folder: str, to: str) -> None:
    """The parent moves all mail of a folder; our notes stay."""
    with home.server.client(home.user) as client:
        client.select_folder(folder)
        client.move(client.search(["NOT", "HEADER", "X-Triage", "note"]), to)


def test_nothing_is_filed_noted_drafted_or_told_again(household: Household) -> None:
    """Places, tags, notes, drafts and the digest stay as they were; the record says the same."""
    household.write_config(
        '[prompts]\ndeliver = ["digest", "note", "draft"]\n[digest]\nat = "00:00"\ndeliver = ["inbox"]'
    )
    household.deliver(*(a_mail(kind, number=n) for n, kind in enumerate(KINDS, start=100)))
    household.deliver(a_mail("behavior", number=120, extra="He is bleeding, please call me right away."))
    once(household)
    assert household.run("digest", "--deliver").returncode == 0
    found, contents, said = places(household), household.contents(), log_of(household)
    assert found["<behavior-120@test.example>"][0] == "INBOX"
    shutil.rmtree(household.state)
    for _ in range(2):
        report = once(household)
        assert [report[name] for name in ("filed", "review", "failed", "corrections")] == [0] * 4
    assert household.run("digest", "--deliver").returncode == 0
    assert (places(household), household.contents(), log_of(household)) == (found, contents, said)


def test_what_the_parent_took_back_is_not_filed_again(household: Household) -> None:
    """It carries our tag; what comes anew is filed as ever, and what is dragged on is a correction."""
    household.deliver(a_mail("homework", number=201), a_mail("behavior", number=202))
    once(household)
    take(household, "School/Homework", "INBOX")
    shutil.rmtree(household.state)
    household.deliver(a_mail("praise", number=203))
    report = once(household)
    assert (report["filed"], report["corrections"]) == (1, 0)
    assert {message_id: place for message_id, (place, _) in places(household).items()} == {
        "<homework-201@test.example>": "INBOX",
        "<behavior-202@test.example>": "School/Behavior",
        "<praise-203@test.example>": "School/Praise",
    }
    take(household, "School/Behavior", "School/Praise")
    assert once(household)["corrections"] == 1
    assert once(household)["corrections"] == 0


def test_where_it_stands_says_what_it_is(household: Household) -> None:
    """The parent's own filing outlives the state, as does what was put away."""
    household.deliver(a_mail("homework", number=211), a_mail("meeting_request", number=212))
    once(household)
    with household.server.client(household.user) as client:
        client.create_folder("School/Praise")
    take(household, "School/Homework", "School/Praise")
    take(household, "School/Meetings", "School/Done")
    shutil.rmtree(household.state)
    once(household)
    with Store(household.state) as store:
        (praised,) = store.by_message_id("homework-211@test.example")
        (settled,) = store.by_message_id("meeting_request-212@test.example")
        answers = Ledger(store).answers()
    assert praised.judgement is not None
    assert praised.judgement["verdict"]["primary"] == "praise"
    assert (settled.account, settled.key) in answers
    assert (praised.account, praised.key) not in answers


@pytest.mark.parametrize(
    "filing", ['mode = "copy"', 'mode = "copy"\ntags = false', 'mode = "tag"'], ids=["copy", "untagged copy", "tag"]
)
def test_in_the_other_modes(household: Household, filing: str) -> None:
    """No second copy, no second note, no tag that the parent took off set again."""
    household.write_config(f"[filing]\n{filing}\n")
    household.deliver(a_mail("homework", number=221), a_mail("praise", number=222))
    once(household)
    with household.server.client(household.user) as client:
        client.select_folder("INBOX")
        client.remove_flags(client.search(["HEADER", "Message-ID", "praise-222"]), [b"triage-praise"])
    with household.server.client(household.user) as client:
        client.select_folder("INBOX")
        flags = client.get_flags(client.search())
    contents = household.contents()
    shutil.rmtree(household.state)
    for _ in range(2):
        report = once(household)
        assert [report[name] for name in ("filed", "review", "failed", "corrections")] == [0] * 4
    with household.server.client(household.user) as client:
        client.select_folder("INBOX")
        assert client.get_flags(client.search()) == flags
    assert household.contents() == contents


def test_without_tags_a_note_tells(dovecot_bare: Dovecot, tmp_path: Path) -> None:
    """Where nothing can be moved and no tag is wanted, the note beside a mail shows that it was dealt with."""
    home = Household(dovecot_bare, dovecot_bare.new_user(), tmp_path)
    home.write_config("[filing]\ntags = false\n")
    home.deliver(a_mail("homework", number=231))
    once(home)
    assert (note_count(home), home.contents()) == (1, {"INBOX": 2})
    shutil.rmtree(home.state)
    once(home)
    assert (note_count(home), home.contents()) == (1, {"INBOX": 2})


@pytest.mark.parametrize("killed", [False, True], ids=["whole", "killed meanwhile"])
def test_without_tags_a_note_that_was_left_behind_tells_what_was_taken_back(
    household: Household, *, killed: bool
) -> None:
    """It stands where the mail was filed; what comes anew is filed as ever."""
    household.write_config("[filing]\ntags = false\n")
    household.deliver(a_mail("homework", number=233), a_mail("behavior", number=234))
    once(household)
    take(household, "School/Homework", "INBOX")
    found, notes = places(household), note_count(household)
    assert found["<homework-233@test.example>"][0] == "INBOX"
    shutil.rmtree(household.state)
    if killed:
        process = subprocess.Popen(household.command("once"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(1.5)
        process.kill()
        process.wait()
    for _ in range(2):
        report = once(household)
        assert [report[name] for name in ("filed", "review", "failed", "corrections")] == [0] * 4
    assert (places(household), note_count(household)) == (found, notes)
    household.deliver(a_mail("praise", number=235))
    assert once(household)["filed"] == 1


def test_without_tags_what_an_earlier_mail_of_a_thread_says_is_filed(household: Household) -> None:
    """The note beside an answer names the whole thread, and stands beside that one mail alone."""
    household.write_config("[filing]\ntags = false\n")
    thread = "In-Reply-To: <homework-237@test.example>\r\nReferences: <homework-237@test.example>\r\n"
    household.deliver(thread.encode() + a_mail("homework", number=238))
    once(household)
    assert note_count(household) == 1
    shutil.rmtree(household.state)
    household.deliver(a_mail("homework", number=237))
    assert once(household)["filed"] == 1


def test_a_draft_has_one_note(household: Household) -> None:
    """Beside a draft that answers a teacher stands the note of the state that was lost."""
    household.write_config("[prompts]\ncheck_drafts = true\n")
    household.deliver(a_mail("behavior", number=236))
    once(household)
    save_draft(
        household,
        "You never tell us anything. This is your fault.",
        answers="In-Reply-To: <behavior-236@test.example>\r\n",
        age=timedelta(hours=1),
    )
    once(household)
    contents = household.contents()
    assert contents["Drafts"] == 2
    shutil.rmtree(household.state)
    for _ in range(2):
        once(household)
        assert household.contents() == contents


def test_a_line_that_drops_meanwhile_costs_nothing_twice(household: Household) -> None:
    """What was taken up before is known to the next pass; a folder that may not be looked into is left out."""
    household.deliver(*(a_mail(kind, number=n) for n, kind in enumerate(KINDS, start=240)))
    once(household)
    found, notes = places(household), note_count(household)
    shutil.rmtree(household.state)
    chance = random.Random(5)
    for _ in range(4):
        process = subprocess.Popen(household.command("once"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(1.5, 3.0))
        process.kill()
        process.wait()
    once(household)
    assert (places(household), note_count(household)) == (found, notes)


def test_a_mailbox_of_strangers_folders_is_as_before(household: Household) -> None:
    """Mail that somebody had put into a folder of our name before is known, and neither moved nor marked."""
    with household.server.client(household.user) as client:
        client.create_folder("School/Homework")
        client.append("School/Homework", a_mail("behavior", number=251), [imapclient.SEEN])
        client.append("School/Homework", a_mail("not_school", number=252))
    before = household.contents()
    report = once(household)
    assert (report["filed"], report["corrections"]) == (0, 0)
    assert household.contents() == before


# What a stranger may write to pass for this program, and what the server adds to what is sent.
CLAIMS = {
    "as it comes": "Message-ID: <f@evil.example>\r\n",
    "with an identity like ours": "Received: from evil.example by mx.example\r\nMessage-ID: <f@triage.invalid>\r\n",
}


def a_claim(kind: str, claim: str) -> bytes:
    head = f"From: e@evil.example\r\nTo: parent@mailbox.example\r\nSubject: hi\r\nX-Triage: {kind}\r\n{CLAIMS[claim]}"
    date = format_datetime(datetime.now(UTC))
    return f"{head}In-Reply-To: <homework-261@test.example>\r\nDate: {date}\r\n\r\nhello\r\n".encode()


@pytest.mark.parametrize("claim", list(CLAIMS))
def test_a_strangers_note_is_none_of_ours(household: Household, claim: str) -> None:
    """It keeps no mail from being filed where there is no state, and is itself looked at as any other."""
    household.deliver(a_claim("note", claim), a_mail("homework", number=261))
    assert once(household)["filed"] == 1
    assert places(household)["<homework-261@test.example>"][0] == "School/Homework"
    with Store(household.state) as store:
        assert len(store.by_message_id(re.findall("<.+@.+>", CLAIMS[claim])[0])) == 1


@pytest.mark.parametrize("claim", list(CLAIMS))
def test_a_strangers_digest_takes_the_place_of_none(household: Household, claim: str) -> None:
    """The first one of a new state is delivered beside it."""
    household.write_config('[digest]\nat = "00:00"\ndeliver = ["inbox"]\nempty = true')
    household.deliver(a_claim("digest", claim))
    once(household)
    assert household.run("digest", "--deliver").returncode == 0
    assert household.contents() == {"INBOX": 2}
