"""Names made from other names: of files from instances, which may hold any character; of variables from parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_UNSAFE = re.compile(rb"^\.|[^A-Za-z0-9_.-]")
_LONGEST = 120
_KEPT = 90
_SHORT = 60


def file_label(instance: str, attempt: int) -> str:
    """A file name for the attempt, such as `load.2`: safe, unlike every other's, at most 135 characters.

    What is not a letter, a digit, `_`, `-` or a dot inside is percent-encoded; a long name ends in its digest.
    """
    raw = instance.encode("utf-8", "surrogatepass")
    name = _UNSAFE.sub(lambda found: b"%%%02X" % found[0][0], raw).decode("ascii")
    if len(name) > _LONGEST:
        import hashlib

        name = f"{name[:_KEPT]}~{hashlib.sha256(raw).hexdigest()[:24]}"
    return f"{name}.{attempt}"


def is_reserved(variable: str) -> bool:
    """Whether a variable is kept for what pipectl itself sets for tasks: a file cannot set it."""
    return variable.startswith(("PIPECTL_", "PARAM_", "ITEM"))


def param_variable(name: str) -> str:
    """The environment variable in which tasks see a parameter: `PARAM_FLIP_COIN` for `flip-coin`."""
    return "PARAM_" + _variable(name)


def item_labels(items: Sequence[Any]) -> list[str]:
    """What instances are called by their items: `eu`, `depth=4,lr=0.1`, or a number from 0; a repeated one `eu~2`.

    These names are a file format: a resumed run finds its instances by them.
    """
    labels: dict[str, None] = {}
    repeated: dict[str, int] = {}
    for index, item in enumerate(items):
        plain = label = _item_label(item) or str(index)
        while label in labels:
            repeated[plain] = repeated.get(plain, 1) + 1
            label = f"{plain}~{repeated[plain]}"
        labels[label] = None
    return list(labels)


def is_short(text: str) -> bool:
    """Whether a text can name an instance as it is."""
    return 0 < len(text) <= _SHORT and text.isprintable() and "[" not in text and "]" not in text


def _item_label(item: Any) -> str:
    """The label of one item, empty where it has none of its own."""
    if not isinstance(item, Mapping):
        return _scalar(item)
    parts = [(str(key), _scalar(value)) for key, value in item.items()]
    if not parts or not all(is_short(key) and value for key, value in parts):
        return ""
    return ",".join(f"{key}={value}" for key, value in parts)


def _scalar(value: Any) -> str:
    if isinstance(value, (list, Mapping)):
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if is_short(text) else ""


def item_variables(item: Any) -> dict[str, Any]:
    """The variables in which tasks see their item: `ITEM`, or of a mapping `ITEM_<KEY>` for each key."""
    if not isinstance(item, Mapping):
        return {"ITEM": item}
    return {"ITEM_" + _variable(str(key)): value for key, value in item.items()}


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())
