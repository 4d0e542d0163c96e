"""Word lists as data: `lists/NAME.txt`, one regular expression or word a line, # for remarks."""

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

_LISTS = Path(__file__).parent / "lists"


@cache
def entries(name: str) -> tuple[str, ...]:
    """The lines of a list."""
    lines = (_LISTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if line.strip() and not line.startswith("#"))


@cache
def words(name: str) -> frozenset[str]:
    """A list of words, several of which may share a line."""
    return frozenset(" ".join(entries(name)).split())


@cache
def pattern(name: str) -> re.Pattern[str]:
    """One pattern that matches any expression of a list, as whole words, case ignored."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(entries(name))})(?!\w)", re.IGNORECASE)


@cache
def table(name: str) -> dict[str, Any]:
    """A list with more to a line than one word."""
    return tomllib.loads((_LISTS / f"{name}.toml").read_text(encoding="utf-8"))


@cache
def word_sets(name: str) -> dict[str, frozenset[str]]:
    """A table of word lists, each as a set."""
    return {key: frozenset(text.split()) for key, text in table(name).items()}
