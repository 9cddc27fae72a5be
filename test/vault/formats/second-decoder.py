"""A second decoder of docs/formats/, written from the pages alone with Python's standard library.

Reads the vectors of test/vectors/ and prints one JSON line for each: {"file", "name", "outcome"}, where
outcome is "ok", a kind of failure, or "mismatch" if the decoded bytes are not those of the vector.
zstd frames are walked (length, content size) but not decompressed: the stored blocks are compared.
usage: python3 second-decoder.py VECTORS_FOLDER
"""
import hashlib
import hmac
import json
import struct
import sys
import uuid
from pathlib import Path


class Refused(Exception):
    pass


def refuse(kind):
    raise Refused(kind)


def need(condition, kind):
    if not condition:
        refuse(kind)


# --- RFC 5869, RFC 8439, draft-irtf-cfrg-xchacha-03 ---------------------------------------------------

def hkdf(ikm, salt, info, length):
    prk = hmac.new(salt or bytes(32), ikm, hashlib.sha256).digest()
    out, block, i = b"", b"", 0
    while len(out) < length:
        i += 1
        block = hmac.new(prk, block + info + bytes([i]), hashlib.sha256).digest()
        out += block
    return out[:length]


def rounds(state):
    x = list(state)

    def quarter(a, b, c, d):
        for p, q, r, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[p] = (x[p] + x[q]) & 0xFFFFFFFF
            v = x[r] ^ x[p]
            x[r] = ((v << n) | (v >> (32 - n))) & 0xFFFFFFFF

    for _ in range(10):
        quarter(0, 4, 8, 12), quarter(1, 5, 9, 13), quarter(2, 6, 10, 14), quarter(3, 7, 11, 15)
        quarter(0, 5, 10, 15), quarter(1, 6, 11, 12), quarter(2, 7, 8, 13), quarter(3, 4, 9, 14)
    return x


SIGMA = struct.unpack("<4I", b"expand 32-byte k")


def block(key, counter, nonce):
    state = SIGMA + struct.unpack("<8I", key) + (counter,) + struct.unpack("<3I", nonce)
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(rounds(state), state)))


def chacha(key, nonce, data):
    out = bytearray()
    for i in range(0, len(data), 64):
        stream = block(key, 1 + i // 64, nonce)
        out += bytes(a ^ b for a, b in zip(data[i : i + 64], stream))
    return bytes(out)


def poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    acc = 0
    for i in range(0, len(data), 16):
        acc = (acc + int.from_bytes(data[i : i + 16] + b"\x01", "little")) * r % ((1 << 130) - 5)
    return ((acc + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")


def xchacha_open(key, nonce, aad, sealed):
    x = rounds(SIGMA + struct.unpack("<8I", key) + struct.unpack("<4I", nonce[:16]))
    subkey, short = struct.pack("<8I", *x[:4], *x[12:]), bytes(4) + nonce[16:]
    data, tag = sealed[:-16], sealed[-16:]
    pad = lambda b: b + bytes(-len(b) % 16)
    mac = pad(aad) + pad(data) + struct.pack("<QQ", len(aad), len(data))
    need(hmac.compare_digest(poly1305(block(subkey, 0, short)[:32], mac), tag), "tag")
    return chacha(subkey, short, data)


# --- FIPS 197, SP 800-38D -----------------------------------------------------------------------------

def _sbox():
    box, p, q = [0] * 256, 1, 1
    while True:
        p = (p ^ (p << 1) ^ (0x1B if p & 0x80 else 0)) & 0xFF
        for n in (1, 2, 4):
            q = (q ^ (q << n)) & 0xFF
        if q & 0x80:
            q ^= 0x09
        rot = lambda v, n: ((v << n) | (v >> (8 - n))) & 0xFF
        box[p] = q ^ rot(q, 1) ^ rot(q, 2) ^ rot(q, 3) ^ rot(q, 4) ^ 0x63
        if p == 1:
            box[0] = 0x63
            return box


SBOX = _sbox()


def expand(key):
    words, rcon = [list(key[i : i + 4]) for i in range(0, 32, 4)], 1
    for i in range(8, 60):
        t = list(words[-1])
        if i % 8 == 0:
            t = [SBOX[b] for b in t[1:] + t[:1]]
            t[0] ^= rcon
            rcon = (rcon << 1) ^ (0x11B if rcon & 0x80 else 0)
        elif i % 8 == 4:
            t = [SBOX[b] for b in t]
        words.append([a ^ b for a, b in zip(words[-8], t)])
    return [sum(words[i : i + 4], []) for i in range(0, 60, 4)]


def aes(schedule, data):
    double = lambda b: ((b << 1) ^ (0x1B if b & 0x80 else 0)) & 0xFF
    s = [a ^ b for a, b in zip(data, schedule[0])]
    for i in range(1, 15):
        s = [SBOX[s[(j + 4 * (j % 4)) % 16]] for j in range(16)]
        if i < 14:
            mixed = []
            for c in range(0, 16, 4):
                col, every = s[c : c + 4], s[c] ^ s[c + 1] ^ s[c + 2] ^ s[c + 3]
                mixed += [col[j] ^ every ^ double(col[j] ^ col[(j + 1) % 4]) for j in range(4)]
            s = mixed
        s = [a ^ b for a, b in zip(s, schedule[i])]
    return bytes(s)


def gmul(x, y):
    z = 0
    for i in range(127, -1, -1):
        if (x >> i) & 1:
            z ^= y
        y = (y >> 1) ^ (0xE1 << 120 if y & 1 else 0)
    return z


def gcm_open(key, nonce, aad, sealed):
    schedule = expand(key)
    h = int.from_bytes(aes(schedule, bytes(16)), "big")
    data, tag = sealed[:-16], sealed[-16:]
    pad = lambda b: b + bytes(-len(b) % 16)
    hashed, acc = pad(aad) + pad(data) + struct.pack(">QQ", 8 * len(aad), 8 * len(data)), 0
    for i in range(0, len(hashed), 16):
        acc = gmul(acc ^ int.from_bytes(hashed[i : i + 16], "big"), h)
    mask = int.from_bytes(aes(schedule, nonce + struct.pack(">I", 1)), "big")
    need(hmac.compare_digest((acc ^ mask).to_bytes(16, "big"), tag), "tag")
    out = bytearray()
    for i in range(0, len(data), 16):
        stream = aes(schedule, nonce + struct.pack(">I", 2 + i // 16))
        out += bytes(a ^ b for a, b in zip(data[i : i + 16], stream))
    return bytes(out)


# --- docs/formats -------------------------------------------------------------------------------------

PURPOSES = {"custodian-key": 1, "group-key": 2, "dek": 3, "cell": 4, "page": 5, "names": 6,
            "side-record": 7, "segment": 8, "dedup": 9}
raw_id = lambda text: uuid.UUID(text).bytes


def check_stored(stored, plain_length):
    """RFC 8878 §3.1.1: one frame, content size as stated, no dictionary, no checksum, nothing behind."""
    need(len(stored) <= plain_length, "format")
    if len(stored) == plain_length:
        return
    need(len(stored) >= 6 and stored[:4] == b"\x28\xb5\x2f\xfd", "format")
    descriptor, at = stored[4], 5
    single, size_flag = (descriptor >> 5) & 1, descriptor >> 6
    need(descriptor & 0x0F == 0, "format")
    at += 0 if single else 1
    width = (1 if single else 0, 2, 4, 8)[size_flag]
    size = int.from_bytes(stored[at : at + width], "little") + (256 if width == 2 else 0)
    need(width > 0 and size == plain_length, "format")
    at += width
    last = False
    while not last:
        need(at + 3 <= len(stored), "format")
        head = int.from_bytes(stored[at : at + 3], "little")
        last, kind, length = bool(head & 1), (head >> 1) & 3, head >> 3
        need(kind != 3, "format")
        at += 3 + (1 if kind == 1 else length)
    need(at == len(stored), "format")


def wrap(v):
    w = bytes.fromhex(v["wrap"])
    need(len(w) == 78 and w[0] == 1 and w[1] == 1, "format")
    version = struct.pack(">I", v["parentVersion"])
    need(w[2:6] == version, "identity")
    label, purpose, owner = b"postseal/wrap/1", bytes([PURPOSES[v["purpose"]]]), raw_id(v["custodianId"])
    key = hkdf(bytes.fromhex(v["parentKey"]), b"", label + purpose + owner + version, 32)
    aad = label + w[:6] + purpose + owner + raw_id(v["parentKeyId"]) + raw_id(v["objectId"])
    return xchacha_open(key, w[6:30], aad, w[30:]) == bytes.fromhex(v["key"])


def cell(v):
    c = bytes.fromhex(v["cell"])
    need(len(c) >= 42 + 256 and (len(c) - 42) % 256 == 0 and c[0] == 1 and c[1] == 1, "format")
    aad = b"postseal/cell/1" + c[:2] + bytes([PURPOSES[v["purpose"]]])
    aad += raw_id(v["custodianId"]) + raw_id(v["objectId"])
    plain = xchacha_open(bytes.fromhex(v["key"]), c[2:26], aad, c[26:])
    length = struct.unpack_from(">I", plain)[0]
    need(length <= 1 << 24 and -(-(4 + length) // 256) * 256 == len(plain), "format")
    need(not any(plain[4 + length :]), "format")
    return plain[4 : 4 + length] == bytes.fromhex(v["payload"])


def page(v):
    p = bytes.fromhex(v["page"])
    need(len(p) >= 20 and p[0] == 1 and p[1] == 1, "format")
    count = struct.unpack_from(">H", p, 2)[0]
    head = 20 + 16 * count
    need(1 <= count <= 128 and len(p) >= head, "format")
    ids = [p[i : i + 16] for i in range(20, head, 16)]
    need(len(set(ids)) == count, "format")
    need(p[4:20] == raw_id(v["pageId"]), "identity")
    padded = len(p) - head - 40
    need(padded >= 1024 and padded % 1024 == 0, "format")
    aad = b"postseal/page/1" + raw_id(v["custodianId"]) + p[:head]
    plain = xchacha_open(bytes.fromhex(v["key"]), p[head : head + 24], aad, p[head + 24 :])
    size, length = struct.unpack_from(">II", plain)
    need(size <= 1 << 24 and -(-(8 + length) // 1024) * 1024 == len(plain), "format")
    need(not any(plain[8 + length :]), "format")
    stored = plain[8 : 8 + length]
    check_stored(stored, size)
    if length < size:
        return [raw_id(r["recordId"]) for r in v["records"]] == ids
    need(size >= 4 * count, "format")
    ends, parts, start = struct.unpack_from(f">{count}I", stored), [], 0
    for end in ends:
        need(start <= end <= size - 4 * count, "format")
        parts.append(stored[4 * count + start : 4 * count + end])
        start = end
    need(start == size - 4 * count, "format")
    made = [(raw_id(r["recordId"]), bytes.fromhex(r["payload"])) for r in v["records"]]
    return made == list(zip(ids, parts))


def body(v):
    b, dek = bytes.fromhex(v["body"]), bytes.fromhex(v["dek"])
    need(len(b) >= 84 and b[:6] == b"PSBD\x01\x01" and b[6] in (0, 1) and b[7] == 16, "format")
    need(b[8:24] == raw_id(v["contentId"]), "identity")
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
    at, blocks = 56, []
    for i, stored in enumerate(lengths):
        blocks.append(chunk(i, 0, b[at : at + stored + 16]))
        check_stored(blocks[-1], sizes[i])
        at += stored + 16
    pattern, length = bytes.fromhex(v["plain"]["pattern"]), v["plain"]["length"]
    plain = (pattern * (length // len(pattern) + 1))[:length]
    raw = all(plain[65536 * i :][: len(s)] == s for i, s in enumerate(blocks) if len(s) == sizes[i])
    return raw and total == length and [s.hex() for s in blocks] == v["stored"]


def pack(v):
    p = bytes.fromhex(v["pack"])
    need(len(p) >= 32 and p[:5] == b"PSPK\x01" and p[5] in (1, 2) and p[6:8] == bytes(2), "format")
    need(hashlib.sha256(p[:24]).digest()[:8] == p[24:32] and p[8:24] == raw_id(v["packId"]), "tag")
    end, entries = len(p), None
    if p[-8:] == b"PSSEALED":
        end -= struct.unpack(">Q", p[-16:-8])[0]
        f = p[end:]
        need(f[:8] == b"PSIX\x01\0\0\0" and len(f) == 80 + 64 * struct.unpack(">Q", f[8:16])[0], "format")
        need(hashlib.sha256(p[:32] + f[:-48]).digest() == f[-48:-16] and f[16:32] == p[8:24], "tag")
        entries = [f[i : i + 64] for i in range(32, len(f) - 48, 64)]
    at, frames = 32, []
    while at < end:
        h = p[at : at + 32]
        need(len(h) == 32 and h[:5] == b"PSFR\x01" and h[5] in (1, 2) and h[6:8] == bytes(2), "format")
        length = struct.unpack(">Q", h[8:16])[0]
        payload, digest = p[at + 32 : at + 32 + length], p[at + 32 + length : at + 64 + length]
        need(at + 64 + length <= end, "format")
        need(hashlib.sha256(payload + h).digest() == digest, "tag")
        if entries is not None:
            entry = h[16:32] + struct.pack(">QQ", at, length) + digest
            need(len(frames) < len(entries) and entries[len(frames)] == entry, "tag")
        frames.append({"objectId": str(uuid.UUID(bytes=h[16:32])), "offset": at,
                       "payload": payload.hex(), "digest": digest.hex()})
        at += 64 + length
    need(entries is None or len(entries) == len(frames), "format")
    return frames == v["frames"]


def main(folder):
    files = {"wrap/vectors.json": wrap, "cell/cells.json": cell, "cell/pages.json": page,
             "body/vectors.json": body, "pack/vectors.json": pack}
    for path, decode in files.items():
        for vector in json.loads((Path(folder) / path).read_text())["vectors"]:
            try:
                outcome = "ok" if decode(vector) else "mismatch"
            except Refused as refused:
                outcome = str(refused)
            print(json.dumps({"file": path, "name": vector["name"], "outcome": outcome}))


main(sys.argv[1])
