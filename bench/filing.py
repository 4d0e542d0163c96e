"""A pass over many mails beside the raw limit, the same FETCH, STORE and MOVE without any judging.

`python -m bench.filing [N]`.
Half of the mails are school mail. The table of folders before and after, the JSON summary, and the same pass again.
"""

import json
import resource
import sys
import time

from bench.support import corpus_mails, deliver, household, megabytes, message_ids, table
from tests.conftest import Household

BATCH = 400


def main(count: int) -> None:
    """Measure and print."""
    mails = corpus_mails(count // 2, school=True) + corpus_mails(count - count // 2, school=False)
    with household() as home:
        deliver(home, mails)
        limit = _limit(home, count // 2)
    with household() as home:
        deliver(home, mails)
        print(f"before:\n{table(home)}")
        started = time.monotonic()
        done = home.run("once", "--json")
        seconds = time.monotonic() - started
        print(f"`triage once --json`, exit code {done.returncode}: {json.dumps(json.loads(done.stdout)['accounts'])}")
        print(f"after (a note of ours stands beside each filed mail that gets one):\n{table(home)}")
        again = home.run("once", "--json")
        print(f"again, exit code {again.returncode}: {json.dumps(json.loads(again.stdout)['accounts'])}")
        world, notes = message_ids(home)
    print(f"mails {sum(world.values())} of {count}, doubled {sum(n > 1 for n in world.values())}, notes {len(notes)}")
    memory = megabytes(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print(f"pass {seconds:.2f} s ({count / seconds:.0f} messages/s), limit {limit:.2f} s: {seconds / limit:.1f} x")
    print(f"peak memory of the largest process: {memory:.0f} MB")


def _limit(home: Household, school: int) -> float:
    """Seconds that the wire and the server need: read all, tag and move the first `school`, in batches."""
    started = time.monotonic()
    with home.server.client(home.user) as client:
        client.select_folder("INBOX")
        uids = client.search()
        for start in range(0, len(uids), BATCH):
            client.fetch(uids[start : start + BATCH], ["FLAGS", "BODY.PEEK[]"])
        client.create_folder("School")
        for start in range(0, school, BATCH):
            group = uids[start : min(start + BATCH, school)]
            client.add_flags(group, [b"triage-school"], silent=True)
            client.move(group, "School")
    return time.monotonic() - started


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
