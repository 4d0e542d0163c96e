"""Acting on mail: the right result, and after a crash at any point the same result, with nothing lost or doubled."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.cases import FOLDERS, abilities, verdict
from tests.support.mail import a_mail
from tests.support.memory import Crash, MemoryMailbox, Server, connected
from tests.support.memory import Stored as InMemory
from triage.apply import Applier, StoppedError
from triage.config import Filing, PromptSettings
from triage.ledger import Ledger
from triage.mailbox import Mailbox
from triage.plan import TAGS, Abilities, Action, Appendix, Case, Place, Stored, in_groups, plan, plan_undo
from triage.store import Store

if TYPE_CHECKING:
    from triage.classify import Verdict

NOW = datetime(2026, 1, 7, 15, 4, tzinfo=UTC)


class CrashingStore(Store):
    """A state whose every commit is a moment at which the process may die."""

    def __init__(self, folder: Path, tick: Callable[[], None]) -> None:
        self._tick: Callable[[], None] = lambda: None
        super().__init__(folder)
        self._tick = tick

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        outermost = not self._db.in_transaction
        with super().transaction():
            yield
        if outermost:
            self._tick()


class Parent:
    """A mailbox with mail, a state, and passes over them as `cycle` makes them, without the judging."""

    def __init__(self, folder: Path, server: Server, *, mode: str = "move") -> None:
        self.folder, self.server = folder, server
        self.filing = Filing.model_validate({"mode": mode})
        self.judged: dict[str, Verdict] = {}
        self.runs = 0
        self.now = NOW

    def deliver(self, count: int, **changes: object) -> None:
        for _ in range(count):
            uid = self.server.deliver(a_mail())
            self.judged[self.server.folders["INBOX"].messages[uid].key] = verdict(**changes)

    def abilities(self) -> Abilities:
        can_file = {"MOVE", "UIDPLUS"} & self.server.capabilities
        return abilities(filing="move" if can_file else "none", tags="keywords" if self.server.keywords else "none")

    def one_pass(self, stop: Callable[[], bool] = lambda: False) -> dict[str, str]:
        """Recover, plan what is in the inbox and not settled, act. Returns what failed."""
        self.runs += 1
        failed: dict[str, str] = {}
        with CrashingStore(self.folder, self.server.tick) as store:
            box = connected(self.server)
            applier = Applier(box, store, "home", lambda: self.now, stop)
            applier.recover()
            due = Ledger(store).due_notes("home", self.now)
            applier.carry_out([op for op in due if store.known("home", op.action.key).done])
            box.select("INBOX")
            planned, seen = {}, {}
            for uid, key in box.keys(box.starting_at(1)).items():
                case = self._case(store, box, uid, key)
                seen[key] = case.flags if case is not None else frozenset()
                if case is not None and (actions := plan(case, self.abilities(), self.filing, PromptSettings())):
                    planned[key] = actions
            for group in in_groups(planned.values()):
                with store.transaction():
                    for action in group:
                        store.close_held("home", action.key)
                        known = store.message("home", action.key)
                        row = self._row(action.key, action.place, known.tries if known else 0)
                        store.save_message(replace(row, tags=seen[action.key]))
                    ops = store.journal(f"run{self.runs}", "home", group)
                outcome = applier.carry_out(ops)
                failed |= outcome.failed
                with store.transaction():
                    for key in {action.key for action in group}:
                        store.set_status("home", key, "failed" if key in outcome.failed else "done")
        return failed

    def _case(self, store: Store, box: Mailbox, uid: int, key: str) -> Case | None:
        if key not in self.judged:
            return None
        place = Place("INBOX", self.server.folders["INBOX"].uidvalidity, uid)
        note = Appendix(f"<note-{key[:20]}@triage.invalid>", f"Subject: note {key[:20]}\r\n\r\nbreathe\r\n".encode())
        return Case(key, place, box.flags([uid])[uid], self.judged[key], store.known("home", key), note)

    def _row(self, key: str, place: Place, tries: int) -> Stored:
        return Stored("home", key, "", place, NOW, NOW, "pending", tries, "", frozenset(), None)

    def passes_with_crash(self, step: int) -> bool:
        """A pass that dies at a step, then one that does not; False where the pass has no such step."""
        self.server.step, self.server.crash_at = 0, step
        try:
            self.one_pass()
        except Crash:
            died = True
        else:
            died = False
        self.server.crash_at = None
        self.one_pass()
        return died

    def mail(self) -> Counter[str]:
        """How often each delivered message stands anywhere."""
        messages = (one for folder in self.server.folders.values() for one in folder.messages.values())
        # At Gmail one message stands in several folders.
        return Counter(one.key for one in {id(one): one for one in messages}.values() if one.key in self.judged)

    def told(self) -> Counter[tuple[str, str]]:
        """Status and folder of each message, as the state has them."""
        with Store(self.folder) as store:
            found = [store.message("home", key) for key in self.judged]
        return Counter((stored.status, stored.place.folder) for stored in found if stored is not None)

    def notes(self) -> Counter[str]:
        """How often each note stands anywhere."""
        return Counter(
            message.message_id
            for folder in self.server.folders.values()
            for message in folder.messages.values()
            if "@triage.invalid" in message.message_id
        )


CAPABILITIES = {"move": ("MOVE", "UIDPLUS"), "uidplus": ("UIDPLUS",), "bare": ("IDLE",)}


@pytest.fixture(params=list(CAPABILITIES))
def server(request: pytest.FixtureRequest) -> Server:
    return Server(*CAPABILITIES[request.param])


def test_everything_arrives_once(tmp_path: Path, server: Server) -> None:
    """Tagged, filed where the server can, one note beside each; a second pass does nothing."""
    parent = Parent(tmp_path, server)
    parent.deliver(30)
    assert parent.one_pass() == {}
    before = server.everything()
    assert set(parent.mail().values()) == {1}
    assert set(parent.notes().values()) == {1}
    assert len(parent.notes()) == 30
    filed = "School/Homework" if {"MOVE", "UIDPLUS"} & server.capabilities else "INBOX"
    for folder, key, flags in before:
        if key in parent.judged:
            assert folder == filed
            assert flags == {"triage-homework", "triage-school"}
    assert parent.one_pass() == {}
    assert server.everything() == before


@pytest.mark.parametrize("mode", ["move", "copy", "tag"])
@pytest.mark.parametrize("capabilities", list(CAPABILITIES))
def test_a_crash_at_every_step_changes_nothing_in_the_end(tmp_path: Path, mode: str, capabilities: str) -> None:
    """Stop before and after each effect, run again, compare with a pass that was never stopped."""
    golden = Parent(tmp_path / "golden", Server(*CAPABILITIES[capabilities]), mode=mode)
    golden.deliver(4)
    golden.one_pass()
    steps = 0
    while True:
        steps += 1
        parent = Parent(tmp_path / str(steps), Server(*CAPABILITIES[capabilities]), mode=mode)
        parent.deliver(4)
        died = parent.passes_with_crash(steps)
        expected = 2 if mode == "copy" else 1
        assert set(parent.mail().values()) == {expected}, f"step {steps}"
        assert parent.notes().total() == 4, f"step {steps}"
        assert Counter(name for name, _, _ in parent.server.everything()) == Counter(
            name for name, _, _ in golden.server.everything()
        ), f"step {steps}"
        assert not any("\\Deleted" in flags for _, _, flags in parent.server.everything()), f"step {steps}"
        assert parent.told() == golden.told(), f"step {steps}"
        if not died:
            break
    # The count is asserted, so that a lost hook in the fake cannot make this test pass by doing nothing.
    moves = mode == "copy" or (mode == "move" and capabilities != "bare")
    assert steps > (18 if moves else 12)


def test_a_refused_message_stays_and_the_others_go_on(tmp_path: Path, server: Server) -> None:
    """NO to one message's command: it stays where it is, is named, and the rest is done."""
    parent = Parent(tmp_path, server)
    parent.deliver(10)
    server.refuse = lambda command, uid: "over quota" if command in ("MOVE", "COPY") and uid == 4 else None
    failed = parent.one_pass()
    can_file = bool({"MOVE", "UIDPLUS"} & server.capabilities)
    assert list(failed.values()) == (["over quota"] if can_file else [])
    assert set(parent.mail().values()) == {1}
    assert len(server.folders["INBOX"].messages) == (1 if can_file else 20)
    assert len(parent.notes()) == (9 if can_file else 10)


def test_our_own_tag_is_never_the_parents_word(tmp_path: Path) -> None:
    """Where the tag was set and the move refused, the state knows the tag; so it is no correction."""
    server = Server("MOVE", "UIDPLUS")
    parent = Parent(tmp_path, server)
    parent.deliver(1)
    server.refuse = lambda command, _uid: "no" if command == "MOVE" else None
    parent.one_pass()
    (key,) = parent.judged
    with Store(tmp_path) as store:
        stored = store.message("home", key)
    assert stored is not None
    assert stored.tags == {"triage-homework", "triage-school"}


@pytest.mark.parametrize(("days", "notes"), [(1, 3), (3, 0)])
def test_a_note_that_was_refused_comes_later_and_once(tmp_path: Path, days: int, notes: int) -> None:
    """While the server is full, mail is filed without notes; they come as long as they are of use."""
    server = Server("MOVE", "UIDPLUS")
    parent = Parent(tmp_path, server)
    parent.deliver(3)
    server.refuse = lambda command, _uid: "over quota" if command == "APPEND" else None
    for _ in range(3):
        assert parent.one_pass() == {}
    assert (len(server.folders["INBOX"].messages), parent.notes().total()) == (0, 0)
    parent.now += timedelta(days=days)
    parent.one_pass()
    server.refuse = lambda _command, _uid: None
    for _ in range(2):
        parent.one_pass()
        assert sorted(parent.notes().values()) == [1] * notes


def test_three_failures_put_a_message_into_quarantine(tmp_path: Path) -> None:
    """It is not tried a fourth time."""
    server = Server()
    parent = Parent(tmp_path, server)
    parent.deliver(1)
    server.refuse = lambda command, _uid: "no" if command == "MOVE" else None
    for _ in range(3):
        assert len(parent.one_pass()) == 1
    assert parent.one_pass() == {}
    with Store(tmp_path) as store:
        assert len(store.troubled()) == 1


@pytest.mark.parametrize("command", ["CREATE", "STORE", "MOVE", "COPY", "EXPUNGE", "APPEND"])
@pytest.mark.parametrize("capabilities", list(CAPABILITIES))
def test_a_command_that_is_always_refused_loses_nothing(tmp_path: Path, command: str, capabilities: str) -> None:
    """Whatever the server says no to, each message stands once and nothing stays marked as deleted."""
    server = Server(*CAPABILITIES[capabilities])
    parent = Parent(tmp_path, server)
    parent.deliver(6)
    server.refuse = lambda name, _uid: "refused" if name == command else None
    for _ in range(4):
        parent.one_pass()
    expected = 2 if (command, capabilities) == ("EXPUNGE", "uidplus") else 1
    # With EXPUNGE refused the copy was made and verified before; both stay, and the original is named.
    assert set(parent.mail().values()) <= {1, expected}
    assert not any("\\Deleted" in flags for _, _, flags in server.everything())


def test_a_server_that_keeps_no_tags_is_believed_when_it_shows(tmp_path: Path) -> None:
    """Tags are proved by reading them back; a message that could not be tagged stays for that pass."""
    server = Server()
    parent = Parent(tmp_path, server)
    parent.deliver(2)
    can = abilities()
    parent.abilities = lambda: can  # type: ignore[method-assign]
    server.keywords = False
    assert set(parent.one_pass().values()) == {"the server did not keep the tag"}
    assert len(server.folders["INBOX"].messages) == 2


def test_a_folder_that_was_rebuilt_is_not_acted_on(tmp_path: Path) -> None:
    """UIDs of another UIDVALIDITY mean nothing."""
    server = Server()
    parent = Parent(tmp_path, server)
    parent.deliver(1)
    (key,) = parent.judged
    with Store(tmp_path) as store:
        box = connected(server)
        stale = Action("move", key, Place("INBOX", 1, 1), "School/Homework")
        outcome = Applier(box, store, "home", lambda: NOW, lambda: False).apply("run", [stale])
    assert outcome.failed == {key: 'folder "INBOX" was rebuilt meanwhile'}
    assert len(server.folders["INBOX"].messages) == 1


def test_stop_is_obeyed_between_steps(tmp_path: Path, server: Server) -> None:
    """Asked to end, it ends before the next command, and the next pass takes up."""
    parent = Parent(tmp_path, server)
    parent.deliver(5)
    asked = iter([False, True, True])
    with pytest.raises(StoppedError):
        parent.one_pass(stop=lambda: next(asked, True))
    parent.one_pass()
    assert set(parent.mail().values()) == {1}
    assert parent.notes().total() == 5


def test_undo_puts_everything_back(tmp_path: Path) -> None:
    """Folder, tags and notes, and the parent's own flags untouched."""
    server = Server()
    parent = Parent(tmp_path, server)
    parent.deliver(8)
    for message in server.folders["INBOX"].messages.values():
        message.flags.add("\\Flagged")
    before = Counter(server.everything())
    parent.one_pass()
    with Store(tmp_path) as store:
        done = store.done_of("run1", "home")
        now = {key: stored.place for key in parent.judged if (stored := store.message("home", key)) is not None}
        applier = Applier(connected(server), store, "home", lambda: NOW, lambda: False)
        assert applier.apply("undo", plan_undo(done, now)).failed == {}
    assert Counter(server.everything()) == before


def test_undo_of_a_copy_needs_the_original(tmp_path: Path) -> None:
    """The copy stays if the parent deleted the original meanwhile."""
    server = Server()
    parent = Parent(tmp_path, server, mode="copy")
    parent.deliver(2)
    parent.one_pass()
    lost = server.folders["INBOX"].messages.pop(1).key
    with Store(tmp_path) as store:
        done = [entry for entry in store.done_of("run1", "home") if entry.action.kind == "copy"]
        now = {key: stored.place for key in parent.judged if (stored := store.message("home", key)) is not None}
        outcome = Applier(connected(server), store, "home", lambda: NOW, lambda: False).apply(
            "undo", plan_undo(done, now)
        )
    assert list(outcome.failed) == [lost]
    assert set(parent.mail().values()) == {1}


def test_groups_keep_a_message_whole() -> None:
    """No message's actions are spread over two groups."""
    actions = [
        [Action("tag", str(n), Place("INBOX", 1, n)), Action("move", str(n), Place("INBOX", 1, n))] for n in range(1000)
    ]
    groups = in_groups(actions)
    assert [len({action.key for action in group}) for group in groups] == [400, 400, 200]
    assert sum(len(group) for group in groups) == 2000


# --- A parent, a crashing program and a second client, in any order ------------------------------------------


FLAGS = ("triage-homework", "triage-behavior", "triage-school", "\\Flagged", "$Important", "$label1")


class Household(RuleBasedStateMachine):
    """Mail arrives, passes run or die at a random step, servers refuse, the parent moves and deletes."""

    @initialize(capabilities=st.sampled_from(list(CAPABILITIES)), mode=st.sampled_from(["move", "copy", "tag"]))
    def begin(self, capabilities: str, mode: str) -> None:
        import tempfile

        self.temporary = tempfile.TemporaryDirectory()
        self.server = Server(*CAPABILITIES[capabilities])
        self.parent = Parent(Path(self.temporary.name), self.server, mode=mode)
        self.deleted: set[str] = set()
        self.taken: dict[str, str] = {}
        self.removed_notes: set[str] = set()
        # The parent's last word on flags and tags: (key, flag) to whether it is to be there.
        self.words: dict[tuple[str, str], bool] = {}

    def teardown(self) -> None:
        if hasattr(self, "temporary"):
            self.temporary.cleanup()

    @rule(count=st.integers(1, 4), label=st.sampled_from(["homework", "behavior", "praise"]))
    def mail_arrives(self, count: int, label: str) -> None:
        self.parent.deliver(count, labels=(label,), primary=label)

    @rule()
    def a_pass(self) -> None:
        self.parent.one_pass()

    @rule(step=st.integers(1, 40))
    def a_pass_that_dies(self, step: int) -> None:
        self.server.step, self.server.crash_at = 0, step
        with contextlib.suppress(Crash):
            self.parent.one_pass()
        self.server.crash_at = None

    @rule(command=st.sampled_from(["STORE", "MOVE", "COPY", "APPEND", "CREATE"]), odd=st.integers(0, 2))
    def a_pass_with_refusals(self, command: str, odd: int) -> None:
        self.server.refuse = lambda name, uid: "no" if name == command and (uid or 0) % 3 == odd else None
        self.parent.one_pass()
        self.server.refuse = lambda _name, _uid: None

    @precondition(lambda self: any(folder.messages for folder in self.server.folders.values()))
    @rule(data=st.data(), delete=st.booleans())
    def the_parent_acts(self, data: st.DataObject, delete: bool) -> None:
        places = [(name, uid) for name, folder in self.server.folders.items() for uid in sorted(folder.messages)]
        name, uid = data.draw(st.sampled_from(places))
        message = self.server.folders[name].messages.pop(uid)
        if "@triage.invalid" in message.message_id:
            self.removed_notes.add(message.message_id)
        elif delete:
            self.deleted.add(message.key)
        else:
            self.server.make("Family").add(message)
            self.taken[message.key] = "Family"

    @precondition(lambda self: bool(self._alone()))
    @rule(data=st.data(), flag=st.sampled_from(FLAGS))
    def the_parent_sets_a_flag_or_tag(self, data: st.DataObject, flag: str) -> None:
        message = data.draw(st.sampled_from(self._alone()))
        message.flags.add(flag)
        self.words[message.key, flag] = True

    @precondition(lambda self: bool(self._removable()))
    @rule(data=st.data())
    def the_parent_takes_a_flag_or_tag_off(self, data: st.DataObject) -> None:
        message, flag = data.draw(st.sampled_from(self._removable()))
        message.flags.discard(flag)
        self.words[message.key, flag] = False

    def _removable(self) -> list[tuple[InMemory, str]]:
        """What the parent can take off; a tag of ours only where the state knows that it is set."""
        found = [(message, flag) for message in self._alone() for flag in FLAGS if flag in message.flags]
        return [(one, flag) for one, flag in found if flag not in TAGS.values() or self._is_known(one.key, flag)]

    def _alone(self) -> list[InMemory]:
        """The mails that stand once: of a message that is just being copied either may be the one that stays."""
        count = self.parent.mail()
        messages = (one for folder in self.server.folders.values() for one in folder.messages.values())
        return sorted((one for one in messages if count[one.key] == 1), key=lambda one: one.raw)

    def _is_known(self, key: str, tag: str) -> bool:
        with Store(self.parent.folder) as store:
            return tag in store.known("home", key).tagged

    @invariant()
    def what_the_parent_tagged_stays_so(self) -> None:
        if not hasattr(self, "parent"):
            return
        for _, key, flags in self.server.everything():
            for flag in FLAGS:
                assert self.words.get((key, flag), flag in flags) == (flag in flags), f"{flag} was overwritten"

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "parent"):
            return
        found = self.parent.mail()
        most = 2 if self.parent.filing.mode == "copy" else 1
        for key in self.parent.judged:
            if key in self.deleted or key in self.taken:
                continue
            assert found[key] >= 1, "a message is lost"
        assert all(count <= 1 for count in self.parent.notes().values()), "a note is doubled"
        if "MOVE" in self.server.capabilities or self.parent.filing.mode == "tag":
            assert all(count <= most for count in found.values()), "a message is doubled"

    @invariant()
    def what_the_parent_took_stays_there(self) -> None:
        if not hasattr(self, "parent"):
            return
        family = {
            message.key for message in self.server.folders.get("Family", Server().folders["INBOX"]).messages.values()
        }
        assert all(key in family for key in self.taken if key not in self.deleted)


TestHousehold = Household.TestCase
TestHousehold.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


def test_after_a_clean_pass_there_are_no_leftovers(tmp_path: Path) -> None:
    """After any crash one clean pass leaves no open action behind (copy, verify, expunge included)."""
    for step in range(1, 30):
        parent = Parent(tmp_path / str(step), Server("UIDPLUS"))
        parent.deliver(3)
        parent.passes_with_crash(step)
        with Store(parent.folder) as store:
            assert store.open_ops("home") == []
        assert all(count == 1 for count in parent.mail().values())
        assert {name for name, key, _ in parent.server.everything() if key in parent.judged} == {FOLDERS["homework"]}


def test_the_fake_is_under_the_contract() -> None:
    """The mailbox in memory offers every public verb that the applier uses of the real one."""
    for verb in (
        "status",
        "select",
        "create_folder",
        "keys",
        "flags",
        "message_ids",
        "move",
        "copy",
        "remove",
        "append",
    ):
        assert callable(getattr(Mailbox, verb))
        assert callable(getattr(MemoryMailbox, verb))
