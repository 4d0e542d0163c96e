"""Whole passes against a real Dovecot: what the parent would see in the mail client afterwards."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import imapclient
import pytest

from tests.conftest import Household
from tests.support.dovecot import Dovecot
from tests.support.mail import a_mail
from triage.ledger import Ledger
from triage.partial import answer_of
from triage.store import Store

KINDS = ("homework", "behavior", "meeting_request", "praise", "other_school", "not_school")
FOLDER_OF = {
    "homework": "School/Homework",
    "behavior": "School/Behavior",
    "meeting_request": "School/Meetings",
    "praise": "School/Praise",
    "other_school": "School/Other",
    "not_school": "INBOX",
}


def places(home: Household) -> dict[str, tuple[str, frozenset[str]]]:
    r"""Message-ID to (folder, our tags and \\Seen) of every message, notes left out."""
    found: dict[str, tuple[str, frozenset[str]]] = {}
    with home.server.client(home.user) as client:
        for flags, _, name in client.list_folders():
            if b"\\Noselect" in flags:
                continue
            client.select_folder(name, readonly=True)
            for data in client.fetch(client.search(), ["FLAGS", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"]).values():
                field = data[b"BODY[HEADER.FIELDS (MESSAGE-ID)]"].decode()
                message_id = re.search(r"<[^>]+>", field).group()  # type: ignore[union-attr]
                assert message_id not in found, f"{message_id} is doubled"
                found[message_id] = (name, frozenset(flag.decode() for flag in data[b"FLAGS"]) - {"\\Recent"})
    return {key: value for key, value in found.items() if "triage.invalid" not in key}


def note_count(home: Household) -> int:
    return sum(home.contents().values()) - len(places(home))


def once(home: Household, *arguments: str) -> dict[str, Any]:
    done = home.run("once", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)["accounts"][0]
    return report


def test_every_mail_ends_in_its_folder_with_its_tags(household: Household) -> None:
    """The whole result, compared with a literal: every folder, every tag, unread as before."""
    household.deliver(*(a_mail(kind, number=n) for n, kind in enumerate(KINDS, start=100)))
    report = once(household)
    tags = {
        "homework": {"triage-homework", "triage-school"},
        "behavior": {"triage-behavior", "triage-school"},
        "meeting_request": {"triage-meeting", "triage-school"},
        "praise": {"triage-praise", "triage-school"},
        "other_school": {"triage-school"},
        "not_school": set(),
    }
    assert places(household) == {
        f"<{kind}-{n}@test.example>": (FOLDER_OF[kind], frozenset(tags[kind]))
        for n, kind in enumerate(KINDS, start=100)
    }
    assert (report["seen"], report["school"], report["filed"], report["failed"]) == (6, 5, 5, 0)
    assert note_count(household) == 4


def test_the_same_pass_again_does_nothing(household: Household) -> None:
    """Not one message is looked at twice."""
    household.deliver(*(a_mail(kind) for kind in KINDS for _ in range(3)))
    once(household)
    before = places(household)
    report = once(household)
    assert [report[name] for name in ("seen", "school", "filed", "review", "failed", "corrections")] == [0] * 6
    assert places(household) == before


def test_the_note_stands_beside_its_mail(household: Household) -> None:
    """In the same folder, in the thread, read, by our own sender."""
    household.deliver(a_mail("homework", number=777))
    once(household)
    with household.server.client(household.user) as client:
        client.select_folder("School/Homework", readonly=True)
        found = client.fetch(client.search(), ["FLAGS", "BODY.PEEK[]"])
    note = next(data for data in found.values() if b"X-Triage: note" in data[b"BODY[]"])
    assert b"\\Seen" in note[b"FLAGS"]
    assert b"In-Reply-To: <homework-777@test.example>" in note[b"BODY[]"]
    assert b"Ms. Alvarez writes about Maya's schoolwork" in note[b"BODY[]"]


def in_thread(number: int, *fields: str) -> bytes:
    raw = a_mail("meeting_request", number=number)
    return b"\r\n".join([*(field.encode() for field in fields), raw])


def drafted(home: Household) -> list[str]:
    """What each draft answers."""
    with home.server.client(home.user) as client:
        client.select_folder("Drafts", readonly=True)
        found = client.fetch(client.search(), ["BODY.PEEK[HEADER.FIELDS (IN-REPLY-TO)]"]).values()
    return sorted(data[b"BODY[HEADER.FIELDS (IN-REPLY-TO)]"].decode().split(": ")[1].strip() for data in found)


def a_request(number: int) -> str:
    return f"<meeting_request-{number}@test.example>"


def test_a_thread_has_one_draft_as_long_as_it_stands(household: Household) -> None:
    """In one pass and in a later one; the parent's own draft counts, another thread has its own."""
    household.write_config('[prompts]\ndeliver = ["draft"]')
    household.deliver(
        in_thread(301),
        in_thread(302, f"In-Reply-To: {a_request(301)}"),
        in_thread(303, "References: <parent-1@test.example>"),
        in_thread(304, "In-Reply-To: <parent-1@test.example>", "References: <parent-1@test.example>"),
    )
    once(household)
    assert drafted(household) == [a_request(301), a_request(303)]
    household.deliver(in_thread(305, f"References: {a_request(301)} {a_request(302)}"))
    once(household)
    assert drafted(household) == [a_request(301), a_request(303)]
    with household.server.client(household.user) as client:
        client.select_folder("Drafts")
        client.add_flags(client.search(), [imapclient.DELETED])
        client.append("Drafts", f"In-Reply-To: {a_request(303)}\r\n\r\nDear Ms. Alvarez,\r\n".encode())
    household.deliver(
        in_thread(306, f"In-Reply-To: {a_request(301)}"), in_thread(307, f"In-Reply-To: {a_request(303)}")
    )
    once(household)
    assert drafted(household) == [a_request(301), a_request(303), a_request(303), a_request(306)]


def test_a_draft_that_is_held_is_the_threads_only_one(household: Household) -> None:
    """Of a charged mail, until the morning; a try that is made again keeps its own."""
    household.write_config('[prompts]\ndeliver = ["draft"]\ncooling_off = "always"')
    ask = "Could you please write back and tell me when we can talk about it?"
    household.deliver(a_mail("behavior", number=321, extra=ask), a_mail("behavior", number=322, extra=ask))
    once(household)
    first = b"<behavior-321@test.example>"
    household.deliver(b"In-Reply-To: " + first + b"\r\n" + a_mail("behavior", number=323, extra=ask))
    once(household)
    assert drafted(household) == []
    with Store(household.state) as store:
        held = [answer_of(op.action.payload).answered for op in Ledger(store).held_drafts("home")]
    assert held == [{first.decode()}, {"<behavior-322@test.example>"}]


def test_what_a_program_sent_waits_for_no_answer(household: Household) -> None:
    """An answer of absence: filed, and that is all."""
    household.write_config('[prompts]\ndeliver = ["draft"]')
    household.deliver(in_thread(311, "Auto-Submitted: auto-replied"), in_thread(312, "Return-Path: <>"), in_thread(313))
    assert once(household)["school"] == 3
    assert drafted(household) == [a_request(313)]
    digest = json.loads(household.run("digest", "--format", "json").stdout)
    assert [one["message_id"] for one in digest["waiting"]] == [a_request(313)]


def test_a_dry_run_tells_the_truth_and_changes_nothing(household: Household) -> None:
    """The same verdicts and actions as the pass that follows; mailbox and state as before."""
    household.deliver(*(a_mail(kind, number=n) for n, kind in enumerate(KINDS, start=200)))
    before = places(household)
    dry = json.loads(household.run("once", "--dry-run", "--json").stdout)
    assert places(household) == before
    assert note_count(household) == 0
    real = once(household)
    assert {name: dry["accounts"][0][name] for name in ("seen", "school", "filed", "review")} == {
        name: real[name] for name in ("seen", "school", "filed", "review")
    }
    promised = {
        message["message_id"]: next((a["target"] for a in message["actions"] if a["kind"] == "move"), "INBOX")
        for message in dry["messages"]
    }
    assert promised == {message_id: place for message_id, (place, _) in places(household).items()}


@pytest.mark.parametrize("deleted", [False, True])
def test_a_copy_to_the_octet_is_filed_once_and_counted(household: Household, deleted: bool) -> None:
    """The dry run promises what the pass does; a copy that is marked as deleted does not stand for the other."""
    same = a_mail("homework", number=210)
    household.deliver(same, a_mail("praise", number=211), same)
    if deleted:
        with household.server.client(household.user) as client:
            client.select_folder("INBOX")
            client.add_flags([1], [b"\\Deleted"])
    counts = ("seen", "school", "filed", "skipped", "failed")
    dry = json.loads(household.run("once", "--dry-run", "--json").stdout)
    real = once(household)
    assert [dry["accounts"][0][name] for name in counts] == [real[name] for name in counts]
    assert (real["filed"], real["skipped"]) == (2, 0 if deleted else 1)
    moved = [mail["path"] for mail in dry["messages"] if mail["actions"]]
    assert moved == (["INBOX/2", "INBOX/3"] if deleted else ["INBOX/1", "INBOX/2"])
    found = household.contents()
    assert (found["INBOX"], found["School/Homework"]) == (1, 2)
    again = once(household)
    assert [again[name] for name in ("filed", "failed", "corrections")] == [0, 0, 0]


def test_undo_puts_a_pass_back(household: Household) -> None:
    """Folder, tags and notes; and what was put back is not filed again."""
    household.deliver(*(a_mail(kind) for kind in KINDS))
    before = places(household)
    once(household)
    shown = household.run("undo", "--dry-run")
    assert shown.returncode == 0
    assert "5 messages would be put back" in shown.stdout
    done = household.run("undo")
    assert done.returncode == 0, done.stderr
    assert places(household) == before
    assert note_count(household) == 0
    assert once(household)["filed"] == 0
    assert places(household) == before
    assert household.run("undo").returncode == 2


def test_undo_counts_what_it_put_back(household: Household) -> None:
    """Of a mail that the parent moved since it takes its note away, and names it."""
    household.deliver(a_mail("homework", number=31), a_mail("praise", number=32))
    once(household)
    with household.server.client(household.user) as client:
        client.select_folder("School/Praise")
        client.move(client.search(["HEADER", "Message-ID", "praise-32"]), "School/Homework")
    once(household)
    done = household.run("undo")
    assert "1 message put back, 1 left as" in done.stdout
    assert note_count(household) == 0
    assert household.contents() == {"INBOX": 1, "School/Homework": 1}


def test_urgent_mail_stays_where_the_parent_looks(household: Household) -> None:
    """Tagged, with its note, but not moved."""
    household.deliver(
        a_mail("behavior", number=300, extra="He bumped his head and is bleeding, please call me right away.")
    )
    once(household)
    place, tags = places(household)["<behavior-300@test.example>"]
    assert place == "INBOX"
    assert "triage-school" in tags
    assert household.contents()["INBOX"] == 2
    assert once(household)["seen"] == 0


@pytest.mark.parametrize("mode", ["copy", "tag"])
def test_the_other_modes(household: Household, mode: str) -> None:
    """A copy beside the original, or only tags; again nothing the second time."""
    household.write_config(f'[filing]\nmode = "{mode}"')
    household.deliver(a_mail("homework", number=400))
    once(household)
    inbox = household.contents()
    if mode == "copy":
        assert (inbox["INBOX"], inbox["School/Homework"]) == (1, 2)
    else:
        assert (inbox["INBOX"], "School/Homework" in inbox) == (2, False)
    report = once(household)
    assert (report["seen"], report["corrections"]) == (0, 0)
    assert household.contents() == inbox
    assert household.run("undo").returncode == 0
    assert household.contents() == {"INBOX": 1}


def test_a_server_without_move_copies_checks_and_expunges_one(dovecot_without_move: Dovecot, tmp_path: Path) -> None:
    """UIDPLUS alone is enough; folders follow the namespace; what the parent marked as deleted stays."""
    home = Household(dovecot_without_move, dovecot_without_move.new_user(), tmp_path)
    home.write_config()
    home.deliver(a_mail("homework", number=500), a_mail("not_school", number=501))
    with home.server.client(home.user) as client:
        client.select_folder("INBOX")
        client.add_flags([2], [b"\\Deleted"])
    once(home)
    found = places(home)
    assert found["<homework-500@test.example>"][0] == "INBOX.School.Homework"
    assert found["<not_school-501@test.example>"] == ("INBOX", frozenset({"\\Deleted"}))
    home.run("undo")
    assert places(home)["<homework-500@test.example>"][0] == "INBOX"


def test_a_server_with_neither_only_tags(dovecot_bare: Dovecot, tmp_path: Path) -> None:
    """Nothing can leave the inbox safely; mail gets its tag and stays."""
    home = Household(dovecot_bare, dovecot_bare.new_user(), tmp_path)
    home.write_config()
    home.deliver(a_mail("homework", number=510))
    once(home)
    assert places(home)["<homework-510@test.example>"] == ("INBOX", frozenset({"triage-homework", "triage-school"}))


def test_what_cannot_be_read_stays_and_is_named(household: Household) -> None:
    """Exit code 1, the others done; after three passes it is left in peace and doctor names it."""
    household.deliver(a_mail("homework", number=600), b"no mail at all\r\n\r\n\xff\xfe", a_mail("praise", number=601))
    done = household.run("once", "--json")
    report = json.loads(done.stdout)["accounts"][0]
    assert (done.returncode, report["failed"], report["filed"]) == (1, 1, 2)
    assert "no e-mail" in done.stderr
    for _ in range(2):
        assert household.run("once").returncode == 1
    assert household.run("once").returncode == 0
    assert household.contents()["INBOX"] == 1
    checked = household.run("doctor")
    assert "quarantine" in checked.stdout


def test_the_parents_corrections_are_seen(household: Household) -> None:
    """A mail dragged elsewhere, one taken back, one filed by hand, one re-tagged: four corrections, and no quarrel."""
    household.deliver(*(a_mail("homework", number=n) for n in (700, 701, 702)))
    household.deliver(a_mail("not_school", number=703, sender="Kim <kim@club.example>"))
    once(household)

    def uid_of(client: imapclient.IMAPClient, folder: str, message_id: str) -> int:
        client.select_folder(folder)
        for uid, data in client.fetch(client.search(), ["BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"]).items():
            if message_id.encode() in data[b"BODY[HEADER.FIELDS (MESSAGE-ID)]"]:
                return int(uid)
        raise AssertionError(message_id)

    with household.server.client(household.user) as client:
        client.create_folder("School/Praise")
    once(household)
    with household.server.client(household.user) as client:
        client.move([uid_of(client, "School/Homework", "homework-700")], "School/Praise")
        client.move([uid_of(client, "School/Homework", "homework-701")], "INBOX")
        client.move([uid_of(client, "INBOX", "not_school-703")], "School/Praise")
        uid = uid_of(client, "School/Homework", "homework-702")
        client.remove_flags([uid], [b"triage-homework"])
        client.add_flags([uid], [b"triage-behavior"])
    before = places(household)
    assert once(household)["corrections"] == 4
    assert once(household)["corrections"] == 0
    assert places(household) == before
    household.deliver(a_mail("not_school", number=704, sender="Kim <kim@club.example>"))
    assert once(household)["school"] == 1
    trained = household.run("train")
    assert "learned from 3 corrections" in trained.stderr
    assert (household.state / "model" / "triage.skops").exists()
    manifest = household.state / "model" / "triage.json"
    base = json.loads(manifest.read_text())["base"]
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"base": "0" * 64}))
    assert "learned again" in household.run("once").stderr
    assert json.loads(manifest.read_text())["base"] == base
    assert "learned again" not in household.run("once").stderr


def test_a_stranger_is_asked_about_once_and_known_once_answered(household: Household) -> None:
    """The digest offers a new writer of school mail; an answer in the folder of sent mail makes the writer known."""
    stranger = "Ms. Alvarez <alvarez@riverbend.example>"
    household.deliver(a_mail("homework", number=730, sender=stranger))
    household.deliver(a_mail("not_school", number=731))
    once(household)
    offers = json.loads(household.run("digest", "--format", "json").stdout)["offers"]
    assert [(offer["name"], offer["address"]) for offer in offers] == [("Ms. Alvarez", "alvarez@riverbend.example")]
    assert "one of your child's teachers?" in household.run("digest").stdout

    def answer(to: str, number: int) -> None:
        fields = f"From: parent@mailbox.example\r\nTo: {to}\r\nIn-Reply-To: <homework-{number}@test.example>\r\n"
        with household.server.client(household.user) as client:
            client.append("Sent", f"{fields}Subject: Re: Maya\r\n\r\nThank you.\r\n".encode(), [b"\\Seen"])

    answer("grandma@mailbox.example", 730)
    once(household)
    with Store(household.state) as store:
        assert store.learned_senders() == frozenset()
    answer("ALVAREZ@riverbend.example", 730)
    once(household)
    with Store(household.state) as store:
        assert store.learned_senders() == {"alvarez@riverbend.example"}
    assert json.loads(household.run("digest", "--format", "json").stdout)["offers"] == []
    household.deliver(a_mail("praise", number=732, sender=stranger))
    done = household.run("once", "--dry-run", "--json")
    assert [mail["sender"] for mail in json.loads(done.stdout)["messages"]] == ["known"]


def test_correct_by_command(household: Household) -> None:
    """Noted at once, read and learned by the next pass; wrong words are refused."""
    household.deliver(a_mail("homework", number=720))
    once(household)
    assert household.run("correct", "homework-720@test.example", "behavior", "praise").returncode == 0
    assert household.run("correct", "<homework-720@test.example>", "homwork").returncode == 2
    assert household.run("correct", "nobody@nowhere.example", "praise").returncode == 2
    assert household.run("correct", "homework-720@test.example", "praise", "not_school").returncode == 2
    shown = json.loads(household.run("digest", "--format", "json").stdout)
    labels = [item["labels"] for section in shown["sections"] for item in section["items"]]
    assert labels == [["behavior", "good news"]]
    once(household)
    with Store(household.state) as store:
        ((said, told),) = store.corrections()
    assert told == ("behavior", "praise")
    assert "missing assignments" in said


def test_a_rebuilt_folder_is_not_acted_on_unasked(household: Household) -> None:
    """UIDVALIDITY changed: exit 1 and a sentence; with --yes what is known is joined again and not filed twice."""
    household.deliver(a_mail("not_school", number=800))
    once(household)
    with household.server.client(household.user) as client:
        client.create_folder("Old")
        client.select_folder("INBOX")
        client.move([1], "Old")
        client.logout()
    mailbox = household.server.folder / "mail" / household.user
    for name in ("dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache"):
        (mailbox / name).unlink(missing_ok=True)
    with household.server.client(household.user) as client:
        client.select_folder("Old")
        client.move([1], "INBOX")
    household.deliver(a_mail("homework", number=801))
    done = household.run("once", "--json")
    assert done.returncode == 1
    assert "rebuilt" in done.stderr
    assert household.contents()["INBOX"] == 2
    report = once(household, "--yes")
    assert (report["filed"], report["error"]) == (1, None)
    assert household.contents()["INBOX"] == 1


def empty(home: Household) -> None:
    with home.server.client(home.user) as client:
        client.select_folder("INBOX")
        client.delete_messages(client.search())
        client.expunge()


def test_an_emptied_inbox_is_left_alone_until_somebody_agrees(household: Household) -> None:
    """It may be an accident; it may be a tidy parent, who agrees, or gets the next mail."""
    household.deliver(*(a_mail("not_school") for _ in range(25)))
    once(household)
    empty(household)
    for arguments in ([], [], ["--dry-run"]):
        done = household.run("once", *arguments)
        assert done.returncode == 1
        assert "suddenly empty" in done.stderr
    once(household, "--yes")
    once(household)
    household.deliver(*(a_mail("not_school") for _ in range(25)))
    once(household)
    empty(household)
    assert household.run("once").returncode == 1
    household.deliver(a_mail("homework"))
    assert once(household)["filed"] == 1
    once(household)


def test_a_small_inbox_may_be_emptied(household: Household) -> None:
    """That is everyday."""
    household.deliver(a_mail("not_school"), a_mail("not_school"))
    once(household)
    empty(household)
    once(household)


def test_only_the_look_back_is_read_at_first(household: Household) -> None:
    """Mail older than `lookback_days` is left alone."""
    from datetime import UTC, datetime, timedelta

    with household.server.client(household.user) as client:
        client.append("INBOX", a_mail("homework", number=900), (), datetime.now(UTC) - timedelta(days=40))
        client.append("INBOX", a_mail("homework", number=901), (), datetime.now(UTC) - timedelta(days=3))
    assert once(household)["seen"] == 1
    assert places(household)["<homework-900@test.example>"][0] == "INBOX"


def test_a_full_mailbox_loses_nothing(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> None:
    """OVERQUOTA on APPEND and COPY: named, exit 1, every message where it was."""
    from tests.support.dovecot import start_dovecot

    server = start_dovecot(
        tmp_path_factory.mktemp("dovecot-quota"),
        capability="IMAP4rev1 LITERAL+ UIDPLUS NAMESPACE QUOTA",
        extra="mail_plugins = quota\nplugin {\n  quota = count:User quota\n  quota_vsizes = yes\n"
        "  quota_rule = *:storage=6K\n  quota_grace = 0\n}",
        imap="mail_plugins = quota imap_quota",
    )
    try:
        home = Household(server, server.new_user(), tmp_path)
        home.write_config()
        home.deliver(*(a_mail("homework", number=n) for n in range(950, 956)))
        before = places(home)
        done = home.run("once", "--json")
        after = places(home)
        assert set(after) == set(before)
        assert not any("\\Deleted" in flags for _, flags in after.values())
        report = json.loads(done.stdout)["accounts"][0]
        if report["failed"]:
            assert done.returncode == 1
            assert "OVERQUOTA" in done.stderr
    finally:
        server.stop()


def rename(household: Household, old: str, new: str) -> None:
    with household.server.client(household.user) as client:
        client.rename_folder(old, new)


def test_a_renamed_folder_stops_neither_filing_nor_undo(household: Household) -> None:
    """A correction of a mail in it is kept, new mail is filed, and undo puts back what it can and names the rest."""
    household.deliver(a_mail("homework", number=801), a_mail("behavior", number=802))
    once(household)
    rename(household, "School/Behavior", "School/Conduct")
    assert household.run("correct", "behavior-802@test.example", "praise").returncode == 0
    household.deliver(a_mail("praise", number=803))
    assert once(household)["filed"] == 1
    runs = household.run("undo")
    assert runs.returncode == 0, runs.stderr
    assert places(household)["<praise-803@test.example>"][0] == "INBOX"
    first = household.run("undo")
    assert first.returncode == 1
    assert places(household)["<homework-801@test.example>"] == ("INBOX", frozenset())
    assert "Traceback" not in first.stderr


def test_a_note_that_the_parent_takes_out_and_back_is_kept(household: Household) -> None:
    """It has another UID then; it is the parent's to keep or to throw away."""
    household.deliver(a_mail("homework", number=831))
    once(household)
    with household.server.client(household.user) as client:
        client.create_folder("Kept")
        for source, target in (("School/Homework", "Kept"), ("Kept", "School/Homework")):
            client.select_folder(source)
            notes = [
                uid
                for uid, data in client.fetch(client.search(), ["BODY.PEEK[HEADER]"]).items()
                if b"X-Triage: note" in data[b"BODY[HEADER]"]
            ]
            assert len(notes) == 1
            client.move(notes, target)
    assert once(household)["corrections"] == 0
    assert note_count(household) == 1


def test_an_inbox_that_we_emptied_ourselves_is_no_alarm(household: Household) -> None:
    """All of it was school mail."""
    household.deliver(*(a_mail("homework") for _ in range(25)))
    assert once(household)["filed"] == 25
    assert once(household)["error"] is None


def test_a_digest_before_its_hour_leaves_nothing_out(household: Household) -> None:
    """It covers what there is so far; what comes afterwards is in the next one."""
    household.write_config('[digest]\nat = "23:59"\n[prompts]\ndeliver = ["digest"]\n')
    household.deliver(a_mail("homework", number=811))
    once(household)
    assert household.run("digest", "--deliver").returncode == 0
    household.deliver(a_mail("behavior", number=812))
    once(household)
    with Store(household.state) as store:
        delivery = store.last_delivery()
        late = store.by_message_id("behavior-812@test.example")
    assert delivery is not None
    assert late[0].day > delivery.covers_to


def test_a_trouble_that_waits_for_the_parent_is_in_the_digest(household: Household) -> None:
    """A rebuilt folder is named there and by doctor, until it is dealt with."""
    household.deliver(a_mail("homework", number=821))
    once(household)
    mailbox = household.server.folder / "mail" / household.user
    household.deliver(a_mail("praise", number=822))
    for name in ("dovecot-uidlist", "dovecot.index", "dovecot.index.log", "dovecot.index.cache"):
        (mailbox / name).unlink(missing_ok=True)
    assert household.run("once").returncode == 1
    for told in (household.run("digest").stdout, household.run("doctor").stdout):
        assert "was rebuilt by the server" in told
    assert "Nothing else from school needs you" not in household.run("digest").stdout
    once(household, "--yes")
    assert "was rebuilt" not in household.run("digest").stdout


# --- Killed in the middle --------------------------------------------------------------------------------


def test_killed_at_random_moments_nothing_is_lost_or_doubled(household: Household) -> None:
    """Kill -9 during passes over 60 mails, then one that ends: each mail in one place, each note once."""
    import random
    import time

    chance = random.Random(11)
    household.deliver(*(a_mail(chance.choice(KINDS), number=n) for n in range(2000, 2060)))
    mails = set(places(household))
    for _ in range(6):
        process = subprocess.Popen(household.command("once"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.3, 2.2))
        process.kill()
        process.wait()
    once(household)
    found = places(household)
    assert set(found) == mails
    filed = [message_id for message_id, (place, _) in found.items() if place != "INBOX"]
    expected = sum(not any(word in message_id for word in ("not_school", "other_school")) for message_id in mails)
    assert note_count(household) == expected
    assert len(filed) == sum("not_school" not in message_id for message_id in mails)
    report = once(household)
    assert (report["seen"], report["failed"]) == (0, 0)


@pytest.mark.parametrize("damage", ["a page", "the header", "the end", "all"])
def test_a_damaged_state_is_rebuilt_and_nothing_is_filed_twice(household: Household, damage: str) -> None:
    """Named by every command, set aside, made anew with what can be read; mail and notes stay as they were."""
    household.deliver(*(a_mail(kind, number=n) for n, kind in enumerate(KINDS, start=100)))
    once(household)
    before, notes = places(household), note_count(household)
    path = household.state / "state.db"
    raw = bytearray(path.read_bytes())
    if damage == "a page":
        raw[8192 : 8192 + 4096 * 3] = os.urandom(4096 * 3)
    elif damage == "the header":
        raw[:100] = os.urandom(100)
    elif damage == "the end":
        del raw[len(raw) // 2 :]
    else:
        raw = bytearray(os.urandom(len(raw)))
    path.write_bytes(raw)
    rebuilt = household.run("doctor", "--rebuild")
    assert rebuilt.returncode == 0, rebuilt.stderr
    (aside,) = (name for name in household.state.glob("state.db.*") if not name.name.endswith(("-wal", "-shm")))
    assert str(aside) in rebuilt.stderr
    assert once(household)["failed"] == 0
    assert (places(household), note_count(household)) == (before, notes)
    once(household)
    assert household.run("forget", "--child", "Maya").returncode == 0
    assert not list(household.state.glob("state.db.*"))


@pytest.mark.parametrize("way", ["another account", "another installation"])
def test_what_another_one_files_in_the_same_mailbox_teaches_nothing(
    household: Household, tmp_path: Path, way: str
) -> None:
    """Two accounts of one login watch two folders, or two machines one inbox: neither takes the other's for yours."""
    household.write_config()
    other = Household(household.server, household.user, tmp_path / "other")
    other.folder.mkdir()
    other.write_config()
    if way == "another account":
        with household.server.client(household.user) as client:
            client.create_folder("Kids")
        text = household.config_file.read_text()
        table = text[text.index("[[accounts]]") : text.index("[school]")].replace('"home"', '"kids"', 1)
        household.config_file.write_text(text.replace("[school]", f'{table}folder = "Kids"\n[school]'))
    homes = [household] if way == "another account" else [household, other]
    stranger = "Mr. New <new@elsewhere.example>"
    for mails in ([a_mail("homework")], [a_mail("homework", sender=stranger)], []):
        household.deliver(*mails)
        for home in homes:
            assert home.run("once").returncode == 0
    for home in homes:
        with Store(home.state) as store:
            assert store.learned_senders() == frozenset()
            assert store.corrections() == []
