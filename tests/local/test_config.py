"""What `make run` reads from the environment, and what it answers to mistakes."""

from __future__ import annotations

import pytest

from deploy.local.config import ConfigError, LocalConfig


def test_nothing_in_the_environment_gives_the_documented_defaults():
    config = LocalConfig.from_environment({})

    assert (config.bind, config.port, config.agent_port) == ("127.0.0.1", 8000, 8443)
    assert config.public_url == config.local_url == "http://127.0.0.1:8000"
    assert config.state_dir == config.root / "var"
    assert (config.admin_email, config.admin_password, config.driver) == ("admin@eve.local", None, "libvirt")


@pytest.mark.parametrize(
    ("bind", "url"),
    [("::1", "http://[::1]:9000"), ("0.0.0.0", "http://127.0.0.1:9000"), ("::", "http://127.0.0.1:9000")],
)
def test_the_agent_enrols_over_loopback_whatever_eve_is_bound_to(bind: str, url: str):
    config = LocalConfig.from_environment({"EVE_BIND": bind, "EVE_PORT": "9000"})
    assert config.local_url == config.public_url == url
    assert config.tunnel == url.replace("http://", "9000:")


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("EVE_PORT", "eighty", "port from 1 to 65535"),
        ("EVE_PORT", "0", "port from 1 to 65535"),
        ("EVE_AGENT_PORT", "70000", "EVE_AGENT_PORT"),
        ("EVE_AGENT_PORT", "8000", "two different ports"),
        ("EVE_BIND", "localhost", "EVE_BIND"),
        ("EVE_BIND", "192.0.2.1", "over loopback"),
        ("EVE_DRIVER", "xen", "libvirt, or fake"),
        ("EVE_ADMIN_PASSWORD", "short", "10 characters"),
        ("EVE_ADMIN_EMAIL", "admin", "no e-mail address"),
        ("EVE_PUBLIC_URL", "https://eve.example.org", "plain http"),
    ],
)
def test_a_mistake_is_named_with_what_the_variable_takes(variable: str, value: str, words: str):
    with pytest.raises(ConfigError, match=words):
        LocalConfig.from_environment({variable: value})
