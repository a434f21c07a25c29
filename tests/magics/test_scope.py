"""Whose names a line sees: those that Python would find at its place, or a line that says why not."""

from __future__ import annotations

import types
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.error import UsageError
from IPython.terminal.embed import InteractiveShellEmbed

from casty_notebook.demo.messages import Echo  # noqa: F401  a global of this module for the embedded shell
from casty_notebook.magics.scope import Scope
from tests.magics.harness import Shell
from tests.support.shells import extensions_of

GLOBALS = "user, n, users, other = 'global', 1000, ['a', 'b'], 'not mine'"
ASK = "%casty_ask counter/{user} Echo((user, n))"
CALL = "get_ipython().run_line_magic('casty_ask', 'counter/{user} Echo((user, n))')"

EMBEDDED = "a global of this module"


@pytest.fixture
def named(connected: Shell) -> Shell:
    """A shell whose notebook has a variable of every name that a function below has, too."""
    connected.run(GLOBALS)
    return connected


class TestFunctions:
    @pytest.mark.parametrize(
        ("definition", "call"),
        [
            (f"def f(user, n):\n    x = {ASK}\n    return x", "f('mine', 2)"),
            (f"def f():\n    user, n = 'mine', 2\n    x = {ASK}\n    return x", "f()"),
            (f"async def f(user, n):\n    x = {ASK}\n    return x", "await f('mine', 2)"),
            (f"def f(user, n):\n    return {CALL}", "f('mine', 2)"),
            (f"f = lambda user, n: {CALL}", "f('mine', 2)"),
            (f"def f(users, n):\n    return [{CALL} for user in users]", "f(['mine'], 2)[0]"),
            (f"def f(pairs):\n    return next({CALL} for user, n in pairs)", "f([('mine', 2)])"),
            (f"class F:\n    def ask(self, user, n):\n        x = {ASK}\n        return x", "F().ask('mine', 2)"),
            (f"def f(user, n):\n    class Inner:\n        user, n = 'mine', 2\n        x = {ASK}\n    return Inner.x", "f(0, 0)"),
            (f"def f(user, n):\n    def g(user=user, n=n):\n        x = {ASK}\n        return x\n    return g", "f('mine', 2)()"),
            (f"def f(user, n):\n    def g():\n        x = {ASK}\n        return user, n, x\n    return g()", "f('mine', 2)[2]"),
            (f"def f(user, n):\n    return get_ipython().run_line_magic('time', {CALL!r})", "f('mine', 2)"),
            (f"def f(user, n):\n    return list(map(lambda user, n: {CALL}, [user], [n]))[0]", "f('mine', 2)"),
        ],
        ids=lambda text: text[:60].replace("\n", " "),
    )
    def test_a_functions_own_variables_are_meant(self, named: Shell, definition: str, call: str) -> None:
        named.run(definition)
        assert named.run(call) == ("mine", 2)

    def test_a_name_that_only_the_notebook_has_is_the_notebooks(self, named: Shell) -> None:
        named.run(f"def f():\n    x = {ASK}\n    return x")
        assert named.run("f()") == ("global", 1000)
        assert named.run(ASK) == ("global", 1000)

    def test_a_variable_that_is_declared_global_is_the_notebooks(self, named: Shell) -> None:
        named.run(f"def f():\n    global user\n    user = 'changed'\n    x = {ASK}\n    return x")
        assert named.run("f()") == ("changed", 1000)

    def test_a_cell_magic_called_in_a_function_sees_its_variables(self, named: Shell) -> None:
        named.run(
            "def f(mine, n):\n    return get_ipython().run_cell_magic('casty_ask', 'counter/{mine}', 'Echo((mine, n))')"
        )
        assert list(named.run("f(['a', 'b'], 2)")["reply"]) == [(["a", "b"], 2)] * 2

    def test_variables_named_by_flags_are_a_functions_too(self, named: Shell) -> None:
        named.run("def f(own, uri):\n    x = %casty_connect {uri} --as flags --shards counter=100 --messages own\n    return x")
        named.run("import casty_notebook\ncluster = f([Balance], casty_notebook.current().uri)")
        assert named.run("cluster.name") == "flags"

    def test_a_functions_own_module_is_asked_before_the_notebook(self, named: Shell) -> None:
        module = types.ModuleType("helpers_of_tests")
        module.get_ipython = named["get_ipython"]  # type: ignore[attr-defined]
        code = f"user = 'of the module'\ndef f(n):\n    return {CALL}"
        exec(compile(code, "<helpers>", "exec"), module.__dict__)  # as an import does
        named.ip.user_ns["helpers"] = module
        assert named.run("helpers.f(2)") == ("of the module", 2)


class TestWhatCannotBeSeen:
    """Another variable of the same name is another entity: these are refused, and say what to do."""

    @pytest.mark.parametrize(
        ("definition", "call", "says"),
        [
            (f"def f():\n    x = {ASK}\n    user = 1\n    return x", "f()", "user is a variable of f() and has no value"),
            (f"def f(user):\n    del user\n    x = {ASK}\n    return x", "f(1)", "user is a variable of f() and has no value"),
            (f"def f(user, n):\n    def g():\n        x = {ASK}\n        return x\n    return g()", "f('mine', 2)", "of f(),"),
            (f"def f(user):\n    return lambda: {CALL}", "f('mine')()", "which a line inside the lambda cannot see"),
            (f"def f(user):\n    return list({CALL} for n in [2])", "f('mine')", "inside the genexpr cannot see"),
            (f"def f(user):\n    class Inner:\n        x = {ASK}", "f('mine')", "which a line inside Inner() cannot see"),
            ("def f(bank):\n    return lambda: get_ipython().run_line_magic('casty_tell', 'counter/1 bank.Pay()')", "f(1)()",
             "bank is a variable of f()"),
            (f"fs = [lambda: {CALL} for user in ['mine']]", "fs[0]()", "a comprehension around it"),
            ("def f(own):\n    def g():\n        %casty_connect casty://x@a:1 --messages own\n    g()", "f(int)", "own is"),
        ],
        ids=range(9),
    )  # fmt: skip
    def test_it_is_refused_by_name(self, named: Shell, definition: str, call: str, says: str) -> None:
        named.run(definition)
        error = named.attempt(call).error_in_exec
        assert type(error) is UsageError, repr(error)
        assert says in str(error)
        assert len(str(error).splitlines()) == 1

    def test_a_nested_function_without_its_source_says_so(self, named: Shell) -> None:
        named.ip.user_ns["source"] = f"def f(x):\n    def g():\n        return {CALL}\n    return g()"
        named.run("exec(compile(source, 'nowhere', 'exec'))")
        assert "is not at hand" in str(named.attempt("f(1)").error_in_exec)


class TestEmbedded:
    def test_magics_see_what_cells_see_there(self, connected: Shell) -> None:
        # Without a history: it would write it at exit, into this test's folder, which may be gone by then.
        embedded = InteractiveShellEmbed(config=connected.ip.config, display_banner=False)
        made = Shell(embedded)
        extensions_of(connected.ip).load_extension("casty_notebook")
        found: list[Any] = []

        def debugged(user: str, amount: int) -> None:
            def typed() -> None:
                made.run("%load_ext casty_notebook")
                found.append(made.run("x = %casty_ask counter/{user} Echo((user, amount, EMBEDDED))\nx"))
                made.run("%unload_ext casty_notebook")

            embedded.interact = typed  # type: ignore[method-assign]
            embedded()

        debugged("bob", 7)
        assert found == [("bob", 7, EMBEDDED)]


@given(st.dictionaries(st.sampled_from("abc"), st.integers()), st.dictionaries(st.sampled_from("abc"), st.integers()))
def test_a_scope_is_one_mapping_in_which_the_inner_names_win(inner: dict[str, int], outer: dict[str, int]) -> None:
    scope = Scope(inner, outer)
    assert dict(scope) == {**outer, **inner} == scope.as_globals()
    assert len(scope) == len({*inner, *outer})
