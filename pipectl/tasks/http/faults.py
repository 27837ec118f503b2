"""What went wrong on the way to an answer, in a sentence."""

from __future__ import annotations

import http
import http.client
import re
import socket
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from urllib3.exceptions import DecodeError, HTTPError

from pipectl.tasks.own import Fault

NETWORK_ERRORS = (OSError, http.client.HTTPException, HTTPError)

_SECONDS = re.compile("[0-9]{1,12}")


class BadHeaders(http.client.HTTPException):
    """The headers of an answer do not say for certain where it ends; the message says why."""


def network_fault(error: Exception, request: object, host: str) -> Fault:
    """The fault of one of NETWORK_ERRORS; its kinds are `connection` and the names of the error's classes."""
    causes = [error, *([error.__cause__] if isinstance(error.__cause__, NETWORK_ERRORS) else [])]
    kinds: list[str] = ["connection"]
    kinds += ["timeout"] if isinstance(causes[-1], TimeoutError) else []
    kinds += [kind.__name__ for cause in causes for kind in type(cause).__mro__ if issubclass(kind, Exception)]
    return Fault(f"{request}: {_sentence(causes[-1], host)}", *dict.fromkeys(kinds))


def status_text(status: int) -> str:
    """A status with its meaning, such as `HTTP 404 Not Found`."""
    try:
        return f"HTTP {status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def retry_after(header: str | None) -> float:
    """The seconds that a `Retry-After` header asks to wait for; 0 where it is missing, past, or makes no sense."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _sentence(error: BaseException, host: str) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"the certificate of `{host}` is not trusted: {error.verify_message} (`verify` names a file of authorities)"
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'no reason given').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return str(error)
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut off"
    if isinstance(error, http.client.RemoteDisconnected):
        return "the server closed the connection without an answer"
    if isinstance(error, BadHeaders):
        return str(error)
    if type(error) in (http.client.HTTPException, http.client.LineTooLong) and "header" in str(error):
        return "the answer has more than 100 headers, or one of more than 64 KiB"
    if isinstance(error, OSError):
        return f"no connection: {error.strerror or error}"
    if isinstance(error, DecodeError):
        return "the answer is not compressed as it says"
    return "the answer is not HTTP"
