"""The base install is for Eve: :mod:`eve_agent.wire` with the standard library and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

SOURCE = Path(__file__).parents[2] / "agent" / "src"
PROJECT = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text())["project"]


def test_the_wire_needs_the_standard_library_only():
    """-I -S: no site-packages, no environment; a third-party import would fail."""
    code = f"""
import sys
sys.path.insert(0, {str(SOURCE)!r})
import pkgutil, importlib, eve_agent.wire
for module in pkgutil.iter_modules(eve_agent.wire.__path__, "eve_agent.wire."):
    importlib.import_module(module.name)
foreign = {{name.partition(".")[0] for name in sys.modules}} - set(sys.stdlib_module_names) - {{"eve_agent"}}
assert foreign <= {{"__main__"}}, foreign
assert {{name for name in sys.modules if name.startswith("eve_agent.")}} == {{
    name for name in sys.modules if name.startswith("eve_agent.wire")
}}
"""
    result = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_the_agent_knows_nothing_of_django_or_eve():
    code = f"""
import sys
sys.path.insert(0, {str(SOURCE)!r})
import eve_agent.cli, eve_agent.driver.fake
eve = {{"django", "channels", "rest_framework", "accounts", "hypervisors", "vms", "consoles", "common", "eve_site"}}
assert not eve & {{name.partition(".")[0] for name in sys.modules}}
assert "libvirt" not in sys.modules
"""
    result = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def imported(module: Path) -> set[str]:
    """The top-level names of what it imports, whenever it does."""
    names = []
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module)
    return {name.partition(".")[0] for name in names}


def test_a_host_gets_all_that_the_daemon_imports():
    wanted = {canonicalize_name(Requirement(line).name) for line in PROJECT["optional-dependencies"]["daemon"]}
    foreign = set().union(*map(imported, SOURCE.rglob("*.py"))) - set(sys.stdlib_module_names) - {"eve_agent"}
    offered = packages_distributions()
    assert {"aiohttp", "libvirt", "lxml"} <= foreign
    assert [name for name in sorted(foreign) if not wanted & set(map(canonicalize_name, offered[name]))] == []
    assert PROJECT["dependencies"] == []
