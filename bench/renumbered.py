"""Folders that get another UIDVALIDITY between passes, before a move, or in the target of one.

`python -m bench.renumbered [MAILS]` (default 1000).
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.support.dovecot import start_dovecot
from tests.support.points import Days
from tests.support.renumbered import WHEN, a_renumbered_household


def main() -> int:
    """A table: when, mails, damages, how many messages the state knows at their new places; 1 where any is wrong."""
    mails = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print("| rebuilt | mails | lost | doubled | misplaced | false corrections | found again |")
    print("|---|---|---|---|---|---|---|")
    started, worst = time.monotonic(), False
    with tempfile.TemporaryDirectory() as folder:
        server = start_dovecot(Path(folder) / "dovecot")
        try:
            with Days(server, Path(folder)) as days:
                for when in WHEN:
                    found = a_renumbered_household(days, mails, when)
                    damages = (found.lost, found.doubled, found.misplaced, found.corrections)
                    shown = " | ".join(map(str, damages))
                    print(f"| {when} | {mails} | {shown} | {found.rejoined} of {found.places} |", flush=True)
                    worst |= any(damages) or found.rejoined < 0.99 * found.places
        finally:
            server.stop()
    print(f"{time.monotonic() - started:.0f} s")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
