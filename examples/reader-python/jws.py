"""Verifies the signed records of a log with the standard library. A service may use PyJWT with `cryptography` instead."""
import base64
import hashlib
import json
import re

SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo, RFC 8017 section 9.2


class InvalidRecord(Exception):
    """The log did not sign this text, or the text is no record. `kid` is set if only the key is unknown."""

    def __init__(self, why, kid=None):
        super().__init__(why)
        self.kid = kid


def verify(text, keys):
    """Returns the kid and the payload of a record. `keys`: kid to JWK. Raises InvalidRecord and nothing else."""
    try:
        header, payload, signature = text.split(".") if len(text) <= 65_536 else ()
        head = parse(header)
        if head["alg"] != "RS256" or head["typ"] != "secevent+jwt" or "crit" in head:
            raise InvalidRecord("header")
        kid = head["kid"]
        if kid not in keys:
            raise InvalidRecord("key", kid)
        if not is_signature(decode(signature), f"{header}.{payload}", keys[kid]):
            raise InvalidRecord("signature")
        return kid, parse(payload)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InvalidRecord("malformed") from error


def is_signature(signature, text, key):
    """RSASSA-PKCS1-v1_5 with SHA-256: RFC 8017 section 8.2.2."""
    n, e = (int.from_bytes(decode(key[name]), "big") for name in "ne")
    size, digest = (n.bit_length() + 7) // 8, SHA256 + hashlib.sha256(text.encode()).digest()
    expected = b"\0\1" + b"\xff" * (size - len(digest) - 3) + b"\0" + digest
    return len(signature) == size and pow(int.from_bytes(signature, "big"), e, n) == int.from_bytes(expected, "big")


def decode(part):
    """Base64url without padding: the one spelling that RFC 7515 section 2 allows."""
    if not re.fullmatch(r"[\w-]*", part, re.ASCII):
        raise ValueError("base64url")
    decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != part:
        raise ValueError("base64url")
    return decoded


def parse(part):
    """A JSON object of RFC 8259, which has no NaN and no Infinity."""
    value = json.loads(decode(part).decode("utf-8"), parse_constant=no_number)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def no_number(text):
    raise ValueError(text)
