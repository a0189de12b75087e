"""What tmux's own errors mean."""

from __future__ import annotations

import pytest

from fleetctl.model.tmux_refusals import refusal


@pytest.mark.parametrize(
    ("said", "means", "hint"),
    [
        ("protocol version mismatch (client 8, server 7)", "do not fit", "end it on the node"),
        ("server exited unexpectedly", "went away", "tmux -V"),
        ("open terminal failed: missing or unsuitable terminal: xterm-ghostty", "kind", "TERM="),
    ],
)
def test_known_errors_say_what_to_do(said: str, means: str, hint: str) -> None:
    told = refusal(said)
    assert means in told.reason
    assert told.reason.endswith(f"({said})")
    assert hint in told.hint


def test_others_speak_for_themselves() -> None:
    told = refusal("error connecting to /tmp/tmux-0/fleetctl (Permission denied)")
    assert told.reason == "error connecting to /tmp/tmux-0/fleetctl (Permission denied)"
    assert not told.hint
