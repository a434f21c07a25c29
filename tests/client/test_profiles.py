"""Named connections: what a file may say, what it may not, and that it is only read."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from casty_notebook import SSH, TLS, Settings, connect, doctor
from casty_notebook.address import NodeAddress
from casty_notebook.client import profiles
from casty_notebook.client.options import ConnectOptions
from casty_notebook.client.profiles import profile_names, profiles_file, resolved, ssh_of, tls_of
from casty_notebook.demo import DemoCluster
from casty_notebook.errors import MisuseError, ReadOnly

URI = "casty://shop@10.0.1.10:25520"

type Written = Callable[[str], Path]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    def write(text: str) -> Path:
        file = tmp_path / "casty_notebook" / "connections.toml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    return write


def test_every_option_of_connect_can_be_written_or_is_refused_with_a_reason() -> None:
    written_as = profiles._written_as()
    assert set(written_as) == {"uri"} | {each.name for each in fields(ConnectOptions)}
    assert {name for name, types in written_as.items() if not types} == set(profiles._NOT_TEXT)
    assert (written_as["colour"], written_as["timeout"], written_as["read_only"]) == ((str,), (int, float), (bool,))


def test_a_profile_becomes_what_connect_takes(written: Written) -> None:
    written(f"""
        [prod]
        uri = "{URI},10.0.1.11:25520"
        shards = {{ counter = 100 }}
        address_map = {{ "10.0.1.10:25520" = "127.0.0.1:9001" }}
        ssh = "ops@bastion"
        tls = {{ certfile = "~/cert.pem", server_hostname = "node" }}
        settings = {{ ask_timeout = 2.5 }}
        read_only = true
        questions = ["bank.messages.GetBalance"]
        colour = "crimson"
        timeout = 3
    """)
    uri, options = resolved("@prod", {"shards": {"cart": 5}, "timeout": None, "colour": "blue"})
    assert uri == f"{URI},10.0.1.11:25520"
    assert options == {
        "name": "prod", "shards": {"counter": 100, "cart": 5}, "ssh": SSH("ops@bastion"), "read_only": True, "timeout": 3,
        "address_map": {NodeAddress("10.0.1.10", 25520): NodeAddress("127.0.0.1", 9001)}, "colour": "blue",
        "tls": TLS(str(Path("~/cert.pem").expanduser()), server_hostname="node"), "settings": Settings(ask_timeout=2.5),
        "questions": ["bank.messages.GetBalance"],
    }  # fmt: skip
    assert ConnectOptions.of(options).read_only


def test_an_address_is_left_as_it_is() -> None:
    assert resolved(URI, {"timeout": None, "name": "x"}) == (URI, {"timeout": None, "name": "x"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "there is no profile 'prod': write it into"),
        (f"[prd]\nuri = '{URI}'", "did you mean @prd?"),
        (f"[x]\nuri = '{URI}'", "there are @x"),
        ("[prod]\nuri = ", "is no TOML"),
        ("prod = 1", "there is no profile 'prod'"),
        ("[prod]", "has no uri"),
        ("[prod]\nuri = 'shop'", "uri: 'shop' does not start with casty://"),
        (f"[prod]\nuri = '{URI}'\nread_olny = true", "a key 'read_olny'; did you mean read_only?"),
        (f"[prod]\nuri = '{URI}'\nread_only = 'false'", "read_only must be true or false"),
        (f"[prod]\nuri = '{URI}'\ntimeout = true", "timeout must be a number"),
        (f"[prod]\nuri = '{URI}'\nshards = 100", "shards must be a table"),
        (f"[prod]\nuri = '{URI}'\nmessages = ['os']", "messages are classes, and a file has none"),
        (f"[prod]\nuri = '{URI}'\ntrace = 'os.system'", "trace is a function, and a file has none"),
        (f"[prod]\nuri = '{URI}'\nquestions = ['GetCount']", "must be dotted names"),
        (f"[prod]\nuri = '{URI}'\nsettings = {{ ask_timout = 1 }}", "did you mean ask_timeout?"),
        (f"[prod]\nuri = '{URI}'\nssh = {{ destination = 'b', port = 1 }}", "a key 'port'; there are agent"),
        (f"[prod]\nuri = '{URI}'\nssh = {{ agent = true }}", "missing 1 required positional argument: 'destination'"),
        (f"[prod]\nuri = '{URI}'\naddress_map = {{ 'a b' = 'c:1' }}", "address_map: "),
    ],
)
def test_what_cannot_be_is_one_line_that_says_where_and_what_was_meant(written: Written, text: str, says: str) -> None:
    file = written(text)
    with pytest.raises(MisuseError) as error:
        connect("@prod")
    assert says in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "line",
    [
        "password = 'hunter2'", "ssh = { destination = 'b', password = 'hunter2' }", "ssh = 'ops:hunter2@bastion'",
        "ssh = { destination = 'b', passphrase = 'hunter2' }", "tls = { certfile = 'c', password = 'hunter2' }",
        "Api_Token = 'hunter2'",
    ],
)  # fmt: skip
def test_a_secret_is_refused_with_the_reason_and_never_shown(written: Written, line: str) -> None:
    written(f"[prod]\nuri = '{URI}'\n{line}")
    with pytest.raises(MisuseError, match=r"is a secret, and this file is plain text|takes no password") as error:
        connect("@prod")
    assert "hunter2" not in str(error.value)


def test_names_are_offered_and_a_broken_file_offers_none(written: Written, tmp_path: Path) -> None:
    assert profile_names() == ()
    written(f"note = 'mine'\n[prod]\nuri = '{URI}'\n[test]\nuri = '{URI}'")
    assert profile_names() == ("prod", "test")
    written("[prod")
    assert profile_names() == ()
    written("\ufeff" * 2 * 1024 * 1024)
    assert profile_names() == ()


def test_a_relative_folder_of_configuration_is_ignored_as_the_specification_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", "/nowhere")
    assert profiles_file() == Path("/nowhere/.config/casty_notebook/connections.toml")


def test_a_profile_connects_marks_and_protects(written: Written, demo_cluster: DemoCluster) -> None:
    written(f"[prod]\nuri = '{demo_cluster.uri}'\nshards = {{ counter = 100 }}\nread_only = true\ncolour = 'crimson'")
    with connect("@prod") as cluster:
        assert cluster.name == "prod"
        assert "[crimson, read-only]" in repr(cluster)
        assert "crimson" in cluster._repr_html_()
        with pytest.raises(ReadOnly):
            cluster.tell("counter/x", "a.B()")
    assert doctor("@prod").ok


def test_the_command_line_takes_profiles(written: Written, demo_cluster: DemoCluster) -> None:
    written(f"[prod]\nuri = '{demo_cluster.uri}'\nread_only = true")

    def run(*arguments: str) -> Any:
        command = [sys.executable, "-m", "casty_notebook.cli.main", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=50)

    assert "node-2" in run("members", "@prod").stdout
    refused = run("tell", "@prod", "counter/x", "a.B()")
    assert (refused.returncode, "read-only" in refused.stderr) == (2, True)
    assert "did you mean @prod?" in run("members", "@prd").stderr


def test_what_a_line_writes_out_is_what_a_variable_would_hold() -> None:
    assert tls_of("--tls", {"certfile": "a.pem", "cafile": "~/c.pem"}) == TLS("a.pem", cafile=str(Path("~/c.pem").expanduser()))
    written_out = ssh_of("--ssh", {"destination": "me@bastion", "known_hosts": "hosts", "agent": "false"})
    assert written_out == SSH("me@bastion", known_hosts="hosts", agent=False)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"cafile": "c.pem"}, "--tls needs certfile=PATH"),
        ({"certfile": "a", "cfaile": "c"}, "has a key 'cfaile'; did you mean cafile?"),
        ({"certfile": "a", "password": "hunter2"}, "password is a secret, and a line like this is kept and seen by others"),
    ],
)
def test_what_a_line_cannot_write_out_is_said_without_its_value(fields: dict[str, str], says: str) -> None:
    with pytest.raises(MisuseError) as caught:
        tls_of("--tls", fields)
    assert says in str(caught.value)
    assert "hunter2" not in str(caught.value)
