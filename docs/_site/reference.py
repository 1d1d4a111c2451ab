"""The reference: every public name of every module that users import, from its docstring."""

from __future__ import annotations

import importlib
import inspect
import types

PAGES = {
    "pytrainr": "pytrainr",
    "layers": "pytrainr.layers",
    "series": "pytrainr.series",
    "schedules": "pytrainr.schedules",
    "stepper": "pytrainr.stepper",
    "plots": "pytrainr.plots",
    "sklearn": "pytrainr.sklearn",
    "client": "pytrainr_client",
    "server": "pytrainr_server.local",
}
"""Page and module."""


def public_names(module: types.ModuleType) -> list[str]:
    """What the module says is public, or else what it defines without an underscore."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name, value in vars(module).items() if _is_own(module, name, value)]
    return list(names)


def _is_own(module: types.ModuleType, name: str, value: object) -> bool:
    return not name.startswith("_") and getattr(value, "__module__", None) == module.__name__


def entries(name: str) -> dict[str, str]:
    """Of a page: each public name, and the object it is; one that stands on an earlier page is left out."""
    earlier: set[str] = set()
    for page_name, module_name in PAGES.items():
        module = importlib.import_module(module_name)
        values = {public: getattr(module, public) for public in public_names(module)}
        found = {public: _path(module_name, public, value) for public, value in values.items()}
        if page_name == name:
            return {public: path for public, path in found.items() if path not in earlier}
        earlier |= set(found.values())
    raise KeyError(name)


def _path(module: str, public: str, value: object) -> str:
    """Where the object is defined; a module of the same name may stand where it is imported to."""
    if inspect.isclass(value) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    return f"{module}.{public}"


def page(name: str) -> str:
    """The page's Markdown: one mkdocstrings entry for each public name."""
    module = importlib.import_module(PAGES[name])
    lines = [f"# {PAGES[name]}", "", _introduction(module), ""]
    for path in entries(name).values():
        lines += [f"::: {path}", ""]
    return "\n".join(lines)


def _introduction(module: types.ModuleType) -> str:
    """The first paragraph of the module's docstring."""
    return (inspect.getdoc(module) or "").split("\n\n")[0]
