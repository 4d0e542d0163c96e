"""Clocks that are set, machines that sleep, families that travel: one digest a date, each mail shown once."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import tzlocal
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.clock import House, a_config, a_house
from tests.support.some import LONG, some
from triage.days import digest_end
from triage.errors import MailboxError
from triage.watcher import LONGEST_PAUSE, Pause

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ZERO = timedelta(0)
NEW_YORK, LOS_ANGELES, MADRID = "America/New_York", "America/Los_Angeles", "Europe/Madrid"
EVENING = datetime(2026, 1, 7, 22)
# After the last event: what waits for its time or for an answer has come by then.
AFTERWARDS = 14 * DAY
# In long simulations, so that a year takes seconds: seconds, minutes.
SLOW_HEARTBEAT, POLL = 1800, 360

MakeHouse = Callable[..., AbstractContextManager[House]]


@pytest.fixture(name="house_at")
def _house_at(tmp_path: Path) -> MakeHouse:
    """A household whose state lies in the test's folder."""
    return lambda config, at=EVENING, **more: a_house(tmp_path / "state", config, at, **more)


def assert_one_a_date(house: House) -> None:
    """A digest for each date that met its hour while the daemon was awake, and no second one; all in the inbox."""
    assert house.in_inbox().total() == len(house.digests) == len(house.in_inbox())
    found = house.per_date()
    assert set(found.values()) == {1}
    assert house.due <= set(found) <= house.reached


def last_shows(house: House, message_id: str) -> bool:
    """Whether a mail is in the newest digest."""
    return any(item.message_id == message_id for section in house.digests[-1].sections for item in section.items)


# --- A year in which nothing happens but the seasons ------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "at"),
    # Hours that spring leaves out, hours that autumn has twice, and the usual one.
    some(
        [
            (NEW_YORK, "02:30"),
            (NEW_YORK, "01:30"),
            (MADRID, "02:30"),
            (MADRID, "06:30"),
            ("Australia/Lord_Howe", "01:45"),
        ],
        3,
    ),
)
def test_400_days(house_at: MakeHouse, zone: str, at: str) -> None:
    """A digest of each date, none twice, each within a minute of its hour; over two changes of the clock and more."""
    config = a_config(zone, at, poll=POLL)
    with house_at(config, heartbeat=SLOW_HEARTBEAT) as house:
        house.live(400 * DAY)
        dates = [date.fromisoformat(digest.date) for digest in house.digests]
        assert dates == [date(2026, 1, 7) + number * DAY for number in range(401)]
        due = [digest_end(day, config.digest.at, config.zone) for day in dates]
        late = [made - hour for made, hour in zip(house.made, due, strict=True)]
        # The first one was due before the daemon began.
        assert all(ZERO <= delay < MINUTE for delay in late[1:])
        assert_one_a_date(house)


# --- One event each ---------------------------------------------------------------------------------------


def test_asleep_at_the_hour(house_at: MakeHouse) -> None:
    """Closed at eleven, opened at eight: the digest is there a minute later, and it holds the mail of the night."""
    with house_at(a_config(NEW_YORK)) as house:
        house.live(HOUR)
        house.sleep(4 * HOUR)
        came = house.arrive("homework")
        house.sleep(5 * HOUR)
        before = len(house.digests)
        house.live(MINUTE)
        assert [digest.date for digest in house.digests[before:]] == ["2026-01-08"]
        assert last_shows(house, came)
        house.live(3 * DAY)
        assert house.shown() == {came: 1}
        assert_one_a_date(house)


def test_suspended_for_three_days_there_is_one_digest(house_at: MakeHouse) -> None:
    """Of the date on which it wakes; the dates in between have none, and what was seen before is in it."""
    with house_at(a_config(MADRID)) as house:
        house.live(MINUTE)
        came = house.arrive("homework")
        house.live(HOUR)
        house.sleep(3 * DAY + 10 * HOUR)
        house.live(MINUTE)
        assert list(house.per_date()) == [date(2026, 1, 7), date(2026, 1, 11)]
        assert last_shows(house, came)


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, 3 * DAY], ids=str)
@pytest.mark.parametrize("hour", some([6, 3, 9], 3))
def test_a_clock_that_is_set(house_at: MakeHouse, wrong: timedelta, hour: int) -> None:
    """Before the digest, just before its hour, after it: one a date of the machine's own calendar, each mail once."""
    with house_at(a_config(NEW_YORK, cooling="evening", poll=POLL), heartbeat=SLOW_HEARTBEAT) as house:
        house.live(2 * HOUR)
        came = [house.arrive(kind) for kind in ("homework", "charged", "asks")]
        house.live(hour * HOUR)
        house.set_clock(wrong)
        house.live(AFTERWARDS)
        assert house.shown() == house.notes() == dict.fromkeys(came, 1)
        assert house.reminded() == {came[2]: 2}
        assert_one_a_date(house)


@pytest.mark.parametrize("back", [HOUR, 3 * DAY], ids=str)
def test_a_clock_that_is_set_back_holds_nothing_up(house_at: MakeHouse, back: timedelta) -> None:
    """The server is polled, and mornings have their digest, long before the clock has caught up."""
    with house_at(a_config(NEW_YORK)) as house:
        house.set_clock(back)
        house.live(5 * HOUR)
        house.set_clock(ZERO)
        house.live(MINUTE)
        came = house.arrive("homework")
        house.live(6 * MINUTE)
        assert house.notes() == {came: 1}
        house.live(4 * DAY)
        assert_one_a_date(house)


@pytest.mark.parametrize(
    ("ahead", "at", "lasts"), [(HOUR, 5.6, 10 * MINUTE), (3 * DAY, 3, 4 * HOUR), (3 * DAY, 9, 4 * HOUR)]
)
def test_a_clock_that_ran_ahead_and_was_put_right(
    house_at: MakeHouse, ahead: timedelta, at: float, lasts: timedelta
) -> None:
    """A digest was made of a time that had not come: what arrives until then is shown all the same, and once."""
    with house_at(a_config(NEW_YORK, poll=15), heartbeat=SLOW_HEARTBEAT) as house:
        house.live(2 * HOUR)
        came = [house.arrive("homework")]
        house.live(at * HOUR)
        house.set_clock(ahead)
        house.live(lasts)
        came.append(house.arrive("homework"))
        house.live(lasts)
        house.set_clock(ZERO)
        house.restart(MINUTE)
        for _ in range(10):
            came.append(house.arrive("homework"))
            house.live(11 * HOUR)
        house.live(AFTERWARDS)
        assert house.shown() == dict.fromkeys(came, 1)
        assert_one_a_date(house)


@pytest.mark.parametrize("leaves", some([6, 1, 14], 3))
@pytest.mark.parametrize(("start", "end"), [(NEW_YORK, LOS_ANGELES), (MADRID, NEW_YORK), (LOS_ANGELES, NEW_YORK)])
def test_the_family_flies(house_at: MakeHouse, start: str, end: str, leaves: int) -> None:
    """They set another zone in the configuration: no date has two digests, and no mail is shown twice or not at all."""
    with house_at(a_config(start, cooling="evening", poll=POLL), heartbeat=SLOW_HEARTBEAT) as house:
        came = []
        for _ in range(leaves):
            came.append(house.arrive("charged"))
            house.live(2 * HOUR)
        house.restart(6 * HOUR, a_config(end, cooling="evening", poll=POLL))
        for _ in range(24):
            came.append(house.arrive("homework"))
            house.live(HOUR)
        house.live(AFTERWARDS)
        assert house.shown() == house.notes() == dict.fromkeys(came, 1)
        assert_one_a_date(house)


@pytest.fixture(name="machine_in")
def _machine_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """The zone that the machine's own settings name."""

    def fly(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        # A new process would look anew.
        tzlocal.reload_localzone()

    yield fly
    monkeypatch.undo()
    time.tzset()
    tzlocal.reload_localzone()


def test_the_machine_flies(house_at: MakeHouse, machine_in: Callable[[str], None]) -> None:
    """With a zone in the configuration that changes nothing; the digest keeps the household's hour."""
    config = a_config(NEW_YORK, poll=POLL)
    with house_at(config) as house:
        for zone in (LOS_ANGELES, "Asia/Tokyo", MADRID, NEW_YORK):
            machine_in(zone)
            house.live(2 * DAY)
        dates = sorted(house.per_date())
        assert dates == [date(2026, 1, 7) + number * DAY for number in range(9)]
        due = [digest_end(day, config.digest.at, config.zone) for day in dates]
        assert all(ZERO <= made - hour < MINUTE for made, hour in zip(house.made[1:], due[1:], strict=True))


def test_without_a_zone_the_machines_counts_from_the_next_start(
    house_at: MakeHouse, machine_in: Callable[[str], None]
) -> None:
    """The hour of the digest is that of where the program was started."""
    machine_in(NEW_YORK)
    with house_at(a_config(None)) as house:
        machine_in(LOS_ANGELES)
        house.live(DAY)
        house.restart(HOUR, a_config(None))
        house.live(DAY)
        hours = [f"{made.astimezone(a_config(LOS_ANGELES).zone):%H:%M}" for made in house.made[1:]]
        assert hours == ["03:30", "06:30"]
        assert_one_a_date(house)


@pytest.mark.parametrize("hour", [0, 4, 8, 9, 20])
def test_a_digest_by_hand_is_the_digest_of_its_date(house_at: MakeHouse, hour: int) -> None:
    """Before the hour and after it: no second one that morning, and what comes later is in the next."""
    with house_at(a_config(NEW_YORK), heartbeat=SLOW_HEARTBEAT) as house:
        came = [house.arrive("homework")]
        house.live(hour * HOUR + MINUTE)
        first = house.digest_by_hand()
        assert not house.digest_by_hand()
        assert first == (2 <= hour < 8.5)
        came.append(house.arrive("homework"))
        house.live(3 * DAY)
        assert house.shown() == dict.fromkeys(came, 1)
        assert_one_a_date(house)


def test_a_restart_at_any_time(house_at: MakeHouse) -> None:
    """Each quarter of an hour over two nights of a changing clock: one digest a date, every mail once."""
    with house_at(a_config(MADRID, "02:30", cooling="always"), datetime(2026, 3, 28, 20)) as house:
        came = []
        for number in range(4 * 36):
            if number % 8 == 0:
                came.append(house.arrive("charged"))
            house.live(13 * MINUTE)
            house.restart(2 * MINUTE)
        house.live(2 * DAY)
        assert house.shown() == house.notes() == dict.fromkeys(came, 1)
        assert_one_a_date(house)


# --- What waits for its time ------------------------------------------------------------------------------


@pytest.mark.parametrize("wakes", [2, 12], ids=["asleep in the evening", "asleep all night"])
def test_what_cools_off_waits_for_the_morning_and_no_longer(house_at: MakeHouse, wakes: int) -> None:
    """A note is held until the digest's hour, also where the machine sleeps; then it comes, and the digest with it."""
    with house_at(a_config(NEW_YORK, cooling="evening"), datetime(2026, 1, 7, 20)) as house:
        came = house.arrive("charged")
        house.live(10 * MINUTE)
        house.sleep(wakes * HOUR)
        house.live(MINUTE)
        morning = wakes == 12
        assert house.notes() == house.shown() == ({came: 1} if morning else {})
        house.live(2 * DAY)
        assert house.notes() == house.shown() == {came: 1}


@pytest.mark.parametrize("at", [datetime(2026, 3, 6, 9), datetime(2026, 10, 30, 9)], ids=["spring", "autumn"])
def test_what_waits_for_an_answer_is_spoken_of_twice(house_at: MakeHouse, at: datetime) -> None:
    """Over a night of a changing clock, with a machine that sleeps through each of the mornings."""
    with house_at(a_config(NEW_YORK, "02:30", poll=POLL), at) as house:
        came = house.arrive("asks")
        for _ in range(14):
            house.live(14 * HOUR)
            house.sleep(10 * HOUR)
        house.live(MINUTE)
        assert house.reminded() == {came: 2}
        assert house.shown() == {came: 1}


# --- All of it, in any order ------------------------------------------------------------------------------

Event = tuple[str, object]
HAPPENS: st.SearchStrategy[Event] = st.one_of(
    st.tuples(st.just("sleep"), st.sampled_from([HOUR, 8 * HOUR, 3 * DAY])),
    st.tuples(st.just("clock"), st.sampled_from([ZERO, HOUR, -HOUR, 3 * DAY])),
    st.tuples(st.just("restart"), st.sampled_from([MINUTE, 8 * HOUR])),
    st.tuples(st.just("zone"), st.sampled_from([NEW_YORK, LOS_ANGELES, MADRID])),
    st.tuples(st.just("by hand"), st.none()),
)
KINDS = ("homework", "charged", "asks")


def let_happen(house: House, event: Event, at: str) -> None:
    """One event of a random year."""
    match event:
        case "sleep", timedelta() as span:
            house.sleep(span)
        case "clock", timedelta() as ahead:
            house.set_clock(ahead)
        case "restart", timedelta() as away:
            house.restart(away)
        case "zone", str(zone):
            house.restart(HOUR, a_config(zone, at, cooling="evening", poll=POLL))
        case _:
            house.digest_by_hand()


def assert_sound(house: House, came: Counter[str], asked: set[str]) -> None:
    """After calm days: each date its one digest; every mail, note and reminder there, and no mail or note twice."""
    house.set_clock(ZERO)
    house.live(AFTERWARDS)
    assert_one_a_date(house)
    assert house.shown() == came
    assert house.notes() == came
    assert set(house.reminded()) == asked


# An hour that spring or autumn does not have once, and the usual one; a few days before either night.
@example(NEW_YORK, "06:30", datetime(2026, 3, 6, 20), [(("clock", HOUR), 9), (("clock", ZERO), 9)])
@example(NEW_YORK, "06:30", datetime(2026, 3, 6, 20), [(("sleep", 8 * HOUR), 12), (("zone", MADRID), 9)])
@given(
    st.sampled_from([NEW_YORK, MADRID]),
    st.sampled_from(["02:30", "01:30", "06:30"]),
    st.sampled_from([datetime(2026, 3, 6, 20), datetime(2026, 3, 27, 20), datetime(2026, 10, 23, 20)]),
    # Awake long enough that some morning is met: a digest covers a week at most.
    st.lists(st.tuples(HAPPENS, st.integers(8, 30)), max_size=8),
)
@settings(max_examples=300 if LONG else 12)
def test_a_random_fortnight(zone: str, at: str, begin: datetime, events: list[tuple[Event, int]]) -> None:
    """Sleeps, clocks, flights, restarts and digests by hand in any mixture, around the nights of a changing clock."""
    came, asked = Counter[str](), set[str]()
    config = a_config(zone, at, cooling="evening", poll=POLL)
    with TemporaryDirectory() as folder, a_house(Path(folder), config, begin, heartbeat=SLOW_HEARTBEAT) as house:
        for number, (event, hours) in enumerate([*events, (("sleep", ZERO), 8)]):
            kind = KINDS[number % len(KINDS)]
            message_id = house.arrive(kind)
            came[message_id] += 1
            asked |= {message_id} if kind == "asks" else set()
            house.live(hours * HOUR)
            let_happen(house, event, at)
        assert_sound(house, came, asked)


def test_a_random_year(house_at: MakeHouse) -> None:
    """400 days in which something happens every day or two."""
    chance = random.Random(1)
    zone, at = chance.choice([NEW_YORK, MADRID]), chance.choice(["02:30", "06:30"])
    spans, wrong = [HOUR, 8 * HOUR, 3 * DAY], [ZERO, ZERO, HOUR, -HOUR, 3 * DAY]
    came, asked = Counter[str](), set[str]()
    with house_at(a_config(zone, at, cooling="evening", poll=POLL), heartbeat=SLOW_HEARTBEAT) as house:
        end = house.world.true + 400 * DAY
        while house.world.true < end:
            kind = chance.choice(KINDS)
            message_id = house.arrive(kind)
            came[message_id] += 1
            asked |= {message_id} if kind == "asks" else set()
            house.live(chance.uniform(8, 60) * HOUR)
            event: Event = chance.choice(
                [
                    ("sleep", chance.choice(spans)),
                    ("clock", chance.choice(wrong)),
                    ("restart", chance.choice(spans[:2])),
                    ("zone", chance.choice([NEW_YORK, LOS_ANGELES, MADRID])),
                    ("by hand", None),
                ]
            )
            let_happen(house, event, at)
        assert_sound(house, came, asked)


def test_a_server_that_is_away_for_weeks() -> None:
    """However often it failed before, the next try comes within the longest pause."""
    pause = Pause()
    assert max(pause.after(MailboxError("away")) for _ in range(3000)) <= LONGEST_PAUSE
