"""Values as the messages of errors show them: short, whatever they are."""
import reprlib

_SHORT = reprlib.Repr()
_SHORT.maxtuple = _SHORT.maxlist = _SHORT.maxset = _SHORT.maxfrozenset = _SHORT.maxdict = 8
_SHORT.maxstring = _SHORT.maxlong = _SHORT.maxother = 200


def shown(value):
    """What `repr` says, or its beginning and end: a list of all of 10^8 would take minutes."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # an integer that has more digits than Python prints
        return f"<{type(value).__name__}>"
