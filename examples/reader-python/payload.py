"""The format of events and heartbeats: what docs/events.schema.json states, so a validator of JSON Schema may take its place."""
import re

from jws import InvalidRecord, verify

HEARTBEAT = "https://rescind.dev/events/heartbeat"
DENIAL = {"iss", "claim", "value", "issuedUntil", "expiresAt", "endsSession"}


def is_whole(value, least=0):
    return type(value) is int and least <= value < 2**53


def is_text(value, most=128):
    return isinstance(value, str) and 0 < len(value) <= most


def is_epoch(value):
    return isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z._-]{1,128}", value) is not None


def read(text, keys, log):
    """
    Returns the kid and the payload of an event (`seq` is in it) or a heartbeat of a log.
    Raises InvalidRecord for everything else: a reader counts and ignores it.
    """
    kid, claims = verify(text, keys)
    is_event = "seq" in claims
    if not is_of_log(claims, log) or not (has_position(claims) if is_event else is_heartbeat(claims)):
        raise InvalidRecord("claims")
    return kid, claims


def is_of_log(claims, log):
    """What events and heartbeats have in common."""
    at, jti = claims.get("iat_ms"), claims.get("jti")
    has_time = is_whole(at) and is_whole(claims.get("iat")) and at // 1000 == claims["iat"]
    return claims.get("iss") == log and "exp" not in claims and has_time and is_text(jti) and is_epoch(claims.get("epoch"))


def has_position(event):
    """Whether the position of an event can be read, in whatever version."""
    seq, prev = event["seq"], event.get("prev")
    return is_whole(seq, 1) and (prev is None if seq == 1 else is_text(prev))


def is_heartbeat(claims):
    head, floor, last = claims.get("head"), claims.get("floor"), claims.get("last")
    wall, since = claims.get("wall_ms"), claims.get("time_since")
    if not (is_version_1(claims) and has_one_type(claims) and HEARTBEAT in claims["events"]):
        return False
    if not (is_whole(head) and is_whole(floor, 1) and floor <= head + 1):
        return False
    if not (last is None if head == 0 else is_text(last)):
        return False
    return (wall is None or is_whole(wall)) and (since is None or is_epoch(since) and since <= claims["epoch"])


def is_understood(event):
    """Whether this version can read what an event denies. Otherwise the event is quarantined."""
    deny = event.get("deny")
    if not (is_version_1(event) and has_one_type(event) and is_text(event.get("txn"))):
        return False
    return isinstance(deny, list) and 1 <= len(deny) <= 1_000 and all(is_denial(entry) for entry in deny)


def is_version_1(claims):
    version = claims.get("version", 1)
    return type(version) is int and version == 1


def has_one_type(claims):
    events = claims.get("events")
    return isinstance(events, dict) and len(events) == 1 and all(isinstance(value, dict) for value in events.values())


def is_denial(entry):
    """An unknown member may narrow or widen what is denied, so an entry that has one is not understood."""
    if not (isinstance(entry, dict) and set(entry) <= DENIAL):
        return False
    if not (is_text(entry.get("iss"), 2_048) and is_text(entry.get("claim")) and is_text(entry.get("value"), 1_024)):
        return False
    if not (is_whole(entry.get("expiresAt")) and isinstance(entry.get("endsSession"), bool)):
        return False
    return is_whole(entry["issuedUntil"]) if "issuedUntil" in entry else entry["claim"] in ("jti", "sid", "kid")
