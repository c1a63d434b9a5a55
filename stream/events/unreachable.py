"""Why a receiver can't be reached, in words that hold no secret."""

from __future__ import annotations

import ssl
from collections.abc import Iterator


def reason_of(error: BaseException) -> str:
    """From what a library raised, or from what that was raised from.

    Its own message is not told: it may quote a URL.
    """
    for each in _causes(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {each.verify_message}"
        if isinstance(each, ssl.SSLError):
            return f"TLS: {(each.reason or 'it fails').replace('_', ' ').lower()}"
        if isinstance(each, OSError) and each.strerror:
            return each.strerror
    return type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that it was made of, from the outside in."""
    found, known = [error], {id(error)}
    for each in found:
        yield each
        for inner in (*each.args, each.__cause__, each.__context__):
            if isinstance(inner, BaseException) and id(inner) not in known:
                known.add(id(inner))
                found.append(inner)
