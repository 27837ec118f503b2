"""What to write in place of what a database refuses, where its words tell that."""

from __future__ import annotations

import re

_LITERAL = "here it takes no bound value: write `{{ … | literal }}`"
_ADVICE = tuple(
    (re.compile(said), advice)
    for said, advice in (
        (r"(?:within|inside) (?:a )?transaction|invalid transaction termination", "write `transaction: false`"),
        (r'near "(?:\$\d+|\?)"|there is no parameter \$\d|bind message supplies', _LITERAL),
        (r"parameters (?:are not allowed|prohibited) in|prepared parameter|cannot contain parameters", _LITERAL),
        (
            r"determine data type of parameter \$\d",
            "write its type behind it, `{{ … }}::text`, or, in a definition, `{{ … | literal }}`",
        ),
        (r"^operator does not exist", "a value has another type: write a cast behind it, as in `{{ … }}::text`"),
        (
            r"^Incorrect (?:datetime|timestamp) value: '[\d-]+T",
            "it takes no offset: write `{{ … | date('%Y-%m-%d %H:%M:%S') }}`",
        ),
    )
)


def advice(said: str) -> str:
    """What to do about an error of a database; empty where that is not known."""
    return next((advice for pattern, advice in _ADVICE if pattern.search(said)), "")
