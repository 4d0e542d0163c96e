"""Small mails for tests, each different."""

import itertools
from datetime import UTC, datetime
from email.utils import format_datetime

_numbers = itertools.count(1)

BODIES = {
    "homework": "Maya has three missing assignments in math. The fractions worksheet and the reading log are due on "
    "Friday. Please have her finish them and turn them in.",
    "behavior": "Maya talked through the whole lesson today and argued with me when I asked her to stop. She "
    "has been disrupting class all week and does not follow directions.",
    "meeting_request": "Could we set up a meeting about Maya? I am free on Thursday at 3:15 or Friday before school. "
    "Please let me know which time works for you.",
    "praise": "I just wanted to share some good news. Maya was so kind to a new student today and read her whole story "
    "aloud. I am very proud of her, she worked so hard.",
    "other_school": "Dear families, picture day is next Wednesday. The school office sent order forms home in the "
    "folders. School will be closed on Monday for staff development.",
    "not_school": "Your order has shipped. Track the parcel with the link in your account. Thank you for shopping "
    "with us, your invoice is attached.",
}


def a_mail(kind: str = "homework", *, extra: str = "", sender: str = "", number: int | None = None) -> bytes:
    """A mail of a kind, with a Message-ID of its own, in CRLF."""
    number = next(_numbers) if number is None else number
    school = kind != "not_school"
    sender = sender or ("Ms. Alvarez <alvarez@maplewood.k12.example>" if school else "Shop <orders@shop.example>")
    lines = [
        f"From: {sender}",
        "To: parent@mailbox.example",
        f"Subject: {'Maya' if school else 'Your order'} {number}",
        f"Date: {format_datetime(datetime.now(UTC))}",
        f"Message-ID: <{kind}-{number}@test.example>",
        "",
        f"Hello, {BODIES[kind]} {extra}",
        "",
        "Ms. Alvarez" if school else "The shop",
        "",
    ]
    return "\r\n".join(lines).encode()
