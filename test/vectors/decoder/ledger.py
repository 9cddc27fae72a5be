"""Leaves, tree, bundle and checkpoint: docs/formats/leaf.md, ledger.md, checkpoint.md, side-record.md."""
import hashlib
import hmac
import json
import re
from base64 import b64decode, b64encode

from ciphers import ecdsa_valid
from refusal import Refused, need

SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}
INTEGER_MAX = (1 << 53) - 1


def encode_text(text):
    return '"' + "".join(SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " else c) for c in text) + '"'


def encode(value, depth=1):
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return encode_text(value)
    if isinstance(value, int):
        need(abs(value) <= INTEGER_MAX, "format")
        return str(value)
    need(isinstance(value, (list, dict)) and depth <= 16, "format")
    if isinstance(value, list):
        return "[" + ",".join(encode(item, depth + 1) for item in value) + "]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    return "{" + ",".join(f"{encode_text(n)}:{encode(value[n], depth + 1)}" for n in names) + "}"


def decode_leaf(data):
    """The value of canonical bytes. Raises Refused for all others."""
    need(len(data) <= 16384, "format")
    try:
        value = json.loads(data.decode("utf-8"))
        need(encode(value).encode("utf-8") == data, "format")
    except (ValueError, RecursionError):
        raise Refused("format") from None
    return value


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(leaf):
    return sha256(b"\0", leaf)


def tree_hash(hashes):
    """RFC 6962 §2.1"""
    if len(hashes) < 2:
        return hashes[0] if hashes else sha256()
    k = 1 << ((len(hashes) - 1).bit_length() - 1)
    return sha256(b"\1", tree_hash(hashes[:k]), tree_hash(hashes[k:]))


def chain(leaves):
    """The chain behind each leaf."""
    values = [bytes(32)]
    for leaf in leaves:
        values.append(sha256(b"\2", values[-1], leaf_hash(leaf)))
    return values[1:]


def includes(index, size, leaf, proof, root):
    """RFC 9162 §2.1.3.2"""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = sha256(b"\1", p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\1", r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def consistent(first, second, first_root, second_root, proof):
    """RFC 9162 §2.1.4.2"""
    if first == second:
        return not proof and first_root == second_root
    path = ([first_root] if first & (first - 1) == 0 else []) + proof
    if not path:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = sha256(b"\1", c, fr), sha256(b"\1", c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = sha256(b"\1", sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == first_root and sr == second_root and sn == 0


def tile_path(tile):
    """docs/formats/ledger.md "Files" """
    digits = str(tile["index"])
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    index = "/".join(["x" + group for group in groups[:-1]] + groups[-1:])
    width = "" if tile["width"] == 256 else f".p/{tile['width']}"
    return f"tile/{tile['level']}/{index}{width}"


def bundle_leaves(data):
    leaves, at = [], 0
    while at < len(data):
        need(at + 2 <= len(data), "format")
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        need(end <= len(data), "format")
        leaves.append(data[at + 2 : end])
        at = end
    return leaves


def strict_base64(text):
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        raise Refused("format") from None
    need(b64encode(value).decode() == text, "format")
    return value


def der_integers(data):
    """r and s of SEQUENCE { INTEGER, INTEGER }, in DER: X.690 §8.3, §10.1."""
    need(len(data) >= 2 and data[0] == 0x30 and data[1] == len(data) - 2 < 128, "tag")
    numbers, at = [], 2
    for _ in range(2):
        need(at + 2 <= len(data) and data[at] == 2, "tag")
        value = data[at + 2 : at + 2 + data[at + 1]]
        need(len(value) == data[at + 1] > 0 and value[0] < 128, "tag")
        need(len(value) == 1 or value[0] != 0 or value[1] >= 128, "tag")
        numbers.append(int.from_bytes(value, "big"))
        at += 2 + len(value)
    need(at == len(data), "tag")
    return numbers


def open_note(spki, data):
    """Answers (origin, size, root) of a checkpoint that the key has signed."""
    try:
        note = data.decode("utf-8")
    except ValueError:
        raise Refused("format") from None
    need(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", note), "format")
    split = note.rfind("\n\n")
    need(split >= 0 and note.endswith("\n") and len(note) > split + 2, "format")
    text, signatures = note[: split + 1], note[split + 2 : -1].split("\n")
    found = re.fullmatch(r"([^\s+]{1,200})\n(0|[1-9][0-9]{0,15})\n([A-Za-z0-9+/]{43}=)\n", text)
    need(found is not None, "format")
    origin, size, root = found[1], int(found[2]), strict_base64(found[3])
    point = spki[-64:]
    public = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    own = 0
    for line in signatures:
        parts = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)", line)
        need(parts is not None, "format")
        signature = strict_base64(parts[2])
        need(len(signature) >= 5, "format")
        if parts[1] == origin and signature[:4] == sha256(spki)[:4]:
            need(ecdsa_valid(public, *der_integers(signature[4:]), sha256(text.encode())), "tag")
            own += 1
    need(own > 0, "tag")
    return origin, size, root


def commitment(random, value):
    return hmac.new(random, encode(value).encode("utf-8"), hashlib.sha256).hexdigest()


def pseudonym(key):
    return hmac.new(key, b"actor", hashlib.sha256).hexdigest()
