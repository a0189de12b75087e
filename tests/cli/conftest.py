"""Fixtures of the command line's tests."""

from tests.openssh import client_home, make_sshd

__all__ = ["client_home", "make_sshd"]
