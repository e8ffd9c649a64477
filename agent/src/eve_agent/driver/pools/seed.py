"""A NoCloud seed for cloud-init: an ISO 9660 image with Joliet and Rock Ridge names, labelled ``cidata``.

Source: https://cloudinit.readthedocs.io/en/latest/reference/datasources/nocloud.html
"""

from __future__ import annotations

import io

import pycdlib

from eve_agent.wire.storage import SeedSpec

_LABEL = "cidata"


def seed_image(wanted: SeedSpec) -> bytes:
    """The image's bytes. It is small, and never touches a disk but at its place."""
    files = {"user-data": wanted.user_data, "meta-data": wanted.meta_data}
    if wanted.network_config:
        files["network-config"] = wanted.network_config
    image = pycdlib.PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=_LABEL)
    for number, (name, text) in enumerate(files.items()):
        data = text.encode()
        image.add_fp(io.BytesIO(data), len(data), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    written = io.BytesIO()
    image.write_fp(written)
    image.close()
    return written.getvalue()
