"""Where the web pages of instances are, by what their nodes say."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.cli.render import status_lines
from fleetctl.health.all_jobs import together
from fleetctl.model.pages import WebPageStatus, web_pages
from tests.health.test_assess import ALL, JOB, fleet, look, well
from tests.launch.jobs import instance, listen


def test_a_page_is_where_its_instance_listens() -> None:
    one = instance(web=(8787, 6000, 8080, 8081), listen=listen(6000))
    there = ["0.0.0.0:8787", "10.0.0.1:6000", ":::8080", "127.0.0.1:9"]
    assert web_pages(one, there) == (
        WebPageStatus(8787, "http://127.0.0.1:8787", True),
        WebPageStatus(6000, "http://10.0.0.1:6000", True),
        WebPageStatus(8080, "http://[::1]:8080", True),
        WebPageStatus(8081, None, False),
    )
    assert web_pages(one, None)[0] == WebPageStatus(8787, None, None)  # nobody knows
    assert web_pages(instance(), ["0.0.0.0:8787"]) == ()


def test_a_status_lists_them() -> None:
    server = JOB.services["server"]
    of = replace(
        JOB,
        services={
            **JOB.services,
            "server": replace(server, instances=(replace(server.instances[0], web=(6000, 9)),)),
        },
    )
    known = well(*ALL)
    status = look(known, replace(fleet(), jobs={"job": of}), of)
    lines = status_lines(status)
    table = lines[lines.index("WEB PAGE  ON ITS NODE           SEEN HERE BY") :]
    assert table[1:3] == [
        "server@a  http://10.0.0.1:6000  fleetctl open server@a",
        "server@a  port 9 is silent      fleetctl open server@a",
    ]
    assert "job/server@a" in "\n".join(status_lines(together([status])))
