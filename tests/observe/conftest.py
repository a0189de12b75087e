"""Fixtures of the tests that ask real nodes."""

from tests.openssh import client_home, make_sshd

__all__ = ["client_home", "make_sshd"]
