"""Progress bars of the command line, on the error stream."""
from contextlib import nullcontext
from types import SimpleNamespace


def bar(total, unit):
    """A bar on a terminal, where tqdm is installed; else something as quiet as one."""
    try:
        from tqdm import tqdm
    except ImportError:
        return nullcontext(SimpleNamespace(update=lambda: None, set_postfix_str=lambda text: None))
    return tqdm(total=total, disable=None, leave=False, dynamic_ncols=True, unit=unit)
