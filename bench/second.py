"""A second client moves, deletes, marks and tags mail at random while passes run; the parent must always win.

`python -m bench.second [ACTS]` (default 500).
"""

import sys
import tempfile
import time
from pathlib import Path

from bench.faults import SERVERS
from tests.support.dovecot import start_dovecot
from tests.support.faults import offering
from tests.support.points import Days
from tests.support.second import days_with_a_second_client


def main() -> int:
    """A table: server, days, acts of each kind, what ended wrong; 1 where anything did."""
    acts = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    print("| server | days | acts | of these | wrong |\n|---|---|---|---|---|")
    started, worst = time.monotonic(), False
    for seed, name in enumerate(SERVERS):
        with tempfile.TemporaryDirectory() as folder:
            # The second client may use all that the server has; triage sees less of it.
            server = start_dovecot(Path(folder) / "dovecot")
            try:
                with Days(server, Path(folder)) as days:
                    days.proxy.rewrite = offering(SERVERS[name]) if SERVERS[name] else []
                    found = days_with_a_second_client(days, acts, seed, expunges=name == "MOVE")
            finally:
                server.stop()
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(found.acts.items()))
        wrong = ", ".join(f"{kind} {count}" for kind, count in found.wrong.items()) or "none"
        print(f"| {name} | {found.days} | {sum(found.acts.values())} | {kinds} | {wrong} |", flush=True)
        worst |= bool(found.wrong)
    print(f"{time.monotonic() - started:.0f} s")
    return int(worst)


if __name__ == "__main__":
    sys.exit(main())
