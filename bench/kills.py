"""Kill -9 before every commit and every write to the wire of a day, on three kinds of server; then the day once more.

`python -m bench.kills [STEP]` takes every STEP-th point (default 1: all).
"""

import sys
import tempfile
import time
from pathlib import Path

from bench.faults import SERVERS
from tests.support.dovecot import start_dovecot
from tests.support.kills import held_against_kills

DAMAGES = ("lost", "doubled", "misplaced", "notes", "drafts", "digests", "deleted")


def main() -> int:
    """A table: server, points, and each kind of damage; 1 where there is any."""
    step = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    columns = ("points", *DAMAGES, "unfinished", "passes")
    print(f"| server | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    started, worst = time.monotonic(), False
    for name, capability in SERVERS.items():
        with tempfile.TemporaryDirectory() as folder:
            server = start_dovecot(Path(folder) / "dovecot", capability=capability)
            try:
                found = held_against_kills(server, Path(folder), step)
            finally:
                server.stop()
        print(f"| {name} | {' | '.join(str(getattr(found, column)) for column in columns)} |", flush=True)
        worst |= not found.none()
    print(f"{time.monotonic() - started:.0f} s")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
