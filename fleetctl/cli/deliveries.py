"""What became of a signal or a text that was meant for instances, on the terminal and as JSON."""

from __future__ import annotations

from collections.abc import Mapping

import click
import msgspec

from fleetctl.model.delivery import Delivery


def tell(
    deliveries: Mapping[str, Delivery], did: str, as_json: bool, about: Mapping[str, str]
) -> int:
    """Print them; returns the exit code.

    :param did: what was done, such as "USR1 sent".
    :param about: the first fields of the JSON.
    """
    ok = bool(deliveries) and all(one.ok for one in deliveries.values())
    if as_json:
        said = {**about, "ok": ok, "instances": deliveries}
        click.echo(msgspec.json.format(msgspec.json.encode(said)))
        return 0 if ok else 1
    if not deliveries:
        click.echo("nothing of the job runs there", err=True)
    for name, one in deliveries.items():
        to = ", ".join(f"{process.pid} ({process.name})" for process in one.processes)
        where = f" to {to}" if to else ""
        if one.ok:
            click.echo(f"{name}: {did}{where}")
        else:
            partly = f"{did}{where}, but " if to else ""
            click.echo(f"{name}: {partly}{one.reason}", err=True)
    return 0 if ok else 1
