"""Rooms import downwards only, no two modules import each other in a circle, and doors are doors."""

from graphlib import CycleError, TopologicalSorter

import pytest

from docs.house import INNER, ROOMS, imports, inner_room_of, modules, own_imports, room_of

RANK = {room: rank for rank, rooms in enumerate(ROOMS) for room in rooms}
INNER_RANK = {
    house: {room: rank for rank, rooms in enumerate(rows) for room in rooms} for house, rows in INNER.items()
}
#: Imported where they are used, since they take their time; our own modules only by what must answer at once.
HEAVY = {
    "albumentations",
    "docstring_parser",
    "face_alignment",
    "huggingface_hub",
    "lightning",
    "matplotlib",
    "onnxruntime",
    "optuna",
    "scipy",
    "timm",
    "wandb",
}
ANSWERS_AT_ONCE = {"cli", "reproduce"}


def test_every_module_has_a_room():
    for name in modules():
        if "." in name:
            assert room_of(name) in RANK, f"{name}: add its room to docs/house.py"
            inner = inner_room_of(name)
            assert inner is None or inner in INNER_RANK[room_of(name)], (
                f"{name}: add its room to docs/house.py"
            )


@pytest.mark.parametrize("module", modules())
def test_imports_point_down_only(module):
    if "." not in module:
        return
    for each in imports(module, modules()[module]):
        if not each.name.startswith("aukit.") or each.name == "aukit.__version__":
            continue
        where = f"{module}, line {each.line}: {each.name}"
        own, other = room_of(module), room_of(each.name)
        if own != other:
            assert RANK[other] < RANK[own], f"{where}: {own} must not import {other}"
        elif own in INNER and (mine := inner_room_of(module)) is not None:
            theirs = inner_room_of(each.name)
            assert theirs in INNER_RANK[own], f"{where}: {own} goes through its own door"
            assert mine == theirs or INNER_RANK[own][theirs] < INNER_RANK[own][mine], (
                f"{where}: {mine} must not import {theirs}"
            )


def test_no_module_imports_itself_by_way_of_others():
    known = modules()
    graph: dict[str, set[str]] = {name: set() for name in known}
    for each in own_imports():
        home = each.name if each.name in known else each.name.rpartition(".")[0]
        if home != each.module and home in known:
            graph[each.module].add(home)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_the_simulation_has_one_door():
    for each in own_imports():
        if room_of(each.name) == "simulation" and room_of(each.module) != "simulation":
            assert each.name.count(".") == 2, (
                f"{each.module}, line {each.line}: {each.name} is not at the door"
            )


def test_tables_of_papers_do_not_know_each_other_and_captions_not_their_table():
    papers = {"fgnet", "niinuma2021", "pm2"}
    for each in own_imports():
        own, other = each.module.split("."), each.name.split(".")
        if own[1] == other[1] == "reproduce" and len(own) > 3 and other[2] in papers:
            assert own[2] == other[2], f"{each.module} imports {each.name}"
            assert not (own[3] == "caption" and "tables" in other), f"{each.module} imports {each.name}"


def test_imports_inside_functions_are_of_heavy_libraries_only():
    for module, path in modules().items():
        for each in imports(module, path):
            if not each.inside_function:
                continue
            top = each.name.split(".")[0]
            where = f"{module}, line {each.line}: {each.name}"
            if top == "aukit":
                assert room_of(module) in ANSWERS_AT_ONCE, where
            elif room_of(module) not in ANSWERS_AT_ONCE:
                assert top in HEAVY, where
