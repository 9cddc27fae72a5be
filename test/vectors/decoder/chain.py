"""From a KEK to a message: docs/formats/kek-wrap.md, key-hierarchy.md, export.md, metadata.md."""
import hashlib
import hmac
import json
import re
import struct
from base64 import b64decode

from ciphers import gcm_open, kwp_open
from recipe import open_content
from refusal import Refused, need
from sealed import PURPOSES, open_body, open_cell, open_page, open_pack, open_wrap, page_ids, raw_id


def kek_context(v):
    """`v` has the names of the vectors of test/vectors/kek-wrap/."""
    return (bytes([PURPOSES[v["purpose"]]]) + raw_id(v["organisationId"]) + raw_id(v["ownerId"])
            + raw_id(v["keyId"]) + struct.pack(">II", v["generation"], v["version"]))


def open_kek_wrap(kek, context, w, suites=(1, 3)):
    need(len(w) >= 2 and w[0] == 1 and w[1] in suites, "format")
    need(len(w) == (62 if w[1] == 1 else 74), "format")
    bound = b"postseal/kek-wrap/1" + w[:2] + context
    if w[1] == 1:
        return gcm_open(kek, w[2:14], bound, w[14:])
    opened = kwp_open(kek, w[2:])
    need(len(opened) == 64 and hmac.compare_digest(opened[32:], hashlib.sha256(bound).digest()), "tag")
    return opened[:32]


def open_key_file(passphrase, file):
    need(file["format"] == "postseal/keyfile/1", "format")
    cost = file["scrypt"]
    key = hashlib.scrypt(passphrase.encode(), salt=b64decode(file["salt"]), n=cost["N"], r=cost["r"],
                         p=cost["p"], dklen=32, maxmem=1 << 28)
    texts = [file["format"], *(str(cost[name]) for name in ("N", "r", "p")), file["salt"]]
    plain = gcm_open(key, b64decode(file["nonce"]), b"\0".join(t.encode() for t in texts),
                     b64decode(file["sealed"]))
    return json.loads(plain)


ID, HEX = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), re.compile(r"([0-9a-f]{2})*")
SHAPES = {
    "custodianKeys": {"key": ID, "version": int, "generation": int, "wrap": HEX},
    "groupKeys": {"group": int, "key": ID, "version": int, "wrap": HEX},
    "bodies": {"content": ID, "group": int, "size": int, "pack": ID, "offset": int, "length": int,
               "digest": HEX, "wrap": HEX},
    "records": {"record": ID, "content": ID},
    "cells": {"record": ID, "group": int, "cell": HEX, "wrap": HEX},
    "pages": {"page": ID, "group": int, "bytes": HEX, "wrap": HEX},
}


def fits(value, kind):
    if kind is int:
        return type(value) is int and 0 <= value < 1 << 53
    return isinstance(value, str) and kind.fullmatch(value) is not None


def read_export(data):
    lines = data.split(b"\n")
    need(len(lines) == 3 and lines[2] == b"", "format")
    closing = b'{"sha256":"%s"}' % hashlib.sha256(lines[0]).hexdigest().encode()
    need(len(closing) == len(lines[1]), "format")
    need(closing == lines[1], "tag")
    try:
        whole = json.loads(lines[0].decode("utf-8"))
    except ValueError:
        raise Refused("format") from None
    need(isinstance(whole, dict), "format")
    need(set(whole) == {"format", "organisation", "custodian", *SHAPES}, "format")
    need(whole["format"] == "postseal/export/1", "format")
    need(fits(whole["organisation"], ID) and fits(whole["custodian"], ID), "format")
    for name, shape in SHAPES.items():
        need(isinstance(whole[name], list), "format")
        for row in whole[name]:
            need(isinstance(row, dict) and set(row) == set(shape), "format")
            need(all(fits(row[member], kind) for member, kind in shape.items()), "format")
    return whole


def only(rows):
    need(len(rows) == 1, "identity")
    return rows[0]


def leaf_key(export, kek, purpose, object_id, row):
    """The key of a body, cell or page, down from the KEK."""
    def link(child, parent, purpose, object_id):
        return {"purpose": purpose, "custodianId": export["custodian"], "parentKeyId": parent["key"],
                "parentVersion": parent["version"], "objectId": object_id}

    leaf = bytes.fromhex(row["wrap"])
    need(len(leaf) == 78, "format")
    version = struct.unpack_from(">I", leaf, 2)[0]
    group = only([g for g in export["groupKeys"] if (g["group"], g["version"]) == (row["group"], version)])
    wrap = bytes.fromhex(group["wrap"])
    need(len(wrap) == 78, "format")
    version = struct.unpack_from(">I", wrap, 2)[0]
    rows = [c for c in export["custodianKeys"] if c["version"] == version]
    need(rows, "identity")
    custodian = max(rows, key=lambda c: c["generation"])
    context = kek_context({"purpose": "custodian-key", "organisationId": export["organisation"],
                           "ownerId": export["custodian"], "keyId": custodian["key"],
                           "generation": custodian["generation"], "version": custodian["version"]})
    custodian_key = open_kek_wrap(kek, context, bytes.fromhex(custodian["wrap"]))
    group_key = open_wrap(custodian_key, link(group, custodian, "group-key", group["key"]), wrap)
    return open_wrap(group_key, link(row, group, purpose, object_id), leaf)


def sealed_body(export, content_id, pack):
    row = only([b for b in export["bodies"] if b["content"] == content_id])
    frame = only([f for f in open_pack(row["pack"], False, pack) if f["offset"] == row["offset"]])
    body = bytes.fromhex(frame["payload"])
    need((frame["objectId"], frame["digest"], len(body)) == (content_id, row["digest"], row["length"]),
         "identity")
    return row, body


def open_part(export, kek, content_id, pack):
    row, body = sealed_body(export, content_id, pack)
    part = open_body(leaf_key(export, kek, "part", content_id, row), content_id, body)
    need(len(part) == row["size"], "identity")
    return part


def open_message(export, kek, content_id, pack):
    row, body = sealed_body(export, content_id, pack)
    key = leaf_key(export, kek, "dek", content_id, row)
    message = open_content(key, content_id, body, lambda part: open_part(export, kek, part, pack))
    need(len(message) == row["size"], "identity")
    return message


def open_metadata(export, kek, record_id):
    """Answers the payload of docs/formats/metadata.md, checked."""
    cells = [c for c in export["cells"] if c["record"] == record_id]
    if cells:
        row, context = only(cells), {"purpose": "cell", "custodianId": export["custodian"]}
        key = leaf_key(export, kek, "cell", record_id, row)
        payload = open_cell(key, {**context, "objectId": record_id}, bytes.fromhex(row["cell"]))
    else:
        row = only([p for p in export["pages"] if record_id in page_ids(bytes.fromhex(p["bytes"]))])
        key = leaf_key(export, kek, "page", row["page"], row)
        context = {"custodianId": export["custodian"], "pageId": row["page"]}
        payload = dict(open_page(key, context, bytes.fromhex(row["bytes"])))[record_id]
    check_metadata(payload)
    return payload


def check_metadata(payload):
    need(len(payload) >= 2 and payload[0] in (1, 2) and payload[1] <= 1, "format")
    at, sections = 2, []
    for _ in range(4):
        need(at + 4 <= len(payload), "format")
        end = at + 4 + struct.unpack_from(">I", payload, at)[0]
        need(end <= len(payload), "format")
        sections.append(payload[at + 4 : end])
        at = end
    need(len(payload) - at == (0 if payload[0] == 1 else 64), "format")
    try:
        structure, _, envelope = json.loads(sections[1]), sections[2].decode("utf-8"), sections[3]
        paths = json.loads(envelope) if envelope else ["none"]
    except ValueError:
        raise Refused("format") from None
    need(structure[0] == 1 and paths and all(isinstance(path, str) for path in paths), "format")
