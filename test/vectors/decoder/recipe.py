"""Recipes: docs/formats/recipe.md."""
import base64
import struct
import uuid

from refusal import need
from sealed import open_plain

LINE_ENDS = (b"", b"\n", b"\r\n")


def base64_lines(plain, length, end):
    text = base64.b64encode(plain)
    if length == 0:
        return text
    return end.join(text[i : i + length] for i in range(0, len(text), length))


def read_table(r):
    """Answers [(kind, octets, part id, octets of the part, line length, line end), ...] and where literals begin."""
    need(len(r) >= 20 and r[:5] == b"PSRC\x01" and r[5:8] == bytes(3) and r[18:20] == bytes(2), "format")
    total, count = struct.unpack_from(">QH", r, 8)
    need(1 <= count <= 255 and len(r) >= 20 + 40 * count, "format")
    pieces = []
    for at in range(20, 20 + 40 * count, 40):
        kind, end, line, zero, length, plain = struct.unpack_from(">BBHIQQ", r, at)
        part = r[at + 24 : at + 40]
        need(kind <= 2 and end <= 2 and zero == 0 and 1 <= length < 1 << 53 and plain < 1 << 53, "format")
        need(kind != 0 or part == bytes(16), "format")
        need(kind == 2 or (plain == length and end == 0 and line == 0), "format")
        need((line > 0) == (end > 0) and line % 4 == 0, "format")
        if kind == 2:
            characters = 4 * -(-plain // 3)
            breaks = max(0, -(-characters // line) - 1) if line else 0
            need(length == characters + breaks * len(LINE_ENDS[end]), "format")
        pieces.append((kind, length, str(uuid.UUID(bytes=part)), plain, line, LINE_ENDS[end]))
    need(sum(piece[1] for piece in pieces) == total, "format")
    literals = sum(piece[1] for piece in pieces if piece[0] == 0)
    need(20 + 40 * count + literals == len(r), "format")
    return pieces, 20 + 40 * count


def assemble(r, open_part):
    """`open_part` answers the octets of a content."""
    pieces, at = read_table(r)
    out = b""
    for kind, length, part, plain, line, end in pieces:
        if kind == 0:
            out += r[at : at + length]
            at += length
            continue
        octets = open_part(part)
        need(len(octets) == plain, "identity")
        out += octets if kind == 1 else base64_lines(octets, line, end)
    return out


def open_content(dek, content_id, b, open_part):
    """A message, stored whole or as a recipe."""
    plain = open_plain(dek, content_id, b)
    return assemble(plain, open_part) if b[4] == 2 else plain
