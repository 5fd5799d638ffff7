"""What it was measured on."""

import os
import platform
import sqlite3
from pathlib import Path


def machine() -> dict[str, str]:
    """Processor, versions and load; no names or paths of the machine."""
    load = " ".join(f"{each:.2f}" for each in os.getloadavg())
    return {
        "processor": f"{os.cpu_count()} x {_cpu()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "load average": load,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
