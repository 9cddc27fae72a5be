"""A second decoder of docs/formats/, written from the pages alone with Python's standard library.

Reads the vectors of test/vectors/ and prints one JSON line for each: {"file", "name", "outcome"}, where
outcome is "ok", a kind of failure, or "mismatch" if what was decoded is not what the vector says. For some
of them further lines {"file", "name", "tried", "accepted"}: bytes near the vector's (every flipped bit, every
cut, bytes added), and how many of them were read as if they were the vector's.

usage: python3 read_vectors.py VECTORS_FOLDER
"""
import hashlib
import json
import sys
from pathlib import Path

import ledger
from chain import kek_context, open_kek_wrap, open_key_file, open_message, open_metadata, read_export
from recipe import open_content
from refusal import Refused, need
from sealed import open_body, open_cell, open_pack, open_page, open_wrap

unhex = bytes.fromhex


def body_plain(v):
    pattern, length = unhex(v["plain"]["pattern"]), v["plain"]["length"]
    return (pattern * (length // len(pattern) + 1))[:length]


def recipe_message(v, body):
    parts = {part["content"]: unhex(part["octets"]) for part in v["parts"]}

    def open_part(content):
        need(content in parts, "identity")
        return parts[content]

    return open_content(unhex(v["dek"]), v["contentId"], body, open_part)


def export_parts(v, data, pack):
    whole = read_export(data)
    kek = unhex(v["kek"])
    for message in v["messages"]:
        opened = open_message(whole, kek, message["content"], pack)
        need(hashlib.sha256(opened).hexdigest() == message["sha256"], "mismatch")
    for each in v["metadata"]:
        need(open_metadata(whole, kek, each["record"]) == unhex(each["payload"]), "mismatch")
    return True


# For each file: the bytes of a vector, how they are opened, what must come out, which ones are mutated.
FILES = {
    "wrap/vectors.json": ("wrap", lambda v, b: open_wrap(unhex(v["parentKey"]), v, b),
                          lambda v: unhex(v["key"]), {"dek"}),
    "cell/cells.json": ("cell", lambda v, b: open_cell(unhex(v["key"]), v, b),
                        lambda v: unhex(v["payload"]), {"short"}),
    "cell/pages.json": ("page", lambda v, b: open_page(unhex(v["key"]), v, b),
                        lambda v: [(r["recordId"], unhex(r["payload"])) for r in v["records"]], {"two"}),
    "body/vectors.json": ("body", lambda v, b: open_body(unhex(v["dek"]), v["contentId"], b),
                          body_plain, {"hello", "empty", "three"}),
    "recipe/vectors.json": ("body", recipe_message, lambda v: unhex(v["message"]), {"two"}),
    "pack/vectors.json": ("pack", lambda v, b: open_pack(v["packId"], v["closed"], b),
                          lambda v: v["frames"], {"two"}),
    "kek-wrap/vectors.json": ("blob", lambda v, b: open_kek_wrap(unhex(v["kek"]), kek_context(v), b, (1,)),
                              lambda v: unhex(v["key"]), {"custodian-key"}),
    "kek-wrap/kwp.json": ("blob", lambda v, b: open_kek_wrap(unhex(v["kek"]), kek_context(v), b),
                          lambda v: unhex(v["key"]), {"kwp-custodian-key"}),
    "export/vectors.json": ("pack", lambda v, b: export_parts(v, v["export"].encode(), b),
                            lambda v: True, set()),
}


def mutations(data):
    for bit in range(8 * len(data)):
        yield data[: bit >> 3] + bytes([data[bit >> 3] ^ (1 << (bit & 7))]) + data[(bit >> 3) + 1 :]
    for length in range(len(data)):
        yield data[:length]
    for start in range(1, len(data)):
        yield data[start:]
    for more in (b"\0", b"\1", b"\xff", data):
        yield data + more


def tell(file, name, **what):
    print(json.dumps({"file": file, "name": name, **what}))


def tell_outcome(file, name, check):
    try:
        outcome = "ok" if check() else "mismatch"
    except Refused as refused:
        outcome = str(refused)
    tell(file, name, outcome=outcome)


def tell_mutations(file, name, data, read):
    """`read` answers whether bytes were accepted; what is refused counts as tried alone."""
    tried = accepted = 0
    for near in mutations(data):
        tried += 1
        try:
            accepted += 1 if read(near) else 0
        except Refused:
            continue
    tell(file, name, tried=tried, accepted=accepted)


def sealed_formats(folder):
    for file, (member, read, expected, mutated) in FILES.items():
        for v in json.loads((folder / file).read_text())["vectors"]:
            tell_outcome(file, v["name"], lambda: read(v, unhex(v[member])) == expected(v))
        for v in json.loads((folder / file).read_text())["vectors"]:
            if v["name"] in mutated:
                tell_mutations(file, v["name"], unhex(v[member]), lambda b: read(v, b) is not None)


def export_file(folder):
    file = "export/vectors.json"
    v = json.loads((folder / file).read_text())["vectors"][0]
    pack = unhex(v["pack"])
    tell_mutations(file, v["name"], v["export"].encode(), lambda b: export_parts(v, b, pack))
    # Whoever changes a wrap can make the digest fit again; the tags are what counts.
    line = v["export"].split("\n")[0]
    for name in ("custodianKeys", "groupKeys", "bodies"):
        wrap = json.loads(line)[name][0]["wrap"]
        tell_mutations(file, name, unhex(wrap),
                       lambda b: export_parts(v, resealed(line.replace(wrap, b.hex())), pack))


def resealed(line):
    digest = hashlib.sha256(line.encode()).hexdigest()
    return f'{line}\n{{"sha256":"{digest}"}}\n'.encode()


def key_file(folder):
    v = json.loads((folder / "kek-wrap/vectors.json").read_text())["keyFile"]
    tell_outcome("kek-wrap/vectors.json", "keyFile",
                 lambda: open_key_file(v["passphrase"], v["file"]) == v["content"])


def leaf_vectors(folder):
    file = "ledger/leaf.json"
    v = json.loads((folder / file).read_text())
    tell_outcome(file, "canonical", lambda: all(ledger.encode(each["value"]) == each["text"]
                 and ledger.decode_leaf(each["text"].encode()) == each["value"] for each in v["canonical"]))
    for each in v["refused"]:
        tell_outcome(file, each["why"], lambda: ledger.decode_leaf(unhex(each["hex"])) is None)
    tell_outcome(file, "pseudonym", lambda: ledger.pseudonym(unhex(v["pseudonym"]["key"])) == v["pseudonym"]["p"])
    tell_outcome(file, "commitment", lambda: ledger.commitment(unhex(v["commitment"]["random"]),
                 v["commitment"]["value"]) == v["commitment"]["commit"])
    leaf = v["leaf"]["body"].encode()
    tell_outcome(file, "leaf", lambda: ledger.decode_leaf(leaf)["act"]["p"] == v["pseudonym"]["p"])
    tell_outcome(file, "leafHash", lambda: ledger.leaf_hash(leaf).hex() == v["leaf"]["leafHash"])
    tell_outcome(file, "chain0", lambda: ledger.chain([leaf])[0].hex() == v["leaf"]["chain0"])
    # A flipped bit may be another canonical leaf; its hash is another one then.
    tell_mutations(file, "leaf", leaf, lambda b: ledger.decode_leaf(b) is not None
                   and ledger.leaf_hash(b).hex() == v["leaf"]["leafHash"])


def tree_vectors(folder):
    file = "ledger/tree.json"
    v = json.loads((folder / file).read_text())
    leaves = [unhex(leaf) for leaf in v["leaves"]]
    hashes, roots = [ledger.leaf_hash(leaf) for leaf in leaves], [unhex(root) for root in v["roots"]]
    proof = lambda each: [unhex(node) for node in each["proof"]]
    tell_outcome(file, "roots", lambda: [ledger.tree_hash(hashes[:n]) for n in range(len(roots))] == roots)
    tell_outcome(file, "chains", lambda: [each.hex() for each in ledger.chain(leaves)] == v["chains"])
    tell_outcome(file, "inclusion", lambda: all(ledger.includes(e["index"], e["size"], hashes[e["index"]],
                 proof(e), roots[e["size"]]) for e in v["inclusion"]))
    tell_outcome(file, "inclusion of others", lambda: not any(ledger.includes(e["index"], e["size"], other,
                 proof(e), roots[e["size"]]) for e in v["inclusion"] for i, other in enumerate(hashes)
                 if i != e["index"]))
    tell_outcome(file, "consistency", lambda: all(ledger.consistent(e["size1"], e["size2"], roots[e["size1"]],
                 roots[e["size2"]], proof(e)) for e in v["consistency"]))
    tell_outcome(file, "consistency of others", lambda: not any(ledger.consistent(e["size1"], e["size2"],
                 roots[e["size1"]], root, proof(e)) for e in v["consistency"] for n, root in enumerate(roots)
                 if n != e["size2"]))
    tell_outcome(file, "paths", lambda: all(ledger.tile_path(e["tile"]) == e["path"] for e in v["paths"]))
    large = [ledger.leaf_hash(str(i).encode()) for i in range(v["large"]["size"])]
    tell_outcome(file, "large", lambda: ledger.tree_hash(large).hex() == v["large"]["root"])
    bundle = unhex(v["bundle"]["hex"])
    tell_outcome(file, "bundle", lambda: [leaf.hex() for leaf in ledger.bundle_leaves(bundle)] == v["bundle"]["leaves"])
    checkpoint_vector(file, v["note"])


def checkpoint_vector(file, note):
    spki, (origin, size, root) = unhex(note["spki"]), note["text"].split("\n")[:3]
    opened = lambda data: ledger.open_note(spki, data)
    tell_outcome(file, "note", lambda: opened(note["note"].encode())
                 == (origin, int(size), ledger.strict_base64(root)))
    name, identifier, key = note["vkey"].split("+", 2)
    tell_outcome(file, "vkey", lambda: (name, identifier, ledger.strict_base64(key))
                 == (origin, ledger.sha256(spki)[:4].hex(), b"\2" + spki))
    tell_mutations(file, "note", note["note"].encode(), lambda data: opened(data) is not None)


def main(folder):
    sealed_formats(folder)
    export_file(folder)
    key_file(folder)
    leaf_vectors(folder)
    tree_vectors(folder)


main(Path(sys.argv[1]))
