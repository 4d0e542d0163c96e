"""Every command of a day goes wrong once, in every way, against a real Dovecot: nothing may be lost or doubled.

`python -m bench.faults [STEP [COMMAND]]` takes every STEP-th point (default 1: all), or those of one command alone.
Servers with MOVE, with UIDPLUS alone, with neither.
"""

import sys
import tempfile
import time
from pathlib import Path

from tests.support.dovecot import start_dovecot
from tests.support.faults import KINDS, Fault
from tests.support.points import Days, held_against

SERVERS = {
    "MOVE": "",
    "UIDPLUS": "IMAP4rev1 LITERAL+ UIDPLUS NAMESPACE CHILDREN SPECIAL-USE",
    "neither": "IMAP4rev1 SPECIAL-USE",
}
# Fewer would mean that the day has shrunk and the test with it.
LEAST_POINTS = 60


def main() -> int:
    """A table: server, fault, points, and each kind of damage; 1 where there is any."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    command = sys.argv[2] if len(sys.argv) > 2 else ""
    worst = 0
    columns = ("server", "fault", "points", "lost", "doubled", "misplaced", "notes", "drafts", "digests", "deleted")
    print(f"| {' | '.join((*columns, 'tries at most'))} |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    started = time.monotonic()
    for name, capability in SERVERS.items():
        with tempfile.TemporaryDirectory() as folder:
            server = start_dovecot(Path(folder) / "dovecot", capability=capability)
            try:
                with Days(server, Path(folder)) as days:
                    golden = days.good_day(moves=name != "neither")
                    verbs = list(days.proxy.seen)
                    assert len(verbs) * len(KINDS) >= LEAST_POINTS, f"only {len(verbs)} commands were seen"
                    for kind in KINDS:
                        chosen = [at for at, verb in enumerate(verbs) if command in ("", verb)]
                        faults = [Fault(at, kind) for at in chosen[::step]]
                        found = held_against(days, golden, faults, verbs)
                        print(
                            f"| {name} | {kind} | {found.points} | {found.lost} | {found.doubled} | {found.misplaced} "
                            f"| {found.notes} | {found.drafts} | {found.digests} | {found.deleted} | {found.passes} |",
                            flush=True,
                        )
                        worst |= not found.none()
            finally:
                server.stop()
    print(f"{time.monotonic() - started:.0f} s")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
