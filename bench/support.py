"""What the measurements share: a Dovecot of their own, mailboxes of corpus mail, and memory as the kernel counts it."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import cycle, islice
from pathlib import Path

from tests.conftest import Household
from tests.support.dovecot import start_dovecot
from triage.corpus import Record, load_corpus
from triage.resources import corpus_path


@contextmanager
def household() -> Iterator[Household]:
    """A parent with an empty mailbox, on a server that ends with the measurement."""
    with tempfile.TemporaryDirectory(prefix="triage-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = start_dovecot(folder / "dovecot")
        try:
            home = Household(server, server.new_user(), folder)
            home.write_config()
            yield home
        finally:
            server.stop()


def corpus_mails(count: int, *, school: bool | None = None) -> list[bytes]:
    """Mails of the corpus, dated now, each with a Message-ID of its own; the corpus repeats where it is too short."""
    chosen = [r for r in load_corpus(corpus_path()) if school is None or (r.school == school and r.kind != "forged")]
    return [_fresh(record, number) for number, record in enumerate(islice(cycle(chosen), count))]


def _fresh(record: Record, number: int) -> bytes:
    headers = tuple((name, value) for name, value in record.headers if name.lower() != "date")
    at = format_datetime(datetime.now(UTC) - timedelta(minutes=number))
    changed = record.model_copy(update={"id": f"{record.id}-{number}", "headers": (*headers, ("Date", at))})
    return changed.to_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def deliver(home: Household, mails: Sequence[bytes]) -> None:
    """Append in few commands."""
    with home.server.client(home.user) as client:
        for start in range(0, len(mails), 200):
            client.multiappend("INBOX", mails[start : start + 200])


def message_ids(home: Household) -> tuple[Counter[bytes], Counter[bytes]]:
    """(mails of the world, notes of ours) by Message-ID, over every folder."""
    mails: Counter[bytes] = Counter()
    notes: Counter[bytes] = Counter()
    with home.server.client(home.user) as client:
        for attributes, _, folder in client.list_folders():
            if b"\\Noselect" in attributes:
                continue
            client.select_folder(folder, readonly=True)
            fields = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID X-TRIAGE)]"
            for data in client.fetch(client.search(), [fields]).values():
                header = data[b"BODY[HEADER.FIELDS (MESSAGE-ID X-TRIAGE)]"]
                identity = header.lower().partition(b"message-id:")[2].split()[0]
                (notes if b"X-Triage" in header else mails)[identity] += 1
    return mails, notes


def table(home: Household) -> str:
    """Folders and their numbers of messages."""
    return "\n".join(f"  {name:<20}{count:>6}" for name, count in home.contents().items())


def megabytes(maxrss: int) -> float:
    """`ru_maxrss` in megabytes; it counts kilobytes, on macOS octets."""
    return maxrss / (2**20 if sys.platform == "darwin" else 2**10)
