"""Every command as a process: results on standard output, sentences on standard error, the documented exit codes."""

import hashlib
import json
import mailbox
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.conftest import Household
from tests.support.dovecot import free_port
from tests.support.mail import a_mail
from triage.resources import shipped, shipped_model_path

Run = Callable[..., "subprocess.CompletedProcess[str]"]

OBJECT = {
    "path": str, "message_id": str, "subject": str, "date": str, "school": bool, "labels": list, "primary": str,
    "scores": dict, "unsure": bool, "needs_reply": bool, "urgent": bool, "due": list, "child": str | None,
    "teacher": dict | None, "sender": str, "warnings": list, "language": str, "flags": list, "evidence": list,
    "error": type(None),
}  # fmt: skip


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    """A folder with two mails, an mbox of three, something unreadable, and a file that is no mail's."""
    folder = tmp_path / "mails"
    folder.mkdir()
    (folder / "a.eml").write_bytes(a_mail("homework"))
    (folder / "b.eml").write_bytes(a_mail("not_school"))
    (folder / "c.eml").write_bytes(b"\xff\xfe no mail")
    (folder / "notes.txt").write_bytes(b"not looked at")
    box = mailbox.mbox(str(folder / "d.mbox"))
    for kind in ("behavior", "praise", "meeting_request"):
        box.add(a_mail(kind))
    box.close()
    return folder


# --- classify and prompts ------------------------------------------------------------------------------------


def test_classify_gives_one_documented_object_a_line(run_triage: Run, mails: Path) -> None:
    """Folders, mbox files and single mails, in order; what cannot be read is an object too, and exit code 1."""
    done = run_triage("classify", str(mails), "--json")
    assert done.returncode == 1
    found = [json.loads(line) for line in done.stdout.splitlines()]
    names = [Path(one["path"]).name for one in found]
    assert names == ["a.eml", "b.eml", "c.eml", "d.mbox:1", "d.mbox:2", "d.mbox:3"]
    broken = found.pop(2)
    assert broken["error"]
    assert broken.keys() >= OBJECT.keys()
    assert "c.eml" in done.stderr
    for one in found:
        for key, kind in OBJECT.items():
            assert isinstance(one[key], kind), key
        assert set(one["scores"]) == {"homework", "behavior", "meeting_request", "praise", "school"}
        assert all(0 <= score <= 1 for score in one["scores"].values())
    assert [one["primary"] for one in found] == ["homework", "not_school", "behavior", "praise", "meeting_request"]
    assert found[1]["labels"] == ["not_school"]


def test_classify_reads_standard_input_and_explains_itself(run_triage: Run) -> None:
    """In words: label, probability, the deciding sentence, the sender."""
    done = run_triage("classify", "-", stdin=a_mail("behavior"))
    assert done.returncode == 0, done.stderr
    assert "behavior" in done.stdout
    assert '"' in done.stdout
    assert "sender:" in done.stdout
    assert "%" in done.stdout


def test_classify_works_with_a_configuration(household: Household, mails: Path) -> None:
    """Children, teachers and school of the household are known then."""
    done = household.run("classify", "--json", str(mails / "a.eml"))
    found = json.loads(done.stdout)
    assert (found["sender"], found["child"]) == ("school", "Maya")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_files_name_gives_the_terminal_no_orders(run_triage: Run, mails: Path, form: list[str]) -> None:
    """A name that colours, or that reads backwards, is shown so that it does neither."""
    odd = mails / "a\u202egpj.\x1b[31mx.eml"
    odd.write_bytes((mails / "a.eml").read_bytes())
    done = run_triage("classify", str(odd), *form)
    assert done.returncode == 0, done.stderr
    assert all(char == "\n" or char.isprintable() for char in done.stdout + done.stderr)
    if form:
        assert json.loads(done.stdout)["path"] == str(odd)


def test_prompts_give_the_documented_object(run_triage: Run, mails: Path) -> None:
    """Every part is there, and speaks of this mail."""
    done = run_triage("prompts", str(mails / "a.eml"), "--json")
    assert done.returncode == 0, done.stderr
    card = json.loads(done.stdout)
    kinds = {"primary": str, "pause": str, "ask_child": list, "ask_teacher": list, "reply": str, "document": str}
    assert all(isinstance(card[name], kind) for name, kind in (kinds | {"wait": str}).items())
    assert card["primary"] == "homework"
    assert "Maya" in card["reply"]
    text = run_triage("prompts", str(mails / "a.eml"))
    assert card["ask_teacher"][0] in text.stdout


def test_prompts_for_other_mail_are_refused(run_triage: Run, mails: Path) -> None:
    """There is nothing to prompt; nor in what cannot be read."""
    for name, words in (("b.eml", "not mail from a school"), ("c.eml", "c.eml")):
        done = run_triage("prompts", str(mails / name))
        assert (done.returncode, done.stdout) == (1, "")
        assert words in done.stderr


def test_a_folder_without_mail_is_told(run_triage: Run, tmp_path: Path) -> None:
    """There is nothing to read, and that is said."""
    (tmp_path / "empty").mkdir()
    done = run_triage("prompts", str(tmp_path / "empty"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "holds no mail" in done.stderr


@pytest.mark.parametrize("year", [1, 1970, 9999])
def test_a_date_out_of_this_world_costs_nothing(run_triage: Run, year: int) -> None:
    """Such a mail is judged like any other, as if it had no Date."""
    raw = a_mail("homework").replace(b"\r\nMessage-ID", b"\r\nX: y\r\nMessage-ID")
    lines = [b"Date: Fri, 31 Dec %04d 23:59:59 +0000" % year if line.startswith(b"Date:") else line
             for line in raw.split(b"\r\n")]  # fmt: skip
    done = run_triage("classify", "-", "--json", stdin=b"\r\n".join(lines))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert json.loads(done.stdout)["primary"] == "homework"


# --- What bad input gets -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("classify", "/nonexistent.eml"),
        ("classify",),
        ("nonsense",),
        ("once", "--nonsense"),
        ("digest", "--date", "tomorrow"),
        ("digest", "--format", "pdf"),
        ("undo", "--run", "x", "--last"),
        ("--config", "/nonexistent.toml", "once"),
        ("train", "--corpus", "/nonexistent"),
    ],
)
def test_wrong_usage_is_code_2(run_triage: Run, arguments: tuple[str, ...]) -> None:
    """One sentence that names what is wrong, no traceback, nothing on standard output."""
    done = run_triage(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_every_mistake_of_a_configuration_is_named(household: Household) -> None:
    """File, key, what is allowed; a password in the file is refused; exit code 2."""
    with household.config_file.open("a") as config:
        config.write('[filing]\nmode = "mvoe"\ntgas = true\n')
    text = household.config_file.read_text().replace("[[accounts]]", '[[accounts]]\npassword = "canary"')
    household.config_file.write_text(text)
    done = household.run("once")
    assert done.returncode == 2
    assert "canary" not in done.stderr
    for words in ('filing.mode: must be one of "move"', 'did you mean "tags"', "accounts[1].password"):
        assert words in done.stderr
    assert all(str(household.config_file) in line for line in done.stderr.splitlines())
    checked = household.run("doctor")
    assert checked.returncode == 2
    assert checked.stdout.startswith("fail configuration")


def test_a_server_that_is_not_there_is_code_4(household: Household) -> None:
    """The account, host and port are named."""
    port = free_port()
    household.write_config(account=f"port_ = {port}")
    household.config_file.write_text(
        household.config_file.read_text()
        .replace(f"port_ = {port}", "")
        .replace(str(household.server.tls_port), str(port))
    )
    done = household.run("once", "--json")
    assert done.returncode == 4
    assert f"127.0.0.1:{port}" in done.stderr
    assert json.loads(done.stdout)["accounts"][0]["error"]


def test_a_wrong_password_is_code_3(household: Household) -> None:
    """The account is named, the password is not."""
    household.write_config(password="wrong-canary")
    for command in ("once", "doctor"):
        done = household.run(command)
        assert done.returncode == 3
        assert 'account "home"' in done.stderr + done.stdout
        assert "canary" not in done.stderr + done.stdout


def test_a_certificate_that_is_not_trusted_is_code_4(household: Household) -> None:
    """The reason, and never a fallback to plain."""
    lines = [line for line in household.config_file.read_text().split("\n") if not line.startswith("ca_file")]
    household.config_file.write_text("\n".join(lines))
    done = household.run("once")
    assert done.returncode == 4
    assert "not trusted" in done.stderr


def test_of_two_accounts_one_failure_is_code_1_and_the_other_is_done(household: Household) -> None:
    """One account's failure does not stop the others."""
    household.deliver(a_mail("homework"))
    text = household.config_file.read_text()
    start, end = text.index("[[accounts]]"), text.index("[school]")
    broken = text[start:end].replace('"home"', '"away"').replace(str(household.server.tls_port), str(free_port()))
    household.config_file.write_text(text[:start] + broken + text[start:])
    done = household.run("once", "--json")
    assert done.returncode == 1
    away, home = json.loads(done.stdout)["accounts"]
    assert away["error"]
    assert (home["filed"], home["error"]) == (1, None)


def test_what_reads_our_output_may_stop(mails: Path, tmp_path: Path) -> None:
    """`triage classify ... | head -1` ends without a traceback."""
    command = [
        sys.executable,
        "-m",
        "triage",
        "--state",
        str(tmp_path / "s"),
        "classify",
        str(mails / "d.mbox"),
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert b"Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(timeout=60)


# --- The other commands --------------------------------------------------------------------------------------


def test_digest_in_every_form(household: Household) -> None:
    """Text, HTML and JSON of the same day; a named day; written to a file where the configuration says so."""
    household.write_config('[digest]\nat = "23:59"\ndeliver = ["file"]\n')
    household.deliver(a_mail("behavior"), a_mail("praise"), a_mail("not_school"))
    assert household.run("once").returncode == 0
    text, html, as_json = (household.run("digest", "--format", form) for form in ("text", "html", "json"))
    digest = json.loads(as_json.stdout)
    headlines = [item["headline"] for section in digest["sections"] for item in section["items"]]
    assert len(headlines) == 2
    for headline in headlines:
        assert headline in text.stdout
        assert headline.replace("'", "&#39;") in html.stdout
    assert json.loads(household.run("digest", "--format", "json", "--date", "2020-01-01").stdout)["empty"]
    tomorrow = date.fromisoformat(digest["date"]) + timedelta(days=1)
    assert household.run("digest", "--date", tomorrow.isoformat(), "--deliver").returncode == 2
    for form in (("--format", "json"), ("--format", "text"), ("--open",)):
        refused = household.run("digest", "--deliver", *form)
        assert (refused.returncode, "leave out --format and --open" in refused.stderr) == (2, True)
    assert not list((household.state / "digests").glob("*"))
    assert household.run("digest", "--deliver").returncode == 0
    written = list((household.state / "digests").glob("*.html"))
    assert len(written) == 1
    assert written[0].stat().st_mode & 0o077 == 0


def test_doctor_says_what_an_account_gets(household: Household) -> None:
    """One line for each check; all well is code 0."""
    done = household.run("doctor")
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert all(line.startswith(("ok ", "warn ", "fail ")) for line in lines)
    for words in ("configuration:", "judges mail", "digest at 06:30", "signed in", "tags are kept", "moved by MOVE"):
        assert any(words in line for line in lines), words
    assert not household.contents()


def test_doctor_says_what_to_do_about_each_failure(household: Household) -> None:
    """The account is named once, and an unusable state is one finding among the others."""
    good, port = household.config_file.read_text(), free_port()
    (household.state.parent / "in the way").write_text("")
    cases = {
        good.replace(str(household.server.tls_port), str(port)): (4, "); check host and port, and your connection"),
        re.sub("password_command = .*", 'password_command = ["false"]', good): (3, "1; run it yourself to see why"),
        re.sub("password_command = .*", 'password_command = ["/no/such"]', good): (3, "no such program; install it"),
        good.replace("[[accounts]]", '[[accounts]]\nfolder = "Nope"'): (
            1,
            'folder "Nope" cannot be opened; set folder to one that is there, such as "',
        ),
    }
    for text, (code, step) in cases.items():
        household.config_file.write_text(text)
        done = household.run("doctor")
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("fail "))
        assert (done.returncode, line.startswith('fail account "home": ')) == (code, True), line
        assert step in line
        assert line.count("home") == 1
    household.config_file.write_text(good)
    done = household.run("doctor", "--state", str(household.state.parent / "in the way" / "state"))
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("fail "))
    assert (done.returncode, line.startswith("fail state: ")) == (1, True), done
    assert "name another with --state" in line
    for words in ("judges mail", "digest at 06:30", "signed in", "moved by MOVE"):
        assert words in done.stdout


def test_train_writes_a_model_that_is_used(run_triage: Run, tmp_path: Path) -> None:
    """From a corpus of few mails, to a named file; without corrections the parent's own model is not touched."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in ("a01", "a02", "a13", "a16", "h01"):
        lines = (shipped("models") / "corpus" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        (corpus / f"{name}.jsonl").write_text("\n".join(lines[:60]) + "\n", encoding="utf-8")
    done = run_triage("train", "--corpus", str(corpus), "-o", str(tmp_path / "m.skops"), "--report")
    assert done.returncode == 0, done.stderr
    assert "primary of school mail" in done.stdout
    assert (tmp_path / "m.skops").stat().st_size > 1000
    idle = run_triage("train")
    assert idle.returncode == 0
    assert "no corrections yet" in idle.stderr


def broken(household: Household, damage: str) -> Path:
    """A parent's own model that cannot be used."""
    own = household.state / "model" / "triage.skops"
    own.parent.mkdir(parents=True)
    raw, manifest = shipped_model_path().read_bytes(), json.loads(shipped_model_path().with_suffix(".json").read_text())
    manifest |= {"base": manifest["sha256"], "format": manifest["format"] - (damage == "older")}
    if damage == "no model":
        # As it was written, and yet not to be loaded here.
        raw = b"PK no model"
        manifest["sha256"] = hashlib.sha256(raw).hexdigest()
    own.write_bytes(raw[:-5000] if damage == "cut" else raw)
    own.with_suffix(".json").write_text(json.dumps(manifest))
    return own


@pytest.mark.parametrize("damage", ["cut", "older", "no model"])
def test_an_own_model_that_cannot_be_used_stops_nothing(household: Household, damage: str) -> None:
    """The mail is filed, `doctor` says what to do, and the usual training makes the model anew."""
    own = broken(household, damage)
    before = own.read_bytes()
    doctor = household.run("doctor")
    assert doctor.returncode == 0, doctor.stdout
    told = [line for line in doctor.stdout.splitlines() if line.startswith("warn model: ")]
    assert len(told) == 1
    assert str(own) in told[0]
    assert "`triage train`" in told[0]
    household.deliver(a_mail("praise"))
    once = household.run("once")
    assert once.returncode == 0, once.stderr
    assert household.contents() == {"School/Praise": 2}
    assert str(own) in once.stderr or "new model" in once.stderr
    if damage == "no model":
        assert household.run("train").returncode == 0
    assert own.read_bytes() != before or damage == "older"
    assert "judges mail" in household.run("doctor").stdout


def test_an_own_model_that_cannot_be_made_anew_stops_nothing(household: Household) -> None:
    """A full or read-only disk: one sentence, and the shipped model serves."""
    own = broken(household, "cut")
    own.with_suffix(".json").unlink(missing_ok=True)
    own.with_suffix(".json").mkdir()
    household.deliver(a_mail("praise"))
    once = household.run("once")
    assert once.returncode == 0, once.stderr
    assert "could not be made anew" in once.stderr
    assert household.contents() == {"School/Praise": 2}


def test_the_demo_does_the_whole_job(run_triage: Run) -> None:
    """Folders before and after, a note, the digest, and where the page is."""
    done = run_triage("demo")
    assert done.returncode == 0, done.stderr
    for words in ("School/Homework", "School/Behavior", "School/Meetings", "School/Praise", "Nothing was sent"):
        assert words in done.stdout
    page = Path(next(line for line in done.stdout.splitlines() if "as a page:" in line).split(": ", 1)[1])
    assert "<html" in page.read_text(encoding="utf-8")


def test_version_and_help(run_triage: Run) -> None:
    """Options before the command and after it."""
    assert run_triage("--version").stdout.startswith("triage ")
    assert "--dry-run" in run_triage("once", "--help").stdout


def test_options_are_taken_after_the_command_too(household: Household) -> None:
    """`triage once --config F --state D` is `triage --config F --state D once`."""
    options = ("--config", str(household.config_file), "--state", str(household.state))
    command = [sys.executable, "-m", "triage", "once", *options, "-v"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("home: 0 new")
