"""Distributions as pip leaves them in a folder, without building any."""

from pathlib import Path


def install(folder: Path, name: str, version: str = "1.0", **entry_points: str) -> None:
    """Put the metadata of a distribution into *folder*, with these *entry_points* in the group `callboard`."""
    metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n", "utf-8")
    (metadata / "RECORD").write_text("", "utf-8")
    lines = (f"{entry} = {use}\n" for entry, use in entry_points.items())
    (metadata / "entry_points.txt").write_text(f"[callboard]\n{''.join(lines)}", "utf-8")
