from __future__ import annotations

import base64
import json
import shlex
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipectl.masking import Masker

SECRET = "s3cr3t/Pass+word=é\"'$x"

PEM = "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7bq3\nQ2hhcmxpZSBEZWx0YQ==\n}\n-----END KEY-----\n"


@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda s: json.dumps(s)[1:-1],
        lambda s: json.dumps(s, ensure_ascii=False)[1:-1],
        lambda s: repr(s)[1:-1],
        urllib.parse.quote,
        urllib.parse.quote_plus,
        lambda s: urllib.parse.quote(s, safe=""),
        shlex.quote,
        lambda s: s.replace("'", "'\\''"),
        lambda s: s.encode().hex(),
        lambda s: s.encode().hex().upper(),
    ],
)
def test_secret_is_hidden_in_every_spelling(spell):
    text = f"before {spell(SECRET)} after"
    masked = Masker([SECRET]).mask(text)
    assert spell(SECRET).strip("'") not in masked
    assert "***" in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert Masker([SECRET]).mask_bytes(text.encode()) == masked.encode()


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"user:"])
@pytest.mark.parametrize("after", [b"", b"\n", b":b", b":bc"])
@pytest.mark.parametrize("secret", ["hunter2-hunter2", "abcd", "\u00ff\u00fb\u00be?>~~"])
def test_secret_within_base64_leaves_at_most_its_edges(encode, before, after, secret):
    encoded = encode(before + secret.encode() + after)
    masked = Masker([secret]).mask_bytes(encoded)
    head, _, tail = masked.partition(b"***")
    assert b"***" in masked
    assert len(head) <= -(-len(before) * 4 // 3) + 1
    assert len(tail) <= len(encode(b"xx" + after))


def test_lines_of_a_secret_are_hidden_one_by_one_but_short_ones_stay():
    masker = Masker([PEM])
    for line in PEM.splitlines():
        assert masker.mask(f"  {line} ") == ("  } " if line == "}" else "  *** ")


@pytest.mark.parametrize("width", [76, 64])
def test_wrapped_base64_of_a_long_secret_is_hidden(width):
    secret = "0123456789abcdefghijklmnopqrstuvwxyz" * 5
    whole = base64.b64encode(secret.encode()).decode()
    lines = [whole[at : at + width] for at in range(0, len(whole), width)]
    masked = Masker([secret]).mask("\n".join(lines))
    assert not any(line[:20] in masked for line in lines if len(line) > 20)


def test_longest_secret_wins_where_two_start():
    assert Masker(["pass", "password1"]).mask("password1 pass") == "*** ***"


def test_without_secrets_everything_passes():
    masker = Masker(["", ""])
    stream = masker.stream()
    value = {"a": [1, "b"]}
    assert masker.mask("text") == "text"
    assert masker.mask_value(value) is value
    assert stream.feed(b"abc") == b"abc"
    assert stream.end() == b""


def test_values_are_masked_in_texts_keys_and_numbers():
    masker = Masker(["hunter22", "123456"])
    value = {"hunter22": ["x hunter22", 123456, 1234567, True, None, {"n": 12.5}]}
    assert masker.mask_value(value) == {"***": ["x ***", "***", 1234567, True, None, {"n": 12.5}]}


def test_undecodable_bytes_of_a_secret_are_hidden():
    secret = b"\xff\xfe-secret".decode("utf-8", "surrogateescape")
    assert Masker([secret]).mask_bytes(b"<\xff\xfe-secret>") == b"<***>"


def test_beginning_of_a_secret_is_held_back_until_decided():
    stream = Masker(["hunter2-hunter2"]).stream()
    assert stream.feed(b"key: hunter2-") == b"key: "
    assert stream.feed(b"hunt") == b""
    assert stream.feed(b"ing\n") == b"hunter2-hunting\n"


def test_end_of_stream_decides():
    stream = Masker(["hunter2-hunter2"]).stream()
    assert stream.feed(b"hunter2-hunter") == b""
    assert stream.end() == b"hunter2-hunter"
    assert stream.end() == b""


secrets = st.lists(st.text("abc", min_size=4, max_size=9), min_size=1, max_size=4)
pieces = st.lists(st.text("abcd ", max_size=12), max_size=8)


@given(secrets, pieces)
def test_stream_masks_like_the_whole_however_it_is_cut(secrets, pieces):
    masker = Masker(secrets)
    chunks = [piece.encode() for piece in pieces]
    stream = masker.stream()
    shown = b"".join(stream.feed(chunk) for chunk in chunks) + stream.end()
    assert shown == masker.mask_bytes(b"".join(chunks))
    assert not any(secret.encode() in shown for secret in secrets)


@given(st.text(min_size=4, max_size=40), st.data())
def test_secret_written_byte_by_byte_never_shows(secret, data):
    raw = secret.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    whole = f"<{raw}>".encode("utf-8", "surrogateescape")
    stream = Masker([raw]).stream()
    shown = b"".join(stream.feed(whole[at : at + 1]) for at in range(len(whole))) + stream.end()
    assert whole[1:-1] not in shown or whole[1:-1] in b"<***>"


@pytest.mark.parametrize("shown", ["c@n%ry!pw", urllib.parse.quote("c@n%ry!pw", safe="")])
def test_password_of_a_url_is_hidden_apart_from_it(shown):
    masker = Masker(["postgresql://ada:c%40n%25ry%21pw@db.example.org/flights"])
    assert masker.mask(f"password {shown} of flights at db.example.org") == "password *** of flights at db.example.org"


def test_what_makes_a_web_address_a_secret_is_hidden_apart_from_it():
    masker = Masker(["HTTPS://hooks.example.org/services/T0/B0/canary?wait=yes&token=c%C3%A4nary-token"])
    masked = masker.mask("POST https://hooks.example.org/services/T0/B0/canary: wait=yes, token cänary-token")
    assert masked == "POST https://hooks.example.org/***: wait=yes, token ***"


def test_url_that_cannot_be_read_is_a_secret_like_others():
    assert Masker(["http://[canary"]).mask("x http://[canary y") == "x *** y"
