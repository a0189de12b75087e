"""What looks like a secret is not printed; what does not, is."""

from __future__ import annotations

import pytest

from fleetctl.hiding import hidden, hidden_value


@pytest.mark.parametrize(
    "name",
    ["HF_TOKEN", "WANDB_API_KEY", "DB_PASSWORD", "passwd", "AWS_SECRET_ACCESS_KEY", "MY-SECRET",
     "CLIENT_SECRETS", "PRIVATE_KEY", "apikey", "CREDENTIALS", "KEY_PASSPHRASE"],
)  # fmt: skip
def test_a_variable_that_names_a_secret(name: str) -> None:
    assert hidden_value(name, "x") == "(hidden)"
    assert hidden_value(name, "") == ""


@pytest.mark.parametrize(
    "name", ["PATH", "TOKENIZERS_PARALLELISM", "KEYBOARD", "SSH_AUTH_SOCK", "AUTHOR", "MONKEY", "A"]
)
def test_a_variable_that_does_not(name: str) -> None:
    assert hidden_value(name, "/usr/bin:/bin") == "/usr/bin:/bin"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("exec python3 train.py --lr 0.1", "exec python3 train.py --lr 0.1"),
        ("serve --api-key abc123 --port 1", "serve --api-key (hidden) --port 1"),
        ("serve --token='a b' x", "serve --token=(hidden) x"),
        ('HF_TOKEN="a \\" b" python3 x.py', "HF_TOKEN=(hidden) python3 x.py"),
        ("curl -H 'X-Auth-Token: abc'", "curl -H 'X-Auth-Token: (hidden)'"),
        ("psql postgres://me:pw@db/x", "psql postgres://me:(hidden)@db/x"),
        ("git clone https://host/a:b@c", "git clone https://host/a:b@c"),
        ("login hf_abcdefghijklmnopqrst", "login (hidden)"),
        ("k -----BEGIN A PRIVATE KEY-----\nabc\n-----END A PRIVATE KEY----- x", "k (hidden) x"),
        ("env_file: .env  # for secrets\n    stop: {grace: 1}",) * 2,
        ("token:\n  next: 1",) * 2,
        ("serve --token\n  abc", "serve --token\n  (hidden)"),
        ("PASSWORD: abc", "PASSWORD: (hidden)"),
        ("login password \\\n  abc", "login password \\\n  (hidden)"),
        ("serve --max-tokens 512 --tokenizer t", "serve --max-tokens 512 --tokenizer t"),
    ],
)  # fmt: skip
def test_a_command(text: str, shown: str) -> None:
    assert hidden(text) == shown
