"""How much of a long list of cases is run: all by `make long-test`, else some."""

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"


def some(cases: Sequence[T], each: int) -> list[T]:
    """Every `each`-th case, or all of them."""
    return list(cases if LONG else cases[::each])
