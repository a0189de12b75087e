"""Fixtures of the links' tests."""

from tests.openssh import client_home, make_sshd, sshd, with_link

__all__ = ["client_home", "make_sshd", "sshd", "with_link"]
