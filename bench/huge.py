"""An inbox of 100,000 messages, some hundred of them new, and a mail of 50 MB among those.

`python -m bench.huge [OLD]` (default 100000). What came over the wire is counted by a proxy.
"""

import json
import os
import re
import resource
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import repeat
from pathlib import Path

from bench.support import corpus_mails, deliver, household, megabytes
from tests.conftest import Household
from tests.support.faults import FaultProxy

NEW = 300
LARGE = 50 * 2**20
OLD_DAYS = 400


def main(old: int) -> int:
    """Figures in words; 1 where a bound is broken."""
    with household() as home:
        deliver(home, corpus_mails(NEW))
        _fill(home, old)
        proxy = FaultProxy(home.server.plain_port)
        text = re.sub(r"port = .*", f'port = {proxy.port}\nsecurity = "none"', home.config_file.read_text())
        home.config_file.write_text(re.sub(r"ca_file = .*\n", "", text))
        received, seconds = [], []
        for _ in range(2):
            before, started = proxy.octets, time.monotonic()
            done = home.run("once", "--json")
            seconds.append(time.monotonic() - started)
            received.append(proxy.octets - before)
            print(f"pass: exit code {done.returncode}, {json.dumps(json.loads(done.stdout)['accounts'])}")
        proxy.stop()
        inbox = home.contents()["INBOX"]
        # Before the server ends, whose memory would count too.
        memory = megabytes(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    kib = received[0] / 2**10 / (NEW + 1)
    print(f"inbox {old + NEW + 1} messages, {inbox} after; first pass {seconds[0]:.1f} s, the next {seconds[1]:.1f} s")
    print(f"over the wire: {received[0] / 2**20:.1f} MiB, {kib:.0f} KiB a mail read; the next {received[1]} octets")
    print(f"peak memory of the largest process: {memory:.0f} MB")
    return int(memory > 400 or kib > 320)


def _fill(home: Household, old: int) -> None:
    """Put files into the maildir: to append them would take half an hour, and this process's memory would count."""
    folder = home.server.folder / "mail" / home.user / "cur"
    at = (datetime.now(UTC) - timedelta(days=OLD_DAYS)).timestamp()
    for number in range(old):
        text = f"{_head(f'Offer {number}', number)}\r\n{'Words of an offer. ' * 60}\r\n"
        _put(folder / f"{1000000000 + number}.M{number}P1.host:2,S", [text.encode()], at)
    text = f"{_head('A film of the play', old)}Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    text += "--b\r\n\r\nHello.\r\n--b\r\n"
    text += "Content-Type: video/mp4\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    chunk = (b"A" * 76 + b"\r\n") * 1000
    film = [text.encode(), *repeat(chunk, LARGE // len(chunk)), b"--b--\r\n"]
    _put(folder / f"{2000000000}.M1P1.host:2,", film, datetime.now(UTC).timestamp())


def _head(subject: str, number: int) -> str:
    return (
        f"From: Ms. Alvarez <alvarez{number}@shop.example>\r\nTo: parent@mailbox.example\r\nSubject: {subject}\r\n"
        f"Message-ID: <huge-{number}@shop.example>\r\nDate: Mon, 6 Jan 2025 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
    )


def _put(path: Path, pieces: Iterable[bytes], at: float) -> None:
    owner = path.parent.stat()
    with path.open("wb") as file:
        file.writelines(pieces)
    os.utime(path, (at, at))
    os.chown(path, owner.st_uid, owner.st_gid)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
