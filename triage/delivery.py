"""The morning digest on its way: built from the state, put where the configuration says, once a local date.

As with everything that is appended: the row first, then the mail, then the proof. A second start finds the row,
looks for the mail, and appends it only if it is not there.
"""

import re
from dataclasses import replace
from datetime import date, datetime, timedelta, tzinfo
from email.utils import format_datetime
from pathlib import Path

from triage.awaiting import waiting_of
from triage.config import Account, Config
from triage.days import digest_end, digest_start
from triage.digest import Day, Digest, build_digest, to_html, to_mail, to_text
from triage.disk import write_whole
from triage.errors import RefusedError, StoreError
from triage.ledger import Ledger
from triage.mailbox import Mail, Mailbox
from triage.originals import newest_of_each
from triage.partnership import Nudge, View, nudge_of
from triage.prompts import Wording
from triage.record import Entry, Since, laid_over
from triage.rows import Delivery
from triage.session import Session
from triage.store import Store

# After a long sleep one digest covers at most so much.
LONGEST = timedelta(days=7)
# Dates in mails of so many days before still show while they lie ahead.
DATES_FROM = timedelta(days=45)


def digest_of(store: Store, config: Config, wording: Wording, start: datetime, end: datetime) -> Digest:
    """The digest of (start, end]."""
    return _built(store, config, wording, start, end)[0]


def _built(
    store: Store, config: Config, wording: Wording, start: datetime, end: datetime
) -> tuple[Digest, Nudge | None]:
    """The digest, and the line of the longer view that it holds."""
    ledger = Ledger(store)
    rows, earlier = store.between(start, end), store.between(start - DATES_FROM, start)
    answers = ledger.answers()
    whole = laid_over(ledger.entries(), Since(ledger.verdicts(), answers), config.zone)
    entries = [entry for entry in whole if _until(entry, end)]
    settled = {key for key, one in answers.items() if one.at <= end}
    nudge = nudge_of(View(end.astimezone(config.zone).date(), entries, ledger.nudges()), config, wording)
    day = Day(
        start,
        end,
        rows,
        earlier,
        troubles=store.troubles(),
        learned=store.learned_senders(),
        mornings=store.mornings(start - DATES_FROM, start),
        waiting=waiting_of([*earlier, *rows], settled, config, end),
        nudge=nudge.text if nudge is not None else "",
        held=ledger.held(end),
    )
    return build_digest(day, config, wording), nudge


def _until(entry: Entry, end: datetime) -> bool:
    return datetime.fromisoformat(entry.at) <= end


def day_window(config: Config, day: date | None, now: datetime) -> tuple[datetime, datetime]:
    """The day ending at `day`'s digest hour; without a day, the one ending now."""
    end = digest_end(day, config.digest.at, config.zone) if day is not None else now
    return digest_start(end, config.zone), end


def due_date(store: Store, config: Config, now: datetime) -> date | None:
    """The local date whose digest is due and not yet delivered, None if there is none."""
    today = now.astimezone(config.zone).date()
    if now < digest_end(today, config.digest.at, config.zone):
        return None
    delivery = store.delivery(today)
    return today if delivery is None or delivery.state != "done" else None


def deliver(session: Session, day: date, account: Account | None = None) -> bool:
    """Deliver the digest of a local date, unless it was; True where something was put somewhere.

    It goes into the inbox of `account`, the first one if none is given, or where it was begun before.
    Raises `MailboxError` or `RefusedError` where the inbox cannot be reached; it is then still due.
    """
    store, config = session.store, session.config
    known = store.delivery(day)
    if known is not None and known.state == "done":
        return False
    # Today's covers what there is so far, be it early or late; the next one begins there.
    now = session.clock()
    Ledger(store).clock_is(now)
    today = day == now.astimezone(config.zone).date()
    end = now if today else min(digest_end(day, config.digest.at, config.zone), now)
    digest, nudge = _built(store, config, session.wording, _start(store, config, end), end)
    if digest.empty and not config.digest.empty:
        store.save_delivery(Delivery(day, "", "", end, "done", 0, 0))
        return False
    if "file" in config.digest.deliver:
        write_files(digest, session.wording, store.path.parent / "digests")
    begun = next((one for one in config.accounts if known is not None and one.name == known.account), None)
    account = begun or account or config.accounts[0]
    delivery = Delivery(day, account.name, store.own_message_id(f"digest {day}"), end, "sent", 0, 0)
    if "inbox" in config.digest.deliver:
        with session.connect(account) as box:
            if known is not None and known.account == account.name and _stands(box, known, account.folder):
                delivery = known
            elif store.last_delivery() is not None or not _was_delivered(box, account.folder, day, config.zone):
                delivery = _append(session, box, account, delivery, digest)
    with store.transaction():
        store.save_delivery(replace(delivery, state="done"))
        if nudge is not None:
            Ledger(store).add_nudge(nudge.kind, nudge.about, day)
    return True


def _start(store: Store, config: Config, end: datetime) -> datetime:
    """Where the last digest ended, or a day before."""
    last = store.last_delivery()
    if last is None or last.covers_to >= end:
        return digest_start(end, config.zone)
    return max(last.covers_to, end - LONGEST)


def _append(session: Session, box: Mailbox, account: Account, delivery: Delivery, digest: Digest) -> Delivery:
    status = box.status(account.folder)
    if status is None:
        raise RefusedError(f'the folder "{account.folder}" for the digest is not there')
    delivery = replace(delivery, dst_uidvalidity=status.uidvalidity, dst_uidnext=status.uidnext)
    session.store.save_delivery(delivery)
    now = session.clock()
    mail = to_mail(digest, session.wording, account.username, session.clock())
    mail["Message-ID"] = delivery.message_id
    mail["Date"] = format_datetime(now)
    # Without the flag Seen: a digest is there to be seen.
    box.append(account.folder, [Mail(re.sub(rb"\r?\n", b"\r\n", mail.as_bytes()), (), now)])
    return delivery


def _stands(box: Mailbox, known: Delivery, folder: str) -> bool:
    """Whether a digest whose delivery was cut short stands in the folder, or in another."""
    selected = box.select(folder, readonly=True)
    start = known.dst_uidnext if selected.uidvalidity == known.dst_uidvalidity else 1
    if known.message_id in box.message_ids(box.starting_at(start)).values():
        return True
    # The parent may have put it away since.
    return any(known.message_id in box.message_ids(uids, readable=True).values() for _, uids in newest_of_each(box))


def _was_delivered(box: Mailbox, folder: str, day: date, zone: tzinfo) -> bool:
    """Whether a state that was lost had delivered the digest of a local date."""
    box.select(folder, readonly=True)
    headers = box.answers(box.since(day - timedelta(days=1))).values()
    return any(one.ours == "digest" and one.at and one.at.astimezone(zone).date() == day for one in headers)


def write_files(digest: Digest, wording: Wording, folder: Path) -> Path:
    """Write the digest as text and HTML, for the owner alone; returns the HTML file. Raises `StoreError`."""
    page = folder / f"{digest.date}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path, text in ((page, to_html(digest, wording)), (page.with_suffix(".txt"), to_text(digest, wording))):
            write_whole(path, text.encode())
    except OSError as error:
        raise StoreError(f"{folder}: the digest cannot be written ({error.strerror})") from None
    return page
