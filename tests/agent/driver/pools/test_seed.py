"""Seeds are what cloud-init looks for."""

from __future__ import annotations

import io

import pycdlib
import pytest
from eve_agent.driver.pools import seed_image
from eve_agent.wire.storage import SeedSpec
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=5000)


def read(data: bytes) -> dict[str, str]:
    """The files of an ISO by their Joliet and their Rock Ridge names, which have to be the same."""
    image = pycdlib.PyCdlib()
    image.open_fp(io.BytesIO(data))
    assert image.pvd.volume_identifier.decode().strip() == "cidata"
    found = {}
    for child in image.list_children(rr_path="/"):
        if child is None or child.is_dot() or child.is_dotdot():
            continue
        name = child.rock_ridge.name().decode()
        for place in ({"rr_path": f"/{name}"}, {"joliet_path": f"/{name}"}):
            text = io.BytesIO()
            image.get_file_from_iso_fp(text, **place)
            assert found.setdefault(name, text.getvalue().decode()) == text.getvalue().decode()
    image.close()
    return found


@settings(max_examples=30, deadline=None)
@given(TEXT, TEXT, TEXT)
def test_a_seed_holds_what_it_was_given(user_data: str, meta_data: str, network_config: str):
    wanted = {"user-data": user_data, "meta-data": meta_data[:1000]}
    if network_config:
        wanted["network-config"] = network_config[:4000]

    seed = SeedSpec(user_data=user_data, meta_data=meta_data[:1000], network_config=network_config[:4000])

    assert read(seed_image(seed)) == wanted


def test_a_seed_shows_nobody_what_it_holds():
    seed = SeedSpec(user_data="canary", meta_data="canary", network_config="canary")
    assert "canary" not in repr(seed)


@pytest.mark.parametrize("field", ["user_data", "meta_data", "network_config"])
def test_a_seed_is_bounded(field: str):
    usual = {"user_data": "", "meta_data": "", "network_config": ""}
    with pytest.raises(ValueError, match=field):
        SeedSpec(**{**usual, field: "x" * 70_000})
