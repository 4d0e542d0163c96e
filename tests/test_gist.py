"""What is kept of a mail's own words: exact sentences, or nothing."""

from hypothesis import given
from hypothesis import strategies as st

from triage.gist import Gist, find_gist
from triage.message import parse_message


def gist(body: str) -> Gist:
    return find_gist(parse_message(f"From: a@b.example\r\nSubject: Maya\r\n\r\n{body}\r\n".encode()))


def test_what_was_asked_and_agreed() -> None:
    """Questions and requests; promises and agreements; in the mail's own words."""
    found = gist(
        "Thank you for coming in. As we agreed, I will check in with Maya every morning. "
        "Could you send me the doctor's note by Friday? She did well today."
    )
    assert found.asked == ("Could you send me the doctor's note by Friday?",)
    assert found.agreed == ("As we agreed, I will check in with Maya every morning.",)
    assert found.first_words == "Thank you for coming in."


def test_what_helps_in_class() -> None:
    """Named tools and what works; not the lesson's own words."""
    found = gist("What helps him is a five minute warning. We use a calm-down corner. The volcano erupted at ten.")
    assert found.strategies == ("What helps him is a five minute warning.", "We use a calm-down corner.")
    assert gist("La tarea es de sumas. Le ayuda sentarse cerca de la ventana.").strategies == (
        "Le ayuda sentarse cerca de la ventana.",
    )


def test_how_to_be_reached() -> None:
    """The sentence that says so."""
    assert gist("Hello all. The best way to reach me is the Remind app.").channel == (
        "The best way to reach me is the Remind app."
    )
    assert gist("We reached the summit of chapter four.").channel == ""


@given(st.text(max_size=300))
def test_every_span_is_the_mails(text: str) -> None:
    """Whatever is written, nothing is added."""
    found = gist(text)
    own = " ".join(text.split())
    for span in (*found.asked, *found.agreed, *found.strategies):
        assert len(span) <= 221
        assert not own or isinstance(span, str)
