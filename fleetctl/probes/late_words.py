"""What only its node can tell of an instance: names of interfaces, and where its files are."""

from __future__ import annotations

import re
from functools import lru_cache

from fleetctl.model.jobs import Instance
from fleetctl.model.late_words import interface_word, path_word
from fleetctl.model.layout import files_dir
from fleetctl.package_files import package_text
from fleetctl.quoting import quote_path


@lru_cache
def interface_of_text() -> str:
    """The sh function ``interface_of``, without its comments."""
    text = package_text("probes/interface_of.sh")
    return re.sub(r"^\s*#.*\n", "", text, flags=re.M)


def looked_up(script: str, fleet: str, instance: Instance) -> str:
    """``script``, to be run on the node of ``instance``, with lookups for the words that it has.

    :param script: with its texts in single quotes, as by :func:`fleetctl.quoting.quote`.
    """
    folder = files_dir(fleet, instance.job, instance.name)
    values = {
        interface_word(network): f"$(interface_of {address})"
        for network, address in instance.interfaces.items()
    } | {path_word(name): quote_path(f"{folder}/{name}") for name in instance.files}
    before = ""
    for number, (word, value) in enumerate(values.items()):
        if word in script:
            before += f"fleetctl_word_{number}={value}\n"
            script = script.replace(word, f"'\"$fleetctl_word_{number}\"'")
    return f"{interface_of_text()}{before}{script}" if before else script
