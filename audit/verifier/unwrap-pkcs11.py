#!/usr/bin/env python3
"""An unwrapping command for `postseal-verify open`: asks a PKCS #11 token (docs/formats/export.md).

usage: unwrap-pkcs11.py --module FILE (--token LABEL | --slot N) [--pin-file FILE]
                        [--init-args TEXT] [--kwp-mechanism N]

Reads one request as JSON from standard input and answers the decrypted bytes in hex. Exit codes: 0 done,
70 the token refuses the bytes, 1 anything else. Python's standard library alone; the token does nothing
but C_FindObjects and C_Decrypt. --init-args is what NSS takes as LibraryParameters; --kwp-mechanism is a
vendor's own number of AES-KWP.
"""
import argparse
import ctypes
import getpass
import json
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_ubyte, c_ulong, c_void_p, cast, create_string_buffer, sizeof

# Places in CK_FUNCTION_LIST, PKCS #11 v2.40 §3.6; each is one pointer behind the version.
FUNCTIONS = {"C_Initialize": 0, "C_GetSlotList": 4, "C_GetTokenInfo": 6, "C_OpenSession": 12,
             "C_Login": 18, "C_FindObjectsInit": 26, "C_FindObjects": 27, "C_FindObjectsFinal": 28,
             "C_EncryptInit": 29, "C_Encrypt": 30, "C_DecryptInit": 33, "C_Decrypt": 34}
CKA_CLASS, CKA_LABEL, CKA_ID, CKO_SECRET_KEY = 0x000, 0x003, 0x102, 4
CKF_OS_LOCKING_OK, CKF_SERIAL_SESSION, CKU_USER = 2, 4, 1
CKR_ALREADY_LOGGED_IN, CKR_MECHANISM_PARAM_INVALID = 0x100, 0x71
# What a device answers to bytes whose tag does not match; SoftHSM and NSS use the first two.
CKR_REFUSED = {0x05, 0x40, 0x06, 0x41, 0x42}
MECHANISMS = {"CKM_AES_GCM": 0x1087, "CKM_AES_KEY_WRAP_KWP": 0x210B}


class Attribute(ctypes.Structure):
    _fields_ = [("type", c_ulong), ("value", c_void_p), ("length", c_ulong)]


class Mechanism(ctypes.Structure):
    _fields_ = [("mechanism", c_ulong), ("parameter", c_void_p), ("length", c_ulong)]

    @classmethod
    def of(cls, number, parameter):
        made = cls(number, cast(byref(parameter), c_void_p), sizeof(parameter))
        # The address alone does not keep the parameter alive.
        made.kept = parameter
        return made


class GcmOf240(ctypes.Structure):
    _fields_ = [("iv", c_char_p), ("ivLength", c_ulong), ("ivBits", c_ulong), ("aad", c_char_p),
                ("aadLength", c_ulong), ("tagBits", c_ulong)]


class GcmOf220(ctypes.Structure):
    _fields_ = [("iv", c_char_p), ("ivLength", c_ulong), ("aad", c_char_p), ("aadLength", c_ulong),
                ("tagBits", c_ulong)]


class InitArgs(ctypes.Structure):
    _fields_ = [("mutexes", c_void_p * 4), ("flags", c_ulong), ("parameters", c_char_p),
                ("reserved", c_void_p)]


class Failed(Exception):
    """The work could not be done: exit code 1."""


class TokenRefused(Exception):
    """The token does not open the bytes: exit code 70."""


class Token:
    def __init__(self, module):
        try:
            library = ctypes.CDLL(module)
            table = c_void_p()
            answer = library.C_GetFunctionList(byref(table))
        except (OSError, AttributeError):
            raise Failed(f"{module} is no PKCS #11 module") from None
        if answer != 0:
            raise Failed("C_GetFunctionList")
        # The version has two bytes and is padded to a pointer.
        self.table = cast(table.value + sizeof(c_void_p), POINTER(c_void_p))
        self.session = c_ulong()

    def call(self, name, *arguments):
        return ctypes.CFUNCTYPE(c_ulong)(self.table[FUNCTIONS[name]])(*arguments)

    def need(self, name, *arguments):
        code = self.call(name, *arguments)
        if code != 0:
            raise Failed(f"{name} answered 0x{code:x}")

    def initialize(self, parameters):
        text = None if parameters is None else parameters.encode()
        self.need("C_Initialize", byref(InitArgs(flags=CKF_OS_LOCKING_OK, parameters=text)))

    def slots(self):
        count = c_ulong()
        self.need("C_GetSlotList", c_ubyte(1), None, byref(count))
        slots = (c_ulong * count.value)()
        self.need("C_GetSlotList", c_ubyte(1), slots, byref(count))
        return list(slots)[: count.value]

    def label_of(self, slot):
        info = create_string_buffer(512)
        self.need("C_GetTokenInfo", c_ulong(slot), info)
        # Blanks by the standard; some libraries that initialise a token pad with zero bytes.
        return info.raw[:32].decode("utf-8", "replace").rstrip(" \0")

    def open(self, slot, pin):
        flags = c_ulong(CKF_SERIAL_SESSION)
        self.need("C_OpenSession", c_ulong(slot), flags, None, None, byref(self.session))
        code = self.call("C_Login", self.session, c_ulong(CKU_USER), c_char_p(pin), c_ulong(len(pin)))
        if code not in (0, CKR_ALREADY_LOGGED_IN):
            raise Failed(f"C_Login answered 0x{code:x}")

    def find(self, label, identifier):
        kind, name = c_ulong(CKO_SECRET_KEY), create_string_buffer(label, len(label))
        known = create_string_buffer(identifier, len(identifier))
        template = (Attribute * 3)(
            Attribute(CKA_CLASS, cast(byref(kind), c_void_p), sizeof(kind)),
            Attribute(CKA_LABEL, cast(name, c_void_p), len(label)),
            Attribute(CKA_ID, cast(known, c_void_p), len(identifier)))
        self.need("C_FindObjectsInit", self.session, template, c_ulong(3))
        found, count = (c_ulong * 2)(), c_ulong()
        self.need("C_FindObjects", self.session, found, c_ulong(2), byref(count))
        self.need("C_FindObjectsFinal", self.session)
        if count.value != 1:
            raise Failed(f"the token has {count.value} keys of this name")
        return c_ulong(found[0])

    def crypt(self, direction, key, mechanism, data):
        """Answers (code, bytes); code is that of C_Encrypt or C_Decrypt."""
        self.need(f"C_{direction}Init", self.session, byref(mechanism), key)
        room = create_string_buffer(len(data) + 64)
        length = c_ulong(len(room))
        bytes_in = create_string_buffer(data, len(data))
        code = self.call(f"C_{direction}", self.session, bytes_in, c_ulong(len(data)), room, byref(length))
        return code, room.raw[: length.value] if code == 0 else b""


def mechanisms_of(request, kwp):
    """The mechanism with each layout of its parameters that there is."""
    if request["mechanism"] == "CKM_AES_KEY_WRAP_KWP":
        return [Mechanism(kwp, None, 0)]
    if request["mechanism"] != "CKM_AES_GCM":
        raise Failed("a mechanism that is not known here")
    iv, aad, bits = bytes.fromhex(request["iv"]), bytes.fromhex(request["aad"]), request["tagBits"]
    layouts = [GcmOf240(iv, len(iv), 8 * len(iv), aad, len(aad), bits),
               GcmOf220(iv, len(iv), aad, len(aad), bits)]
    return [Mechanism.of(MECHANISMS["CKM_AES_GCM"], each) for each in layouts]


def still_works(token, key, request, kwp, layout):
    """True if the key opens what it made itself just now, under a nonce of its own; none of it is kept."""
    trial = dict(request, iv=os.urandom(12).hex()) if "iv" in request else request
    mechanism = mechanisms_of(trial, kwp)[layout]
    made, sealed = token.crypt("Encrypt", key, mechanism, bytes(32))
    return made == 0 and token.crypt("Decrypt", key, mechanism, sealed)[0] == 0


def decrypt(token, key, request, kwp):
    """Tries the layouts in turn. A refusal counts only if the key works otherwise."""
    code, data, mechanisms = 0, bytes.fromhex(request["data"]), mechanisms_of(request, kwp)
    for layout, mechanism in enumerate(mechanisms):
        try:
            code, plain = token.crypt("Decrypt", key, mechanism, data)
        except Failed as failed:
            if mechanism is mechanisms[-1] or f"0x{CKR_MECHANISM_PARAM_INVALID:x}" not in str(failed):
                raise
            continue
        if code == 0:
            return plain
        if code in CKR_REFUSED and still_works(token, key, request, kwp, layout):
            raise TokenRefused
    raise Failed(f"C_Decrypt answered 0x{code:x}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--module", required=True)
    parser.add_argument("--token")
    parser.add_argument("--slot", type=int)
    parser.add_argument("--pin-file")
    parser.add_argument("--init-args")
    parser.add_argument("--kwp-mechanism", type=lambda text: int(text, 0),
                        default=MECHANISMS["CKM_AES_KEY_WRAP_KWP"])
    given = parser.parse_args()
    request = json.loads(sys.stdin.readline())
    if request.get("format") != "postseal/unwrap/1":
        raise Failed("a request of a format that is not known here")
    token = Token(given.module)
    token.initialize(given.init_args)
    slots = [slot for slot in token.slots()
             if slot == given.slot or (given.slot is None and token.label_of(slot) == given.token)]
    if len(slots) != 1:
        raise Failed(f"{len(slots)} tokens of this name are there")
    if given.pin_file is None:
        pin = getpass.getpass("PIN: ")
    else:
        with open(given.pin_file, encoding="utf-8") as file:
            pin = file.read().strip()
    token.open(slots[0], pin.encode())
    key = token.find(request["kekLabel"].encode(), bytes.fromhex(request["kekId"]))
    print(decrypt(token, key, request, given.kwp_mechanism).hex(), flush=True)


try:
    main()
    code = 0
except TokenRefused:
    code = 70
except (Failed, OSError, ValueError, KeyError) as error:
    print(f"unwrap-pkcs11: {error}", file=sys.stderr)
    code = 1
# Modules have clean-up of their own that may fail when Python unloads them; the answer is out already.
os._exit(code)
