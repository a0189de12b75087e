"""Fixtures of the page's tests."""

from tests.openssh import client_home, make_sshd, sshd

__all__ = ["client_home", "make_sshd", "sshd"]
