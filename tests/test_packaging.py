"""The package as its users install it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from support.checkout import copied

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build from a copy: setuptools writes into the folder it builds."""
    source = copied(tmp_path_factory.mktemp("source") / "oprl-gym")
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    subprocess.run(
        [*build, "--outdir", str(out), str(source)], check=True, capture_output=True
    )
    (file,) = out.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """Return a folder with the wheel installed, and nothing else."""
    folder = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    subprocess.run(
        [*install, "--no-index", "--target", str(folder), str(wheel)], check=True
    )
    return folder


def python(code: str, cwd: Path, site: Path) -> str:
    """Run code with the installed wheel ahead of this checkout's own install."""
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_wheel_holds_the_package_and_no_top_level_wrappers(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "oprl_gym/wrappers/gym_env.py" in names
    assert "oprl_gym/callbacks/oprl.py" in names
    assert "oprl_gym/py.typed" in names
    for page in ("label.html", "label.css", "label.js", "clips.js"):
        assert f"oprl_gym/labelling/page/{page}" in names
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"oprl_gym"}


def test_every_module_of_the_checkout_is_in_the_wheel(wheel):
    from test_imports import sources

    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"oprl_gym/{path}" for path in sources()} <= names


BOTH = "import oprl_gym.wrappers, oprl_gym.callbacks; print(oprl_gym.wrappers.__file__)"


def test_the_wheel_works_outside_the_repository_and_runs_the_readmes_example(
    site, tmp_path
):
    from test_readme import THREE_LINES

    short = THREE_LINES.replace("5_000", "500")
    assert short != THREE_LINES
    where, done = python(f"{BOTH}\n{short}\nprint('done')", tmp_path, site).split("\n")
    assert where.startswith(str(site))
    assert done == "done"


def test_the_wheel_works_from_the_repositorys_root(site):
    """There Python finds ./oprl_gym first, beside which the two folders stand."""
    assert python(BOTH, ROOT, site) == str(ROOT / "wrappers" / "__init__.py")


def test_this_installation_works_elsewhere_too(tmp_path):
    """In the repository's root all other tests use it."""
    subprocess.run([sys.executable, "-c", BOTH], cwd=tmp_path, check=True)
