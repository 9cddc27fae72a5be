"""The algorithms that docs/formats/ name, in plain Python from their own documents: slow, and no other program's."""
import hashlib
import hmac
import struct

from refusal import need

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
    need(len(sealed) >= 16, "format")
    data, tag = sealed[:-16], sealed[-16:]
    pad = lambda b: b + bytes(-len(b) % 16)
    mac = pad(aad) + pad(data) + struct.pack("<QQ", len(aad), len(data))
    need(hmac.compare_digest(poly1305(block(subkey, 0, short)[:32], mac), tag), "tag")
    return chacha(subkey, short, data)


# --- FIPS 197, SP 800-38D, RFC 5649 -------------------------------------------------------------------

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
DOUBLE = [((b << 1) ^ (0x1B if b & 0x80 else 0)) & 0xFF for b in range(256)]
INVERSE_SBOX = [SBOX.index(value) for value in range(256)]


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
    s = [a ^ b for a, b in zip(data, schedule[0])]
    for i in range(1, 15):
        s = [SBOX[s[(j + 4 * (j % 4)) % 16]] for j in range(16)]
        if i < 14:
            mixed = []
            for c in range(0, 16, 4):
                col, every = s[c : c + 4], s[c] ^ s[c + 1] ^ s[c + 2] ^ s[c + 3]
                mixed += [col[j] ^ every ^ DOUBLE[col[j] ^ col[(j + 1) % 4]] for j in range(4)]
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


def inverse_aes(schedule, data):
    """FIPS 197 §5.3, for RFC 5649 alone."""
    s = [a ^ b for a, b in zip(data, schedule[14])]
    for i in range(13, -1, -1):
        s = [INVERSE_SBOX[s[(j - 4 * (j % 4)) % 16]] for j in range(16)]
        s = [a ^ b for a, b in zip(s, schedule[i])]
        if i > 0:
            mixed = []
            for c in range(0, 16, 4):
                one = s[c : c + 4]
                two = [DOUBLE[v] for v in one]
                four = [DOUBLE[v] for v in two]
                eight = [DOUBLE[v] for v in four]
                for j in range(4):
                    k, l, m = (j + 1) % 4, (j + 2) % 4, (j + 3) % 4
                    mixed.append(eight[j] ^ four[j] ^ two[j] ^ eight[k] ^ two[k] ^ one[k]
                                 ^ eight[l] ^ four[l] ^ one[l] ^ eight[m] ^ one[m])
            s = mixed
    return bytes(s)


def kwp_open(key, wrapped):
    """RFC 5649 §4.2, for a plaintext of more than one block of 8 bytes."""
    schedule, n = expand(key), len(wrapped) // 8 - 1
    need(len(wrapped) % 8 == 0 and n >= 2, "format")
    a, r = wrapped[:8], [wrapped[8 * i : 8 * i + 8] for i in range(1, n + 1)]
    for j in range(5, -1, -1):
        for i in range(n - 1, -1, -1):
            mixed = int.from_bytes(a, "big") ^ (n * j + i + 1)
            out = inverse_aes(schedule, mixed.to_bytes(8, "big") + r[i])
            a, r[i] = out[:8], out[8:]
    plain = b"".join(r)
    length = int.from_bytes(a[4:], "big")
    need(a[:4] == b"\xa6\x59\x59\xa6" and 8 * (n - 1) < length <= 8 * n, "tag")
    need(not any(plain[length:]), "tag")
    return plain[:length]


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


# --- FIPS 186-4 §6.4 over P-256 (SP 800-186) -----------------------------------------------------------

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
GENERATOR = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
             0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5, 1)
INFINITY = (1, 1, 0)


def point_double(point):
    x, y, z = point
    if z == 0:
        return INFINITY
    delta, gamma = z * z % P, y * y % P
    beta, alpha = x * gamma % P, 3 * (x - delta) * (x + delta) % P
    x3 = (alpha * alpha - 8 * beta) % P
    return x3, (alpha * (4 * beta - x3) - 8 * gamma * gamma) % P, ((y + z) ** 2 - gamma - delta) % P


def point_add(one, other):
    (x1, y1, z1), (x2, y2, z2) = one, other
    if z1 == 0 or z2 == 0:
        return other if z1 == 0 else one
    a, b = z1 * z1 % P, z2 * z2 % P
    u1, u2, s1, s2 = x1 * b % P, x2 * a % P, y1 * z2 * b % P, y2 * z1 * a % P
    if u1 == u2:
        return point_double(one) if s1 == s2 else INFINITY
    h, r = u2 - u1, s2 - s1
    square, cube = h * h % P, h * h * h % P
    x3 = (r * r - cube - 2 * u1 * square) % P
    return x3, (r * (u1 * square - x3) - s1 * cube) % P, h * z1 * z2 % P


def ecdsa_valid(public, r, s, digest):
    """`public` is (x, y); `digest` is 32 bytes."""
    x, y = public
    if (y * y - x * x * x + 3 * x - B) % P != 0 or not (0 < r < ORDER and 0 < s < ORDER):
        return False
    w = pow(s, -1, ORDER)
    u1, u2 = int.from_bytes(digest, "big") * w % ORDER, r * w % ORDER
    key = (x, y, 1)
    table = (None, GENERATOR, key, point_add(GENERATOR, key))
    point = INFINITY
    for i in range(255, -1, -1):
        point = point_double(point)
        choice = table[((u1 >> i) & 1) + 2 * ((u2 >> i) & 1)]
        point = point if choice is None else point_add(point, choice)
    if point[2] == 0:
        return False
    return point[0] * pow(point[2], -2, P) % P % ORDER == r
