"""The base install is for Eve: :mod:`eve_agent.wire` with the standard library and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "agent" / "src"


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
