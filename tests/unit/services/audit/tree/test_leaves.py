import json
from dataclasses import replace

import pytest

from services.audit.tree.leaves import Leaf, LeafInvalid, SealedField


def reason(check, *arguments, **options):
    with pytest.raises(LeafInvalid) as refused:
        check(*arguments, **options)
    return str(refused.value)


def test_round_trip(make_leaf):
    for leaf in (make_leaf(1), make_leaf(2, workspace=make_leaf(9).event_id, workspace_counter=4, causation="c-0")):
        assert Leaf.from_bytes(leaf.to_bytes()) == leaf


def test_bytes_are_canonical_and_say_everything(make_leaf):
    data = make_leaf(1).to_bytes()
    document = json.loads(data)
    assert list(document) == sorted(document)
    assert set(document) == (
        {"v", "event_id", "publisher", "epoch", "position", "workspace", "workspace_counter", "stream"}
        | {"stream_version", "type", "schema_version", "actor", "subjects", "correlation", "causation"}
        | {"occurred_at", "received_at", "data", "sealed"}
    )
    assert document["v"] == 1
    assert list(document["sealed"][0]) == ["category", "field", "key", "sha256", "subject"]
    assert "caffè".encode() in data
    assert b" " not in data
    assert b"\n" not in data


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("event_id", "not-a-uuid"),
        ("event_id", "00000000-0000-0000-0000-00000000000A"),
        ("publisher", ""),
        ("epoch", "1"),
        ("position", 0),
        ("position", True),
        ("position", 1.0),
        ("stream_version", -1),
        ("type", "a\x1b[2J"),
        ("actor", None),
        ("correlation", "two\nlines"),
        ("subjects", "text"),
        ("subjects", [7]),
        ("workspace", "somewhere"),
        ("workspace_counter", 5),
        ("occurred_at", "2026-01-31T09:00:00+00:00"),
        ("received_at", "2026-01-31 09:00:00Z"),
        ("received_at", "٢٠٢٦-01-31T09:00:00Z"),
        ("data", []),
        ("sealed", {}),
        ("sealed", [{"field": "email"}]),
    ],
)
def test_values_that_no_leaf_has(make_leaf, field, value):
    assert reason(make_leaf, 1, **{field: value}) == f"leaf-{field}"


def test_a_workspace_comes_with_its_counter(make_leaf):
    assert reason(make_leaf, 1, workspace=make_leaf(9).event_id) == "leaf-workspace_counter"


def test_sealed_fields_are_checked(make_leaf):
    (sealed,) = make_leaf(1).sealed
    assert reason(replace, sealed, sha256="AB" * 32) == "leaf-sha256"
    assert reason(replace, sealed, key="") == "leaf-key"
    assert SealedField(**{name: getattr(sealed, name) for name in SealedField.__slots__}) == sealed


def test_data_without_canonical_form(make_leaf):
    assert reason(make_leaf(1, data={"ratio": 0.5}).to_bytes) == "leaf-not-canonical"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda document: document.update(v=2), "leaf-version-unknown"),
        (lambda document: document.update(v=True), "leaf-version-unknown"),
        (lambda document: document.pop("v"), "leaf-version-unknown"),
        (lambda document: document.pop("actor"), "leaf-fields-differ"),
        (lambda document: document.update(more=1), "leaf-fields-differ"),
        (lambda document: document.update(sealed={}), "leaf-fields-differ"),
        (lambda document: document.update(sealed=[1]), "leaf-sealed"),
        (lambda document: document["sealed"][0].update(more=1), "leaf-sealed"),
        (lambda document: document["sealed"][0].update(sha256="?"), "leaf-sha256"),
        (lambda document: document.update(position=0), "leaf-position"),
    ],
)
def test_documents_that_are_no_leaf(make_leaf, change, expected):
    document = json.loads(make_leaf(1).to_bytes())
    change(document)
    data = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert reason(Leaf.from_bytes, data) == expected


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 100_000, b"\xff", b'{"v": 1}', b'{"v":1}\n', b'{"v":1,"v":1}'])
def test_bytes_that_are_not_canonical_json(data):
    assert reason(Leaf.from_bytes, data) == "leaf-not-canonical"


def test_json_that_is_no_object():
    assert reason(Leaf.from_bytes, b"[]") == "leaf-fields-differ"
