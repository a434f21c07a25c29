"""Every parser under a coverage-guided fuzzer: ``python -m tests.fuzz --inputs 10000000``.

Needs atheris (``pip install atheris``; Linux and macOS). What it once found lies in ``kept/`` and is replayed by
`test_fuzz`, which needs no fuzzer.
"""
