"""The state: private, durable, upgradable, and one process's at a time."""

import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from triage.errors import BusyError, StoreError
from triage.ledger import Ledger
from triage.lock import StateLock
from triage.plan import Action, Correction, Place, Stored
from triage.rows import Delivery, FolderState
from triage.store import MAX_TRIES, SCHEMA_VERSION, Store

NOW = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)
PLACE = Place("INBOX", 1000, 7)


def stored(key: str = "k", **changes: object) -> Stored:
    values: dict[str, object] = {
        "account": "home", "key": key, "message_id": f"<{key}@x>", "place": PLACE, "received": NOW, "day": NOW,
        "status": "pending", "tries": 0, "error": "", "tags": frozenset({"triage-school"}),
        "judgement": {"verdict": {"school": True, "primary": "homework", "labels": ["homework"]}, "card": None},
    }  # fmt: skip
    return Stored(**(values | changes))  # type: ignore[arg-type]


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    """Messages, folders, deliveries, over a restart."""
    folder = FolderState(1000, 8, 5, 77, NOW)
    delivery = Delivery(date(2026, 1, 7), "home", "<d@x>", NOW, "sent", 5, 6)
    with Store(tmp_path) as store:
        store.save_message(stored())
        store.save_folder("home", "INBOX", folder)
        store.save_delivery(delivery)
        own = store.own_message_id("note home k")
    with Store(tmp_path) as store:
        assert store.message("home", "k") == stored()
        assert store.message("other", "k") is None
        assert store.folder("home", "INBOX") == folder
        assert store.folder("home", "Drafts") is None
        assert store.delivery(date(2026, 1, 7)) == delivery
        assert store.last_delivery() is None
        assert store.own_message_id("note home k") == own != store.own_message_id("note home l")
        assert [found.key for found in store.by_message_id("k@x")] == ["k"]


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    """0700 and 0600, the write-ahead log too."""
    folder = tmp_path / "state"
    with Store(folder) as store:
        store.save_message(stored())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert "state.db-wal" in modes


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    """An exception inside leaves no trace."""
    with Store(tmp_path) as store:

        def interrupted() -> None:
            with store.transaction():
                store.save_message(stored())
                raise RuntimeError

        with pytest.raises(RuntimeError):
            interrupted()
        assert store.message("home", "k") is None


def test_the_journal_keeps_intentions_until_they_end(tmp_path: Path) -> None:
    """Open actions survive a restart with their payload; finished ones lose it."""
    actions = [
        Action("tag", "k", PLACE, tags=("triage-school",)),
        Action("move", "k", PLACE, "School/Homework"),
        Action("note", "k", PLACE, "School/Homework", message_id="<n@x>", payload=b"breathe"),
    ]
    with Store(tmp_path) as store:
        ops = store.journal("run", "home", actions)
        store.mark(ops[0], "done", uid=7)
        store.mark_sent(ops[1:2], 9, 3)
    with Store(tmp_path) as store:
        move, note = store.open_ops("home")
        assert (move.state, move.arrival) == ("sent", Place("School/Homework", 9, 3))
        assert (note.state, note.action) == ("planned", actions[2])
        store.mark(move, "done", uid=4)
        store.mark(note, "done", uid=5)
        assert [entry.place.uid for entry in store.done_of("run", "home")] == [7, 4, 5]
        assert all(entry.action.payload == b"" for entry in store.done_of("run", "home"))
        assert store.is_arrival("home", Place("School/Homework", 9, 4))
        assert not store.is_arrival("home", Place("School/Homework", 8, 4))


def test_failures_are_counted_to_quarantine(tmp_path: Path) -> None:
    """Three, and the message is left in peace."""
    with Store(tmp_path) as store:
        store.save_message(stored())
        for _ in range(MAX_TRIES):
            assert store.to_retry("home", "INBOX", 1000) == [7]
            store.set_status("home", "k", "failed", "over quota")
        assert store.to_retry("home", "INBOX", 1000) == []
        assert [(found.status, found.error) for found in store.troubled()] == [("quarantined", "over quota")]
        assert store.known("home", "k").hands_off


def test_the_last_correction_of_a_message_counts(tmp_path: Path) -> None:
    """And one that teaches no label teaches nothing."""
    with Store(tmp_path) as store:
        for labels in (("homework",), ("praise",)):
            store.add_correction("home", Correction("k", PLACE, labels, "moved"), "subject\nwords", NOW, applied=True)
        store.add_correction("home", Correction("l", PLACE, None, "moved"), "other\nwords", NOW, applied=True)
        assert store.corrections() == [("subject\nwords", ("praise",))]


def test_senders_are_learned_and_forgotten(tmp_path: Path) -> None:
    """By address."""
    with Store(tmp_path) as store:
        store.learn_sender("t@x.example", "T", NOW)
        store.learn_sender("t@x.example", "T", NOW)
        assert store.learned_senders() == {"t@x.example"}
        store.forget_sender("t@x.example")
        assert store.learned_senders() == frozenset()


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be looked at" * 40, b"\x00" * 4096])
def test_a_damaged_file_is_told(tmp_path: Path, content: bytes) -> None:
    """One sentence that says what to do."""
    (tmp_path / "state.db").write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        Store(tmp_path)


def test_a_newer_state_is_not_touched(tmp_path: Path) -> None:
    """An older program leaves it alone."""
    with Store(tmp_path):
        pass
    with sqlite3.connect(tmp_path / "state.db") as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()
    with pytest.raises(StoreError, match="newer triage"):
        Store(tmp_path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """Not a folder."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be made"):
        Store(tmp_path / "file")


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """The second is told who holds the state; the lock dies with its holder, however it dies."""
    with StateLock(tmp_path).acquire("run"), pytest.raises(BusyError, match=r"`triage run` \(process \d+\)") as caught:
        StateLock(tmp_path).acquire("once")
    assert caught.value.exit_code == 5
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import pathlib, time; from triage.lock import StateLock; "
            f"held = StateLock(pathlib.Path({str(tmp_path)!r}))"
            ".acquire('run'); print('held', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(BusyError):
        StateLock(tmp_path).acquire("once")
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with StateLock(tmp_path).acquire("once"):
        pass


def test_concurrent_readers_see_whole_states(tmp_path: Path) -> None:
    """A digest can be read while the daemon writes."""
    with Store(tmp_path) as writer, Store(tmp_path) as reader:
        with writer.transaction():
            writer.save_message(stored())
            assert reader.message("home", "k") is None
        assert reader.message("home", "k") is not None


@pytest.mark.parametrize(
    ("ahead", "day"),
    [(timedelta(days=3), NOW - timedelta(seconds=1)), (timedelta(days=9000), NOW + timedelta(days=9000))],
)
def test_a_clock_that_is_far_behind_moves_no_mail(tmp_path: Path, ahead: timedelta, day: datetime) -> None:
    """Three days ahead are put right; a machine that wakes in another century has not asked for the time yet."""
    shown = NOW + ahead
    with Store(tmp_path) as store:
        store.save_message(stored(day=shown))
        store.save_delivery(Delivery(shown.date(), "home", "<d@x>", shown, "done", 1, 1))
        Ledger(store).clock_is(NOW)
        message, last = store.message("home", "k"), store.last_delivery()
    assert message is not None
    assert last is not None
    assert (message.day, last.covers_to) == (day, day)


def test_what_was_read_after_the_digest_of_a_wrong_day_is_told_with_the_next(tmp_path: Path) -> None:
    """Later than what that digest covers, but as little true; what waits for its hour waits on."""
    ahead = NOW + timedelta(days=3)
    with Store(tmp_path) as store:
        store.save_delivery(Delivery(ahead.date(), "home", "<d@x>", ahead, "done", 1, 1))
        later = ahead + timedelta(hours=2)
        store.save_message(stored(day=later))
        store.save_message(stored("waits", day=later, place=Place("INBOX", 1, 99)))
        note = Action("note", "waits", Place("INBOX", 1, 99), "School/Behavior", message_id="<n@x>", hold=True)
        store.journal(store.begin_run("once", NOW), "home", [note])
        Ledger(store).clock_is(NOW)
        read, waits = store.message("home", "k"), store.message("home", "waits")
    assert read is not None
    assert waits is not None
    assert (read.day, waits.day) == (NOW, later)


def test_a_holder_that_has_not_written_its_name_yet_is_another_triage(tmp_path: Path) -> None:
    """Two starts at once: the sentence never has a gap."""
    with StateLock(tmp_path).acquire("run"):
        (tmp_path / "holder").write_text("")
        with pytest.raises(BusyError, match="another triage is at work"):
            StateLock(tmp_path).acquire("once")


# --- What each part of a pass asks of it -----------------------------------------------------------------

MOVE = Action("move", "k", PLACE, "School/Homework")
NOTE = Action("note", "k", PLACE, "School/Homework", message_id="<n@x>", payload=b"breathe")


def test_a_state_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    """Something else stands where the file should be."""
    (tmp_path / "state.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path)


def test_a_full_disk_is_told_and_leaves_what_was_there(tmp_path: Path) -> None:
    """A commit that fails has written nothing, and the next one that finds room is whole."""
    with Store(tmp_path) as store:
        store.save_message(stored())
        (full,) = store.rows("PRAGMA page_count")[0]
        store.rows(f"PRAGMA max_page_count = {full}")
        with pytest.raises(StoreError, match="free space"):
            store.save_message(stored("l", error="x" * 100_000))
        assert (store.message("home", "k"), store.message("home", "l")) == (stored(), None)
        store.rows("PRAGMA max_page_count = 100000")
        store.save_message(stored("l", error="x" * 100_000))
        assert store.message("home", "l") is not None


def test_what_is_scrubbed_is_in_no_file(tmp_path: Path) -> None:
    """Deleted words are neither in the state nor in its log."""
    words = "a-word-that-is-to-be-forgotten"
    with Store(tmp_path) as store:
        store.add_correction("home", Correction("k", PLACE, ("homework",), "moved"), words, NOW, applied=True)
        store.write("DELETE FROM correction")
        store.scrub()
        files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert files
    assert not any(words.encode() in octets for octets in files)


def test_the_last_run_is_the_last_that_filed(tmp_path: Path) -> None:
    """A run that did nothing is none to undo, nor one that was undone, nor the undoing; nor a note taken back."""
    with Store(tmp_path) as store:
        assert store.last_run() is None
        store.save_message(stored())
        runs = [store.begin_run(command, NOW + timedelta(hours=n)) for n, command in enumerate(("once", "run", "run"))]
        for run in runs[:2]:
            (op,) = store.journal(run, "home", [MOVE])
            store.mark(op, "done", uid=1)
        (removed,) = store.journal(runs[2], "home", [Action("remove", "k", PLACE, message_id="<n@x>")])
        store.mark(removed, "done", uid=1)
        for run in runs:
            store.end_run(run, NOW + timedelta(hours=4))
        assert store.last_run() == runs[1]
        assert (store.accounts_of(runs[1]), store.accounts_of("none")) == (["home"], [])
        assert (store.has_run(runs[1]), store.has_run("none")) == (True, False)
        undoing = store.begin_run("undo", NOW + timedelta(hours=5))
        (back,) = store.journal(undoing, "home", [Action("move", "k", PLACE, "INBOX")])
        store.mark(back, "done", uid=2)
        store.mark_undone("home", "k", but=undoing)
        assert store.last_run() is None
        assert [op.state for op in store.last_ops_of("home", "k")] == ["done"]


def test_a_trouble_is_told_until_it_is_over(tmp_path: Path) -> None:
    """One sentence for each account, the last one."""
    with Store(tmp_path) as store:
        for account, text in (("home", "first"), ("work", "waits"), ("home", "emptied")):
            store.set_trouble(account, text)
        assert store.troubles() == ["emptied", "waits"]
        store.set_trouble("home", "")
        assert store.troubles() == ["waits"]


def test_the_parents_word_takes_the_place_of_ours(tmp_path: Path) -> None:
    """Label, and whether it is the school's at all; of mail that is not known or not kept nothing is made up."""
    with Store(tmp_path) as store:
        store.save_message(stored())
        store.save_message(stored("unread", judgement=None))
        for key in ("k", "unread", "unknown"):
            store.set_labels("home", key, "behavior", ["behavior", "praise"])
        filed = store.filed("home", "k")
        assert filed is not None
        assert (filed.place, filed.primary, filed.labels) == (PLACE, "behavior", ("behavior", "praise"))
        assert store.filed("home", "unread") is store.filed("home", "unknown") is None
        store.set_labels("home", "k", "not_school", [])
        found = store.message("home", "k")
        assert found is not None
        assert found.judgement is not None
        assert (found.judgement["verdict"]["school"], found.judgement["card"]) == (False, None)


def test_messages_are_found_by_folder_and_by_day(tmp_path: Path) -> None:
    """Of a folder only the newest that are settled or failed; of a time what was not shown before it began."""
    with Store(tmp_path) as store:
        for uid, status in enumerate(("done", "released", "failed", "pending", "quarantined"), start=1):
            day = NOW + timedelta(hours=uid)
            store.save_message(stored(f"k{uid}", place=Place("INBOX", 1000, uid), status=status, day=day))
        assert store.keys_in("home", "INBOX", 1000, newest=2) == {3: "k3", 2: "k2"}
        assert store.keys_in("home", "INBOX", 1001, newest=2) == {}
        shown = store.between(NOW + timedelta(hours=1), NOW + timedelta(hours=3))
        assert [found.key for found in shown] == ["k2", "k3"]


def test_a_note_that_waits_is_closed_with_its_message(tmp_path: Path) -> None:
    """What is held is neither open nor standing; closed it keeps no words, and what stands is let be."""
    with Store(tmp_path) as store:
        held, standing = Action("note", "k", PLACE, "INBOX", message_id="<h@x>", payload=b"later", hold=True), NOTE
        ops = store.journal("run", "home", [held, standing])
        assert [op.state for op in ops] == ["held", "planned"]
        store.mark(ops[1], "done", uid=4)
        assert store.open_ops("home") == []
        store.close_held("home", "k")
        assert [(op.state, op.action.payload) for op in store.last_ops_of("home", "k")] == [
            ("failed", b""),
            ("done", b""),
        ]
        assert [op.action.message_id for op in store.notes_in("home", "School/Homework")] == ["<n@x>"]
        assert store.notes_in("home", "INBOX") == []


def test_a_correction_by_command_teaches_once_its_mail_was_read(tmp_path: Path) -> None:
    """Until then nothing can be learned from it."""
    with Store(tmp_path) as store:
        store.add_correction("home", Correction("k", PLACE, ("praise",), "command"), "", NOW, applied=False)
        ((number, key),) = store.pending_corrections("home")
        assert (key, store.corrections(), store.last_correction()) == ("k", [], None)
        later = NOW + timedelta(minutes=5)
        store.complete_correction(number, "her own words", later)
        assert store.pending_corrections("home") == []
        assert store.corrections() == [("her own words", ("praise",))]
        assert store.last_correction() == later


def test_what_is_half_moved_is_recoverys_alone(tmp_path: Path) -> None:
    """Copied and not yet removed from its source: neither planned anew nor tried again."""
    with Store(tmp_path) as store:
        store.save_message(stored(status="failed"))
        assert not store.known("home", "unknown").hands_off
        (op,) = store.journal("run", "home", [MOVE])
        store.mark(op, "copied", uid=3)
        assert store.known("home", "k").hands_off
        assert (store.to_retry("home", "INBOX", 1000), store.pending("home")) == ([], [])
        store.give_up("home", "k", "never")
        assert not store.known("home", "k").hands_off
        assert store.to_retry("home", "INBOX", 1000) == [7]
        assert [op.detail for op in store.last_ops_of("home", "k")] == ["never"]
