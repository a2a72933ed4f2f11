"""How sphinx-gallery runs and orders the tutorials; ``conf.py`` names these by their strings."""

import matplotlib.pyplot as plt

RCPARAMS = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 144,
    "savefig.dpi": 144,
    "savefig.bbox": "tight",
    "savefig.pad_inches": 0.06,
    "font.size": 9,
    "axes.titlesize": 9,
    "image.cmap": "gray",
}

# From the easy to the special; a test looks that each tutorial is named.
ORDER = {
    "filters": ["photograph", "templates", "smooth_signal", "volume", "deblur"],
    "networks": ["small_network", "digits", "features", "state_dict", "onnx_network"],
    "methods": ["slow_call", "learn_a_filter", "receptive_field", "race"],
}


def fresh(conf, name):
    """Matplotlib as every tutorial finds it."""
    plt.rcdefaults()
    plt.rcParams.update(RCPARAMS)


def by_section(folder):
    """The place of a folder of tutorials among its likes."""
    return list(ORDER).index(folder.rpartition("/")[2])


def by_order(name):
    """The place of a tutorial in its section."""
    return [name for names in ORDER.values() for name in names].index(name.removesuffix(".py"))
