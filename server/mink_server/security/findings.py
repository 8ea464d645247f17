"""What `mink diagnose` says of certificates and tokens: outcome, message, what to do."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from mink_server.security.certificates import KEY, day

if TYPE_CHECKING:
    from datetime import datetime

    from mink_server.security.certificates import Certificates
    from mink_server.security.tokens import Tokens

Judgement = tuple[str, str, str]

_CERTIFICATE_WARNING: Final = timedelta(days=21)
_TOKEN_WARNING: Final = timedelta(days=14)
_NAMED: Final = 5


def of_certificate(current: Certificates, problem: str, now: datetime) -> Judgement:
    """Of the server's certificate and key; `problem`: why the newest files cannot be used."""
    outcome, message, advice = of_client_ca(current.expires, now)
    if problem:
        # Whoever replaced the files believes that the new ones count.
        return "failed", f"{message}; the newest files cannot be used: {problem}", "mend the files"
    if outcome != "failed" and (fault := current.fault(now)):
        return "failed", fault, "wait, set the clock, or replace the files"
    if current.key_open and outcome != "failed":
        told = f"{message}; others than its owner can read the key ({KEY})"
        return "warning", told, f"chmod 600 its file; {advice}" if advice else "chmod 600 its file"
    return outcome, message, advice


def of_client_ca(expires: datetime, now: datetime) -> Judgement:
    """Of certificates by when they expire."""
    left = expires - now
    advice = "replace the files; a running server reads them again within seconds"
    if left <= timedelta(0):
        return "failed", f"expired on {day(expires)}", advice
    message = f"expires on {day(expires)}, in {left.days} days"
    return ("warning", message, advice) if left <= _CERTIFICATE_WARNING else ("ok", message, "")


def of_tokens(content: Tokens, problem: str, now: datetime, *, open_to_others: bool) -> Judgement:
    """Of the tokens file."""
    message = f"{len(content.tokens)} tokens, {len(content.certificates)} certificates"
    if problem:
        # Whoever was revoked since may still call.
        return "failed", f"{message}; the newest file cannot be used: {problem}", "mend the file"
    if open_to_others:
        return "warning", f"{message}; others than its owner can write the file, and give themselves any role", "chmod 600 the file"
    soon = [(t, t.expires_at) for t in content.tokens if t.expires_at is not None and now < t.expires_at <= now + _TOKEN_WARNING]
    if soon:
        named = ", ".join(f"{token.name} ({token.id}, {day(expires)})" for token, expires in soon[:_NAMED])
        more = f" and {len(soon) - _NAMED} more" if len(soon) > _NAMED else ""
        return "warning", f"{message}; expire soon: {named}{more}", "make new ones with `mink token create`, then revoke these"
    return "ok", message, ""
