"""What a cached task depends on: the parts of its key, and what changed between two of them, in words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipectl.engine.file_search import MISSING, printable
from pipectl.masking import Masker
from pipectl.template import to_text

Parts = dict[str, Any]
"""Plain JSON without secrets; equal where a task need not be done again."""

_LONGEST = 16 << 10  # characters of a value that is kept as it is, to be shown; of a longer one its digest is
_SHOWN = 60
_NAMED = 4  # of many files


@dataclass(frozen=True, slots=True)
class Request:
    """What an instance with `cache` is known by, as plain JSON. It may hold secrets, which are masked in the parts.

    `body` is that of the task as written, `rendered` what its expressions came to, `env` the variables that the file
    declares for it, with their values. `inputs` and `outputs` are patterns relative to `cwd`, an absolute path as
    `folder`, the pipeline's, is. `params` are all parameters, `upstream` the outputs of the tasks that it needs as JSON
    text; where the task says a `key`, that stands in place of both, which are left empty. `ttl` is in seconds.
    """

    type: str
    body: Mapping[str, Any]
    folder: str
    cwd: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    rendered: Sequence[Any] = ()
    env: Mapping[str, Any] = field(default_factory=dict)
    item: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    upstream: Mapping[str, str | None] = field(default_factory=dict)
    key: Any = None
    ttl: float | None = None


def parts_of(request: Request, inputs: Mapping[str, str], code: Mapping[str, str], masker: Masker) -> Parts:
    """The parts of the key, with digests of the files by path."""
    cwd, folder = request.cwd, request.folder
    return {
        "type": request.type,
        "body": _kept(request.body, masker),
        "rendered": [_bounded(masker.mask_value(value)) for value in request.rendered],
        "env": _kept(request.env, masker),
        "cwd": masker.mask(cwd.removeprefix(folder).lstrip("/") if f"{cwd}/".startswith(f"{folder}/") else cwd),
        "item": _bounded(masker.mask_value(request.item)),
        "params": _kept(request.params, masker),
        "upstream": {name: text and digest_of(text) for name, text in request.upstream.items()},
        "key": _bounded(masker.mask_value(request.key)),
        "code": code,
        "inputs": masked(inputs, masker),
    }


def masked(files: Mapping[str, str], masker: Masker) -> Mapping[str, str]:
    """The digests of files by paths that may be kept."""
    return {masker.mask(path): digest for path, digest in files.items()} if masker else files


def key_of(parts: Parts) -> str:
    """The same for equal parts, whatever the order of their names."""
    return digest_of(json.dumps(parts, sort_keys=True))


def digest_of(text: str) -> str:
    """The SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _kept(values: Mapping[str, Any], masker: Masker) -> Mapping[str, Any]:
    return {name: _bounded(masker.mask_value(value)) for name, value in values.items()}


def _bounded(value: Any) -> Any:
    text = json.dumps(value, sort_keys=True)
    return value if len(text) <= _LONGEST else {"sha256": digest_of(text)}


# What changed


def explain(old: Parts, new: Parts) -> list[str]:
    """What changed from one to the other, in words; never nothing where they differ."""
    changes = [
        *_definition(old, new),
        *_values("`env.{}`", _section(old, "env"), _section(new, "env")),
        *_values("`{}`", _some(old, "cwd"), _some(new, "cwd")),
        *_values("its {}", _some(old, "item"), _some(new, "item")),
        *_values("`cache.{}`", _some(old, "key"), _some(new, "key")),
        *_values("parameter `{}`", _section(old, "params"), _section(new, "params")),
        *differences("the output of", _section(old, "upstream"), _section(new, "upstream")),
        *differences("the code in", _section(old, "code"), _section(new, "code")),
        *differences("input", _section(old, "inputs"), _section(new, "inputs")),
    ]
    if changes or old == new:
        return changes
    pairs = zip(old.get("rendered", ()), new.get("rendered", ()), strict=False)
    rendered = [f"what its expressions come to changed: {_difference(a, b)}" for a, b in pairs if a != b]
    return rendered[:1] or ["what its expressions come to changed"]


def differences(what: str, old: Mapping[str, str | None], new: Mapping[str, str | None]) -> list[str]:
    """Which files differ between two sets of digests, by name as far as they are few."""
    changed = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    told = [f"{what} `{printable(name)}` {_fate(name, old, new)}" for name in changed[:_NAMED]]
    rest = len(changed) - len(told)
    return [*told, f"and {rest} more"] if rest else told


def _fate(name: str, old: Mapping[str, str | None], new: Mapping[str, str | None]) -> str:
    if new.get(name, MISSING) == MISSING:
        return "is missing"
    return "changed" if old.get(name, MISSING) != MISSING else "is new"


def _definition(old: Parts, new: Parts) -> Iterator[str]:
    if old.get("type") != new["type"]:
        yield f"its type changed: {_difference(old.get('type'), new['type'])}"
    else:
        yield from _values(f"`{new['type']}.{{}}`", _section(old, "body"), new["body"])


def _values(what: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            yield f"{what.format(name)} is new: {_short(new[name])}"
        elif name not in new:
            yield f"{what.format(name)} is gone"
        elif old[name] != new[name]:
            yield f"{what.format(name)} changed: {_difference(old[name], new[name])}"


def _section(parts: Parts, name: str) -> Mapping[str, Any]:
    section: Mapping[str, Any] = parts.get(name, {})
    return section


def _some(parts: Parts, name: str) -> Mapping[str, Any]:
    return {name: parts[name]} if name in parts else {}


def _difference(old: Any, new: Any) -> str:
    """Both values; of texts of several lines the first line that differs."""
    if not isinstance(old, str) or not isinstance(new, str) or "\n" not in old.rstrip("\n") + new.rstrip("\n"):
        return f"{_short(old)} → {_short(new)}"
    before, after = old.splitlines(), new.splitlines()
    number = next((i for i, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]), None)
    if number is None:
        number = min(len(before), len(after))
    lines = [_short(lines[number]) if number < len(lines) else "nothing" for lines in (before, after)]
    return f"in line {number + 1}, {lines[0]} → {lines[1]}"


def _short(value: Any) -> str:
    text = " ".join(to_text(value).split())
    return f"`{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}`"
