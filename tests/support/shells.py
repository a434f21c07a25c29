"""Parts that every shell of IPython has, though IPython's types say that they may be None."""

from __future__ import annotations

from IPython.core.extensions import ExtensionManager
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell

__all__ = ["extensions_of", "formatter_of"]


def extensions_of(shell: InteractiveShell) -> ExtensionManager:
    manager = shell.extension_manager
    assert isinstance(manager, ExtensionManager)
    return manager


def formatter_of(shell: InteractiveShell) -> DisplayFormatter:
    assert shell.display_formatter is not None
    return shell.display_formatter
