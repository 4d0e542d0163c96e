"""Every mistake in the file is named with file, key and what is allowed; what is right loads."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT
from triage.config import Config, load_config
from triage.errors import ConfigError

ACCOUNT = '[[accounts]]\nname = "home"\nhost = "imap.example.com"\nusername = "p@example.com"\n'


def load(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return load_config(path)


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert caught.value.exit_code == 2
    found = [line.removeprefix(f"{tmp_path / 'config.toml'}: ") for line in caught.value.problems]
    assert all("\n" not in line for line in found)
    return found


def test_the_example_loads_as_it_is() -> None:
    """And holds the values of the documented interface."""
    config = load_config(ROOT / "config.example.toml")
    assert config.accounts[0].imap_port == 993
    assert config.filing.folders.meeting_request == "Meetings"
    assert (config.digest.at.hour, config.digest.at.minute) == (6, 30)
    assert config.school.teachers[0].children == ("Maya",)


def test_the_example_names_every_key() -> None:
    """A key that the program reads stands in the example, commented or not."""
    text = (ROOT / "config.example.toml").read_text(encoding="utf-8")

    def keys(table: type) -> set[str]:
        from triage.config import Table, _table_in

        found = set()
        for name, field in table.model_fields.items():  # type: ignore[attr-defined]
            found.add(name)
            inner = _table_in(field.annotation)
            if inner is not None and issubclass(inner, Table):
                found |= keys(inner)
        return found

    assert {key for key in keys(Config) if key not in text} == set()


def test_defaults(tmp_path: Path) -> None:
    """A file with one account is enough."""
    config = load(tmp_path, ACCOUNT)
    account = config.accounts[0]
    assert (account.security, account.imap_port, account.folder, account.lookback_days) == ("tls", 993, "INBOX", 30)
    assert (config.filing.mode, config.filing.root, config.prompts.deliver) == ("move", "School", ("digest", "note"))
    assert config.timezone


@pytest.mark.parametrize(("security", "port"), [("tls", 993), ("starttls", 143)])
def test_the_port_follows_the_security(tmp_path: Path, security: str, port: int) -> None:
    """And is overruled by the one that is written."""
    assert load(tmp_path, ACCOUNT + f'security = "{security}"\n').accounts[0].imap_port == port
    assert load(tmp_path, ACCOUNT + f'security = "{security}"\nport = 1143\n').accounts[0].imap_port == 1143


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_plain_on_loopback(tmp_path: Path, host: str) -> None:
    """Only there."""
    text = ACCOUNT.replace("imap.example.com", host) + 'security = "none"\n'
    assert load(tmp_path, text).accounts[0].security == "none"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('langauge = "en"', 'langauge: unknown key; did you mean "language"? allowed here: '),
        ('language = "fr"', 'language: must be one of "en" or "es"'),
        ("language = 3", 'language: must be one of "en" or "es"'),
        ('timezone = "Mars/Base"', 'timezone: "Mars/Base" is not a time zone'),
        ("[[children]]\nname = 3", "children[1].name: must be text in quotes"),
        ('[[children]]\nname = "A"\nplan = "IEP"', 'children[1].plan: must be one of "none", "504" or "iep"'),
        ('[[children]]\nname = "A"\n[[children]]\nname = "A"', 'children: "A" stands there twice'),
        (ACCOUNT + 'port = "993"', "accounts[1].port: must be a whole number"),
        (ACCOUNT + "port = 70000", "accounts[1].port: must be at most 65535"),
        (ACCOUNT + "port = true", "accounts[1].port: must be a whole number"),
        (ACCOUNT + 'security = "ssl"', 'accounts[1].security: must be one of "tls", "starttls" or "none"'),
        (ACCOUNT + 'security = "none"', 'security = "none" is only for a loopback host'),
        (ACCOUNT + 'password_command = "pass show"', "accounts[1].password_command: must be a list in brackets"),
        (ACCOUNT + "password_command = []", "accounts[1].password_command: must not be empty"),
        (ACCOUNT + 'password_command = ["pass"]\npassword_file = "/x"', "exclude each other"),
        (
            ACCOUNT + 'oauth2_provider = "yahoo"',
            'accounts[1].oauth2_provider: must be one of "google" or "microsoft", or a table with auth',
        ),
        (ACCOUNT + 'auth = "oauth2"', 'accounts[1]: auth = "oauth2" needs oauth2_provider ("google", "microsoft" or a'),
        (ACCOUNT + 'oauth2_provider = {scope = "x"}', "accounts[1].oauth2_provider.token_endpoint: is missing"),
        (ACCOUNT + ACCOUNT, 'accounts: "home" stands there twice'),
        ('[[accounts]]\nname = "x"', "accounts[1].host: is missing"),
        ('[school]\ndomains = ["a@b"]', 'school.domains[1]: "a@b" is not a domain'),
        ('[[school.teachers]]\nname = "T"\naddress = "t"', 'school.teachers[1].address: "t" is not an address'),
        (
            '[[school.teachers]]\nname = "T"\naddress = "t@x.example"\nchildren = ["Zoe"]',
            'school.teachers: "Zoe" is not among the configured children',
        ),
        ('[filing]\nmode = "shift"', 'filing.mode: must be one of "move", "copy" or "tag"'),
        ('[filing]\ntags = "yes"', "filing.tags: must be true or false"),
        ('[filing]\nfolders = { homwork = "x" }', 'filing.folders.homwork: unknown key; did you mean "homework"?'),
        ('[filing]\nfolders = { praise = "Homework" }', '"Homework" stands for two kinds of mail'),
        ('[filing]\nroot = "a//b"', 'filing.root: "a//b" cannot be a folder'),
        ('[digest]\nat = "25:00"', 'digest.at: must be a time of day like "06:30"'),
        ("[digest]\nat = 6", 'digest.at: must be a time of day like "06:30"'),
        ('[digest]\nat = "06:30+09:00"', 'digest.at: must be a time of day like "06:30", without an offset'),
        ('[digest]\nat = "06:30Z"', "without an offset"),
        ('[accounts]\nname = "x"', "accounts: write [[accounts]], with two brackets"),
        ('[children]\nname = "A"', "children: write [[children]], with two brackets"),
        ("x = " + "[" * 100_000, "cannot be read as TOML"),
        ('[digest]\ndeliver = "inbox"', "digest.deliver: must be a list in brackets"),
        ("[daemon]\npoll_minutes = 0", "daemon.poll_minutes: must be at least 1"),
        ("[daemon]\npoll_minutes = 2.5", "daemon.poll_minutes: must be a whole number"),
        ('prompts = "x"', "prompts: must be a table"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, text: str, expected: str) -> None:
    """File, key, and what is allowed, on one line."""
    assert any(expected in line for line in problems(tmp_path, text)), problems(tmp_path, text)


def test_one_mistake_is_one_line(tmp_path: Path) -> None:
    """A list is not called empty for what it holds."""
    (line,) = problems(tmp_path, ACCOUNT + "password_command = [1]")
    assert line.endswith("accounts[1].password_command[1]: must be text in quotes")


def test_a_command_may_give_the_tokens(tmp_path: Path) -> None:
    """Then no provider is needed."""
    assert load(tmp_path, ACCOUNT + 'auth = "oauth2"\npassword_command = ["oama"]').accounts[0].auth == "oauth2"


@pytest.mark.parametrize("key", ["password", "passwd", "token"])
def test_a_password_in_the_file_is_refused(tmp_path: Path, key: str) -> None:
    """The sentence says how to store it, and does not repeat it."""
    (line,) = problems(tmp_path, ACCOUNT + f'{key} = "hunter2"\n')
    assert f"accounts[1].{key}: a password does not belong in this file" in line
    assert "triage password" in line
    assert "hunter2" not in line


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    """One run of the editor mends them all."""
    found = problems(tmp_path, 'language = "fr"\n' + ACCOUNT + 'port = "x"\n[filing]\nmode = "q"\n')
    assert len(found) == 3


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Missing, not TOML, not UTF-8: one sentence each."""
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(tmp_path, "a = = b")
    (tmp_path / "latin.toml").write_bytes("name = 'ñ'".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_config(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_json_carries_the_whole_configuration() -> None:
    """What the worker gets is what was loaded, and which keys were written."""
    config = load_config(ROOT / "config.example.toml")
    again = Config.from_json(config.to_json())
    assert again == config
    assert again.model_fields_set == config.model_fields_set


toml_values = st.one_of(st.integers(), st.booleans(), st.text(max_size=8), st.lists(st.integers(), max_size=2))


@given(st.dictionaries(st.sampled_from([*Config.model_fields, "x"]), toml_values, max_size=4))
def test_any_values_give_a_configuration_or_sentences(values: dict[str, object]) -> None:
    """Never another exception."""
    import json
    import tempfile

    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.toml"
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            load_config(path)
        except ConfigError as error:
            assert error.problems
