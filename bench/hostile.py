"""Garbage through the worker, and mail that gives orders through a pass over a recorded wire.

`python -m bench.hostile [N [ORDERS]]`: N damaged letters (default 100,000), beside inputs that are made to be slow, and
so many mails with orders in their fields (default 10,000).
"""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from tests.support.damaged import BATCH, Readings, damaged, nasty, push, seconds_of
from tests.support.dovecot import start_dovecot
from tests.support.hostile import file_all, oddities, ordering
from triage.config import Config
from triage.judge import Household
from triage.resources import shipped_model_path
from triage.worker import Worker

# As large as a mail that is fetched whole.
LARGE = 250_000
# One in so many is also handed over alone and timed, and the slowest of a batch that took so much longer than most.
TIMED = 50
SUSPECT = 3


def main(mutations: int, orders: int) -> int:
    """Figures in words; 1 where something is not as it should be."""
    config = Config.model_validate_json(
        '{"timezone": "UTC", "children": [{"name": "Maya"}], "school": {"domains": ["maplewood.k12.example"]}, '
        '"prompts": {"deliver": ["digest", "note", "draft"]}}'
    )
    wrong = False
    with Worker(Household(config, own_addresses=("parent@mailbox.example",)), shipped_model_path) as worker:
        wrong |= _garbage(worker, mutations)
        wrong |= _slow(worker)
    return int(wrong | _orders(orders))


def _garbage(worker: Worker, count: int) -> bool:
    """Batches as a pass hands them over, a good mail after each; some mails alone, with a watch."""
    found = Readings()
    sample: list[float] = []
    batches: list[float] = []
    worst = 0.0
    started = time.monotonic()
    for start in range(0, count, BATCH):
        mails = [damaged(number) for number in range(start, min(start + BATCH, count))]
        batch_started = time.perf_counter()
        push(worker, mails, found)
        batches.append(time.perf_counter() - batch_started)
        sample += [seconds_of(worker, [raw]) for raw in mails[::TIMED]]
        if batches[-1] > SUSPECT * median(batches):
            worst = max(worst, _slowest(worker, mails))
        if start and start % (count // 10 or BATCH) == 0:
            print(f"  {start} after {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    worst = max(worst, *sample)
    print(f"damaged letters: {count} in {time.monotonic() - started:.0f} s; {_told(found)}")
    mean = 1000 * sum(batches) / count
    print(
        f"  {mean:.1f} ms each in batches; handed over alone, with what a batch of any size costs: "
        f"{_milliseconds(sample)} of {len(sample)}; worst of all {worst * 1000:.0f} ms "
        f"(load {os.getloadavg()[1]:.1f} on {os.cpu_count()} processors)"
    )
    return bool(found.killed or found.unanswered or found.missed or worst > 10)


def _slowest(worker: Worker, mails: Sequence[bytes]) -> float:
    """Seconds of the slowest of a batch, found by halving it."""
    while len(mails) > 1:
        middle = len(mails) // 2
        mails = max((mails[:middle], mails[middle:]), key=lambda half: seconds_of(worker, half))
    return seconds_of(worker, mails)


def _slow(worker: Worker) -> bool:
    """Each input alone, since one that is slow would hide the others."""
    found, seconds = Readings(), dict[str, float]()
    for name, raw in nasty(LARGE).items():
        started = time.perf_counter()
        push(worker, [raw], found)
        seconds[name] = time.perf_counter() - started
    slowest = sorted(seconds, key=lambda name: -seconds[name])[:5]
    print(f"inputs of {LARGE // 1000} kB: {len(seconds)}; {_told(found)}; {_milliseconds([*seconds.values()])}")
    print("  slowest: " + ", ".join(f"{name} {seconds[name]:.1f} s" for name in slowest))
    return bool(found.killed or found.unanswered or found.missed)


def _told(found: Readings) -> str:
    return (
        f"read {found.read}, unreadable {found.unreadable}, of which {found.killed} killed the worker; without an "
        f"answer {found.unanswered}; good mails reached {found.later}, missed {found.missed}"
    )


def _milliseconds(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(share * (len(ordered) - 1))] * 1000 for share in (0.5, 0.99))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms, worst {ordered[-1] * 1000:.0f} ms"


def _orders(count: int) -> bool:
    with tempfile.TemporaryDirectory(prefix="triage-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = start_dovecot(folder / "dovecot")
        started = time.monotonic()
        try:
            filed = file_all(server, folder / "state", [ordering(number) for number in range(count)])
        finally:
            server.stop()
    odd = Counter(wrong for ours in filed.said.appended for wrong in oddities(ours))
    report, said = filed.report, filed.said
    print(
        f"mails that give orders: {count} in {time.monotonic() - started:.0f} s; filed {report.filed}, review "
        f"{report.review}, failed {report.failed}; in the mailbox {filed.mails}, marked deleted {filed.deleted}"
    )
    print(
        f"  commands on the wire {said.verbs.total()}, not ours {len(said.strange)}, out of order {said.misnumbered}; "
        f"notes, drafts and digests {len(said.appended)}, with odd fields {odd.total()}"
    )
    for text, number in [*odd.most_common(5), *((repr(line[:80]), 1) for line in said.strange[:5])]:
        print(f"  {number} x {text}")
    return bool(said.strange or said.misnumbered or odd or filed.deleted or report.failed or filed.mails != count)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    sys.exit(main(*given, *(100_000, 10_000)[len(given) :]))
