"""./dev sets itself up, whatever Pythons a machine has, and does nothing when there is nothing to do."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.source import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a POSIX shell script")

TOOLS = ["sh", "cat", "cmp", "dirname", "pwd", "rm", "mkdir", "id"]

FAILING_SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"
UV = """#!/bin/sh
[ "$1" = --version ] && exit 0
here=$(dirname "$0")
echo "$@" >>"$here/uv.log"
[ ! -e "$here/offline" ]
"""


class Checkout:
    """A checkout with nothing in it but ./dev, on a machine with nothing but the given programs."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.root = folder / "checkout"
        self.bin.mkdir()
        self.root.mkdir()
        shutil.copy(ROOT / "dev", self.root / "dev")
        (self.root / "pyproject.toml").write_text("[project]\n")
        (self.root / "constraints.txt").write_text("")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        self.program("uv", UV)

    def program(self, name: str, text: str) -> None:
        file = self.bin / name
        file.write_text(text)
        file.chmod(0o755)

    def python(self, name: str) -> None:
        self.program(name, f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')

    def dev(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.bin), "HOME": str(self.root), **environment}
        return subprocess.run(
            [self.root / "dev", *arguments], env=environment, capture_output=True, text=True, timeout=30
        )

    def pytest(self, *arguments: str) -> list[str]:
        """What Python is given by ``./dev test`` with these arguments."""
        self.dev("setup")
        python = self.root / ".venv/bin/python"
        python.unlink()
        python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
        python.chmod(0o755)
        return self.dev("test", *arguments).stdout.splitlines()

    @property
    def installations(self) -> list[str]:
        log = self.bin / "uv.log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_shims_that_exist_and_fail_are_passed_over(checkout: Checkout) -> None:
    checkout.program("python3.13", FAILING_SHIM)
    checkout.program("python3.12", FAILING_SHIM)
    checkout.python("python3")
    done = checkout.dev("setup")
    assert done.returncode == 0, done.stderr
    assert "making .venv with Python 3." in done.stderr
    assert (checkout.root / ".venv/bin/python").exists()


def test_interpreters_of_pyenv_are_found_without_its_shims(checkout: Checkout) -> None:
    versions = checkout.root / ".pyenv/versions/3.12.1/bin"
    versions.mkdir(parents=True)
    checkout.python("real")
    (checkout.bin / "real").rename(versions / "python3")
    assert checkout.dev("setup").returncode == 0


def test_without_a_new_enough_python_it_says_what_to_do(checkout: Checkout) -> None:
    checkout.program("python3", FAILING_SHIM)
    done = checkout.dev("demo")
    assert done.returncode == 1
    assert "no Python 3.12 or newer found" in done.stderr
    assert "PYTHON=/path/to/python ./dev demo" in done.stderr


def test_a_chosen_python_that_does_not_fit_is_refused_by_name(checkout: Checkout) -> None:
    checkout.python("python3")
    checkout.program("old", "#!/bin/sh\nexit 1\n")
    done = checkout.dev("setup", PYTHON="old")
    assert done.returncode == 1
    assert "PYTHON=old is not a Python 3.12 or newer" in done.stderr


def test_byte_code_is_compiled_and_versions_are_constrained(checkout: Checkout) -> None:
    checkout.python("python3")
    checkout.dev("setup")
    (installation,) = checkout.installations
    assert "--compile-bytecode" in installation
    assert "--constraint constraints.txt" in installation
    assert "--editable .[" in installation


def test_the_second_time_nothing_is_done_and_nothing_said(checkout: Checkout) -> None:
    checkout.python("python3")
    checkout.dev("setup")
    done = checkout.dev("setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(checkout.installations) == 1


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_is_installed_into_the_same_environment(checkout: Checkout, file: str) -> None:
    checkout.python("python3")
    checkout.dev("setup")
    with (checkout.root / file).open("a") as out:
        out.write("# changed\n")
    done = checkout.dev("setup")
    assert "installing" in done.stderr
    assert "making .venv" not in done.stderr
    assert len(checkout.installations) == 2


def test_a_failed_installation_is_said_and_tried_again(checkout: Checkout) -> None:
    checkout.python("python3")
    (checkout.bin / "offline").touch()
    done = checkout.dev("setup")
    assert done.returncode == 1
    assert "the installation failed" in done.stderr
    (checkout.bin / "offline").unlink()
    assert checkout.dev("setup").returncode == 0


def test_another_chosen_python_makes_another_environment(checkout: Checkout) -> None:
    checkout.python("python3")
    checkout.python("mine")
    checkout.dev("setup")
    assert "making .venv" in checkout.dev("setup", PYTHON="mine").stderr
    assert checkout.dev("setup", PYTHON="mine").stderr == ""
    assert checkout.dev("setup").stderr == ""


def test_an_environment_whose_python_is_gone_is_made_anew(checkout: Checkout) -> None:
    checkout.python("python3")
    checkout.dev("setup")
    (checkout.root / ".venv/bin/python").unlink()
    assert "making .venv" in checkout.dev("setup").stderr


def test_arguments_of_test_reach_pytest(checkout: Checkout) -> None:
    checkout.python("python3")
    assert checkout.pytest("-k", "two words") == ["-m", "pytest", "-k", "two words"]


@pytest.mark.parametrize(
    ("arguments", "alone"),
    [
        (["tests/browser"], True),
        (["-x", "./tests/browser/test_voila.py::test_one[a b]", "tests/browser/test_jupyter.py", "-k", "map"], True),
        (["tests/browser", "tests/wire"], False),
        (["tests/wire"], False),
        (["tests/browserless"], False),
        (["-k", "browser"], False),
    ],
)
def test_browser_tests_alone_are_run_without_the_plugin_that_they_do_not_mix_with(
    checkout: Checkout, arguments: list[str], alone: bool
) -> None:
    checkout.python("python3")
    (checkout.root / "tests/wire").mkdir(parents=True)
    said = checkout.pytest(*arguments)
    assert said == ["-m", "pytest", *(["-p", "no:asyncio"] if alone else []), *arguments]


def test_all_tests_are_three_runs_and_what_one_leaves_out_another_has(checkout: Checkout) -> None:
    checkout.python("python3")
    said = "\n".join(checkout.pytest())
    pure = re.search(r"-n\n2\n--dist\nloadfile\ncasty_notebook\n((?:tests/\S+\n)+)", said)
    assert pure is not None
    left_out = "".join(f"--ignore={folder}\n" for folder in [*pure[1].split(), "tests/browser"])
    beside = "-m\npytest\n-q\n-p\nno:asyncio\ntests/browser\n"
    others = f"-n\n3\n--dist\nloadfile\n--no-loadscope-reorder\ntests\n{left_out}"
    places = [f"{said}\n".index(each) for each in ("tests.versions.environments", pure[0], beside, others)]
    assert places == sorted(places)


@pytest.mark.parametrize("failing", ["tests/browser", "tests/values", "--ignore=tests/browser"])
def test_all_tests_fail_where_any_run_does(checkout: Checkout, failing: str) -> None:
    checkout.python("python3")
    checkout.pytest()
    python = checkout.root / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nfor last; do [ "$last" != {failing} ] || exit 1; done\n')
    assert checkout.dev("test").returncode == 1
    python.write_text("#!/bin/sh\n")
    assert checkout.dev("test").returncode == 0


def test_no_command_shows_the_commands_and_an_unknown_one_fails(checkout: Checkout) -> None:
    assert checkout.dev().returncode == 0
    done = checkout.dev("tset")
    assert done.returncode == 2
    assert "Usage: ./dev COMMAND" in done.stderr


def test_all_tests_end_with_what_was_left_out_and_how_to_get_it(checkout: Checkout) -> None:
    checkout.python("python3")
    checkout.pytest()
    lines = [line for line in checkout.dev("test").stderr.splitlines() if "left out" in line]
    expected = {"chromium": "chromium", "sshd": "openssh-server", "ip": "iproute2", "node": "nodejs"}
    for program, package in expected.items():
        is_there = any(Path(folder, program).exists() for folder in ("/usr/sbin", "/sbin"))
        named = [line for line in lines if f"for want of {program} (Debian: apt-get install {package})" in line]
        assert len(named) == (0 if is_there else 1)


def test_root_on_debian_gets_the_missing_programs_before_all_tests(checkout: Checkout) -> None:
    checkout.python("python3")
    (checkout.bin / "id").unlink()
    checkout.program("id", "#!/bin/sh\necho 0\n")
    checkout.program("apt-get", '#!/bin/sh\necho "$@" >>"$(dirname "$0")/apt.log"\n')
    checkout.pytest()
    checkout.dev("test")
    log = (checkout.bin / "apt.log").read_text().splitlines()
    assert log[0] == "update -qq"
    assert log[1].startswith("install -y")
    assert "chromium" in log[1]


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_an_environment_that_is_a_link_is_no_part_of_a_commit_either(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".gitignore", tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".venv").symlink_to("elsewhere")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True, timeout=30)
    assert subprocess.run(["git", "check-ignore", "-q", ".venv"], cwd=tmp_path, check=False, timeout=30).returncode == 0
