"""Wraps, cells, pages, bodies and packs: docs/formats/wrap.md, cell.md, body.md, pack.md.

Every function takes the keys and ids of a vector, and the bytes; it answers what is inside or raises Refused.
"""
import hashlib
import hmac
import struct
import uuid

from ciphers import gcm_open, hkdf, xchacha_open
from refusal import need
from zstd import decompress

PURPOSES = {"custodian-key": 1, "group-key": 2, "dek": 3, "cell": 4, "page": 5, "names": 6,
            "side-record": 7, "segment": 8, "dedup": 9, "backup": 10, "key-state": 11, "part": 12}


def raw_id(text):
    return uuid.UUID(text).bytes


def load_block(stored, length):
    """docs/formats/conventions.md: raw where the lengths are equal, a zstd frame where it is shorter."""
    need(len(stored) <= length, "format")
    return stored if len(stored) == length else decompress(stored, length)


def open_wrap(parent_key, v, w):
    need(len(w) == 78 and w[0] == 1 and w[1] == 1, "format")
    version = struct.pack(">I", v["parentVersion"])
    need(w[2:6] == version, "identity")
    label, purpose, owner = b"postseal/wrap/1", bytes([PURPOSES[v["purpose"]]]), raw_id(v["custodianId"])
    key = hkdf(parent_key, b"", label + purpose + owner + version, 32)
    aad = label + w[:6] + purpose + owner + raw_id(v["parentKeyId"]) + raw_id(v["objectId"])
    return xchacha_open(key, w[6:30], aad, w[30:])


def open_cell(key, v, c):
    need(len(c) >= 42 + 256 and (len(c) - 42) % 256 == 0 and c[0] == 1 and c[1] == 1, "format")
    aad = b"postseal/cell/1" + c[:2] + bytes([PURPOSES[v["purpose"]]])
    aad += raw_id(v["custodianId"]) + raw_id(v["objectId"])
    plain = xchacha_open(key, c[2:26], aad, c[26:])
    length = struct.unpack_from(">I", plain)[0]
    need(length <= 1 << 24 and -(-(4 + length) // 256) * 256 == len(plain), "format")
    need(not any(plain[4 + length :]), "format")
    return plain[4 : 4 + length]


def page_ids(p):
    need(len(p) >= 20 and p[0] == 1 and p[1] == 1, "format")
    count = struct.unpack_from(">H", p, 2)[0]
    need(1 <= count <= 128 and len(p) >= 20 + 16 * count, "format")
    ids = [p[i : i + 16] for i in range(20, 20 + 16 * count, 16)]
    need(len(set(ids)) == count, "format")
    return [str(uuid.UUID(bytes=each)) for each in ids]


def open_page(key, v, p):
    """Answers [(record id, payload), …] in slot order."""
    ids = page_ids(p)
    count = len(ids)
    head = 20 + 16 * count
    need(p[4:20] == raw_id(v["pageId"]), "identity")
    padded = len(p) - head - 40
    need(padded >= 1024 and padded % 1024 == 0, "format")
    aad = b"postseal/page/1" + raw_id(v["custodianId"]) + p[:head]
    plain = xchacha_open(key, p[head : head + 24], aad, p[head + 24 :])
    size, length = struct.unpack_from(">II", plain)
    need(size <= 1 << 24 and -(-(8 + length) // 1024) * 1024 == len(plain), "format")
    need(not any(plain[8 + length :]), "format")
    block = load_block(plain[8 : 8 + length], size)
    need(size >= 4 * count, "format")
    payloads, start = [], 0
    for end in struct.unpack_from(f">{count}I", block):
        need(start <= end <= size - 4 * count, "format")
        payloads.append(block[4 * count + start : 4 * count + end])
        start = end
    need(start == size - 4 * count, "format")
    return list(zip(ids, payloads))


def open_body(dek, content_id, b):
    """A message or part that is stored whole."""
    need(len(b) >= 84 and b[4] != 2, "format")
    return open_plain(dek, content_id, b)


def open_plain(dek, content_id, b):
    """What a body of either version holds."""
    need(len(b) >= 84 and b[:4] == b"PSBD" and b[4] in (1, 2) and b[5] == 1 and b[6] in (0, 1) and b[7] == 16, "format")
    need(b[8:24] == raw_id(content_id), "identity")
    okm = hkdf(dek, b[:24], b"postseal/body/1", 64)
    need(hmac.compare_digest(okm[32:], b[24:56]), "commitment")
    count = struct.unpack(">I", b[-4:])[0]
    end = len(b) - 28 - 4 * count
    need(end >= 56, "format")

    def chunk(counter, last, sealed):
        return gcm_open(okm[:32], bytes(7) + struct.pack(">IB", counter, last), b[:56], sealed)

    index = chunk(count, 1, b[end:-4])
    total = struct.unpack_from(">Q", index)[0]
    need(total <= 1 << 40 and count == -(-total // 65536), "format")
    lengths = struct.unpack_from(f">{count}I", index, 8)
    sizes = [min(65536, total - 65536 * i) for i in range(count)]
    for stored, size in zip(lengths, sizes):
        need(stored == size if b[6] == 0 else 1 <= stored <= size, "format")
    need(56 + sum(n + 16 for n in lengths) == end, "format")
    at, plain = 56, b""
    for i, (stored, size) in enumerate(zip(lengths, sizes)):
        plain += load_block(chunk(i, 0, b[at : at + stored + 16]), size)
        at += stored + 16
    return plain


def open_footer(p):
    """Answers (place where the frames end, entries or None for a pack without a footer)."""
    if p[-8:] != b"PSSEALED":
        return len(p), None
    end = len(p) - struct.unpack(">Q", p[-16:-8])[0]
    need(32 <= end <= len(p) - 80, "format")
    f = p[end:]
    need(f[:8] == b"PSIX\x01\0\0\0" and len(f) == 80 + 64 * struct.unpack(">Q", f[8:16])[0], "format")
    need(hashlib.sha256(p[:32] + f[:-48]).digest() == f[-48:-16] and f[16:32] == p[8:24], "tag")
    return end, [f[i : i + 64] for i in range(32, len(f) - 48, 64)]


def open_pack(pack_id, closed, p):
    """Answers the frames. `closed`: the reader knows that the pack has a footer."""
    need(len(p) >= 32 and p[:5] == b"PSPK\x01" and p[5] in (1, 2) and p[6:8] == bytes(2), "format")
    need(hashlib.sha256(p[:24]).digest()[:8] == p[24:32] and p[8:24] == raw_id(pack_id), "tag")
    end, entries = open_footer(p)
    need(entries is not None or not closed, "format")
    at, frames = 32, []
    while at < end:
        h = p[at : at + 32]
        need(len(h) == 32 and h[:5] == b"PSFR\x01" and h[5] in (1, 2) and h[6:8] == bytes(2), "format")
        length = struct.unpack(">Q", h[8:16])[0]
        need(length >= 1 and at + 64 + length <= end, "format")
        payload, digest = p[at + 32 : at + 32 + length], p[at + 32 + length : at + 64 + length]
        need(hashlib.sha256(payload + h).digest() == digest, "tag")
        if entries is not None:
            entry = h[16:32] + struct.pack(">QQ", at, length) + digest
            need(len(frames) < len(entries) and entries[len(frames)] == entry, "tag")
        frames.append({"objectId": str(uuid.UUID(bytes=h[16:32])), "offset": at,
                       "payload": payload.hex(), "digest": digest.hex()})
        at += 64 + length
    need(entries is None or len(entries) == len(frames), "format")
    return frames
