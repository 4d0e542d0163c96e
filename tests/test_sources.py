"""Mail from files: what is taken for mail, and what is said of what cannot be read."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.mail import a_mail
from tests.test_cli import Run
from triage import sources
from triage.errors import UsageError
from triage.sources import NO_MAIL, find_mails


def found_in(*paths: Path | str) -> list[tuple[str, str]]:
    """Name and error of each source."""
    return [(Path(source.path).name, source.error) for source in find_mails([str(path) for path in paths])]


@pytest.fixture
def close(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Lets nobody into a folder, as its permissions would (not for root, who may run these tests)."""
    listed, stated = os.scandir, os.stat

    def shut(folder: Path) -> None:
        def refuse(path: object) -> NoReturn:
            raise PermissionError(13, "Permission denied", str(path))

        def scandir(path: str = ".") -> object:
            return refuse(path) if Path(path) == folder else listed(path)

        def stat(path: str | Path, **options: bool) -> object:
            return refuse(path) if folder in Path(path).parents else stated(path, **options)

        monkeypatch.setattr(os, "scandir", scandir)
        monkeypatch.setattr(os, "stat", stat)

    return shut


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path: Path, close: Callable[[Path], None]) -> None:
    """The others are read; it is told as what could not be."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.eml").write_bytes(a_mail())
    close(tmp_path / "a")
    assert found_in(tmp_path) == [("a", "cannot be read (Permission denied)"), ("b.eml", "")]


def test_a_file_in_a_folder_that_may_not_be_entered_is_named(tmp_path: Path, close: Callable[[Path], None]) -> None:
    """Nobody can say whether it is there: that is no bug of ours, and no wrong usage."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "a.eml").write_bytes(a_mail())
    close(tmp_path / "a")
    (only,) = find_mails([str(tmp_path / "a" / "gone.eml")])
    assert only.error.startswith("cannot be read (")
    assert found_in(tmp_path / "a") == [("a", "cannot be read (Permission denied)")]


def test_an_mbox_in_a_folder_needs_no_ending(tmp_path: Path) -> None:
    """As Thunderbird keeps them; a text that begins with the word From is none."""
    for number, start in enumerate((b"From - Mon Jan 05 12:00:00 2026\r\n", b"From \r\n", b"From a@b.example x\n")):
        (tmp_path / f"Inbox {number}").write_bytes(start + a_mail() + b"\r\n" + start + a_mail())
    (tmp_path / "Inbox.msf").write_bytes(b"// <!-- <mdb:mork:z")
    (tmp_path / "notes").write_bytes(b"From now on\nwe walk.\n")
    assert found_in(tmp_path) == [(f"Inbox {number}:{mail}", "") for number in range(3) for mail in (1, 2)]


def test_where_there_is_no_mail_is_said(tmp_path: Path) -> None:
    """A folder and an mbox without any."""
    (tmp_path / "notes.txt").write_text("none")
    (tmp_path / "empty.mbox").write_bytes(b"")
    assert found_in(tmp_path) == [(tmp_path.name, NO_MAIL)]
    assert found_in(tmp_path / "empty.mbox") == [("empty.mbox", NO_MAIL)]


def test_what_is_there_is_read_though_another_is_not(run_triage: Run, tmp_path: Path) -> None:
    """The one that is missing is named, and is code 1; where none is there nothing is done, and it is code 2."""
    (tmp_path / "good.eml").write_bytes(a_mail())
    done = run_triage("classify", "--json", str(tmp_path / "good.eml"), str(tmp_path / "missing.eml"))
    assert done.returncode == 1
    good, missing = map(json.loads, done.stdout.splitlines())
    assert (good["primary"], good["error"]) == ("homework", None)
    assert (Path(missing["path"]).name, missing["error"]) == ("missing.eml", "no such file or folder")
    assert done.stderr == f"triage: {tmp_path / 'missing.eml'}: no such file or folder\n"
    with pytest.raises(UsageError, match=r"missing\.eml: no such file"):
        find_mails([str(tmp_path / "missing.eml")])


def test_what_is_too_large_is_not_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Reading it would take the machine's memory, and then be told as no e-mail."""
    monkeypatch.setattr(sources, "_LARGEST", 2000)
    small, large = a_mail(), a_mail(extra="and so on " * 200)
    (tmp_path / "a.eml").write_bytes(large)
    (tmp_path / "b.eml").write_bytes(small)
    (tmp_path / "c.mbox").write_bytes(b"".join(b"From x\n" + raw + b"\n" for raw in (small, large, small)))
    told = dict(found_in(tmp_path))
    assert [name for name, error in told.items() if error] == ["a.eml", "c.mbox:2"]
    assert "larger than the 50 MB" in told["a.eml"]
    assert len(told) == 5


def test_prompts_say_which_of_several_mails_they_are_about(run_triage: Run, tmp_path: Path) -> None:
    """The first, and that there are others."""
    (tmp_path / "all.mbox").write_bytes(b"".join(b"From x\n" + a_mail(kind) + b"\n" for kind in ("homework", "praise")))
    done = run_triage("prompts", "--json", str(tmp_path / "all.mbox"))
    assert (done.returncode, json.loads(done.stdout)["primary"]) == (0, "homework")
    assert "all.mbox: holds more than one mail; this is about the first, " in done.stderr
    assert "all.mbox:1" in done.stderr
