"""``%casty_connect`` with ``--ssh`` and ``--tls``, in a real shell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from casty_notebook import SSH, TLS
from casty_notebook.demo import DemoCluster
from casty_notebook.magics.commands import Connect, parse_line
from tests.magics.harness import Shell
from tests.networks.bastion import Bastion
from tests.support.shells import extensions_of
from tests.support.tls import issue
from tests.support.waiting import wait_until


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    config = Config()
    config.HistoryManager.enabled = False
    ip = InteractiveShell(config=config)
    shell = Shell(ip)
    shell.run("%load_ext casty_notebook\nfrom casty_notebook.demo.messages import *")
    yield shell
    extensions_of(ip).unload_extension("casty_notebook")


def test_a_bastion_is_a_word_of_the_line() -> None:
    command = parse_line("casty_connect", "casty://shop@10.0.1.10:25520 --ssh ops@bastion:2222")
    assert isinstance(command, Connect)
    assert command.ssh == "ops@bastion:2222"


def test_connect_through_the_bastion_in_a_variable(shell: Shell, demo_cluster: DemoCluster, bastion: Bastion) -> None:
    shell.ip.user_ns["gateway"] = bastion.ssh()
    shell.run(f"cluster = %casty_connect {demo_cluster.uri} --shards counter=100 --ssh gateway")
    assert bastion.sessions == 1
    shell.run("count = %casty_ask counter/by-magic GetCount")
    assert isinstance(shell.ip.user_ns["count"], int)
    shell.run("%casty_disconnect")
    wait_until(lambda: bastion.sessions == 0)


def test_connect_through_the_bastion_of_the_users_own_configuration(
    shell: Shell, demo_cluster: DemoCluster, bastion: Bastion, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "home" / ".ssh"
    folder.mkdir(parents=True)
    (folder / "known_hosts").write_bytes((bastion.folder / "known_hosts").read_bytes())
    (folder / "config").write_text(f"Host jump\n  HostName {bastion.host}\n  IdentityFile {bastion.folder / 'user_key'}\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    user, _ = bastion.destination.split("@")
    shell.run(f"cluster = %casty_connect {demo_cluster.uri} --ssh {user}@jump:{bastion.port}")
    assert bastion.sessions == 1


def test_a_failed_hop_is_one_line(shell: Shell, demo_cluster: DemoCluster, bastion: Bastion, tmp_path: Path) -> None:
    (tmp_path / "strangers").write_text("")
    shell.ip.user_ns["gateway"] = bastion.ssh(known_hosts=tmp_path / "strangers")
    error = shell.attempt(f"%casty_connect {demo_cluster.uri} --ssh gateway").error_in_exec
    assert type(error) is UsageError
    assert f"the host key of the bastion {bastion.destination} is not trusted" in str(error)
    assert "\n" not in str(error)


def test_a_wrong_destination_is_one_line(shell: Shell) -> None:
    error = shell.attempt("%casty_connect casty://shop@10.0.1.10:25520 --ssh ops@bastion:ssh").error_in_exec
    assert type(error) is UsageError
    assert "'ops@bastion:ssh' is no SSH destination" in str(error)


def test_connect_with_the_certificates_in_a_variable(shell: Shell, tmp_path: Path) -> None:
    issue(tmp_path / "node")
    shell.ip.user_ns["certificates"] = TLS(
        tmp_path / "node" / "node.pem", tmp_path / "node" / "node.key", tmp_path / "node" / "ca.pem"
    )
    with DemoCluster(1, tls=tmp_path / "node") as demo:
        shell.run(f"cluster = %casty_connect {demo.uri} --shards counter=100 --tls certificates")
        shell.run("count = %casty_ask counter/secure GetCount\n%casty_disconnect")
        assert shell.ip.user_ns["count"] == 0
        error = shell.attempt(f"%casty_connect {demo.uri}").error_in_exec
    assert "a node with TLS answers there: pass --tls certfile=PATH," in str(error)


def test_the_public_name_is_the_configuration() -> None:
    assert SSH("ops@bastion").destination == "ops@bastion"
