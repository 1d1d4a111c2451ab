"""`make arm64`: the library on an emulated ARM processor, compared with this machine and with R.

Debian's Python for arm64 is unpacked into build/arm64 and run there by qemu; nothing is installed on this machine.
Takes about half an hour, which is why CI does not do it; docs/machines.md has its last result.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "build" / "arm64"
SYSTEM, PACKAGES, DOWNLOADED = PLACE / "system", PLACE / "packages", PLACE / "downloaded"
WHEELS = ("numpy", "numba", "llvmlite", "scipy")
QEMU = "qemu-aarch64-static"
HOURS = 2


def unpack_system() -> None:
    """Debian's Python and what it needs, by an apt whose lists, state and cache are all in our folder."""
    for folder in ("lists/partial", "cache/archives/partial"):
        (PLACE / "apt" / folder).mkdir(parents=True, exist_ok=True)
    (PLACE / "apt" / "status").touch()
    settings = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "",
        "Dir::State::Lists": PLACE / "apt" / "lists",
        "Dir::State::status": PLACE / "apt" / "status",
        "Dir::Cache": PLACE / "apt" / "cache",
    }
    apt = ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items())]
    subprocess.run([*apt, "update"], check=True)
    install = [*apt, "install", "--no-install-recommends", "--download-only", "--yes"]
    subprocess.run([*install, "python3", "libstdc++6", "libgomp1"], check=True, stdout=subprocess.DEVNULL)
    for archive in sorted((PLACE / "apt" / "cache" / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", archive, SYSTEM], check=True)


def unpack_packages(python_version: str) -> None:
    """The wheels for ARM, of the versions that are installed here."""
    platforms = [f"--platform=manylinux{name}_aarch64" for name in ("2014", "_2_17", "_2_27", "_2_28")]
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *platforms]
        + [f"--python-version={python_version}", "--implementation=cp", f"--dest={DOWNLOADED}"]
        + [f"{name}=={version(name)}" for name in WHEELS],
        check=True,
    )
    for wheel in DOWNLOADED.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(PACKAGES)


def emulated(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """Python on the emulated processor, in the folder of this project."""
    folders = {"PYTHONPATH": f"{ROOT}:{PACKAGES}", "NUMBA_CACHE_DIR": str(PLACE / "cache")}
    environment = {**os.environ, **folders, "PYTHONDONTWRITEBYTECODE": "1"}
    interpreter = next((SYSTEM / "usr" / "bin").glob("python3.[0-9]*"))
    command = [QEMU, "-L", SYSTEM, interpreter, *arguments]
    return subprocess.run(command, env=environment, cwd=ROOT, text=True, timeout=HOURS * 3600, **options)  # type: ignore[call-overload]


def main() -> int:
    """Unpack what is not there yet, record here, compare there."""
    for tool, package in ((QEMU, "qemu-user-static"), ("apt-get", "apt"), ("dpkg-deb", "dpkg")):
        if shutil.which(tool) is None:
            raise SystemExit(f"make arm64 needs {tool}, on Debian and its kin: apt-get install {package}")
    if not SYSTEM.exists():
        unpack_system()
    what = "import sys; print('%d.%d' % sys.version_info[:2])"
    python_version = emulated("-c", what, check=True, stdout=subprocess.PIPE).stdout.strip()
    if not PACKAGES.exists():
        unpack_packages(python_version)
    recorded = PLACE / "recorded.npz"
    subprocess.run([sys.executable, "-m", "tests.machines.agreement", "record", recorded], cwd=ROOT, check=True)
    return emulated("-m", "tests.machines.agreement", "compare", recorded).returncode


if __name__ == "__main__":
    sys.exit(main())
