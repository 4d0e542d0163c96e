"""What a parent, or a server, does between two steps of a pass: each step is tried, against a mailbox in memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from tests.support.memory import Crash, Folder, MemoryMailbox, Server, Stored, connected
from tests.test_apply import CAPABILITIES, NOW, Parent
from triage.apply import Applier
from triage.errors import RefusedError
from triage.originals import Twins, is_at, readable_keys, unmark, withdraw
from triage.plan import Abilities, Action, Outcome, Place, plan_undo
from triage.store import Store

HOMEWORK = "School/Homework"
GMAIL = ("MOVE", "UIDPLUS", "X-GM-EXT-1")


def one_mail(folder: Path, *capabilities: str, mode: str = "move") -> tuple[Parent, Server, str]:
    server = Server(*capabilities)
    parent = Parent(folder, server, mode=mode)
    parent.deliver(1)
    (key,) = parent.judged
    return parent, server, key


def apply(parent: Parent, *actions: Action) -> Outcome:
    with Store(parent.folder) as store:
        return Applier(connected(parent.server), store, "home", lambda: NOW, lambda: False).apply("by hand", actions)


def undo(parent: Parent) -> Outcome:
    with Store(parent.folder) as store:
        now = {key: found.place for key in parent.judged if (found := store.message("home", key)) is not None}
        applier = Applier(connected(parent.server), store, "home", lambda: NOW, lambda: False)
        return applier.apply("undo", plan_undo(store.done_of("run1", "home"), now))


def crash_when(parent: Parent, happened: Callable[[], bool]) -> None:
    """A pass that dies at its first step after something happened."""

    def die(_step: int) -> None:
        if happened():
            parent.server.meanwhile = lambda _step: None
            raise Crash

    parent.server.meanwhile = die
    with pytest.raises(Crash):
        parent.one_pass()


def journal_has(parent: Parent, kind: str, state: str) -> Callable[[], bool]:
    def has() -> bool:
        with Store(parent.folder) as store:
            return any((op.action.kind, op.state) == (kind, state) for op in store.open_ops("home"))

    return has


def where(server: Server, key: str) -> list[str]:
    return [folder for folder, found, _ in server.everything() if found == key]


def note_count(parent: Parent) -> int:
    return parent.notes().total()


# --- A parent at every step ------------------------------------------------------------------------------


class Hand:
    """The parent's, which acts once: on the message that was there first, as long as it is not shown as deleted."""

    def __init__(self, server: Server, key: str, act: Callable[[Server, str, int], object], at: int) -> None:
        self._server, self._key, self._act, self._at = server, key, act, at
        self.acted = False
        server.meanwhile = self.step

    def step(self, number: int) -> None:
        if self.acted or number < self._at:
            return
        for name in sorted(self._server.folders, key=lambda name: name != "INBOX"):
            for uid, message in self._server.folders[name].messages.items():
                if message.key == self._key and "\\Deleted" not in message.flags:
                    self._act(self._server, name, uid)
                    self.acted = True
                    return


def takes(server: Server, folder: str, uid: int) -> None:
    server.make("Family").add(server.folders[folder].messages.pop(uid))


def deletes(server: Server, folder: str, uid: int) -> None:
    del server.folders[folder].messages[uid]


def marks(server: Server, folder: str, uid: int) -> None:
    server.folders[folder].messages[uid].flags.add("\\Deleted")


def reads(server: Server, folder: str, uid: int) -> None:
    server.folders[folder].messages[uid].flags.add("\\Seen")


@pytest.mark.parametrize("act", [takes, deletes, marks, reads], ids=lambda act: act.__name__)
@pytest.mark.parametrize("capabilities", list(CAPABILITIES))
def test_what_the_parent_does_at_any_step_holds(
    tmp_path: Path, capabilities: str, act: Callable[[Server, str, int], object]
) -> None:
    """Before and after each effect and each commit of a pass the parent acts on a mail; then another pass runs."""
    at = overlooked = 0
    while True:
        at += 1
        parent, server, key = one_mail(tmp_path / str(at), *CAPABILITIES[capabilities])
        server.rights["Locked"] = "none"
        server.make("Locked")
        parent.deliver(1)
        hand = Hand(server, key, act, at)
        parent.one_pass()
        server.meanwhile = lambda _step: None
        parent.one_pass()
        found = where(server, key)
        flags = [flags for _, one, flags in server.everything() if one == key]
        match act.__name__ if hand.acted else "":
            case "takes":
                assert found == ["Family"], f"step {at}"
            case "deletes":
                # Without MOVE an original that was expunged cannot be told from one that was lost: its copy is kept.
                assert len(found) <= (capabilities == "uidplus"), f"step {at}"
            case "marks":
                assert len(found) == 1, f"step {at}"
                overlooked += "\\Deleted" not in flags[0]
            case "reads":
                assert len(found) == 1, f"step {at}"
                assert "\\Seen" in flags[0], f"step {at}"
        (other,) = set(parent.judged) - {key}
        assert len(where(server, other)) == 1
        assert set(parent.notes().values()) == {1}
        with Store(parent.folder) as store:
            assert store.open_ops("home") == []
        if not hand.acted:
            break
    assert at > 10
    # Without MOVE: a mark that comes between our last look and our own mark, from which it cannot be told.
    assert overlooked <= (capabilities == "uidplus")


def test_what_the_parent_took_on_after_a_crash_is_the_parents(tmp_path: Path) -> None:
    """Filed, cut short, and moved on by hand: found in neither place, it is released and gets no note."""
    parent, server, key = one_mail(tmp_path, *CAPABILITIES["move"])
    crash_when(parent, lambda: HOMEWORK in where(server, key))
    takes(server, HOMEWORK, 1)
    parent.one_pass()
    assert where(server, key) == ["Family"]
    assert note_count(parent) == 0
    assert parent.told() == {("released", "INBOX"): 1}


def test_what_was_found_taken_stays_taken_through_a_crash(tmp_path: Path) -> None:
    """The journal says so, also where the pass died before the message's own row did."""
    parent, server, key = one_mail(tmp_path, *CAPABILITIES["move"])

    def take(_step: int) -> None:
        if "triage-homework" in server.folders["INBOX"].messages[1].flags:
            takes(server, "INBOX", 1)
            server.meanwhile = die

    def die(_step: int) -> None:
        with Store(tmp_path) as store:
            vanished = any(op.state == "vanished" for op in store.last_ops_of("home", key))
        if vanished:
            server.meanwhile = lambda _step: None
            raise Crash

    server.meanwhile = take
    with pytest.raises(Crash):
        parent.one_pass()
    parent.one_pass()
    assert where(server, key) == ["Family"]
    assert note_count(parent) == 0
    assert parent.told() == {("released", "INBOX"): 1}


@pytest.mark.parametrize("elsewhere", [True, False])
def test_an_original_that_was_taken_after_a_crash_is_not_doubled(tmp_path: Path, elsewhere: bool) -> None:
    """Without MOVE, cut short after the copy: where the original stands elsewhere the copy goes, else it stays."""
    parent, server, key = one_mail(tmp_path, *CAPABILITIES["uidplus"])
    crash_when(parent, lambda: HOMEWORK in where(server, key))
    (takes if elsewhere else deletes)(server, "INBOX", 1)
    parent.one_pass()
    assert where(server, key) == (["Family"] if elsewhere else [HOMEWORK])
    assert parent.told() == ({("released", "INBOX"): 1} if elsewhere else {("done", HOMEWORK): 1})
    assert note_count(parent) == (0 if elsewhere else 1)


@pytest.mark.parametrize("changed", ["rebuilt", "moved on"])
def test_a_copy_that_is_not_where_it_was_is_not_withdrawn(changed: str) -> None:
    """Its UID may be another mail's by now."""
    server = Server(*CAPABILITIES["uidplus"])
    server.make(HOMEWORK)
    server.deliver(b"Subject: copy\r\n\r\n", HOMEWORK)
    homework = server.folders[HOMEWORK]
    twins = Twins(homework.messages[1].key, Place("INBOX", 1000, 1), Place(HOMEWORK, homework.uidvalidity, 1))
    if changed == "rebuilt":
        homework.uidvalidity += 1
    else:
        homework.messages[1] = Stored(b"Subject: another\r\n\r\n", set(), NOW)
    before = server.everything()
    withdraw(connected(server), twins)
    assert server.everything() == before


@pytest.mark.parametrize("changed", ["nothing", "gone", "rebuilt", "only looked into"])
def test_our_mark_is_taken_back_only_where_it_was_set(changed: str) -> None:
    """In a folder built anew a UID is another mail's; what could not be unmarked is told."""
    server = Server()
    server.make("Other")
    uid = server.deliver(b"Subject: marked\r\n\r\n", "Other")
    other = server.folders["Other"]
    other.messages[uid].flags.add("\\Deleted")
    place = Place("Other", other.uidvalidity, uid)
    if changed == "gone":
        del server.folders["Other"]
    elif changed == "rebuilt":
        other.uidvalidity += 1
    elif changed == "only looked into":
        server.rights["Other"] = "look"
    left = unmark(connected(server), [place])
    assert left == ({place} if changed == "only looked into" else set())
    assert (other.messages[uid].flags == set()) == (changed == "nothing")


@pytest.mark.parametrize("dead", [False, True])
def test_what_cannot_be_read_proves_nothing_by_its_absence(monkeypatch: pytest.MonkeyPatch, dead: bool) -> None:
    """Neither that a message is there nor that it is not; a dead connection is no answer at all."""
    server = Server()
    uid = server.deliver(b"Subject: odd\r\n\r\n")
    key = server.folders["INBOX"].messages[uid].key
    box = connected(server)
    box.select("INBOX")
    assert is_at(box, uid, key)
    assert not is_at(box, uid, "f" * 64)

    def refuse(_uids: Sequence[int], *, readable: bool = False) -> dict[int, str]:
        raise RefusedError("NO")

    monkeypatch.setattr(box, "keys", refuse)
    setattr(box, "dead", dead)  # noqa: B010 - a connection that broke just now
    if dead:
        with pytest.raises(RefusedError):
            readable_keys(box, [uid])
    else:
        assert readable_keys(box, [uid]) == ({}, False)
        with pytest.raises(RefusedError, match="cannot be read"):
            is_at(box, uid, key)
        assert not is_at(box, uid + 1, key)


# --- A parent after a crash --------------------------------------------------------------------------------


def unmarks(server: Server, folder: str, uid: int) -> None:
    server.folders[folder].messages[uid].flags.discard("\\Deleted")


def trashes(server: Server, folder: str, uid: int) -> None:
    server.attributes["Trash"] = frozenset({"\\Trash"})
    server.make("Trash").add(server.folders[folder].messages.pop(uid))


def drops(server: Server, folder: str, _uid: int) -> None:
    del server.folders[folder]


def renames(server: Server, folder: str, _uid: int) -> None:
    server.folders["School/Old"] = server.folders.pop(folder)


AFTER_A_CRASH = [(act, folder) for act in (takes, trashes, deletes, marks, unmarks) for folder in ("INBOX", HOMEWORK)]


@pytest.mark.parametrize(
    ("act", "folder"),
    [*AFTER_A_CRASH, (drops, HOMEWORK), (renames, HOMEWORK)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
@pytest.mark.parametrize("capabilities", list(CAPABILITIES))
def test_what_the_parent_does_after_a_crash_at_any_step_holds(
    tmp_path: Path, capabilities: str, act: Callable[[Server, str, int], object], folder: str
) -> None:
    """The pass dies at a step; before the next one the parent acts on the original or on its copy."""
    at = acted = 0
    while True:
        at += 1
        parent, server, key = one_mail(tmp_path / str(at), *CAPABILITIES[capabilities])
        server.crash_at = at
        try:
            parent.one_pass()
            break
        except Crash:
            server.crash_at = None
        before = where(server, key)
        with Store(parent.folder) as store:
            states = {op.state for op in store.open_ops("home") if op.action.kind == "move"}
        proved = "sent" not in states
        uids = [uid for uid, message in server.folders.get(folder, Folder(1)).messages.items() if message.key == key]
        for uid in uids:
            act(server, folder, uid)
            acted += 1
        for _ in range(4 if act is drops else 2):
            parent.one_pass()
        found = {name: flags for name, one, flags in server.everything() if one == key}
        step = f"step {at}: {found}"
        gone = bool(uids) and act in (deletes, drops)
        assert len(found) >= len(before) - gone if len(before) == 1 else found, step
        # What is taken before it was proved may be anybody's; what is thrown away beside its double may leave that.
        twice = not proved or (act is trashes and "marked" not in states)
        assert len(found) <= 1 + twice, step
        marked = any("\\Deleted" in flags for flags in found.values())
        # Once the journal says that our own mark is about to be set, the parent's cannot be told from it.
        if not (act is marks and folder == "INBOX" and "marked" in states):
            assert marked == (bool(uids) and act is marks), step
        if uids and act in (takes, trashes):
            assert {takes: "Family", trashes: "Trash"}[act] in found, step
        with Store(parent.folder) as store:
            assert store.open_ops("home") == [], step
            kept = store.message("home", key)
            # What was gone, or marked by the parent, before anything was sent is not planned any more.
            assert kept is None or kept.status != "pending" or (states <= {"planned"} or act is marks), step
    assert acted > 2 or (folder == HOMEWORK and capabilities == "bare")


@pytest.mark.parametrize("capability", ["UIDPLUS", "IDLE"])
def test_a_mark_of_ours_is_taken_back_where_the_original_has_to_stay(tmp_path: Path, capability: str) -> None:
    """Marked, cut short, and from then on the server removes nothing, or cannot: both stand, without a mark."""
    parent, server, key = one_mail(tmp_path, *CAPABILITIES["uidplus"])
    crash_when(parent, lambda: "\\Deleted" in server.folders["INBOX"].messages[1].flags)
    server.capabilities = frozenset({capability})
    server.refuse = lambda command, _uid: "not now" if command == "EXPUNGE" else None
    for _ in range(4):
        parent.one_pass()
        assert sorted(where(server, key)) == ["INBOX", HOMEWORK]
        assert not any("\\Deleted" in flags for _, _, flags in server.everything())
    assert parent.told() == {("quarantined", "INBOX"): 1}


@pytest.mark.parametrize("attribute", ["\\All", "\\Flagged", "\\Important"])
def test_what_a_folder_shows_of_others_is_no_second_message(tmp_path: Path, attribute: str) -> None:
    """Without MOVE, the original is gone: our copy, which a view of all mail shows too, is the last and stays."""
    parent, server, key = one_mail(tmp_path, *CAPABILITIES["uidplus"])
    crash_when(parent, lambda: HOMEWORK in where(server, key))
    deletes(server, "INBOX", 1)
    server.attributes["Virtual"] = frozenset({attribute})
    server.make("Virtual").add(server.folders[HOMEWORK].messages[1])
    parent.one_pass()
    assert where(server, key) == [HOMEWORK, "Virtual"]
    assert parent.told() == {("done", HOMEWORK): 1}


def test_what_was_taken_with_our_mark_on_it_loses_the_mark(tmp_path: Path) -> None:
    """Moved between our mark and the removal: it stands where the parent put it, unmarked, and our copy goes."""
    parent, server, key = one_mail(tmp_path, *CAPABILITIES["uidplus"])

    def take(_step: int) -> None:
        if "\\Deleted" in server.folders["INBOX"].messages[1].flags:
            server.meanwhile = lambda _step: None
            takes(server, "INBOX", 1)

    server.meanwhile = take
    parent.one_pass()
    assert [found for found in server.everything() if found[1] == key] == [
        ("Family", key, frozenset({"triage-homework", "triage-school"}))
    ]


# --- Folders that go, or may only be looked into -----------------------------------------------------------


@pytest.mark.parametrize(
    ("rights", "reason"), [("look", "is read-only"), ("none", "is not there any more")], ids=["read-only", "gone"]
)
def test_a_source_that_cannot_be_changed_is_left_alone(
    tmp_path: Path, rights: Literal["look", "none"], reason: str
) -> None:
    """Nothing is sent, and the message is named."""
    parent, server, key = one_mail(tmp_path)
    server.rights["INBOX"] = rights
    place = Place("INBOX", 1000, 1)
    outcome = apply(parent, Action("tag", key, place, tags=("triage-school",)), Action("move", key, place, HOMEWORK))
    assert outcome.failed == {key: f'folder "INBOX" {reason}'}
    assert server.everything() == [("INBOX", key, frozenset())]


def test_where_the_server_gives_no_uidvalidity_nothing_is_filed(tmp_path: Path) -> None:
    """UIDs mean nothing there (RFC 9051, 2.3.1.1), and what arrived could not be proved."""
    parent, server, key = one_mail(tmp_path)
    server.make(HOMEWORK).uidvalidity = 0
    assert parent.one_pass() == {key: f'folder "{HOMEWORK}" cannot be used: it cannot be looked into'}
    assert where(server, key) == ["INBOX"]


def test_a_draft_that_has_no_folder_harms_no_filing(tmp_path: Path) -> None:
    """The message is filed, the draft's own row says why there is none."""
    parent, server, key = one_mail(tmp_path)
    server.make(HOMEWORK)
    server.refuse = lambda command, _uid: "not allowed" if command == "CREATE" else None
    place = Place("INBOX", 1000, 1)
    draft = Action("draft", key, place, "Drafts", message_id="<d@triage.invalid>", payload=b"Subject: x\r\n\r\nx\r\n")
    outcome = apply(parent, Action("move", key, place, HOMEWORK), draft)
    assert outcome.failed == {}
    assert where(server, key) == [HOMEWORK]
    with Store(tmp_path) as store:
        assert [op.detail for op in store.last_ops_of("home", key)] == [
            "",
            'folder "Drafts" cannot be used: not allowed',
        ]


def test_a_target_that_goes_before_the_command_is_made_again(tmp_path: Path) -> None:
    """Cut short after the journal's row, and the folder is gone: nothing had been sent, the message is filed anew."""
    parent, server, key = one_mail(tmp_path)
    crash_when(parent, journal_has(parent, "move", "sent"))
    del server.folders[HOMEWORK]
    parent.one_pass()
    assert where(server, key) == [HOMEWORK]
    assert note_count(parent) == 1
    assert parent.told() == {("done", HOMEWORK): 1}


def test_a_target_that_goes_with_its_copy_costs_no_original(tmp_path: Path) -> None:
    """Copied, proved, cut short, and the folder with the copy is gone: the original stays and a person has to look."""
    parent, server, key = one_mail(tmp_path, *CAPABILITIES["uidplus"])
    crash_when(parent, journal_has(parent, "move", "copied"))
    del server.folders[HOMEWORK]
    for _ in range(4):
        parent.one_pass()
    assert where(server, key) == ["INBOX"]
    assert not any("\\Deleted" in flags for _, _, flags in server.everything())
    with Store(tmp_path) as store:
        assert [found.error for found in store.troubled()] == [
            f'folder "{HOMEWORK}", which holds its copy, is not there any more'
        ]
        assert store.open_ops("home") == []


def test_a_note_that_may_stand_in_a_folder_that_was_rebuilt_is_not_written_again(tmp_path: Path) -> None:
    """A second one would be worse than none."""
    parent, server, key = one_mail(tmp_path)
    crash_when(parent, lambda: note_count(parent) == 1)
    server.folders[HOMEWORK].uidvalidity += 500
    parent.one_pass()
    assert note_count(parent) == 1
    assert where(server, key) == [HOMEWORK]


@pytest.mark.parametrize("gone", ["the message", "the folder"])
def test_tags_of_what_is_gone_are_nobodys_word(tmp_path: Path, gone: str) -> None:
    """Cut short after tagging; what was tagged is not there to be asked, and the pass goes on without it."""
    parent, server, key = one_mail(tmp_path, mode="tag")
    server.make("Class").messages[1] = server.folders["INBOX"].messages.pop(1)
    with Store(tmp_path) as store:
        store.save_message(parent._row(key, Place("Class", server.folders["Class"].uidvalidity, 1), 0))
    tag = Action("tag", key, Place("Class", server.folders["Class"].uidvalidity, 1), tags=("triage-school",))
    server.meanwhile = lambda _step: _die_once(server)
    with pytest.raises(Crash):
        apply(parent, tag)
    if gone == "the folder":
        del server.folders["Class"]
    else:
        del server.folders["Class"].messages[1]
    parent.deliver(1)
    assert parent.one_pass() == {}
    with Store(tmp_path) as store:
        found = store.message("home", key)
        assert found is not None
        assert found.tags == frozenset()
        assert store.open_ops("home") == []
    (other,) = set(parent.judged) - {key}
    assert len(where(server, other)) == 1


def _die_once(server: Server) -> None:
    server.meanwhile = lambda _step: None
    raise Crash


@pytest.mark.parametrize("kind", ["move", "copy"])
@pytest.mark.parametrize("capabilities", list(CAPABILITIES))
def test_a_number_that_means_another_mail_is_not_acted_on(
    tmp_path: Path, capabilities: str, kind: Literal["move", "copy"]
) -> None:
    """Before MOVE or COPY it is looked whether it is still that message: another stays and is named, a gone one not."""
    parent, server, key = one_mail(tmp_path, *CAPABILITIES[capabilities])
    parent.deliver(1)
    (gone,) = set(parent.judged) - {key}
    server.make(HOMEWORK)
    inbox = server.folders["INBOX"]
    inbox.messages[1] = Stored(b"Subject: from Grandma\r\n\r\n", set(), NOW)
    del inbox.messages[2]
    before, asked = server.everything(), list[str]()
    server.refuse = lambda command, _uid: asked.append(command)
    outcome = apply(parent, *(Action(kind, k, Place("INBOX", 1000, n), HOMEWORK) for n, k in ((1, key), (2, gone))))
    assert outcome.failed == {key: "another message has taken its number", gone: ""}
    assert (server.everything(), asked) == (before, [])


def test_looking_who_it_is_costs_one_fetch_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty messages are asked for no more often than one."""
    asked = list[int]()
    keys = MemoryMailbox.keys

    def counted(box: MemoryMailbox, uids: Sequence[int], *, readable: bool = False) -> dict[int, str]:
        asked.append(len(uids))
        return keys(box, uids, readable=readable)

    monkeypatch.setattr(MemoryMailbox, "keys", counted)
    fetches = []
    for count in (1, 30):
        server = Server(*CAPABILITIES["move"])
        parent = Parent(tmp_path / str(count), server)
        parent.deliver(count)
        asked.clear()
        parent.one_pass()
        fetches.append(len(asked))
    assert fetches[0] == fetches[1]


# --- A parent who tags -------------------------------------------------------------------------------------


def untags(server: Server, folder: str, uid: int) -> None:
    server.folders[folder].messages[uid].flags.discard("triage-homework")


def tags_of(server: Server, key: str) -> list[frozenset[str]]:
    return [flags for _, found, flags in server.everything() if found == key]


def test_a_tag_that_the_parent_took_off_is_not_set_again(tmp_path: Path) -> None:
    """Tagged, the move refused, and untagged by hand: each later try leaves the tag off."""
    parent, server, key = one_mail(tmp_path)
    server.refuse = lambda command, _uid: "no" if command == "MOVE" else None
    parent.one_pass()
    untags(server, "INBOX", 1)
    parent.one_pass()
    assert tags_of(server, key) == [{"triage-school"}]
    server.refuse = lambda _command, _uid: None
    parent.one_pass()
    assert where(server, key) == [HOMEWORK]
    assert tags_of(server, key) == [{"triage-school"}]


def test_a_label_that_the_parent_took_off_is_not_set_again(tmp_path: Path) -> None:
    """Gmail: the journal says that it was set."""
    parent = Labelled(tmp_path, Server(*GMAIL))
    parent.deliver(1, labels=("homework", "praise"), primary="homework")
    parent.server.refuse = lambda command, _uid: "no" if command == "MOVE" else None
    parent.one_pass()
    assert label_of(parent.server) == {"School/Praise"}
    parent.server.folders["School/Praise"].messages.clear()
    parent.one_pass()
    assert label_of(parent.server) == set()


@pytest.mark.parametrize("capabilities", list(CAPABILITIES))
def test_a_tag_taken_off_at_any_step_stays_off(tmp_path: Path, capabilities: str) -> None:
    """Also between its setting and the look that proves it, and between a copy and the removal of its original."""
    at = 0
    while True:
        at += 1
        parent, server, key = one_mail(tmp_path / str(at), *CAPABILITIES[capabilities])
        acted = False

        def untag(step: int, server: Server = server, at: int = at) -> None:
            nonlocal acted
            message = server.folders["INBOX"].messages.get(1)
            if not acted and step >= at and message is not None and "triage-homework" in message.flags:
                untags(server, "INBOX", 1)
                acted = True

        server.meanwhile = untag
        parent.one_pass()
        server.meanwhile = lambda _step: None
        for _ in range(2):
            parent.one_pass()
        assert tags_of(server, key) == [{"triage-school"} | ({"triage-homework"} if not acted else set())], f"step {at}"
        if not acted:
            break
    assert at > 8


@pytest.mark.parametrize("folder", ["INBOX", HOMEWORK])
def test_a_tag_taken_off_after_a_crash_stays_off(tmp_path: Path, folder: str) -> None:
    """Dead at any step; what the state knows to be set, and is not there, was taken off: from original or copy."""
    at = acted = 0
    while True:
        at += 1
        parent, server, key = one_mail(tmp_path / str(at), *CAPABILITIES["uidplus"])
        server.crash_at = at
        try:
            parent.one_pass()
            break
        except Crash:
            server.crash_at = None
        with Store(parent.folder) as store:
            kept = store.message("home", key)
        message = server.folders.get(folder, Folder(1)).messages.get(1)
        known = kept is not None and "triage-homework" in kept.tags and message is not None and message.key == key
        if known:
            untags(server, folder, 1)
            acted += 1
        for _ in range(2):
            parent.one_pass()
        assert tags_of(server, key) == [{"triage-school"} | (set() if known else {"triage-homework"})], f"step {at}"
    assert acted > 3


# --- Undo, when things have changed ------------------------------------------------------------------------


def test_undo_of_a_note_whose_folder_is_gone_is_done(tmp_path: Path) -> None:
    """There is nothing left to take back."""
    parent, server, key = one_mail(tmp_path)
    parent.one_pass()
    before = server.everything()
    gone = Action("remove", key, Place("Gone", 1, 1), message_id=f"<note-{key[:20]}@triage.invalid>")
    assert apply(parent, gone).failed == {}
    assert server.everything() == before
    with Store(tmp_path) as store:
        assert [op.state for op in store.last_ops_of("home", key)] == ["vanished"]


@pytest.mark.parametrize("changed", ["rebuilt", "another mail has its UID"])
def test_undo_removes_only_what_is_ours(tmp_path: Path, changed: str) -> None:
    """A UID that means another mail by now is not touched; nor one of a folder that was built anew."""
    parent, server, key = one_mail(tmp_path)
    parent.one_pass()
    homework = server.folders[HOMEWORK]
    (note,) = (uid for uid, message in homework.messages.items() if message.key != key)
    action = Action(
        "remove", key, Place(HOMEWORK, homework.uidvalidity, note), message_id=f"<note-{key[:20]}@triage.invalid>"
    )
    if changed == "rebuilt":
        homework.uidvalidity += 1
    else:
        homework.messages[note] = Stored(b"Subject: from Grandma\r\nMessage-ID: <g@x>\r\n\r\n", set(), NOW)
    before = server.everything()
    assert apply(parent, action).failed == {}
    assert server.everything() == before


def test_undo_of_a_note_that_the_server_keeps_is_told(tmp_path: Path) -> None:
    """And the note stays unmarked."""
    parent, server, key = one_mail(tmp_path, mode="tag")
    parent.one_pass()
    server.refuse = lambda command, _uid: "not you" if command == "EXPUNGE" else None
    assert undo(parent).failed == {key: "not you"}
    assert note_count(parent) == 1
    assert not any("\\Deleted" in flags for _, _, flags in server.everything())


@pytest.mark.parametrize("state", ["unknown", "its folder is gone"])
def test_a_copy_is_kept_where_its_original_cannot_be_seen(tmp_path: Path, state: str) -> None:
    """Of a message that the state knows nothing of, or whose folder is gone, the copy may be the last."""
    parent, server, key = one_mail(tmp_path, mode="copy")
    parent.one_pass()
    with Store(tmp_path) as store:
        (copy,) = (entry for entry in store.done_of("run1", "home") if entry.action.kind == "copy")
        if state == "unknown":
            store.write("DELETE FROM message")
    if state != "unknown":
        del server.folders["INBOX"]
    outcome = apply(parent, Action("remove", key, copy.place))
    assert outcome.failed == {key: "the original is not where it was; its copy is kept"}
    assert HOMEWORK in where(server, key)


def test_an_undo_that_was_cut_short_makes_no_message_new(tmp_path: Path) -> None:
    """What is left open of it is closed, and the message stays as it was settled: it is not filed again."""
    parent, server, key = one_mail(tmp_path)
    parent.one_pass()

    def die(_step: int) -> None:
        if where(server, key) == ["INBOX"]:
            server.meanwhile = lambda _step: None
            raise Crash

    server.meanwhile = die
    with pytest.raises(Crash):
        undo(parent)
    parent.one_pass()
    assert where(server, key) == ["INBOX"]
    with Store(tmp_path) as store:
        assert store.open_ops("home") == []
        found = store.message("home", key)
        assert found is not None
        assert (found.status, found.place.folder) == ("done", "INBOX")


# --- Gmail -------------------------------------------------------------------------------------------------


def label_of(server: Server, folder: str = "INBOX", uid: int = 1) -> set[str]:
    """The labels of a message beside that of a folder in which it stands."""
    return server.labels_of(server.folders[folder].messages[uid]) - {"\\Inbox", folder}


def test_labels_are_set_proved_and_taken_back(tmp_path: Path) -> None:
    """As tags are: read back; a message that cannot be labelled twice is moved without."""
    parent, server, key = one_mail(tmp_path / "refused")
    server.make(HOMEWORK)
    place = Place("INBOX", 1000, 1)
    label = Action("label", key, place, tags=("School/Praise",))
    server.refuse = lambda command, _uid: "no" if command == "STORE" else None
    move = Action("move", key, place, HOMEWORK)
    assert apply(parent, label, move).failed == {key: "no"}
    assert (where(server, key), label_of(server)) == (["INBOX"], set())
    with Store(parent.folder) as store:
        outcome = Applier(connected(server), store, "home", lambda: NOW, lambda: False).apply("again", [label, move])
    assert (outcome.failed, outcome.untagged) == ({}, {key: "no"})
    assert where(server, key) == [HOMEWORK]
    parent, server, key = one_mail(tmp_path)
    server.make(HOMEWORK)
    with Store(tmp_path) as store:
        store.save_message(parent._row(key, place, 0))
        applier = Applier(connected(server), store, "home", lambda: NOW, lambda: False)
        assert applier.apply("first", [label]).failed == {}
        assert label_of(server) == {"School/Praise"}
        assert applier.apply("second", [Action("unlabel", key, place, tags=label.tags)]).failed == {}
        assert label_of(server) == set()
        found = store.message("home", key)
        assert found is not None
        # Labels are none of the flags that the parent's own re-tagging is seen by.
        assert found.tags == frozenset()


def test_a_crash_at_every_step_of_labelling_changes_nothing_in_the_end(tmp_path: Path) -> None:
    """Gmail: the label, the move and the note, stopped before and after each effect."""
    steps = 0
    while True:
        steps += 1
        parent = Labelled(tmp_path / str(steps), Server(*GMAIL))
        parent.deliver(2, labels=("homework", "praise"), primary="homework")
        died = parent.passes_with_crash(steps)
        homework = parent.server.folders[HOMEWORK].messages
        uids = [uid for uid, message in homework.items() if message.key in parent.judged]
        assert [label_of(parent.server, HOMEWORK, uid) for uid in uids] == [{"School/Praise"}] * 2
        assert not any(message.key in parent.judged for message in parent.server.folders["INBOX"].messages.values())
        assert set(parent.mail().values()) == {1}, f"step {steps}"
        assert set(parent.notes().values()) == {1}, f"step {steps}"
        if not died:
            break
    assert steps > 12


class Labelled(Parent):
    """A parent whose mail is at Gmail."""

    def abilities(self) -> Abilities:
        return replace(super().abilities(), tags="labels")


def test_the_mailbox_in_memory_has_labels_as_gmail() -> None:
    """A label is a folder more: it has the same message under another UID, and a move takes it out of one alone."""
    server = Server(*GMAIL)
    server.deliver(b"Subject: x\r\n\r\n")
    server.make(HOMEWORK)
    with MemoryMailbox(server) as box:
        box.select("INBOX")
        box.add_labels([1], ["School/Praise"])
        assert box.labels([1]) == {1: {"School/Praise"}}
        assert box.flags([1]) == {1: frozenset()}
        box.select("School/Praise")
        assert box.labels([1]) == {1: {"\\Inbox"}}
        box.select("INBOX")
        box.move([1], HOMEWORK)
        box.select(HOMEWORK)
        assert box.labels([1]) == {1: {"School/Praise"}}
        box.remove_labels([1], ["School/Praise"])
        assert box.labels([1]) == {1: frozenset()}
        box.copy([1], "INBOX")
        box.remove([1])
    assert [(folder, flags) for folder, _, flags in server.everything()] == [("INBOX", frozenset())]
