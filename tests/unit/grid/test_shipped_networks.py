"""The networks shipped with the project are good input and are what their README says."""

from __future__ import annotations

from pathlib import Path

import pytest

import deploy
from services.grid.evidence import Point, distance_m
from services.grid.network_file import open_network
from services.grid.tile import Base, Tiling, tile_customers, tile_devices
from services.grid.tree import Tree

NETWORKS = Path(deploy.__file__).parent / "networks"


def shipped(name):
    files = open_network(NETWORKS / name / "network.csv", NETWORKS / name / "customers.csv")
    return Base(files.devices, list(files.read_customers()))


@pytest.mark.parametrize(
    ("name", "devices", "transformers", "customers"), [("ieee123", 107, 85, 351), ("ckt5", 703, 584, 1372)]
)
def test_a_shipped_network_is_one_feeder_of_known_size(name, devices, transformers, customers):
    base = shipped(name)
    tree = Tree(base.devices)
    (area,) = tree.areas()
    assert (len(tree), tree.transformer_count(area), len(base.customers)) == (devices, transformers, customers)
    assert len({tree.feeder_of(t) for t in tree.transformers_under(area)} - {area}) == 1


@pytest.mark.parametrize("name", ["ieee123", "ckt5"])
def test_every_house_lies_near_its_transformer(name):
    base = shipped(name)
    tree = Tree(base.devices)
    for row in base.customers:
        device = tree.device(row.transformer_id)
        assert distance_m(Point(row.lat, row.lon), Point(device.lat, device.lon)) < 120


def test_they_tile_into_areas_of_several_feeders():
    bases, tiling = [shipped("ieee123"), shipped("ckt5")], Tiling(areas=4, tiles_per_area=3)
    customers = list(tile_customers(bases, tiling))
    tree = Tree(tile_devices(bases, tiling))
    assert len(tree.areas()) == 4
    assert all(len(tree.children(area)) == 3 for area in tree.areas())
    assert len({row.account_id for row in customers}) == len(customers) == 6 * (351 + 1372)
    assert len({row.phone for row in customers if row.phone}) == sum(bool(row.phone) for row in customers)


def test_their_source_and_licence_lie_beside_them():
    assert "Electric Power Research Institute" in (NETWORKS / "LICENSE.OpenDSS-test-circuits.txt").read_text()
    readme = (NETWORKS / "README.md").read_text(encoding="utf-8")
    assert "IEEE PES" in readme
    assert "OpenDSS" in readme
