"""kill -9 of `triage once` at random moments of a pass over many mails, then one pass that ends; each time anew.

`python -m bench.crash [N [KILLS]]`.
"""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bench.support import corpus_mails, deliver, household, message_ids
from tests.conftest import Household

SEED = 5


@dataclass
class Damage:
    """What was found after all kills."""

    lost: int = 0
    doubled: int = 0
    notes_doubled: int = 0
    unfinished: int = 0


def main(count: int, kills: int) -> None:
    """Kill, finish, count; exit code 1 where a message was lost or doubled."""
    chance = random.Random(SEED)
    mails = corpus_mails(count - count // 4, school=True) + corpus_mails(count // 4, school=False)
    with household() as server_home:
        reading, acting = _whole_pass(_new_home(server_home, 0), mails)
        print(f"a pass over {count} messages that is left alone: {reading:.1f} s of reading, {acting:.1f} s of acting")
        found = Damage()
        for number in range(1, kills + 1):
            # Most of them while mail is being moved; the moments before it are the same over and over.
            early = chance.uniform(0.2, reading) if number % 5 == 0 else None
            _one(_new_home(server_home, number), mails, early, chance.uniform(0, acting), found)
    print(
        f"{kills} kills: messages lost {found.lost}, doubled {found.doubled}, notes doubled {found.notes_doubled}, "
        f"passes that did not end well {found.unfinished}"
    )
    if any(vars(found).values()):
        raise SystemExit(1)


def _new_home(home: Household, number: int) -> Household:
    folder = home.folder / f"home{number}"
    folder.mkdir()
    new = replace(home, user=home.server.new_user(), folder=folder)
    new.write_config()
    return new


def _whole_pass(home: Household, mails: list[bytes]) -> tuple[float, float]:
    deliver(home, mails)
    started = time.monotonic()
    process = _start(home)
    _wait_for_acting(home, process)
    acts = time.monotonic()
    process.wait()
    return acts - started, time.monotonic() - acts


def _start(home: Household) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(home.command("once"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _wait_for_acting(home: Household, process: "subprocess.Popen[bytes]") -> None:
    """Until the journal holds its first row."""
    while process.poll() is None:
        try:
            with sqlite3.connect(f"file:{home.state / 'state.db'}?mode=ro", uri=True) as journal:
                if journal.execute("SELECT 1 FROM op LIMIT 1").fetchone():
                    return
        except sqlite3.Error:
            pass
        time.sleep(0.005)


def _one(home: Household, mails: list[bytes], early: float | None, late: float, found: Damage) -> None:
    deliver(home, mails)
    before, _ = message_ids(home)
    process = _start(home)
    if early is None:
        _wait_for_acting(home, process)
    time.sleep(late if early is None else early)
    ended = "" if process.poll() is None else " (had ended)"
    process.kill()
    process.wait()
    filed = sum(message_ids(home)[0].values()) - home.contents().get("INBOX", 0)
    last = home.run("once")
    after, notes = message_ids(home)
    lost, doubled, twice = len(before - after), _more_than_once(after), _more_than_once(notes)
    moment = f"{early:.2f} s from the start" if early is not None else f"{late:.2f} s into acting"
    print(f"killed {moment}{ended}: {filed:>4} filed; in the end lost {lost}, doubled {doubled}, notes doubled {twice}")
    found.lost += lost
    found.doubled += doubled
    found.notes_doubled += twice
    found.unfinished += last.returncode != 0


def _more_than_once(counts: Mapping[bytes, int]) -> int:
    return sum(number > 1 for number in counts.values())


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:3]]
    main(*given, *(500, 20)[len(given) :])
