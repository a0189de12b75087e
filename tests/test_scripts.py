"""What the project's scripts say when they run for the first time."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

SETUP = Path(__file__).parents[1] / "scripts/setup.sh"


def sourcing(script: str, temporary: Path) -> subprocess.CompletedProcess[str]:
    """Run ``script`` after setup.sh, as the scripts do."""
    argv = ["bash", "-c", f'set -euo pipefail; . "{SETUP}"; {script}']
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(temporary)}
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=20, check=False)


def test_what_an_installer_prints_is_shown_when_it_fails_only(tmp_path: Path) -> None:
    chatter = "for n in $(seq 100); do echo out $n; echo err $n >&2; done"
    done = sourcing(f"quietly bash -c '{chatter}'; echo after", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "after\n", "")
    assert list(tmp_path.iterdir()) == []

    done = sourcing(f"quietly bash -c '{chatter}; exit 3'; echo after", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("out 86\nerr 86\n")
    assert "Failed (3): bash -c" in done.stderr
    (log,) = tmp_path.iterdir()
    assert re.search(f"all of them are in {log}$", done.stderr)
    assert len(log.read_text().splitlines()) == 200
