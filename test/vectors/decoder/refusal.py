"""What every part of the decoder says to bytes that it does not accept."""


class Refused(Exception):
    """Its argument is a kind of docs/formats/conventions.md "Kinds of failure"."""


def need(condition, kind):
    if not condition:
        raise Refused(kind)
