"""Pure: which strangers the parent is asked about this morning."""

from bisect import bisect_left
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from triage.plan import Stored, newcomer_of
from triage.text import one_line

# So many of each kind in one morning.
MOST_OFFERS = 3


@dataclass(frozen=True, slots=True)
class Offer:
    """A stranger who writes like school staff, or may: the parent is asked, nothing is taken for granted."""

    name: str
    address: str
    about: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """The messages of the day that ends at `end`, those before, whom the parent has made known, and when digests were.

    `mornings` are the ends of earlier digests, oldest first; where there was none yet, each day is taken to have one.
    """

    end: datetime
    rows: Sequence[Stored]
    earlier: Sequence[Stored]
    learned: Collection[str]
    mornings: Sequence[datetime] = ()


def offers_of(mail: Arrived) -> tuple[Offer, ...]:
    """Those who write like the school's staff and whom nobody has made known."""
    return _asked_today(mail, _newcomer)


def perhaps_of(mail: Arrived, offers: Sequence[Offer]) -> tuple[Offer, ...]:
    """Those whose mail was left in the inbox and may be the school's all the same, but for who is offered."""
    known = {offer.address for offer in offers}
    known |= {person.address for row in mail.earlier if (person := newcomer_of(row)) is not None}
    return tuple(offer for offer in _asked_today(mail, _doubtful) if offer.address not in known)


def _newcomer(row: Stored) -> Offer | None:
    person = newcomer_of(row)
    subject = ((row.judgement or {}).get("verdict") or {}).get("subject") or ""
    return _offer(person.name, person.address, subject) if person is not None else None


def _doubtful(row: Stored) -> Offer | None:
    one = (row.judgement or {}).get("perhaps")
    return _offer(one["name"] or one["address"].partition("@")[0], one["address"], one["about"]) if one else None


def _offer(name: str, address: str, about: str) -> Offer:
    return Offer(one_line(name, 60), one_line(address, 80), one_line(about, 60))


def _asked_today(mail: Arrived, writer_of: Callable[[Stored], Offer | None]) -> tuple[Offer, ...]:
    """Whose turn it is: each is asked about once, so many in a morning, and the rest on the next ones.

    Who wrote today comes first, so that a crowd of strangers keeps nobody waiting who writes after it; where each
    day brings a crowd, one place is for who has waited longest.
    """
    mornings = mail.mornings or _each_day(mail)
    arrived: list[list[Stored]] = [[] for _ in mornings]
    for row in mail.earlier:
        arrived[min(bisect_left(mornings, row.day), len(mornings) - 1)].append(row)
    waiting: dict[str, Offer] = {}
    asked = set[str]()
    today: tuple[Offer, ...] = ()
    for rows in (*arrived, mail.rows):
        new: dict[str, Offer] = {}
        for writer in filter(None, map(writer_of, rows)):
            if writer.address not in asked | waiting.keys():
                new.setdefault(writer.address, writer)
        today = _of(new, waiting)
        waiting = new | waiting
        asked |= {writer.address for writer in today}
        waiting = {address: writer for address, writer in waiting.items() if address not in asked}
    return tuple(writer for writer in today if writer.address not in mail.learned)


def _of(new: Mapping[str, Offer], waiting: Mapping[str, Offer]) -> tuple[Offer, ...]:
    if waiting and len(new) >= MOST_OFFERS:
        return (*list(new.values())[: MOST_OFFERS - 1], list(waiting.values())[-1])
    return (*new.values(), *waiting.values())[:MOST_OFFERS]


def _each_day(mail: Arrived) -> Sequence[datetime]:
    oldest = min((row.day for row in mail.earlier), default=mail.end)
    return [mail.end - timedelta(days=ago) for ago in range(max(1, (mail.end - oldest).days), 0, -1)]
