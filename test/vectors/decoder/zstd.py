"""One zstd frame (RFC 8878) as docs/formats/conventions.md allows it, decompressed in plain Python.

The frame has a content size, no dictionary and no checksum; nothing stands behind it. As a program it reads
lines {"frame", "length"} (hex) and prints for each the SHA-256 of the content, or a kind of failure.
"""
import hashlib
import json
import sys

from refusal import Refused, need

MAGIC = b"\x28\xb5\x2f\xfd"
BLOCK_MAX = 1 << 17

# RFC 8878 §3.1.1.3.2.1.1: base and extra bits of each code; §3.1.1.3.2.2: default distributions.
LITERAL_LENGTHS = [(n, 0) for n in range(16)] + [
    (16, 1), (18, 1), (20, 1), (22, 1), (24, 2), (28, 2), (32, 3), (40, 3), (48, 4), (64, 6), (128, 7),
    (256, 8), (512, 9), (1024, 10), (2048, 11), (4096, 12), (8192, 13), (16384, 14), (32768, 15), (65536, 16)]
MATCH_LENGTHS = [(n + 3, 0) for n in range(32)] + [
    (35, 1), (37, 1), (39, 1), (41, 1), (43, 2), (47, 2), (51, 3), (59, 3), (67, 4), (83, 4), (99, 5),
    (131, 7), (259, 8), (515, 9), (1027, 10), (2051, 11), (4099, 12), (8195, 13), (16387, 14), (32771, 15),
    (65539, 16)]
OFFSETS = [(1 << n, n) for n in range(32)]
DEFAULT_LITERAL_LENGTHS = (6, [4, 3] + [2] * 11 + [1] * 3 + [2] * 9 + [3, 2] + [1] * 5 + [-1] * 4)
DEFAULT_MATCH_LENGTHS = (6, [1, 4, 3] + [2] * 6 + [1] * 37 + [-1] * 7)
DEFAULT_OFFSETS = (5, [1] * 6 + [2] * 3 + [1] * 15 + [-1] * 5)


class ForwardBits:
    """§4.1.1: bits of a table description, from the lowest of the first byte on."""

    def __init__(self, data, at):
        self.data, self.position = data, 8 * at

    def read(self, count):
        need(self.position + count <= 8 * len(self.data), "format")
        start = self.position >> 3
        value = int.from_bytes(self.data[start : start + 8], "little") >> (self.position & 7)
        self.position += count
        return value & ((1 << count) - 1)

    def next_byte(self):
        return (self.position + 7) >> 3


class BackwardBits:
    """§4: bits from the end; the highest set bit of the last byte only marks it. Before the start: zeros."""

    def __init__(self, data):
        need(len(data) > 0 and data[-1] != 0, "format")
        self.data = data
        self.position = 8 * len(data) - 9 + data[-1].bit_length()

    def read(self, count):
        self.position -= count
        if self.position >= 0:
            start, end = self.position >> 3, (self.position + count + 7) >> 3
            value = int.from_bytes(self.data[start:end], "little") >> (self.position & 7)
        else:
            value = int.from_bytes(self.data[:8], "little") << -self.position
        return value & ((1 << count) - 1)

    def finished(self):
        return self.position == 0


def fse_description(data, at, log_max, symbol_max):
    """§4.1.1: answers (accuracy log, distribution, place behind)."""
    bits = ForwardBits(data, at)
    log = bits.read(4) + 5
    need(log <= log_max, "format")
    remaining, distribution = 1 << log, []
    while remaining > 0:
        width = (remaining + 1).bit_length()
        value = bits.read(width)
        low, threshold = (1 << (width - 1)) - 1, (1 << width) - 1 - (remaining + 1)
        if value & low < threshold:
            bits.position -= 1
            value &= low
        elif value > low:
            value -= threshold
        remaining -= abs(value - 1)
        distribution.append(value - 1)
        while value == 1:
            repeat = bits.read(2)
            distribution += [0] * repeat
            if repeat != 3:
                break
    need(remaining == 0 and len(distribution) <= symbol_max + 1, "format")
    return log, distribution, bits.next_byte()


def fse_table(log, distribution):
    """§4.1.1: for each state (symbol, bits to read, base of the next state)."""
    size = 1 << log
    symbols, counts, high = [0] * size, {}, size
    for symbol, count in enumerate(distribution):
        if count == -1:
            high -= 1
            symbols[high], counts[symbol] = symbol, 1
    position, step = 0, (size >> 1) + (size >> 3) + 3
    for symbol, count in enumerate(distribution):
        if count <= 0:
            continue
        counts[symbol] = count
        for _ in range(count):
            symbols[position] = symbol
            position = (position + step) & (size - 1)
            while position >= high:
                position = (position + step) & (size - 1)
    need(position == 0, "format")
    table = []
    for symbol in symbols:
        count = counts[symbol]
        counts[symbol] += 1
        width = log - count.bit_length() + 1
        table.append((symbol, width, (count << width) - size))
    return log, table


class State:
    def __init__(self, bits, coded):
        log, self.table = coded
        self.bits, self.state = bits, bits.read(log)

    def symbol(self):
        return self.table[self.state][0]

    def step(self):
        _, width, base = self.table[self.state]
        self.state = base + self.bits.read(width)


def huffman_weights(data, at):
    """§4.2.1: answers (weights but the last, place behind)."""
    head = data[at]
    if head >= 128:
        count = head - 127
        end = at + 1 + (count + 1) // 2
        packed = data[at + 1 : end]
        need(len(packed) == (count + 1) // 2, "format")
        return [packed[i // 2] >> 4 if i % 2 == 0 else packed[i // 2] & 15 for i in range(count)], end
    end = at + 1 + head
    need(end <= len(data), "format")
    log, distribution, behind = fse_description(data[:end], at + 1, 6, 255)
    coded = fse_table(log, distribution)
    bits = BackwardBits(data[behind:end])
    states, weights = [State(bits, coded), State(bits, coded)], []
    while True:
        need(len(weights) < 255, "format")
        weights.append(states[0].symbol())
        states[0].step()
        if bits.position < 0:
            weights.append(states[1].symbol())
            return weights, end
        states.reverse()


def huffman_table(weights):
    """§4.2.1: (longest code, for each prefix of that length (symbol, bits))."""
    total = sum(1 << (weight - 1) for weight in weights if weight > 0)
    need(total > 0, "format")
    longest = total.bit_length()
    left = (1 << longest) - total
    need(longest <= 11 and left & (left - 1) == 0, "format")
    weights = weights + [left.bit_length()]
    table = []
    for weight in range(1, longest + 1):
        for symbol, own in enumerate(weights):
            if own == weight:
                table += [(symbol, longest + 1 - weight)] * (1 << (weight - 1))
    need(len(table) == 1 << longest, "format")
    return longest, table


def huffman_stream(coded, data, count):
    longest, table = coded
    bits, out = BackwardBits(data), bytearray()
    while len(out) < count:
        symbol, width = table[bits.read(longest)]
        bits.position += longest - width
        out.append(symbol)
    need(bits.finished(), "format")
    return out


class Frame:
    def __init__(self):
        self.out = bytearray()
        self.huffman = None
        self.tables = {}
        self.offsets = [1, 4, 8]

    def literals(self, block):
        """§3.1.1.3.1: answers (literals, place behind the section)."""
        kind, form = block[0] & 3, (block[0] >> 2) & 3
        if kind < 2:
            width, shift = {0: (1, 3), 2: (1, 3), 1: (2, 4), 3: (3, 4)}[form]
            size = int.from_bytes(block[:width], "little") >> shift
            end = width + (1 if kind == 1 else size)
            need(end <= len(block) and size <= BLOCK_MAX, "format")
            return bytearray(block[width:end] * (size if kind == 1 else 1)), end
        width, field = {0: (3, 10), 1: (3, 10), 2: (4, 14), 3: (5, 18)}[form]
        head = int.from_bytes(block[:width], "little") >> 4
        size, packed = head & ((1 << field) - 1), head >> field
        end = width + packed
        need(len(block) >= end and size <= BLOCK_MAX, "format")
        at = width
        if kind == 2:
            weights, at = huffman_weights(block[:end], width)
            self.huffman = huffman_table(weights)
        need(self.huffman is not None, "format")
        data = block[at:end]
        if form == 0:
            return huffman_stream(self.huffman, data, size), end
        need(len(data) >= 6, "format")
        sizes = [int.from_bytes(data[i : i + 2], "little") for i in (0, 2, 4)]
        each, starts = (size + 3) // 4, [6, 6 + sizes[0], 6 + sizes[0] + sizes[1], 6 + sum(sizes)]
        need(starts[3] <= len(data) and 3 * each <= size, "format")
        out = bytearray()
        for i, start in enumerate(starts):
            stop, count = (starts[i + 1], each) if i < 3 else (len(data), size - 3 * each)
            out += huffman_stream(self.huffman, data[start:stop], count)
        return out, end

    def table(self, name, mode, block, at, default, log_max, symbol_max):
        """§3.1.1.3.2.1: answers the place behind the description."""
        if mode == 0:
            self.tables[name] = fse_table(*default)
        elif mode == 1:
            need(at < len(block) and block[at] <= symbol_max, "format")
            self.tables[name] = (0, [(block[at], 0, 0)])
            return at + 1
        elif mode == 2:
            log, distribution, at = fse_description(block, at, log_max, symbol_max)
            self.tables[name] = fse_table(log, distribution)
        need(name in self.tables, "format")
        return at

    def offset(self, value, literal_length):
        """§3.1.1.5"""
        if value > 3:
            found = value - 3
            self.offsets = [found] + self.offsets[:2]
            return found
        place = value - 1 + (1 if literal_length == 0 else 0)
        found = self.offsets[0] - 1 if place == 3 else self.offsets[place]
        need(found > 0, "format")
        if place > 0:
            rest = [self.offsets[0], self.offsets[2 if place == 1 else 1]]
            self.offsets = [found] + rest
        return found

    def compressed(self, block):
        literals, at = self.literals(block)
        count = block[at]
        if count == 0:
            need(at + 1 == len(block), "format")
            self.out += literals
            return
        at += 1
        if count == 255:
            count, at = int.from_bytes(block[at : at + 2], "little") + 0x7F00, at + 2
        elif count >= 128:
            count, at = ((count - 128) << 8) + block[at], at + 1
        modes, at = block[at], at + 1
        need(modes & 3 == 0, "format")
        at = self.table("literal", modes >> 6, block, at, DEFAULT_LITERAL_LENGTHS, 9, 35)
        at = self.table("offset", (modes >> 4) & 3, block, at, DEFAULT_OFFSETS, 8, 31)
        at = self.table("match", (modes >> 2) & 3, block, at, DEFAULT_MATCH_LENGTHS, 9, 52)
        bits = BackwardBits(block[at:])
        states = [State(bits, self.tables[name]) for name in ("literal", "offset", "match")]
        literal, offset, match = states
        used = 0
        for i in range(count):
            base, width = OFFSETS[offset.symbol()]
            value = base + bits.read(width)
            base, width = MATCH_LENGTHS[match.symbol()]
            match_length = base + bits.read(width)
            base, width = LITERAL_LENGTHS[literal.symbol()]
            literal_length = base + bits.read(width)
            if i + 1 < count:
                literal.step(), match.step(), offset.step()
            need(used + literal_length <= len(literals), "format")
            self.out += literals[used : used + literal_length]
            used += literal_length
            self.copy(self.offset(value, literal_length), match_length)
        need(bits.finished(), "format")
        self.out += literals[used:]

    def copy(self, distance, length):
        start = len(self.out) - distance
        need(start >= 0, "format")
        piece = self.out[start : start + length]
        # A match may run into what it writes itself.
        self.out += (piece * (length // len(piece) + 1))[:length]


def content_size(frame):
    """Answers (content size, place of the first block)."""
    need(len(frame) >= 6 and frame[:4] == MAGIC, "format")
    descriptor = frame[4]
    single, width_flag = (descriptor >> 5) & 1, descriptor >> 6
    need(descriptor & 0x1F == 0, "format")
    at = 5 if single else 6
    width = (1 if single else 0, 2, 4, 8)[width_flag]
    need(width > 0 and at + width <= len(frame), "format")
    size = int.from_bytes(frame[at : at + width], "little") + (256 if width == 2 else 0)
    return size, at + width


def decompress(frame, length):
    """The `length` bytes that `frame` holds. Raises Refused "format" for anything else."""
    size, at = content_size(frame)
    need(size == length, "format")
    state, last = Frame(), False
    try:
        while not last:
            need(at + 3 <= len(frame), "format")
            head = int.from_bytes(frame[at : at + 3], "little")
            last, kind, size = bool(head & 1), (head >> 1) & 3, head >> 3
            at += 3
            stored = 1 if kind == 1 else size
            need(kind != 3 and size <= BLOCK_MAX and at + stored <= len(frame), "format")
            block = frame[at : at + stored]
            at += stored
            if kind == 2:
                state.compressed(block)
            else:
                state.out += block * (size if kind == 1 else 1)
            need(len(state.out) <= length, "format")
    except IndexError:
        # A read behind the end of a block or table: the frame is damaged.
        raise Refused("format") from None
    need(at == len(frame) and len(state.out) == length, "format")
    return bytes(state.out)


def main():
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            plain = decompress(bytes.fromhex(asked["frame"]), asked["length"])
            print(hashlib.sha256(plain).hexdigest())
        except Refused as refused:
            print(refused)


if __name__ == "__main__":
    main()
