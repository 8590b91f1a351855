"""The cut-offs of a log, merged, and the judge: docs/events.md, "The judge"."""
import json
import math

from payload import is_whole


class Rows:
    def __init__(self):
        self.rows = {}  # (iss, claim, value): the greatest T, and the greatest T of those that end sessions

    def add(self, entry, at):
        """Adds an entry of `deny` of an event that was made at `at` (ms): the order does not matter."""
        key = (entry["iss"], entry["claim"], entry["value"])
        until = min(entry["issuedUntil"], at // 1000 * 1000 + 999) if "issuedUntil" in entry else math.inf
        row = (until, until if entry["endsSession"] else -math.inf)
        self.rows[key] = tuple(map(max, row, self.rows.get(key, row)))

    def judge(self, kid, token):
        """
        None: nothing denies the token. Else (claim, value, whether the session ends too); value None: the claim cannot be compared.
        The caller verifies the token before (signature, iss, aud, exp). `kid`: of its header. `token`: its payload.
        """
        iss, iat, at = token.get("iss"), token.get("iat"), token.get("iat_ms")
        if not isinstance(iss, str):
            return ("iss", None, False)
        if type(iat) not in (int, float) or not math.isfinite(iat):
            return ("iat", None, False)
        second = math.floor(iat)
        issued = at if is_whole(at) and at // 1000 == second else second * 1000
        denials = []
        for claim in {claim for issuer, claim, _ in self.rows if issuer == iss}:
            values = comparable([kid] if claim == "kid" else token.get(claim, []))
            if values is None:
                return (claim, None, False)
            for value in values:
                until, session_until = self.rows.get((iss, claim, value), (-math.inf, -math.inf))
                if issued <= until:
                    denials.append((issued <= session_until, until, claim, value))
        if not denials:
            return None
        ends_session, _, claim, value = max(denials)
        return (claim, value, ends_session)


def comparable(held):
    """The values of a claim as texts; None: one of them has no text, and a cut-off could be about it."""
    values = held if isinstance(held, list) else [held]
    if len(values) > 256 or not all(isinstance(value, (str, bool)) or is_whole(value, 1 - 2**53) for value in values):
        return None
    return [value if isinstance(value, str) else json.dumps(value) for value in values]
